"""Real processes, really killed."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from transferhub import atomic

FILES = ("best_model/model.safetensors", "step_64/model.safetensors", "step_64/optimizer.safetensors")


@pytest.fixture
def start(tiny, review_files, in_tmp, home):
    def run(folder, stop_at=None, with_signal=None):
        """Run a training in a process; send it a signal when its log says a step. Return exit code and log."""
        command = [
            sys.executable,
            "-m",
            "transferhub.commands",
            "finetune",
            "--module",
            str(tiny),
            "--train",
            str(review_files["train"]),
            "--dev",
            str(review_files["dev"]),
            "--precision",
            "bf16",
            "--num-epoch",
            "8",
            "--batch-size",
            "8",
            "--save-ckpt-interval",
            "1",
            "--checkpoint-dir",
            folder,
        ]
        log = in_tmp / "log"
        with open(log, "wb") as out:
            process = subprocess.Popen(
                command, cwd=in_tmp, stdout=out, stderr=out, env={**os.environ, "TRANSFERHUB_HOME": str(home)}
            )
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if stop_at is not None and re.search(stop_at, log.read_text(errors="replace")):
                process.send_signal(with_signal)
                break
        return process.wait(timeout=120), log.read_text()

    return run


def test_killed_terminated_and_interrupted_runs_end_with_the_same_bits(start, in_tmp):
    assert start("quiet")[0] == 0
    code, _ = start("stopped", r"step 20 / 64", signal.SIGKILL)
    assert code == -signal.SIGKILL
    code, log = start("stopped", r"step 30 / 64", signal.SIGTERM)
    assert code == 0
    assert re.search(r"SIGTERM: Saving model checkpoint to stopped/step_\d+; the same command goes on from there", log)
    assert "finished" not in log
    code, log = start("stopped", r"step 40 / 64", signal.SIGINT)
    assert code == 130
    assert "Traceback" not in log
    code, log = start("stopped")
    assert code == 0
    assert re.search(r"Model checkpoint loaded from stopped/step_\d\d", log)
    for name in FILES:
        assert atomic.sha256(in_tmp / "stopped" / name) == atomic.sha256(in_tmp / "quiet" / name), name
