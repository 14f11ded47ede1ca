import json
import zipfile

import pytest
from safetensors.torch import load_file

from transferhub import paths
from transferhub.commands import main
from transferhub.module import catalogue


@pytest.fixture
def said(capsys):
    """Run a command and return its exit code, what it printed and what it complained about."""

    def run(*arguments):
        capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code or 0
        return code, *capsys.readouterr()

    return run


def test_install_from_an_archive_then_show_verify_and_damage(said, tiny, tmp_path):
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in tiny.iterdir():
            file.write(path, f"folder/{path.name}")
    code, out, _ = said("install", "ernie==1.2.0", "--from", archive)
    assert (code, out) == (0, f"ernie → {paths.modules() / 'ernie'} (stands for mine)\n")
    code, out, _ = said("show", "ernie")
    assert code == 0
    assert "files       whole\n" in out
    assert "version     1.2.0" in out
    assert "files       whole: every byte as installed\n" in said("show", "ernie", "--verify")[1]

    weights = paths.modules() / "ernie" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert said("show", "ernie")[0] == 0, "the size is the same"
    code, out, err = said("show", "ernie", "--verify")
    assert code == 2
    assert "files       damaged: " in out
    assert f"hub install ernie --from {archive}" in err
    weights.write_bytes(data[:-1])
    code, out, err = said("show", "ernie")
    assert code == 2
    assert "bytes" in err
    assert "damaged: hub show ernie" in said("list")[1]
    assert said("install", "ernie", "--from", archive)[0] == 0
    assert said("show", "ernie", "--verify")[0] == 0


def test_a_folder_or_an_archive_is_installed_under_its_own_name(said, tiny, tmp_path, in_tmp):
    with zipfile.ZipFile("theirs.zip", "w") as file:
        for path in tiny.iterdir():
            file.write(path, path.name)
    assert said("install", "theirs.zip")[1] == f"theirs → {paths.modules() / 'theirs'}\n"
    assert said("install", tiny)[1] == f"module → {paths.modules() / 'module'}\n"
    assert said("show", tiny)[0] == 0
    assert "whole" not in said("show", "minilm", "--verify")[1], "there is nothing to compare a package's files with"
    assert {row["name"] for row in json.loads(said("list", "--json")[1])} == {
        "fractal-mini",
        "minilm",
        "module",
        "theirs",
    }


def test_a_flipped_byte_is_mended_by_installing_again(said, tiny):
    assert said("install", "mine", "--from", tiny)[0] == 0
    vocabulary = paths.modules() / "mine" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text().replace("room", "moor"))
    assert said("install", "mine", "--from", tiny)[0] == 0
    assert "room" in vocabulary.read_text()


def test_a_pickle_is_allowed_by_name(said, tiny, tmp_path):
    import torch

    folder = tmp_path / "theirs"
    folder.mkdir()
    for path in tiny.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    code, _, err = said("install", "mine", "--from", folder)
    assert code == 2
    command = err.split("`hub ")[1].split("`")[0].replace("NAME", "mine")
    assert said(*command.split())[0] == 0, "the command of the message works"
    assert (paths.modules() / "mine" / "model.safetensors").is_file()


def test_download_puts_the_files_where_one_wants_them(said, in_tmp):
    code, out, _ = said("download", "minilm", "--output_path", "models")
    assert code == 0
    assert out == "minilm → models/minilm\n"
    assert (in_tmp / "models" / "minilm" / "model.safetensors").stat().st_size == catalogue.find("minilm").bytes
    assert not paths.modules().exists()
    code, _, err = said("download", "minilm", "--output-path", "models")
    assert code == 2
    assert "models/minilm is there already" in err
    assert said("install", "mine", "--from", "models/minilm")[1].endswith("(stands for minilm)\n")


def test_download_of_a_name_that_stands_for_another(said, tiny, in_tmp):
    assert said("install", "ernie", "--from", tiny)[0] == 0
    assert said("download", "ernie")[1] == "ernie → ernie\n"
    assert (in_tmp / "ernie" / "config.json").read_bytes() == (tiny / "config.json").read_bytes()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["minilm"], {"minilm"}),
        (["chinese", "ELECTRA"], {"chinese-electra-base", "chinese-electra-small"}),
        (["bert_multi"], {"bert-base-multilingual-cased", "bert-base-multilingual-uncased"}),
        (["rbt"], {"rbt3", "rbtl3"}),
        (["nothing-like-this"], set()),
    ],
)
def test_search_looks_into_names_aliases_summaries_and_languages(said, words, found):
    code, out, _ = said("search", *words, "--json")
    assert code == 0
    assert {row["name"] for row in json.loads(out)} == found
    printed = said("search", *words)[1]
    assert all(name in printed for name in found or ["nothing found for"])


def test_search_without_a_word_lists_all_with_what_there_is_to_know(said):
    rows = json.loads(said("search", "--json")[1])
    assert {row["name"] for row in rows} == set(catalogue.cards())
    ernie = next(row for row in rows if row["name"] == "ernie")
    assert ernie["where"] == "not here: hub install ernie"
    assert ernie["bytes"] == 402_000_000
    assert json.loads(said("list", "--all", "--json")[1]) == rows


def test_clear_says_what_it_freed_and_leaves_modules(said, tiny):
    assert said("install", "mine", "--from", tiny)[0] == 0
    for folder in (paths.cache() / "columns", paths.downloads() / "someone--x@1234"):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(1_000_000))
    assert said("clear")[:2] == (0, "2.0 MB freed\n")
    assert said("clear")[:2] == (0, "0.0 MB freed\n")
    assert (paths.modules() / "mine" / "model.safetensors").is_file()


def test_show_of_a_card_that_is_not_here(said):
    out = said("show", "chinese-bert-wwm")[1]
    assert "pytorch_model.bin is converted" in out
    assert "not here: hub install chinese-bert-wwm" in out
    assert "not here: hub install ernie_tiny --from DIR" in said("show", "ernie_tiny")[1]
    assert "size unknown" in said("show", "ernie_tiny")[1]


@pytest.mark.parametrize("command", ["download", "search", "clear"])
def test_every_command_has_help_with_an_example(command, said):
    code, out, _ = said(command, "--help")
    assert code == 0
    assert "Example: hub " in out
