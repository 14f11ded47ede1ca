"""A study's folder: whose it is, its trials in Optuna's storage, and who runs which of them.

``study.json`` holds the settings that make it one search, ``journal.log`` Optuna's records, ``trials/0007`` a trial's
run. A trial is locked while it runs; a running trial that nobody holds was killed, and is taken up again.
"""

import contextlib
import datetime
import hashlib
import json
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from transferhub import atomic
from transferhub.engine.run_folder import differences, program
from transferhub.errors import ConfigError, RunError, did_you_mean
from transferhub.graph.randomness import derive
from transferhub.log import logger
from transferhub.tune.journal import Journal
from transferhub.tune.space import Space, Value

if TYPE_CHECKING:
    import optuna

RECORD = "study.json"
JOURNAL = "journal.log"
TRIALS = "trials"
WRITTEN = (RECORD, JOURNAL, TRIALS, "best_model", "trials.csv", "report.html", "result.json", "worker-*.log")
SAMPLERS = ("tpe", "cmaes", "random")
PRUNERS = ("asha", "median", "none")
PLACE = "place"  # of a trial: host:folder
SURPLUS = "surplus"  # of a trial that two machines began at once, one too many


@dataclass
class Claim:
    """A trial that this process runs.

    Args:
        trial: Optuna's.
        values: What it tries.
        folder: Its run's.
        lock: Held until it is given free.
    """

    trial: "optuna.Trial"
    values: dict[str, Value]
    folder: Path
    lock: filelock.BaseFileLock

    def release(self) -> None:
        """Let others take it up, if it is not finished."""
        self.lock.release()


class Study:
    """An open study.

    Args:
        path: Its folder.
        space: What is searched.
        settings: What makes it one search, as JSON.
        total: Trials in all.
        storage: URL of a database for Optuna; None: a file in the folder.
        sampler: One of `SAMPLERS`.
        pruner: One of `PRUNERS`.
        seed: Trial N draws from (seed, N).
        first: What the first trial has.
        overwrite: Remove another or finished search in the folder first.

    Raises:
        RunError: The folder is another search's, or holds files that look like one.
        StorageError: It cannot be written.
    """

    def __init__(
        self,
        path: Path,
        space: Space,
        settings: Mapping[str, Any],
        total: int,
        *,
        storage: str | None = None,
        sampler: str = "tpe",
        pruner: str = "asha",
        seed: int = 42,
        first: Mapping[str, Value] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path, self.space, self.total = path, space, total
        self._storage, self._sampler, self._pruner, self._seed = storage, sampler, pruner, seed
        self._settings = json.loads(json.dumps(settings))
        with atomic.writing(path):
            (path / TRIALS).mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(path / "study.lock")
        with self.locked():
            record = read_record(path)
            if overwrite and record is not None and (record["settings"] != self._settings or _finished(record)):
                self._remove(record)
                record = None
            if record is None:
                self._begin()
            else:
                _check(path, record, self._settings)
            self.optuna = self._open(space.initial(first))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among the processes of this folder."""
        with self._lock, atomic.writing(self.path):
            yield

    @property
    def record(self) -> dict[str, Any]:
        """``study.json`` as it is now."""
        return read_record(self.path) or {}

    def save(self, **changes: Any) -> None:
        """Change ``study.json``; called inside `locked`."""
        atomic.write_json(self.path / RECORD, {**self.record, **changes})

    @property
    def trials(self) -> "list[optuna.trial.FrozenTrial]":
        """All trials that were begun, by number."""
        from optuna.trial import TrialState

        found = self.optuna.get_trials(deepcopy=False)
        return [each for each in found if each.state != TrialState.WAITING and SURPLUS not in each.user_attrs]

    def folder(self, number: int) -> Path:
        """Where a trial's run is."""
        return self.path / TRIALS / f"{number:04d}"

    def claim(self) -> Claim | None:
        """A trial to run: one that was killed, else a new one; None: there is none left to begin."""
        from optuna.trial import Trial, TrialState

        with self.locked():
            begun = self.trials
            for each in begun:
                if each.state == TrialState.RUNNING and (lock := self._take(each.number)) is not None:
                    logger.info("Trial %d was stopped before its end: it goes on", each.number)
                    trial = Trial(self.optuna, each._trial_id)
                    return Claim(trial, self.space.suggest(trial), self.folder(each.number), lock)
            if len(begun) >= self.total:
                return None
            # A trial's draw is a function of the seed and its number: a search that goes on repeats none.
            self.optuna.sampler = self._sampler_of(derive(self._seed, "trial", len(begun)) % 2**32)
            trial = self.optuna.ask()
            if trial.number >= self.total:
                trial.set_user_attr(SURPLUS, True)
                self.optuna.tell(trial, state=TrialState.FAIL)
                return None
            folder = self.folder(trial.number)
            folder.mkdir(exist_ok=True)
            lock = filelock.FileLock(folder / "claim.lock")
            lock.acquire(timeout=0)
            trial.set_user_attr(PLACE, f"{socket.gethostname()}:{folder.resolve()}")
            return Claim(trial, self.space.suggest(trial), folder, lock)

    @property
    def left(self) -> int:
        """Trials that are to be run or gone on with."""
        return self.total - sum(1 for each in self.trials if each.state.is_finished())

    def held_elsewhere(self) -> list[int]:
        """Running trials whose folder lies here: another process runs them, or they wait to be taken up."""
        from optuna.trial import TrialState

        running = [each.number for each in self.trials if each.state == TrialState.RUNNING]
        return [number for number in running if self._is_here(number)]

    def _is_here(self, number: int) -> bool:
        """Whether a running trial is this folder's: with a database the folders may be those of other machines."""
        return self._storage is None or self.folder(number).is_dir()

    def _take(self, number: int) -> filelock.BaseFileLock | None:
        if not self._is_here(number):
            return None
        folder = self.folder(number)
        folder.mkdir(exist_ok=True)
        lock = filelock.FileLock(folder / "claim.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return None
        return lock

    def _begin(self) -> None:
        there = sorted({left.name for pattern in WRITTEN for left in self.path.glob(pattern) if left.name != TRIALS})
        if there:
            raise RunError(
                f"{self.path} holds {', '.join(there[:4])}, but no {RECORD}: it is not known to be a search's folder",
                fix="choose another checkpoint_dir, or move these away",
            )
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        record = {"status": "running", "program": program(), "settings": self._settings, "started": started}
        atomic.write_json(self.path / RECORD, record)

    def _remove(self, record: Mapping[str, Any]) -> None:
        for folder in (self.path / TRIALS).glob("*"):
            lock = filelock.FileLock(folder / "claim.lock")
            try:
                lock.acquire(timeout=0)
                lock.release()
            except filelock.Timeout:
                raise RunError(f"{folder} is in use", fix="wait for it, or choose another checkpoint_dir") from None
        if self._storage is not None:
            import optuna

            with contextlib.suppress(KeyError):
                optuna.delete_study(study_name=_name(record["settings"]), storage=self._storage)
        for pattern in WRITTEN:
            for left in self.path.glob(pattern):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        (self.path / TRIALS).mkdir()

    def _open(self, first: Mapping[str, Value]) -> "optuna.Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage: Any = self._storage
        if storage is None:
            journal: Any = Journal(self.path / JOURNAL)
            storage = optuna.storages.JournalStorage(journal)
        name = _name(self._settings)
        try:
            study = optuna.create_study(
                storage=storage, study_name=name, direction="maximize", pruner=self._pruner_of(), load_if_exists=True
            )
        except (ImportError, ValueError) as error:
            raise _bad_storage(self._storage, error) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("sqlalchemy", "optuna"):
                raise
            raise _bad_storage(self._storage, error) from error
        if first and not study.get_trials(deepcopy=False):
            study.enqueue_trial(dict(first))
        return study

    def _sampler_of(self, seed: int) -> "optuna.samplers.BaseSampler":
        from optuna import samplers

        if self._sampler == "random":
            return samplers.RandomSampler(seed=seed)
        if self._sampler == "cmaes":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        return samplers.TPESampler(seed=seed, n_startup_trials=max(3, min(10, self.total // 4)))

    def _pruner_of(self) -> "optuna.pruners.BasePruner":
        """What stops a trial early; a resource is an evaluation on dev, of which there are two an epoch."""
        from optuna import pruners

        if self._pruner == "asha":
            return pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=3)
        if self._pruner == "median":
            return pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
        return pruners.NopPruner()


def check_names(sampler: str, pruner: str) -> None:
    """Refuse a sampler or pruner that does not exist.

    Raises:
        ConfigError: There is none of this name.
    """
    for kind, name, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            near = did_you_mean(name, known) or None
            raise ConfigError(f"{kind} {name!r}", expected=f"one of {', '.join(known)}", fix=near)


def read_record(path: Path) -> dict[str, Any] | None:
    """What ``study.json`` of a folder holds; None: there is none.

    Raises:
        RunError: It cannot be read.
    """
    file = path / RECORD
    if not file.exists():
        return None
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if not {"status", "settings", "program"} <= record.keys():
            raise ValueError("parts of it are missing")
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(f"{file} cannot be read: {error}", fix="choose another checkpoint_dir") from None
    return dict(record)


def is_search(path: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a folder belongs to the search with these settings."""
    record = read_record(path)
    return record is not None and bool(record["settings"] == json.loads(json.dumps(settings)))


def unfinished(settings: Mapping[str, Any]) -> Path | None:
    """An unfinished study of this search, by this program, in the working folder."""
    wanted = json.loads(json.dumps(settings))
    for path in sorted(Path().glob("tune_*"), reverse=True):
        try:
            record = read_record(path)
        except RunError as error:
            logger.warning("%s; it is passed over", error.what)
            continue
        if record and record["settings"] == wanted and record["program"] == program() and not _finished(record):
            logger.info("Going on with the unfinished search in %s (name a checkpoint_dir to start another)", path)
            return path
    return None


def _finished(record: Mapping[str, Any]) -> bool:
    return bool(record["status"] == "finished")


def _check(path: Path, record: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    rows = differences(record["settings"], settings)
    if rows:
        raise RunError(
            f"{path} belongs to another search:\n" + "\n".join(rows),
            fix="give the same settings to go on with it, another checkpoint_dir, or --overwrite (overwrite=True)",
        )
    if record["program"] != program():
        logger.warning("%s was begun by %s, now it is %s", path, record["program"], program())


def _name(settings: Mapping[str, Any]) -> str:
    """The study's name in its storage: the same search has the same on every machine."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"transferhub-{digest[:16]}"


def _bad_storage(storage: str | None, error: Exception) -> ConfigError:
    reason = str(error).partition("\n")[0][:200]
    return ConfigError(
        f"--storage {storage}: {reason}",
        expected="a database that Optuna can open: sqlite:///study.db, postgresql://user@host/name, mysql://…",
        fix="install the database's driver, or leave it out: on one machine or a shared folder none is needed",
    )
