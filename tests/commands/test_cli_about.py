"""``hub help``, ``config``, ``board``, ``run``."""

import json

import pytest
from test_cli import finetune, hub

__all__ = ["finetune"]  # a fixture


def test_help_is_that_of_the_command_asked_for(capsys):
    assert hub("help") == 0
    assert "finetune" in capsys.readouterr().out
    assert hub("help", "predict") == 0
    assert "--output" in capsys.readouterr().out
    assert hub("help", "finetun") == 2
    assert "did you mean 'finetune'" in capsys.readouterr().err


def test_config_says_where_everything_lies(capsys, home):
    assert hub("config") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["home"] == str(home)
    assert said["variables"]["TRANSFERHUB_HOME"] == str(home)
    assert hub("config", "server==http://example.org") == 2
    assert "HF_ENDPOINT" in capsys.readouterr().err


def test_board_wants_a_run(in_tmp, capsys):
    assert hub("board", in_tmp) == 2
    assert "holds no curves" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "logs"), [("run", "run/visualization"), ("run/visualization", "run/visualization"), (".", ".")]
)
def test_board_is_tensorboard_or_else_visualdl_on_the_runs_curves(in_tmp, monkeypatch, capfd, run, logs):
    (in_tmp / "run" / "visualization").mkdir(parents=True)
    (in_tmp / "run" / "visualization" / "events.out.tfevents.1").write_text("")
    programs = in_tmp / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    monkeypatch.setattr("sys.executable", str(programs / "python"))
    assert hub("board", run) == 2
    assert "tensorboard is not installed" in capfd.readouterr().err
    for name in ("visualdl", "tensorboard"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (programs / name).chmod(0o755)
        assert hub("board", run, "-p", 8040, "--host", "192.168.0.1") == 0
        assert capfd.readouterr().out == f"{name} --logdir {logs} --port 8040 --host 192.168.0.1\n"


def test_run_answers_for_a_best_model_and_says_what_cannot(finetune, tiny, in_tmp, capsys):
    assert finetune() == 0
    capsys.readouterr()
    (in_tmp / "texts.txt").write_text("great room\nawful food\n", encoding="utf-8")
    assert hub("run", "run/best_model", "--input_text", "good film", "--input_file", "texts.txt") == 0
    answers = json.loads(capsys.readouterr().out)
    assert [row["text"] for row in answers] == ["good film", "great room", "awful food"]
    assert answers[0].keys() == {"text", "label", "negative", "positive"}
    assert hub("run", "run/best_model") == 2
    assert "nothing to run on" in capsys.readouterr().err
    assert hub("run", tiny, "--input-text", "good") == 2
    assert "is not executable" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["test_resnet"])
def test_run_names_what_is_in_pictures(name, in_tmp, capsys, monkeypatch):
    from PIL import Image

    import transferhub

    Image.new("RGB", (40, 40), "red").save(in_tmp / "red.png")
    module = transferhub.Module(name=f"timm:{name}", pretrained=False)
    monkeypatch.setattr(transferhub, "Module", lambda name: module)
    assert hub("run", f"timm:{name}", "--input-path", "red.png", "--top-k", 3) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert len(answer) == 3
