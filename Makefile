# One command a job. `make help` lists them.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
READY := $(VENV)/.ready

.PHONY: help setup demo test check bench docs clean

help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(READY) ## Make .venv and install TransferHub into it

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY) ## Fine-tune minilm on the demo reviews, fractal-mini on digits (under three minutes, offline)
	$(BIN)/python examples/demo.py
	$(BIN)/python examples/demo_digits.py

test: $(READY) ## All tests, without network or GPU
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

check: $(READY) ## Format, lint, types, the order of the rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## Side by side with the Hugging Face Trainer (needs TRANSFERHUB_DATASETS)
	$(BIN)/python bench/finetune.py

docs: $(READY) ## Check that the documents' links and code blocks are right
	$(BIN)/python -m pytest -q tests/test_documents.py

clean: ## Remove the environment and what tests and builds left
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
