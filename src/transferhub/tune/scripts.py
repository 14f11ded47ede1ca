"""One trial of a script: a process, its log, and the score that it reports."""

import contextlib
import fcntl
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferhub import atomic
from transferhub.errors import ConfigError
from transferhub.log import logger

TRIAL_ID = "PaddleHub_AutoDL_Trial_ID"
RESULT = "TRANSFERHUB_TRIAL_RESULT"  # where report_final_result writes
TAIL = 15  # lines of a log that are shown
PATIENCE = 30  # seconds that a script has to end after Ctrl-C


def report_final_result(result: float) -> None:
    """Tell ``hub autofinetune`` what a trial came to: called once, at the end of the script.

    Without a search, as when the script is run by hand, it is only said.

    Args:
        result: The score on dev rows; higher is better, as an accuracy is.

    Raises:
        ConfigError: It is no number.
    """
    given: Any = result
    try:
        value = float(given)
    except (TypeError, ValueError):
        raise ConfigError(f"report_final_result({given!r:.60})", expected="a number; higher is better") from None
    logger.info("Final result of the trial: %s", value)
    target = os.environ.get(RESULT)
    if target:
        atomic.write_json(Path(target), {"trial": os.environ.get(TRIAL_ID), "score": value})


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    Args:
        score: None: none that can be used.
        error: Why there is none, with the end of the log; empty where there is one.
    """

    score: float | None
    error: str = ""


class Scripts:
    """Runs trials of one script; `stop` ends those that run.

    Args:
        script: A Python file.
        options: Flags with the same value in all trials.
        gpu: Whether devices are GPUs.
        at_once: How many trials run at a time.
    """

    def __init__(self, script: Path, options: Mapping[str, str], *, gpu: bool, at_once: int) -> None:
        self._script, self._options, self._gpu = script, options, gpu
        self._threads = max(1, len(os.sched_getaffinity(0)) // at_once) if hasattr(os, "sched_getaffinity") else 1
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, folder: Path, number: int, device: str, flags: Mapping[str, Any]) -> Outcome:
        """Run trial `number` in a round's folder, or take what an earlier start of the search left it with.

        A trial holds a lock that its process inherits: where the search was killed and its script was not, the script
        is waited for, and not run twice.
        """
        log, result = folder / f"log-{number}.info", folder / f"result-{number}.json"
        lock = folder / f"trial-{number}.lock"
        with atomic.writing(lock), open(lock, "wb") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("Trial %s still runs since an earlier start: it is waited for", log)
                fcntl.flock(held, fcntl.LOCK_EX)
            left = _outcome(0, result, log)
            if left.score is not None:
                return left
            result.unlink(missing_ok=True)
            code = self._execute(log, result, held.fileno(), device, flags)
        return _outcome(code, result, log)

    def stop(self) -> None:
        """Ctrl-C for all that run, so that they can save; those that do not end are killed. No other is started."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for process in running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _execute(self, log: Path, result: Path, held: int, device: str, flags: Mapping[str, Any]) -> int:
        given = {**flags, **self._options}
        command = [sys.executable, "-u", str(self._script), *(f"--{name}={value}" for name, value in given.items())]
        environment = {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": device if self._gpu else "",
            TRIAL_ID: uuid.uuid4().hex[:8],
            RESULT: str(result.resolve()),
        }
        if not self._gpu:
            environment.setdefault("OMP_NUM_THREADS", str(self._threads))
        with atomic.writing(log), open(log, "ab") as out:
            out.write((" ".join(command) + "\n").encode())
            out.flush()
            with self._lock:
                if self._stopped:
                    return -signal.SIGINT
                process = subprocess.Popen(
                    command, stdout=out, stderr=out, env=environment, pass_fds=[held], start_new_session=True
                )
                self._running.add(process)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    except OSError:
        return ""
    return "\n".join(f"    {line[:400]}" for line in lines[-TAIL:])


def gpus() -> int:
    """How many GPUs this machine has, as its driver says, without loading a framework."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    said = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in said.stdout.splitlines()) if said.returncode == 0 else 0


def devices_of(given: str) -> tuple[list[str], bool]:
    """The devices of ``--gpu``, and whether they are GPUs; where there is none, that is said and the CPU is used.

    Raises:
        ConfigError: Not a list of numbers, one that is there twice, or a GPU that this machine has not.
    """
    ids = [each.strip() for each in given.split(",")]
    if not all(each.isdigit() for each in ids) or len(set(ids)) < len(ids):
        raise ConfigError(f"--gpu {given}", expected="numbers of GPUs, each once: 0 or 0,1")
    there = gpus()
    if not there:
        logger.warning("--gpu %s, but there is no GPU here: trials run on the CPU, %d at a time", given, len(ids))
        return ids, False
    missing = [each for each in ids if int(each) >= there]
    if missing:
        raise ConfigError(f"--gpu {given}: no GPU {missing[0]}", expected=f"of 0 to {there - 1}")
    return ids, True


def check_script(script: Path) -> None:
    """Refuse a script that is not there.

    Raises:
        ConfigError: No such file.
    """
    if not script.is_file():
        raise ConfigError(f"{script} " + ("is no file" if script.exists() else "does not exist"), expected="a script")


def _outcome(code: int, result: Path, log: Path) -> Outcome:
    if code:
        why = f"ended with exit code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
        return Outcome(None, f"the script {why}; the end of {log}:\n{tail(log)}")
    try:
        score = float(json.loads(result.read_text(encoding="utf-8"))["score"])
    except FileNotFoundError:
        return Outcome(None, f"the script never called hub.report_final_result; the end of {log}:\n{tail(log)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Outcome(None, f"{result} cannot be read: {error}")
    if not math.isfinite(score):
        return Outcome(None, f"the script reported {score}; the end of {log}:\n{tail(log)}")
    return Outcome(score)
