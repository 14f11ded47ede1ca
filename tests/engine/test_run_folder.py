import json
import subprocess
import sys

import pytest

from transferhub.engine.run_folder import open_run, read_record
from transferhub.errors import RunError

MACHINE = {"torch": "2", "transformers": "5", "threads": 2, "device": "cpu"}


def test_a_new_run_gets_a_folder_named_by_the_time(in_tmp):
    folder = open_run(None, {"seed": 1}, MACHINE)
    assert folder.path.name.startswith("ckpt_")
    assert folder.path.name[5:].isdigit()
    assert read_record(folder.path)["settings"] == {"seed": 1}
    folder.close()


def test_an_unfinished_run_with_the_same_settings_is_gone_on_with_and_said(in_tmp, lines):
    first = open_run(None, {"seed": 1}, MACHINE)
    first.close()
    again = open_run(None, {"seed": 1}, MACHINE)
    assert again.path == first.path
    assert again.resumed
    again.close()
    assert any(f"Going on with the unfinished run in {first.path}" in line for line in lines)
    other = open_run(None, {"seed": 2}, MACHINE)
    assert other.path != first.path
    other.close()


def test_a_finished_run_is_not_gone_on_with_unless_it_is_named(in_tmp):
    first = open_run(None, {"seed": 1}, MACHINE)
    first.save(status="finished", result={})
    first.close()
    second = open_run(None, {"seed": 1}, MACHINE)
    assert second.path != first.path
    second.close()
    named = open_run(first.path, {"seed": 1}, MACHINE)
    assert named.finished
    named.close()


def test_other_settings_in_a_named_folder_are_refused_with_the_difference(in_tmp):
    open_run("run", {"seed": 1, "batch_size": 8}, MACHINE).close()
    with pytest.raises(RunError, match=r"seed: 1 there, 2 now(?s:.)*overwrite") as caught:
        open_run("run", {"seed": 2, "batch_size": 8}, MACHINE)
    assert "batch_size" not in str(caught.value)
    folder = open_run("run", {"seed": 2, "batch_size": 8}, MACHINE, overwrite=True)
    assert not folder.resumed
    folder.close()


def test_overwriting_removes_what_a_run_wrote_and_nothing_else(in_tmp):
    mine = in_tmp / "mine"
    (mine / "keep").mkdir(parents=True)
    (mine / "train.csv").write_text("years of work")
    folder = open_run("mine", {"seed": 1}, MACHINE, overwrite=True)
    (mine / "step_5").mkdir()
    folder.save(status="finished", result={})
    folder.close()
    open_run("mine", {"seed": 2}, MACHINE, overwrite=True).close()
    assert {path.name for path in mine.iterdir()} == {"keep", "train.csv", "run.json", "run.lock"}
    assert read_record(mine)["settings"] == {"seed": 2}


def test_a_file_is_no_folder(in_tmp):
    (in_tmp / "f").write_text("")
    with pytest.raises(RunError, match="cannot be a run's folder"):
        open_run("f", {}, MACHINE)


def test_another_number_of_threads_warns(in_tmp, lines):
    open_run("run", {}, MACHINE).close()
    open_run("run", {}, {**MACHINE, "threads": 4}).close()
    assert any("started with threads 2, now it is 4" in line for line in lines)


def test_a_second_process_is_refused_and_told_who_the_first_is(in_tmp):
    folder = open_run("run", {"seed": 1}, MACHINE)
    code = (
        "from transferhub.engine.run_folder import open_run\n"
        "from transferhub.errors import RunError\n"
        f"try: open_run('run', {{'seed': 1}}, {MACHINE!r})\n"
        "except RunError as error: print(error)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    owner = json.loads((in_tmp / "run" / "owner.json").read_text())
    assert f"in use by process {owner['pid']}" in printed
    folder.close()
    assert not (in_tmp / "run" / "owner.json").exists()


def test_a_broken_folder_beside_does_not_stop_a_new_run(in_tmp, lines):
    for name, text in (("ckpt_1", ""), ("ckpt_2", "{}"), ("ckpt_3", '{"status": "running"}'), ("ckpt_4", "[1]")):
        (in_tmp / name).mkdir()
        (in_tmp / name / "run.json").write_text(text)
    folder = open_run(None, {"seed": 1}, MACHINE)
    folder.close()
    assert len([line for line in lines if "it is passed over" in line]) == 4


def test_overwrite_goes_on_with_its_own_unfinished_run(in_tmp):
    open_run("run", {"seed": 1}, MACHINE).close()
    folder = open_run("run", {"seed": 1}, MACHINE, overwrite=True)
    assert folder.resumed
    folder.save(status="finished", result={})
    folder.close()
    folder = open_run("run", {"seed": 1}, MACHINE, overwrite=True)
    assert not folder.resumed
    folder.close()


def test_a_record_that_cannot_be_read_is_said(in_tmp):
    (in_tmp / "run").mkdir()
    (in_tmp / "run" / "run.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        open_run("run", {}, MACHINE)


def test_files_of_others_that_look_like_a_runs_are_not_replaced(in_tmp):
    for overwrite in (False, True):
        (in_tmp / "mine" / "best_model").mkdir(parents=True, exist_ok=True)
        (in_tmp / "mine" / "best_model" / "notes.txt").write_text("mine")
        with pytest.raises(RunError, match=r"mine holds best_model, but no run\.json"):
            open_run("mine", {"seed": 1}, MACHINE, overwrite=overwrite)
        assert (in_tmp / "mine" / "best_model" / "notes.txt").read_text() == "mine"
    (in_tmp / "other").mkdir()
    (in_tmp / "other" / "train.csv").write_text("rows")
    open_run("other", {"seed": 1}, MACHINE).close()
