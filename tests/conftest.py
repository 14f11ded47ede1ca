"""What all tests share: no network, a home of their own, a tiny encoder with random weights."""

import json
import logging
import os
import random
import signal
import socket
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub

import hypothesis
import numpy as np
import pytest

from transferhub.log import logger

hypothesis.settings.register_profile("house", deadline=None)  # the machine may be busy
hypothesis.settings.load_profile("house")

WORDS = [
    "the",
    "a",
    "room",
    "food",
    "film",
    "app",
    "shop",
    "was",
    "is",
    "very",
    "not",
    "never",
    "good",
    "great",
    "bad",
    "awful",
    "clean",
    "dirty",
    "tasty",
    "bland",
    "fun",
    "dull",
    "fast",
    "slow",
    "kind",
    "rude",
    "again",
    "and",
    "but",
    "with",
    "staff",
    "bed",
    "soup",
    "plot",
    "screen",
    "price",
    "friendly",
    "terrible",
    "lovely",
    "boring",
]
GOOD = ("good", "great", "clean", "tasty", "fun", "fast", "kind", "friendly", "lovely")
BAD = ("bad", "awful", "dirty", "bland", "dull", "slow", "rude", "terrible", "boring")


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """A shell's background jobs ignore SIGINT, and what they start does: processes here are to hear it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def sealed(monkeypatch, request):
    """No connection leaves the machine; with ``@pytest.mark.loopback`` those to 127.0.0.1 are let through."""
    connect, loopback = socket.socket.connect, "loopback" in request.keywords

    def refuse(self, address, *_):
        if loopback and isinstance(address, tuple) and address[0] == "127.0.0.1":
            return connect(self, address)
        raise RuntimeError(f"a test tried to connect to {address}: tests use no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path_factory):
    """A fresh TRANSFERHUB_HOME."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("TRANSFERHUB_HOME", str(folder))
    return folder


@pytest.fixture
def in_tmp(monkeypatch, tmp_path):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lines():
    """The log lines of a test, as a list that grows."""
    collected: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record):
            collected.append(f"[{record.levelname:>8}] - {record.getMessage()}")

    handler = Collect()
    logger.addHandler(handler)
    yield collected
    logger.removeHandler(handler)


def write_tiny_module(folder: Path, positions: int = 64) -> Path:
    """A BERT of two layers, 32 wide, with random weights and a vocabulary of the words above."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    from transferhub.module.encoder import quietly

    folder.mkdir(parents=True, exist_ok=True)
    pieces = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *"abcdefghijklmnopqrstuvwxyz",
        *pieces,
        ".",
        ",",
    ]
    vocabulary = list(dict.fromkeys(vocabulary))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    with quietly():
        BertTokenizer(vocab=str(folder / "vocab.txt"), model_max_length=positions).save_pretrained(folder)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=positions,
        )
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The folder of a tiny encoder."""
    return write_tiny_module(tmp_path_factory.mktemp("tiny") / "module")


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    """Made-up reviews whose label a bag of words can tell."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        words = draw.sample(GOOD if number % 2 else BAD, 2) + draw.sample(WORDS[:9], draw.randint(1, 6))
        draw.shuffle(words)
        rows.append((" ".join(words), "positive" if number % 2 else "negative"))
    return rows


def write_csv(path: Path, rows, header=("text", "label")) -> Path:
    path.write_text("".join(",".join(cells) + "\n" for cells in [header, *rows]), encoding="utf-8")
    return path


@pytest.fixture
def review_files(tmp_path) -> dict[str, Path]:
    """train.csv, dev.csv, test.csv of made-up reviews."""
    sizes = {"train": (64, 1), "dev": (24, 2), "test": (24, 3)}
    return {name: write_csv(tmp_path / f"{name}.csv", reviews(*size)) for name, size in sizes.items()}


@pytest.fixture
def make_task(tiny, review_files):
    """Build a short-door task on the tiny encoder (or `module`); keyword arguments go to RunConfig."""
    import transferhub as hub

    def make(metrics=("acc",), module=tiny, **config):
        settings = {
            "num_epoch": 2,
            "batch_size": 8,
            "precision": "fp32",
            "eval_interval": 6,
            "log_interval": 4,
            **config,
        }
        settings.setdefault("strategy", hub.AdamWeightDecayStrategy(learning_rate=5e-3))
        dataset = hub.dataset.load(review_files["train"], review_files["dev"], review_files["test"])
        return hub.TextClassifierTask(
            module=hub.Module(directory=module),
            dataset=dataset,
            config=hub.RunConfig(**settings),
            metrics_choices=list(metrics),
        )

    return make


class Crash(BaseException):
    """Stands for the moment at which a process dies; nothing of ours catches it."""


def crash_at(task, step: int) -> None:
    """Train a task until this step has ended, and die."""

    def crash(task, states):
        if task.current_step == step:
            raise Crash

    task.add_hook("run_step", "crash", crash)
    with pytest.raises(Crash):
        task.finetune_and_eval()


def short_of_memory(task, most_rows, error=None):
    """Let a training step run out of memory when it holds more rows than that."""
    import torch

    plain, refused = task.losses, []

    def losses(outputs, batch):
        if outputs["logits"].requires_grad and len(batch["labels"]) > most_rows:
            refused.append(len(batch["labels"]))
            raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return plain(outputs, batch)

    task.losses = losses
    return refused


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def real_data(monkeypatch):
    """Point TRANSFERHUB_DATASETS at the real data sets and return a folder of them; skip, by name, without it."""

    def folder(name: str) -> Path:
        default = Path(__file__).resolve().parents[2] / "shared" / "data"
        root = Path(os.environ.get("TRANSFERHUB_DATASETS") or default)
        if not (root / name).is_dir():
            pytest.skip(f"the data set {name} is not in {root}")
        monkeypatch.setenv("TRANSFERHUB_DATASETS", str(root))
        return root / name

    return folder
