"""The documents tell the truth: links lead somewhere, code blocks run, both languages hold the same code."""

import ast
import re
import shutil
from pathlib import Path

import pytest

import pages
import stand_ins
from transferhub.commands.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
CHINESE = [page for page in PAGES if page.name.endswith(".zh.md")]
WITH_CODE = [
    page
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    if page not in CHINESE and any(block.language in pages.RUN for block in pages.blocks(page))
]
NOT_RUN = [block for page in WITH_CODE for block in pages.blocks(page) if block.needs]
PRINTED = {  # page → some of what it prints when it is run
    "extend.md": ("HeadOnly", "DefaultStrategy", "frozen"),
    "README.md": ("best model  ckpt_",),
    "tune.md": ("best score ", "again       hub finetune", "'learning_rate'"),
    "words.md": ("# words in vocab: ",),
}


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A home where small modules stand under the names of large ones."""
    home = tmp_path_factory.mktemp("stand-ins")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFERHUB_HOME", str(home / "home"))
        stand_ins.install_modules(home / "sources")
    return home / "home"


@pytest.fixture
def machine(installed, home, in_tmp, monkeypatch):
    """A machine as pages take it to be: modules, data sets, files in the current folder."""
    shutil.copytree(installed / "modules", home / "modules")
    stand_ins.write_data_sets(home / "dataset")
    stand_ins.write_files(in_tmp)
    monkeypatch.setenv("TRANSFERHUB_DATASETS", str(home / "dataset"))
    monkeypatch.setenv("DATA_DIR", "")  # pages may export it
    monkeypatch.delenv("DATA_DIR")
    return in_tmp


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_a_pages_code_runs(page, machine, capsys):
    pages.run(page, stand_ins.INSTEAD)
    said = capsys.readouterr().out
    for words in PRINTED.get(page.name, ()):
        assert words in said


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_code_that_is_not_run_could_be(block):
    if block.language == "python":
        ast.parse(block.text)
    known = {command.name for command in (*app.registered_commands, *app.registered_groups)}
    for words in pages.commands(block.text) if block.language == "bash" else []:
        assert words[0] != "hub" or words[1] in known
    pytest.skip(f"{block} is not run: it needs {block.needs}")


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.name)
def test_both_languages_hold_the_same_code(page):
    assert pages.code(page) == pages.code(page.with_name(page.name.replace(".zh.md", ".md")))


def test_every_page_is_on_the_list_of_pages():
    for language in ("", ".zh"):
        listed = (ROOT / f"docs/index{language}.md").read_text(encoding="utf-8")
        for page in ROOT.glob("docs/*.md"):
            chinese = page in CHINESE
            own = chinese if language else not chinese
            if own and not page.name.startswith("index"):
                assert f"({page.name})" in listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_commands_in_the_text_exist():
    known = {command.name for command in (*app.registered_commands, *app.registered_groups)}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        written = [*re.findall(r"`hub ([a-z-]+)", text), *re.findall(r"^hub ([a-z-]+)", text, re.M)]
        assert set(written) <= known, page


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
