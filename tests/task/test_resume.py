"""A run that is stopped and gone on with ends with the same bits as one that was not."""

import shutil

import pytest

from conftest import crash_at
from transferhub import atomic
from transferhub.engine.run_folder import read_record
from transferhub.errors import RunError

FILES = ("best_model/model.safetensors", "step_16/model.safetensors", "step_16/optimizer.safetensors")


def run(make_task, folder, crash=None, **settings):
    task = make_task(checkpoint_dir=folder, **{"save_ckpt_interval": 3, **settings})
    return task.finetune_and_eval() if crash is None else crash_at(task, crash)


def bits(folder):
    return {name: atomic.sha256(folder / name) for name in FILES}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("moments", [[1], [3], [7, 8], [16], [4, 9, 13]])
def test_crashes_do_not_change_a_bit(make_task, in_tmp, precision, moments):
    quiet = run(make_task, "quiet", precision=precision)
    for moment in moments:
        run(make_task, "stopped", crash=moment, precision=precision)
    stopped = run(make_task, "stopped", precision=precision)
    assert bits(in_tmp / "stopped") == bits(in_tmp / "quiet")
    assert (stopped.dev, stopped.test, stopped.best_step) == (quiet.dev, quiet.test, quiet.best_step)


def test_the_same_run_twice_is_the_same_bits_and_another_seed_is_not(make_task, in_tmp):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(make_task, name, seed=seed)
    assert bits(in_tmp / "a") == bits(in_tmp / "b")
    assert bits(in_tmp / "a")["step_16/model.safetensors"] != bits(in_tmp / "c")["step_16/model.safetensors"]


def test_curves_and_log_lines_go_on_as_if_nothing_had_happened(make_task, in_tmp, lines):
    run(make_task, "quiet", log_interval=5)
    said = [line.split("[step/sec")[0] for line in lines if "TRAIN" in line]
    lines.clear()
    run(make_task, "stopped", crash=8, log_interval=5)
    lines.clear()
    run(make_task, "stopped", log_interval=5)
    assert [line.split("[step/sec")[0] for line in lines if "TRAIN" in line] == said[1:], "from step 6 on"


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("fault", ["flip", "cut", "gone"])
def test_a_damaged_checkpoint_is_said_and_the_one_before_is_used(make_task, in_tmp, lines, file, fault):
    run(make_task, "quiet")
    run(make_task, "stopped", crash=8)
    path = in_tmp / "stopped" / "step_6" / file
    content = bytearray(path.read_bytes())
    if fault == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif fault == "cut":
        path.write_bytes(content[:-7])
    else:
        path.unlink()
    run(make_task, "stopped")
    assert any("step_6 is damaged" in line for line in lines)
    assert any("loaded from stopped/step_3" in line for line in lines)
    assert bits(in_tmp / "stopped") == bits(in_tmp / "quiet")


def test_a_half_written_checkpoint_and_best_model_are_cleared_away(make_task, in_tmp):
    run(make_task, "quiet")
    run(make_task, "stopped", crash=11)
    (in_tmp / "stopped" / ".step_12.7-7.part").mkdir()
    (in_tmp / "stopped" / "best_model").rename(in_tmp / "stopped" / ".best_model.old")
    run(make_task, "stopped")
    assert bits(in_tmp / "stopped") == bits(in_tmp / "quiet")
    assert not list((in_tmp / "stopped").glob(".*"))


def test_a_finished_run_in_a_named_folder_trains_nothing_and_says_so(make_task, in_tmp, lines):
    first = run(make_task, "run")
    before = bits(in_tmp / "run")
    lines.clear()
    assert run(make_task, "run") == first
    assert any("is finished: nothing to train" in line for line in lines)
    assert not any("TRAIN" in line for line in lines)
    assert bits(in_tmp / "run") == before


def test_a_finished_run_that_was_moved_still_knows_its_result(make_task, in_tmp):
    first = run(make_task, "run")
    shutil.move("run", "elsewhere")
    again = run(make_task, "elsewhere")
    assert again.dev == first.dev
    assert again.best_model == "elsewhere/best_model"


def test_only_intervals_may_differ(make_task, in_tmp):
    run(make_task, "run", crash=5)
    with pytest.raises(RunError, match=r"batch_size: 8 there, 4 now"):
        run(make_task, "run", batch_size=4)
    run(make_task, "run", log_interval=1, save_ckpt_interval=None, eval_interval=6)
    assert read_record(in_tmp / "run")["status"] == "finished"


def test_changed_rows_are_another_run(make_task, in_tmp, review_files):
    run(make_task, "run", crash=5)
    review_files["train"].write_text(review_files["train"].read_text() + "good,positive\n")
    with pytest.raises(RunError, match=r"data\.train: '64 rows, sha256 \w+' there, '65 rows"):
        run(make_task, "run")


def test_without_a_folder_the_unfinished_run_is_found(make_task, in_tmp):
    run(make_task, "quiet")
    run(make_task, None, crash=8)
    (left,) = in_tmp.glob("ckpt_*")
    result = run(make_task, None)
    assert result.checkpoint_dir == left.name
    assert bits(left) == bits(in_tmp / "quiet")
    assert run(make_task, None).checkpoint_dir != left.name, "a finished one is never gone on with"


def test_of_rolling_checkpoints_the_last_two_stay(make_task, in_tmp, monkeypatch):
    monkeypatch.setattr("transferhub.engine.training.ROLLING_SHARE", 1e9)
    run(make_task, "run", crash=15, save_ckpt_interval=None, eval_interval=2)
    assert sorted(int(path.name[5:]) for path in (in_tmp / "run").glob("step_*")) == [12, 14]
    run(make_task, "run", save_ckpt_interval=None, eval_interval=2)
    assert read_record(in_tmp / "run")["status"] == "finished"
