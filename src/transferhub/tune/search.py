"""``hub.tune``: trials of a task with settings from a space, in one process or many, until there are enough."""

import contextlib
import datetime
import gc
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from transferhub.errors import ConfigError
from transferhub.log import logger
from transferhub.tune.outcome import Command, TuneResult, best_of, conclude, shown
from transferhub.tune.scripts import tail
from transferhub.tune.space import Space, Value
from transferhub.tune.study import Study, check_names, is_search, unfinished
from transferhub.tune.trial import MakeTask, TimeIsUp, keep_best, run_trial

WORKER = "TRANSFERHUB_TUNE_WORKER"  # in a worker's environment: where it works, and until when


def tune(
    task_factory: MakeTask,
    space: Mapping[str, Any] | Space,
    *,
    trials: int = 20,
    timeout: float | str | None = None,
    workers: int = 1,
    storage: str | None = None,
    checkpoint_dir: str | Path | None = None,
    sampler: str = "tpe",
    pruner: str = "asha",
    keep: int = 1,
    seed: int = 42,
    first: Mapping[str, Value] | None = None,
    overwrite: bool = False,
    settings: Mapping[str, Any] | None = None,
    command: Command | None = None,
) -> TuneResult:
    """Search the settings with which a task scores best on dev; a search that was stopped goes on.

        def make(values):
            strategy = hub.AdamWeightDecayStrategy(learning_rate=values["learning_rate"])
            config = hub.RunConfig(num_epoch=3, batch_size=values["batch_size"], strategy=strategy)
            return hub.TextClassifierTask(module="minilm", dataset="reviews.csv", config=config)

        result = hub.tune(make, {"learning_rate": (1e-5, 1e-3, "log"), "batch_size": [8, 16, 32]})

    Args:
        task_factory: Makes a task of a trial's values. Its ``checkpoint_dir`` and ``eval_interval`` are the search's.
        space: Name → choices as a list, a range as ``(low, high)`` or ``(low, high, "log")``, or `Space.of`'s mappings.
        trials: In all, over all starts, workers and machines.
        timeout: Of this start, in seconds or as ``"1h30m"``: no trial begins after it, and one that runs stops at its
            next evaluation, with a checkpoint.
        workers: Processes on this machine, each with its part of the cores; they run the script as far as this call.
        storage: URL of a database for Optuna, where machines share no folder. Open only databases that you trust.
        checkpoint_dir: The search's folder; with the same search it is gone on with, or joined. None:
            ``tune_<time>``, or an unfinished one of this search.
        sampler: ``tpe``, ``cmaes`` or ``random``.
        pruner: ``asha``, ``median`` or ``none``: which trials stop early, by their evaluations on dev.
        keep: The best models that stay on disk.
        seed: What is drawn is a function of it and of the trial's number.
        first: Values of the first trial, as far as they are known.
        overwrite: Remove another or finished search in the folder first.
        settings: What else makes it this search, as JSON; another is refused in its folder.
        command: What is to be pasted to train with given values again.

    Raises:
        ConfigError: Arguments or a space that cannot be used.
        RunError: The folder is another search's; or no trial came to a score.
        HubError: What the first trial raises: bad rows, a module that is not here …
        KeyboardInterrupt: After Ctrl-C; running trials have a checkpoint.
    """
    searched = space if isinstance(space, Space) else Space.of(space)
    check_names(sampler, pruner)
    for name, count in (("trials", trials), ("workers", workers), ("keep", keep)):
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ConfigError(f"{name}={count!r}", expected="a whole number of at least 1")
    for name in first or {}:
        if name not in searched.described():
            raise ConfigError(f"first: {name!r} is not searched", expected=f"of {', '.join(searched.described())}")
    deadline = time.monotonic() + (math.inf if timeout is None else seconds_of(timeout))
    made_of = {"space": searched.described(), "sampler": sampler, "pruner": pruner, "seed": seed, **(settings or {})}
    worker = json.loads(os.environ.get(WORKER, "null"))
    if worker and not is_search(Path(worker["folder"]), made_of):  # another search of the same script, before it
        worker, workers = None, 1
    path = Path(worker["folder"] if worker else checkpoint_dir or unfinished(made_of) or _new_path())
    study = Study(
        path,
        searched,
        made_of,
        trials,
        storage=storage,
        sampler=sampler,
        pruner=pruner,
        seed=seed,
        first=first,
        overwrite=overwrite and not worker,
    )
    progress = _Progress(study)
    if worker:
        _work(study, task_factory, worker["until"] or math.inf, keep, progress)
        raise SystemExit(0)
    logger.info("Search dir: %s", path)
    with _workers(study, min(workers, study.left), deadline) as processes:
        _work(study, task_factory, deadline, keep, progress)
        while (held := study.held_elsewhere()) and time.monotonic() < deadline:
            with contextlib.suppress(filelock.Timeout):  # let go of when it ends, or its process does
                lock = filelock.FileLock(study.folder(held[0]) / "claim.lock")
                lock.acquire(timeout=1)
                lock.release()
            progress.say()
            _work(study, task_factory, deadline, keep, progress)
        for process in processes:
            process.wait()
    progress.say()
    return conclude(study, task_factory, command)


def seconds_of(given: float | str) -> float:
    """A time in seconds: 90, ``"90"``, ``"1h30m"``.

    Raises:
        ConfigError: It is none, or not above 0.
    """
    found = re.fullmatch(r"\s*(?:(\d+)h)?\s*(?:(\d+)m(?:in)?)?\s*(?:(\d+)s)?\s*", str(given)) if given else None
    if found and any(found.groups()):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return 3600.0 * hours + 60 * minutes + seconds
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value < math.inf:
        raise ConfigError(f"timeout {given!r}", expected='seconds above 0, or such as "1h30m"')
    return value


class _Progress:
    """Says each finished trial once, with the best score so far, whoever ran it."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._said = {each.number for each in study.trials if each.state.is_finished()}
        if self._said:
            logger.info("Going on: %d of %d trials are done", len(self._said), study.total)

    def say(self) -> None:
        """Say what is finished since the last time."""
        trials = self._study.trials
        best = best_of(trials)
        so_far = f"best {best.value:.5f}, trial {best.number}" if best is not None else "none complete yet"
        for each in trials:
            if each.number in self._said or not each.state.is_finished():
                continue
            self._said.add(each.number)
            name = f"trial {each.number + 1} / {self._study.total}"
            if each.state.name == "FAIL":
                logger.warning("%s failed (%s): %s", name, shown(each.params), each.user_attrs.get("error", ""))
                continue
            metric = each.user_attrs.get("metric", "score") if each.state.name == "COMPLETE" else "pruned at"
            seconds = each.user_attrs.get("seconds", 0.0)
            values = shown(each.params)
            logger.info("%s: %s %.5f (%s), %.0f s; %s", name, metric, each.value or 0.0, so_far, seconds, values)


def _work(study: Study, make_task: MakeTask, deadline: float, keep: int, progress: _Progress) -> None:
    """Run trials until none is left to begin, or the time is up."""
    while time.monotonic() < deadline:
        claim = study.claim()
        if claim is None:
            return
        try:
            run_trial(study, claim, make_task, deadline)
        except TimeIsUp:
            logger.info("The time is up: trial %d has a checkpoint and goes on at the next start", claim.trial.number)
            return
        finally:
            claim.release()
        with study.locked():
            keep_best(study, keep)
        gc.collect()
        progress.say()


@contextlib.contextmanager
def _workers(study: Study, count: int, deadline: float) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that run what this one was started with; at last they are stopped, with checkpoints."""
    if count <= 1:
        yield []
        return
    import torch

    main = sys.modules["__main__"]
    if not getattr(main, "__file__", None) and "-c" not in sys.orig_argv:
        raise ConfigError(
            f"workers={count} in a notebook or at a prompt",
            expected="a script, which workers can run too",
            fix="workers=1, or `hub tune`, or a script with this call",
        )
    cores = torch.get_num_threads()
    threads = max(1, cores // count)
    said = json.dumps({"folder": str(study.path.resolve()), "until": None if deadline == math.inf else deadline})
    environment = {**os.environ, WORKER: said, "OMP_NUM_THREADS": str(threads)}
    processes = []
    torch.set_num_threads(threads)
    try:
        for number in range(1, count):
            with open(study.path / f"worker-{number}.log", "ab") as log:
                # A session of its own: Ctrl-C is handed on once, as SIGTERM, which writes checkpoints.
                command = [sys.executable, *sys.orig_argv[1:]]
                processes.append(
                    subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
                )
        logger.info("%d workers, %d threads each", count, threads)
        yield processes
    finally:
        torch.set_num_threads(cores)
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for number, process in enumerate(processes, start=1):
            if process.wait() not in (0, -signal.SIGTERM):
                log_file = study.path / f"worker-{number}.log"
                logger.warning("Worker %d ended with exit code %s:\n%s", number, process.returncode, tail(log_file))


def _new_path() -> Path:
    return Path(f"tune_{datetime.datetime.now():%Y%m%d%H%M%S}")
