"""The documents tell the truth: links lead somewhere, code blocks run, both READMEs hold the same code."""

import ast
import re
from pathlib import Path

import pytest

import transferhub as hub
from transferhub.commands.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_both_readmes_hold_the_same_code():
    english, chinese = (
        [ast.dump(ast.parse(block)) for block in blocks(page, "python")] for page in ("README.md", "README.zh.md")
    )
    assert english == chinese
    commands = [re.sub(r"\s*#.*", "", "\n".join(blocks(page, "bash"))) for page in ("README.md", "README.zh.md")]
    assert commands[0] == commands[1]


def test_the_readmes_first_blocks_run_as_they_stand(in_tmp, monkeypatch):
    rows = list(hub.dataset.DemoReviews("en").train_examples)[:48]
    text = "text,label\n" + "".join(f'"{row.text_a}",{row.label}\n' for row in rows)
    (in_tmp / "reviews.csv").write_text(text, encoding="utf-8")
    train, load, transformers = blocks("README.md", "python")[:3]
    names: dict[str, object] = {}
    exec(train, names)
    best = names["result"].best_model
    for block in (load, transformers):
        exec(block.replace("ckpt_20261121101500/best_model", best), names)
    assert names["predictions"].labels[0] in ("negative", "positive")


def test_the_readmes_commands_exist():
    known = {command.name for command in (*app.registered_commands, *app.registered_groups)}
    for page in ("README.md", "README.zh.md"):
        used = set(re.findall(r"\bhub ([a-z-]+)\b", "\n".join(blocks(page, "bash"))))
        assert used <= known
        for block in blocks(page, "python"):
            compile(block, page, "exec")


def test_the_extension_guide_runs(capsys):
    for block in blocks("docs/extend.md", "python"):
        exec(block, {})
    printed = capsys.readouterr().out
    assert "HeadOnly" in printed
    assert "DefaultStrategy" in printed
    assert "frozen" in printed


def test_makefile_targets_of_the_readme_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text())) - {"are"} <= targets


def test_no_committed_file_names_a_registry_or_a_machines_path():
    words = ["/" + "work/", "/" + "root/", "pypi" + ".org", "pythonhosted" + ".org"]
    for path in [
        *PAGES,
        *ROOT.glob("src/**/*.py"),
        *ROOT.glob("bench/*.py"),
        ROOT / "Makefile",
        ROOT / "constraints.txt",
    ]:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in words if word in text], path
