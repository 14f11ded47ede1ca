"""A run that the world does not treat well: nothing that was saved is lost, and the next start goes on."""

import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import transferhub as hub
from conftest import crash_at, short_of_memory
from transferhub import atomic
from transferhub.errors import HubError, RunError, StorageError, TrainingError

LAST = ("best_model/model.safetensors", "step_16/model.safetensors", "step_16/optimizer.safetensors")


def bits(folder):
    return {name: atomic.sha256(folder / name) for name in LAST}


@contextlib.contextmanager
def full_disk():
    """Yield a function after whose call files may not grow beyond so many bytes: a full disk, seen from inside.

    The limit holds for the whole process, so it ends with the block, before pytest writes to a file of its own.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(("full_at", "save_every"), [(7, 3), (5, None)], ids=["checkpoint", "best model"])
def test_a_full_disk_leaves_the_checkpoint_before_whole_and_the_run_goes_on_later(
    make_task, in_tmp, full_at, save_every
):
    make_task(checkpoint_dir="quiet", save_ckpt_interval=save_every).finetune_and_eval()
    task = make_task(checkpoint_dir="full", save_ckpt_interval=save_every)
    said = r"full/\w+ cannot be written: File too large(?s:.)*free some space"
    with full_disk() as limit:
        task.add_hook("run_step", "fill", lambda task, _: limit(40_000) if task.current_step == full_at else None)
        with pytest.raises(StorageError, match=said) as caught:
            task.finetune_and_eval()
    assert "what was saved before is whole" in str(caught.value)
    assert not list((in_tmp / "full").glob(".*.part"))
    for folder in (in_tmp / "full").glob("step_*"):
        assert atomic.damage(folder) is None
    assert save_every is None or (in_tmp / "full" / "step_6").is_dir()
    make_task(checkpoint_dir="full", save_ckpt_interval=save_every).finetune_and_eval()
    assert bits(in_tmp / "full") == bits(in_tmp / "quiet")


def test_a_disk_that_is_full_from_the_start_is_said(make_task, in_tmp):
    task = make_task(checkpoint_dir="run")
    with full_disk() as limit:
        limit(10)
        with pytest.raises(StorageError, match="cannot be written: File too large"):
            task.finetune_and_eval()


def test_a_folder_that_becomes_read_only_is_said_and_nothing_is_lost(make_task, in_tmp, monkeypatch):
    make_task(checkpoint_dir="quiet", save_ckpt_interval=3).finetune_and_eval()
    rename = os.rename

    def refuse(source, target):
        if str(target).endswith("step_9"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(target))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StorageError, match=r"step_9 cannot be written: Read-only file system(?s:.)*permissions"):
        make_task(checkpoint_dir="run", save_ckpt_interval=3).finetune_and_eval()
    assert atomic.damage(in_tmp / "run" / "step_6") is None
    monkeypatch.undo()
    os.chdir(in_tmp)
    make_task(checkpoint_dir=in_tmp / "run", save_ckpt_interval=3).finetune_and_eval()
    assert bits(in_tmp / "run") == bits(in_tmp / "quiet")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_parent_is_said_before_anything_is_computed(make_task, in_tmp):
    (in_tmp / "closed").mkdir(mode=0o500)
    with pytest.raises(HubError, match="closed/run"):
        make_task(checkpoint_dir=in_tmp / "closed" / "run").finetune_and_eval()


def test_a_loss_that_is_not_finite_stops_with_step_rows_and_the_last_good_checkpoint(make_task, in_tmp, review_files):
    task = make_task(checkpoint_dir="run", save_ckpt_interval=3)
    plain = task.losses

    def poisoned(outputs, batch):
        losses = plain(outputs, batch)
        return losses * float("nan") if task.training and task.current_step == 7 and task.is_train_phase else losses

    task.losses = poisoned
    with pytest.raises(TrainingError, match=r"not finite at step 8 / 16, on .*train\.csv:\d+") as caught:
        task.finetune_and_eval()
    assert "the last good checkpoint is run/step_6" in str(caught.value)
    assert all(value.isfinite().all() for value in load_file(in_tmp / "run" / "step_6" / "model.safetensors").values())


@pytest.fixture
def without_dropout(tiny, tmp_path_factory):
    """The tiny encoder, so that a step in parts is comparable with a step in one."""
    folder = tmp_path_factory.mktemp("plain") / "module"
    shutil.copytree(tiny, folder)
    config = json.loads((folder / "config.json").read_text())
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps({**config, **none}))
    return folder


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_out_of_memory_is_tried_again_in_halves_with_the_same_gradients(
    make_task, without_dropout, in_tmp, lines, precision
):
    strategy = hub.DefaultFinetuneStrategy(learning_rate=0.05, optimizer_name="sgd")
    settings = {"precision": precision, "save_ckpt_interval": 8, "strategy": strategy}
    make_task(checkpoint_dir="whole", module=without_dropout, **settings).finetune_and_eval()
    task = make_task(checkpoint_dir="parts", module=without_dropout, **settings)
    refused = short_of_memory(task, most_rows=3)
    result = task.finetune_and_eval()
    assert refused[:2] == [8, 4]
    assert len(refused) < 10, "what did not fit is remembered"
    assert any("Out of memory at step 1" in line and "a step still sees 8 rows" in line for line in lines)
    assert result.steps == 16
    whole, parts = (load_file(in_tmp / name / "step_16" / "model.safetensors") for name in ("whole", "parts"))
    tolerance = 2e-6 if precision == "fp32" else 2e-3
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=tolerance, msg=name)


def test_a_run_in_parts_that_is_stopped_ends_with_the_same_bits(make_task, in_tmp):
    for name, crashes in (("quiet", 0), ("stopped", 1)):
        for start in range(crashes + 1):
            task = make_task(checkpoint_dir=name, save_ckpt_interval=3)
            short_of_memory(task, most_rows=4)
            if start < crashes:
                crash_at(task, 8)
            else:
                task.finetune_and_eval()
    assert bits(in_tmp / "stopped") == bits(in_tmp / "quiet")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to …"),
    ],
    ids=["python", "torch on a CPU"],
)
def test_memory_that_does_not_suffice_for_one_row_stops_with_a_way_out(make_task, in_tmp, error):
    task = make_task(checkpoint_dir="run")
    refused = short_of_memory(task, 0, error)
    with pytest.raises(
        TrainingError, match=r"out of memory at step 1 / 16 with a single row(?s:.)*smaller max_seq_len"
    ):
        task.finetune_and_eval()
    assert refused == [8, 4, 2, 1]


def test_another_error_of_the_network_is_not_taken_for_too_little_memory(make_task, in_tmp):
    task = make_task(checkpoint_dir="run")
    refused = short_of_memory(task, 4, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        task.finetune_and_eval()
    assert len(refused) == 1


def test_prediction_short_of_memory_is_done_in_halves(make_task, in_tmp, monkeypatch):
    task = make_task(checkpoint_dir="run")
    task.finetune_and_eval()
    texts = ["good room", "bad food", "the film was very dull", "great", "awful soup"] * 3
    expected = task.predict(texts).probabilities
    network, sizes = task.best_network(), []
    plain = network.forward

    def forward(feeds):
        sizes.append(len(feeds["input_ids"]))
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(feeds)

    monkeypatch.setattr(network, "forward", forward)
    np.testing.assert_allclose(task.predict(texts).probabilities, expected, atol=1e-6)
    assert max(sizes) > 3


def test_a_clock_that_was_set_back_changes_nothing(make_task, in_tmp, monkeypatch):
    make_task(checkpoint_dir="quiet", save_ckpt_interval=3).finetune_and_eval()
    crash_at(make_task(checkpoint_dir="back", save_ckpt_interval=3), 8)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 400 * 86400)
    for path in [*(in_tmp / "back").rglob("*")]:
        os.utime(path, (now() + 86400, now() + 86400))  # as seen from the past, everything was written in the future
    result = make_task(checkpoint_dir="back", save_ckpt_interval=3).finetune_and_eval()
    assert bits(in_tmp / "back") == bits(in_tmp / "quiet")
    assert result.steps == 16


def test_a_best_model_that_was_damaged_is_said_and_the_run_goes_on(make_task, in_tmp, lines):
    crash_at(make_task(checkpoint_dir="run", save_ckpt_interval=3), 8)
    weights = in_tmp / "run" / "best_model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    result = make_task(checkpoint_dir="run", save_ckpt_interval=3).finetune_and_eval()
    assert any("The best model so far is damaged" in line for line in lines)
    assert result.best_step > 8
    hub.load(result.best_model).predict(["good"])


def test_rows_that_changed_since_are_refused_with_the_difference(make_task, in_tmp, review_files):
    crash_at(make_task(checkpoint_dir="run"), 8)
    text = review_files["train"].read_text()
    review_files["train"].write_text(text.replace("negative", "positive", 1))
    with pytest.raises(RunError, match=r"data\.train: '64 rows, sha256 \w+' there, '64 rows, sha256 \w+' now"):
        make_task(checkpoint_dir="run").finetune_and_eval()
