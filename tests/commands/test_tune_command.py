"""``hub tune`` as it is typed, with workers that are real processes, really killed."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from test_cli import hub

from conftest import read_json


@pytest.fixture
def flags(tiny, review_files, in_tmp):
    files = [word for name in ("train", "dev", "test") for word in (f"--{name}", review_files[name])]
    return ["tune", "--module", tiny, *files, "--precision", "fp32", "--checkpoint-dir", "study", "--pruner", "none"]


@pytest.fixture
def space(in_tmp):
    text = "learning_rate: {low: 1e-3, high: 1e-2, log: true}\nnum_epoch: {low: 1, high: 3}\n"
    text += "strategy: [adamw, l2sp]\nweight_decay: [0.0, 0.01]\nregularization_coeff: [0.001, 0.01]\n"
    (in_tmp / "space.yaml").write_text(text, encoding="utf-8")
    return ["--search", "space.yaml"]


def test_a_search_ends_with_a_command_that_trains_the_same_model(flags, space, in_tmp, capsys):
    assert hub(*flags, *space, "--trials", 4, "--batch-size", 16, "--json") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["complete"], result["failed"]) == (4, 0)
    own = {"adamw": "weight_decay", "l2sp": "regularization_coeff"}
    assert own[result["best"]["strategy"]] in result["best"]
    words = result["command"].split()
    assert words[:2] == ["hub", "finetune"]
    assert "--batch-size 16" in result["command"]
    assert hub(*words[1:], "--checkpoint-dir", "again", "--json") == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again["dev"]["acc"] >= result["dev"]["acc"]  # looked at as often, or oftener
    assert hub(*flags, *space, "--trials", 4, "--batch-size", 16) == 0
    printed = capsys.readouterr().out
    assert f"best        trial {result['trial']}: acc" in printed
    assert "hub predict study/best_model FILE" in printed


def test_without_a_space_what_was_given_is_kept_and_the_rest_searched(flags, in_tmp, capsys):
    given = ["--strategy", "l2sp", "--num-epoch", 2, "--batch-size", 32, "--trials", 1]
    assert hub(*flags, *given, "--json") == 0
    best = json.loads(capsys.readouterr().out.splitlines()[-1])["best"]
    assert set(best) == {"learning_rate", "label_smoothing"}


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("learning_rat: [1e-3]", [], "did you mean 'learning_rate'"),
        ("seed: [1, 2]", [], "seed is the same in all trials"),
        ("batch_size: [8]", ["--batch-size", 16], "given on the command line too"),
        ("dis_blocks: [2, 3]", [], "no argument of adamw"),
        ("batch_size: {low: 8.2, high: 8.9, type: int}", [], "no int lies between"),
        ("batch_size: [8\n", [], "space.yaml:2"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_before_there_is_a_folder(flags, in_tmp, capsys, text, more, said):
    (in_tmp / "space.yaml").write_text(text, encoding="utf-8")
    assert hub(*flags, *more, "--search", "space.yaml") == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (in_tmp / "study").exists()


@pytest.fixture
def start(flags, space, in_tmp, home):
    command = [sys.executable, "-m", "transferhub.commands", *map(str, flags), *space]

    def begin(*more, until=lambda log: False):
        log = in_tmp / "log"
        with open(log, "wb") as out:
            process = subprocess.Popen([*command, *more], cwd=in_tmp, stdout=out, stderr=out, env=dict(os.environ))
        deadline = time.monotonic() + 120
        while process.poll() is None and not until(log.read_text()) and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        return process, log

    return begin


def test_workers_share_the_trials_and_what_was_killed_goes_on(start, in_tmp):
    def first_is_saved(log):
        return any((in_tmp / "study/trials").glob("*/best_model"))

    process, log = start("--trials", "5", "--workers", "2", until=first_is_saved)
    for each in (process, *children_of(process)):
        os.kill(getattr(each, "pid", each), signal.SIGKILL)
    process.wait(60)
    process, log = start("--trials", "5", "--workers", "2")
    assert process.wait(120) == 0, log.read_text()
    assert "goes on" in log.read_text() or "goes on" in (in_tmp / "study/worker-1.log").read_text()
    result = read_json(in_tmp / "study/result.json")
    assert (result["complete"], result["running"], result["failed"]) == (5, 0, 0)
    with open(in_tmp / "study/trials.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == list("01234")
    assert len({row["learning_rate"] for row in rows}) == 5


def test_ctrl_c_stops_all_workers_with_checkpoints(start, in_tmp):
    def both_train(log):
        return sum((folder / "log.txt").exists() for folder in (in_tmp / "study/trials").glob("*")) == 2

    process, log = start("--trials", "40", "--workers", "2", until=both_train)
    workers = children_of(process)
    process.send_signal(signal.SIGINT)
    # With -m, Python dies of the signal instead where Ctrl-C met an exec() of a text, as imports do: 130 in a shell.
    assert process.wait(60) in (130, -signal.SIGINT), log.read_text()
    assert "Traceback" not in log.read_text() + (in_tmp / "study/worker-1.log").read_text()
    assert not any(alive(pid) for pid in workers)


def children_of(process):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
