"""PaddleHub's contract, with scripts that load no torch."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
from scripts import PARAMETERS, SCRIPT, write

from recorded import visualdl
from transferhub.commands import main
from transferhub.errors import ConfigError, RunError, StorageError
from transferhub.tune.autofinetune import ScriptSearch
from transferhub.tune.scripts import report_final_result

__all__ = ["visualdl"]  # a fixture


@pytest.fixture
def search(in_tmp):
    script, parameters = write(in_tmp)

    def make(options=(), **more):
        given = {"popsize": 3, "rounds": 2, "output_dir": in_tmp / "out", "evaluator": "fulltrail", **more}
        return ScriptSearch(script, parameters, options=options, **given)

    return make


def seen(folder):
    return [json.loads(line) for line in (folder / "seen.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("strategy", ["hazero", "pshe2"])
def test_the_files_of_a_search_are_those_of_1x(in_tmp, strategy, capsys):
    script, parameters = write(in_tmp)
    out = in_tmp / "out"
    command = f"autofinetune {script} --param_file {parameters} --gpu 0 --popsize 3 --round 2 --output_dir {out}"
    with pytest.raises(SystemExit, match="0"):
        main(f"{command} --evaluator fulltrail --tuning_strategy {strategy} mode plain".split())
    printed = capsys.readouterr().out
    for number in range(2):
        for trial in range(3):
            assert (out / f"round{number}" / f"log-{trial}.info").is_file()
            (run,) = seen(out / f"round{number}" / f"model-{trial}")
            assert len(run["id"]) == 8
            assert (run["mode"], run["epochs"], run["model_path"]) == ("plain", None, None)
            assert 5e-5 <= float(run["learning_rate"]) <= 0.05
    (first,) = seen(out / "round0" / "model-0")
    assert (first["learning_rate"], first["batch_size"]) == ("0.001", "10")
    trials = json.loads((out / "search.json").read_text())["trials"]
    best = max(trials, key=lambda trial: trial["score"])
    assert seen(out / "best_model")[0]["learning_rate"] == str(best["values"]["learning_rate"])
    log = (out / "log_file.txt").read_text()
    assert f"The best eval score is {best['score']}." in log
    assert len(log.splitlines()) == len(best["values"]) + 6 + len(trials)
    assert (out / "visualization" / "pop_2").is_dir()
    assert f"--learning_rate {best['values']['learning_rate']}" in printed


def test_trials_of_a_population_go_on_from_the_best_half(search, in_tmp):
    search(evaluator="populationbased", popsize=4).run()
    trials = json.loads((in_tmp / "out/search.json").read_text())["trials"][:4]
    scores = {trial["trial"]: trial["score"] for trial in trials}
    best = sorted(scores, key=scores.get, reverse=True)[:2]
    for trial in range(4):
        (run,) = seen(in_tmp / "out" / "round1" / f"model-{trial}")
        assert run["epochs"] == "1"
        assert run["model_path"].endswith(f"round0/model-{best[trial % 2]}")


def test_a_crashed_trial_shows_its_log_and_has_no_score(search, in_tmp, lines):
    best = search(["mode", "crash"], popsize=4, tuning_strategy="pshe2").run()
    trials = json.loads((in_tmp / "out/search.json").read_text())["trials"]
    failed = [trial for trial in trials if trial["score"] is None]
    assert failed
    assert all(trial["values"]["batch_size"] > 10 for trial in failed)
    assert best.values["batch_size"] <= 10
    said = [line for line in lines if "has no score" in line]
    assert len(said) == len(failed)
    assert "RuntimeError: the data set went away" in said[0]
    assert "\tfailed\t" in (in_tmp / "out/log_file.txt").read_text()


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("crash_all", "RuntimeError: the data set went away"),
        ("silent", "never called hub.report_final_result"),
        ("nan", "the script reported nan"),
    ],
)
def test_a_search_in_which_nothing_has_a_score_ends_with_the_reason_and_can_be_mended(search, in_tmp, mode, said):
    with pytest.raises(RunError, match=said):
        search(["mode", mode]).run()
    write(in_tmp, SCRIPT.replace(f'"{mode}"', '"mended"'))
    assert search(["mode", mode]).run().score > 0


def test_a_search_goes_on_where_it_was_and_ends_as_if_never_stopped(search, in_tmp):
    whole = search(rounds=3, output_dir=in_tmp / "whole")
    whole.run()
    search(rounds=1).run()
    record = in_tmp / "out" / "search.json"
    said = json.loads(record.read_text())
    record.write_text(json.dumps({**said, "trials": said["trials"][:2]}))  # killed before the third was written down
    (in_tmp / "out/round0/result-2.json").unlink()
    again = search(rounds=3)
    again.run()
    key = [(trial.round, trial.trial, trial.values, trial.score) for trial in again.trials]
    assert key == [(trial.round, trial.trial, trial.values, trial.score) for trial in whole.trials]
    assert len(seen(in_tmp / "out/round0/model-0")) == 1
    assert len(seen(in_tmp / "out/round0/model-2")) == 2  # the one that was killed, in its folder again


def test_curves_over_the_rounds_are_1xs_in_tensorboard_and_in_visualdl(search, in_tmp, visualdl):
    search(rounds=2).run()
    again = search(rounds=3)
    best = again.run()
    newest = {writer.file.parent.relative_to(in_tmp): writer.scalars for writer in visualdl.written}
    assert set(newest) == {Path("out/visualization"), *(Path(f"out/visualization/pop_{each}") for each in range(3))}
    curve = [(step, value) for tag, value, step in newest[Path("out/visualization")] if tag.endswith("best_eval_value")]
    scores = [max(t.score for t in again.trials if t.round <= number) for number in range(3)]
    assert curve == list(enumerate(scores))
    assert curve[-1][1] == best.score
    member = [value for tag, value, _ in newest[Path("out/visualization/pop_1")] if tag.endswith("/eval_value")]
    assert member == [trial.score for trial in sorted(again.trials, key=lambda t: t.round) if trial.trial == 1]


def test_other_searches_are_kept_out_of_a_folder(search, in_tmp):
    first = search(rounds=1)
    first.run()
    with pytest.raises(RunError, match=r"belongs to another search(.|\n)*popsize: 3 there, 4 now"):
        search(popsize=4).run()
    (in_tmp / "foreign" / "round0").mkdir(parents=True)
    with pytest.raises(RunError, match=r"no search\.json"):
        search(output_dir=in_tmp / "foreign").run()
    (in_tmp / "out" / "search.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        search().run()


def test_two_searches_at_once_are_kept_apart(search, in_tmp):
    (in_tmp / "out").mkdir()
    with filelock.FileLock(in_tmp / "out" / "search.lock"), pytest.raises(RunError, match="in use by another search"):
        search().run()


def test_bad_arguments_are_said(search, in_tmp, lines, capsys):
    for more, said in (
        ({"evaluator": "fulltrial"}, "did you mean 'fulltrail'"),
        ({"tuning_strategy": "tpe"}, "one of hazero, pshe2"),
        ({"popsize": 0}, "at least 1"),
        ({"gpu": "0,0"}, "each once"),
        ({"gpu": "gpu0"}, "numbers of GPUs"),
    ):
        with pytest.raises(ConfigError, match=said):
            search(**more)
    (in_tmp / "train.py").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["autofinetune", "train.py", "--param_file", "hparam.yaml"])
    assert ended.value.code == 2
    assert "train.py does not exist" in capsys.readouterr().err


def test_a_machine_without_a_gpu_is_said(search, lines, monkeypatch, in_tmp):
    monkeypatch.setenv("PATH", str(in_tmp))
    search(gpu="0,1", rounds=1).run()
    assert any("--gpu 0,1, but there is no GPU here: trials run on the CPU, 2 at a time" in line for line in lines)
    assert seen(in_tmp / "out/round0/model-1")[0]["visible"] == ""


def test_a_folder_that_cannot_be_written_is_said(search, in_tmp):
    (in_tmp / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        search(output_dir=in_tmp / "file" / "out").run()


@pytest.mark.parametrize("room", [1, 5, 11])
def test_a_full_disk_ends_the_search_and_nothing_is_lost(search, in_tmp, monkeypatch, room):
    whole = search(output_dir=in_tmp / "whole")
    whole.run()
    sync, left = os.fsync, [room]

    def full(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            search().run()
    again = search()
    again.run()
    assert [(t.values, t.score) for t in sorted(again.trials, key=lambda t: (t.round, t.trial))] == [
        (t.values, t.score) for t in sorted(whole.trials, key=lambda t: (t.round, t.trial))
    ]
    assert all(len(seen(folder)) == 1 for folder in in_tmp.glob("out/round*/model-*")), "none ran twice"


def test_a_parameter_that_the_script_does_not_take_is_said_in_its_own_words(search, in_tmp):
    write(in_tmp, parameters=PARAMETERS.replace("batch_size", "batch_sise"))
    with pytest.raises(RunError, match=r"exit code 2(.|\n)*unrecognized arguments: --batch_sise=10"):
        search().run()


def test_a_result_is_a_number(lines):
    with pytest.raises(ConfigError, match="expected: a number"):
        report_final_result("good")
    report_final_result(0.5)
    assert any("Final result of the trial: 0.5" in line for line in lines)


WAITING = """
import argparse, pathlib, signal, sys, threading
import transferhub as hub

parser = argparse.ArgumentParser()
for name in ("saved_params_dir", "learning_rate", "batch_size"):
    parser.add_argument(f"--{name}")
args = parser.parse_args()
folder = pathlib.Path(args.saved_params_dir)
folder.mkdir(parents=True, exist_ok=True)
starts = sorted(folder.glob("start*"))
(folder / f"start{len(starts)}").touch()
if not starts:
    heard = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: heard.set())
    while not heard.wait(0.05) and not pathlib.Path("go").exists():
        pass
    (folder / "saved").touch()
    if heard.is_set():
        sys.exit(130)
hub.report_final_result(0.5)
"""


@pytest.fixture
def start(in_tmp, home):
    write(in_tmp, WAITING)
    flags = ["train.py", "--param_file", "hparam.yaml", "--popsize", "2", "--round", "1", "--output_dir", "out"]
    command = [sys.executable, "-m", "transferhub.commands", "autofinetune", *flags]

    def begin(until):
        log = in_tmp / "log"
        with open(log, "wb") as out:
            process = subprocess.Popen(command, cwd=in_tmp, stdout=out, stderr=out, env=dict(os.environ))
        deadline = time.monotonic() + 60
        while not until() and process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        return process, log

    return begin


def test_ctrl_c_lets_scripts_save_and_the_search_goes_on(start, in_tmp):
    process, log = start((in_tmp / "out/round0/model-0/start0").exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "Traceback" not in log.read_text()
    assert (in_tmp / "out/round0/model-0/saved").exists()
    (in_tmp / "go").touch()
    process, log = start(lambda: False)
    assert process.wait(60) == 0, log.read_text()
    assert (in_tmp / "out/round0/model-0/start1").exists()


def test_a_script_that_outlived_a_killed_search_is_waited_for_and_not_run_twice(start, in_tmp):
    process, _ = start((in_tmp / "out/round0/model-0/start0").exists)
    process.kill()
    process.wait(60)
    process, log = start(lambda: "it is waited for" in (in_tmp / "log").read_text())
    (in_tmp / "go").touch()
    assert process.wait(60) == 0, log.read_text()
    assert not (in_tmp / "out/round0/model-0/start1").exists()
    assert len((in_tmp / "out/log_file.txt").read_text().splitlines()) == 2 + 6 + 2


def test_a_file_without_parameters_to_search_is_refused(in_tmp):
    script, parameters = write(in_tmp, parameters=PARAMETERS.partition("- name : batch_size")[0])
    with pytest.raises(ConfigError, match="at least two"):
        ScriptSearch(script, parameters, tuning_strategy="hazero")
