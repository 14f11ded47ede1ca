"""What holds of all commands: help with an example that can be pasted, completion, exit codes, suggestions."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from test_cli import hub

from transferhub.commands import _with_dashes, _with_plain_flags
from transferhub.commands.app import app

GROUP = typer.main.get_command(app)


def commands(group=GROUP, before=()):
    """All commands with what they are called: ``("pretrain", "fractal")``."""
    for name, command in group.commands.items():
        yield (*before, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))


COMMANDS = dict(commands())


def examples(command):
    """The commands of a docstring's example: the first, and those after ``or:``."""
    (said,) = re.findall(r"Example: (hub .*)", command.help)
    return re.split(r"\s{2,}[^:]*:\s", said)


def parse(words):
    """Parse a command line as ``hub`` does, without running it."""
    context, command = typer.Context(GROUP, info_name="hub"), GROUP
    words = _with_plain_flags([_with_dashes(word) for word in words])
    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, words)
        if hasattr(command, "commands"):
            context = typer.Context(command, info_name=name, parent=context)
    return command.make_context(name, words, parent=context)


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_parses(name, capsys):
    assert hub(*name, "--help") == 0
    assert "Example: hub" in capsys.readouterr().out
    for example in examples(COMMANDS[name]):
        program, *words = shlex.split(example)
        assert program == "hub"
        context = parse(words)
        assert words[0] in GROUP.commands
        path = tuple(context.command_path.split()[1:])
        assert path[: len(name)] == name or path == ("install",), "the example is of this command"


def test_where_output_is_data_it_can_be_json():
    def has_json(command):
        return any("--json" in parameter.opts for parameter in command.params)

    without = {" ".join(name) for name, command in COMMANDS.items() if not has_json(command)}
    assert without == {
        *("config", "run"),  # print JSON and nothing else
        *("board", "help", "glue", "pretrain"),  # a server, texts, run_glue's own form, a group of commands
    }


def test_the_store_answers_in_json(tiny, in_tmp, capsys):
    def said(*words):
        assert hub(*words, "--json") == 0
        return json.loads(capsys.readouterr().out)

    assert said("install", "ernie", "--from", tiny)["stands_for"] == "module"
    assert said("show", "ernie")["name"] == "ernie"
    assert Path(said("download", "ernie", "--output_path", "there", "--type", "Module")["where"]).is_dir()
    assert said("uninstall", "ernie")["removed"].endswith("ernie")
    assert said("version").keys() == {"version"}
    assert said("clear")["freed"] >= 0
    assert {row["name"] for row in said("search", "ern.*tiny")} == {"ernie_tiny"}
    assert said("search", "(chinese") == []
    assert hub("download", "ernie", "--type", "Model") == 2


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["run", "m", "--use_gpu", "False"], ["run", "m", "--no-use-gpu"]),
        (["run", "m", "--use_gpu=true", "--input_text", "False"], ["run", "m", "--use-gpu", "--input-text", "False"]),
        (["run", "m", "--use_gpu", "--batch_size", "1"], ["run", "m", "--use-gpu", "--batch-size", "1"]),
        (["download", "m", "--uncompress", "False"], ["download", "m", "--no-uncompress"]),
    ],
)
def test_flags_that_1x_gave_a_value(given, meant):
    assert _with_plain_flags([_with_dashes(word) for word in given]) == meant


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["finetun"], "'finetune'"),
        (["finetune", "--modul", "minilm"], "--module"),
        (["finetune", "--module", "minlm", "--train", "a.csv"], "'minilm'"),
        (["finetune", "--module", "minilm", "--train", "ChnSentiCrop"], "'ChnSentiCorp'"),
        (["finetune", "--module", "minilm", "--train", "a.csv", "--task", "regresion"], "'regression'"),
        (["finetune", "--module", "minilm", "--train", "a.csv", "--strategy", "adamww"], "'adamw'"),
        (["tune", "--module", "minilm", "--train", "a.csv", "--pruner", "ahsa"], "'asha'"),
        (["run", "minlm", "--input_text", "a"], "'minilm'"),
        (["show", "minlm"], "'minilm'"),
        (["install", "minlm"], "'minilm'"),
        (["uninstall", "minlm"], "not installed"),
        (["cache", "feature"], "'features'"),
        (["config", "sever==x"], "'server'"),
        (["help", "tun"], "'tune'"),
        (["pretrain", "fratal"], "fractal"),
    ],
)
def test_what_is_mistyped_is_exit_code_2_with_what_was_meant(words, meant, in_tmp, capsys):
    (in_tmp / "a.csv").write_text("text,label\n" + "good room,1\nbad room,0\n" * 12)
    assert hub(*words) == 2
    assert meant in capsys.readouterr().err


def test_a_built_in_set_is_named_in_place_of_a_file(in_tmp, monkeypatch, capsys):
    from transferhub.commands import options

    monkeypatch.setenv("TRANSFERHUB_DATASETS", str(in_tmp))
    (in_tmp / "chnsenticorp").mkdir()
    for split in ("train", "dev", "test"):
        (in_tmp / "chnsenticorp" / f"{split}.tsv").write_text("label\ttext_a\n1\tgood\n0\tbad\n")
    assert [row.text_a for row in options.built_in_set(Path("ChnSentiCorp"), {}).train_examples] == ["good", "bad"]
    assert len(options.built_in_set(Path("ChnSentiCorpDataset"), {}).train_examples) == 2, (
        "as PaddleHub's classes are called"
    )
    assert options.built_in_set(Path("elsewhere/ChnSentiCorp"), {}) is None
    (in_tmp / "ChnSentiCorp").mkdir()
    assert options.built_in_set(Path("ChnSentiCorp"), {}) is None, "a folder of this name goes before it"
    (in_tmp / "ChnSentiCorp").rmdir()
    command = ["finetune", "--module", "minilm", "--train", "ChnSentiCorp"]
    assert hub(*command, "--dev", "dev.tsv") == 2
    assert "--dev with the built-in data set" in capsys.readouterr().err
    assert hub(*command, "--task", "regression") == 2
    assert "rows of this kind of task" in capsys.readouterr().err
    assert hub(*command, "--label-list", "0,1") == 2
    assert "--label-list with the built-in data set" in capsys.readouterr().err
    assert hub(*command, "--skip-broken") == 2
    assert "--skip-broken with the built-in data set" in capsys.readouterr().err
    assert hub(*command, "--task", "text-matching") == 2
    assert "are texts, not pairs" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_and_installed_for_a_shell_and_completes(shell, tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(*words, **more):
        program = [sys.executable, "-m", "transferhub.commands", *words]
        return subprocess.run(program, capture_output=True, text=True, env={**environment, **more}, check=True).stdout

    script = run("--show-completion", shell)
    assert f"_HUB_COMPLETE=complete_{shell}" in script
    run("--install-completion", shell)
    (installed,) = [file for file in tmp_path.rglob("*hub*") if file.is_file()]
    assert installed.read_text().strip() == script.strip()
    asked = {"COMP_WORDS": "hub fin", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "hub fin"}
    assert "finetune" in run(_HUB_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_FISH_ACTION="get-args", **asked)


def test_completion_of_an_unknown_shell(capsys):
    assert hub("--show-completion", "basch") == 2
    assert "one of bash, zsh" in capsys.readouterr().err


def test_ctrl_c_is_exit_code_130_without_a_traceback(in_tmp, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("transferhub.module.store.installed", interrupted)
    assert hub("list") == 130
    assert "Traceback" not in capsys.readouterr().err


def test_names_that_commands_repeat_so_as_to_load_no_torch_are_the_real_ones():
    from transferhub.commands import options, task_flags
    from transferhub.strategy import STRATEGIES
    from transferhub.task import losses, pairwise_matching
    from transferhub.task.saved_model import TASKS

    assert list(STRATEGIES) == list(options.STRATEGY_NAMES)
    assert (*losses.LOSSES, *pairwise_matching.LOSSES) == task_flags.LOSSES
    assert set(TASKS) - set(task_flags.TASKS.values()) == {"ModuleTask"}, "which takes a network from Python"
