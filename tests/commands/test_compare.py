"""``hub compare``: fine-tuned, frozen, from scratch."""

import json
import re

import pytest
from test_cli import hub

from conftest import Crash, read_json, reviews, write_csv
from transferhub.task.base_task import BaseTask

WAYS = {"fine-tuned": (True, False), "frozen": (True, True), "from scratch": (False, False)}  # pretrained, frozen


def settings_of(folder):
    """What the three runs of a comparison were trained with."""
    return {way: read_json(folder / way.replace(" ", "-") / "run.json")["settings"] for way in WAYS}


def check_ways(settings, rate, times=20):
    """The ways differ in what a comparison is of, and in the head's rate; all else is the same."""
    rates = {"frozen": rate * times}
    for way, said in settings.items():
        assert ([said.pop("pretrained")], [said.pop("frozen")]) == ([[WAYS[way][0]]], [[WAYS[way][1]]]), way
        found = re.search("learning_rate=([^,)]+)", said["strategy"])
        assert float(found[1]) == pytest.approx(rates.get(way, rate)), way
        said["strategy"] = said["strategy"].replace(found[0], "")
        said["modules"] = list(said["modules"])
    first, second, third = settings.values()
    assert first == second == third
    assert {"seed", "num_epoch", "data"} <= first.keys()


@pytest.fixture
def flags(tiny, in_tmp):
    train = write_csv(in_tmp / "train.csv", reviews(40, 1))
    return ["--module", tiny, "--train", train, "--precision", "fp32", "--num-epoch", 2, "--batch-size", 8]


def test_three_ways_beside_each_other(flags, in_tmp, capsys):
    flags += ["--confidence-interval", 0.9]
    assert hub("compare", *flags, "--checkpoint-dir", "ways") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:4] == ["dev", "acc", "dev", "f1"]
    assert [line.split("  ")[0] for line in printed[1:4]] == ["fine-tuned", "frozen", "from scratch"]
    assert [line.count("[") for line in printed[1:4]] == [2, 2, 2], "acc and f1; none of the loss"
    assert printed[4].startswith("[…]  90 % confidence intervals")
    assert (in_tmp / "ways" / "compare.svg").read_text().count("<polyline") == 3
    assert hub("compare", *flags, "--checkpoint-dir", "ways", "--json") == 0  # finished: nothing is trained again
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(again) == {"fine-tuned", "frozen", "from scratch", "checkpoint_dir"}
    check_ways(settings_of(in_tmp / "ways"), 5e-5)


@pytest.mark.parametrize(
    ("more", "rate", "times"),
    [
        (["--strategy", "default"], 1e-4, 20),
        (["--strategy-arg", "learning_rate=3e-4"], 3e-4, 1),
        (["--strategy", "default", "--learning-rate", "2e-3"], 2e-3, 1),
    ],
)
def test_the_heads_rate_is_that_of_the_strategy_that_is_built(more, rate, times, flags, in_tmp):
    assert hub("compare", *flags, "--num-epoch", 1, *more, "--checkpoint-dir", "ways") == 0
    check_ways(settings_of(in_tmp / "ways"), rate, times)


def test_a_stopped_comparison_goes_on_with_the_same_command(flags, in_tmp, monkeypatch, lines):
    finetune_and_eval = BaseTask.finetune_and_eval

    def stopped(task):
        if task.config.checkpoint_dir.name == "frozen":
            task.add_hook("run_step", "stop", die)
        return finetune_and_eval(task)

    def die(task, states):
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(BaseTask, "finetune_and_eval", stopped)
        with pytest.raises(Crash):
            hub("compare", *flags)
    (first,) = in_tmp.glob("compare_*")
    assert hub("compare", *flags, "--seed", 7) == 0
    (other,) = set(in_tmp.glob("compare_*")) - {first}
    assert (other / "compare.json").is_file()
    assert not (first / "compare.json").exists(), "of other settings"
    lines.clear()
    assert hub("compare", *flags) == 0
    assert any(f"Going on with the unfinished comparison in {first.name}" in line for line in lines)
    assert any(f"The run in {first.name}/fine-tuned is finished: nothing to train" in line for line in lines)
    assert (first / "compare.json").is_file()
    assert hub("compare", *flags) == 0
    assert len(list(in_tmp.glob("compare_*"))) == 3, "a finished one is begun anew"


@pytest.mark.parametrize("flag", ["--freeze", "--from-scratch"])
def test_a_way_is_no_flag(flag, flags, in_tmp, capsys):
    assert hub("compare", *flags, flag) == 2
    assert f"fix: leave it out, or hub finetune {flag}" in capsys.readouterr().err
    assert not list(in_tmp.glob("compare_*"))
