"""A run's folder: whose it is, whether it is finished, and which run goes on in it."""

import datetime
import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from transferhub import atomic
from transferhub.errors import RunError
from transferhub.log import logger
from transferhub.version import __version__

RECORD = "run.json"
SECTIONS = ("settings", "environment")  # of the record, each a dictionary
# All that a run writes into its folder.
WRITTEN = (
    *(RECORD, "best_model", "step_*", "predictions", "visualization", "vdllog", "report.html"),
    *(".*.part", ".*.old"),
)
# Said when they change between two starts of a run, because bit-identity may be lost; never an error.
MACHINE = ("transferhub", "torch", "transformers", "threads", "device")


class RunFolder:
    """An open run: locked until `close`, so that no other process writes into it.

    ``record`` is what ``run.json`` holds: ``status`` (``running`` or ``finished``), ``program`` (which command or
    script started it), ``settings`` (what determines the outcome), ``environment``, ``precision``, ``result``.
    """

    def __init__(
        self, path: Path, settings: Mapping[str, Any], environment: Mapping[str, Any], program: str = ""
    ) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{path} cannot be a run's folder: {error.strerror}", fix="choose another checkpoint_dir"
            ) from None
        self._lock = filelock.FileLock(path / "run.lock")
        self._acquire()
        try:
            record = read_record(path)
            if record is None:
                _refuse_foreign(path)
            self.resumed = record is not None
            self.record: dict[str, Any] = record or {
                "status": "running",
                "program": program,
                "settings": dict(settings),
                "environment": dict(environment),
                "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            }
            if record is not None:
                _refuse_other(path, record["settings"], settings)
                _say_changes(record["environment"], environment)
            else:
                self.save()
        except BaseException:
            self.close()
            raise

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.record["status"] == "finished")

    def save(self, **changes: Any) -> None:
        """Change the record and write it."""
        self.record.update(changes)
        atomic.write_json(self.path / RECORD, self.record)

    def close(self) -> None:
        """Give the folder free."""
        if self._lock.is_locked:
            (self.path / "owner.json").unlink(missing_ok=True)
            self._lock.release()

    def _acquire(self) -> None:
        owner = self.path / "owner.json"
        try:
            with atomic.writing(self.path):
                self._lock.acquire(timeout=0)
        except filelock.Timeout:
            said = _read_json(owner) or {}
            raise RunError(
                f"{self.path} is in use by process {said.get('pid', '?')} on {said.get('host', '?')}: "
                f"{said.get('command', '?')}",
                fix="wait for it, or choose another checkpoint_dir",
            ) from None
        atomic.write_json(owner, {"pid": os.getpid(), "host": socket.gethostname(), "command": " ".join(sys.argv)})


def open_run(
    named: str | Path | None, settings: Mapping[str, Any], environment: Mapping[str, Any], *, overwrite: bool = False
) -> RunFolder:
    """Open the folder of a run: the named one; else an unfinished one of the same run here; else a new one.

    The same run has the same settings and was started by the same program.

    Args:
        named: ``checkpoint_dir``, or None.
        settings: What determines the outcome.
        environment: Versions, threads, device.
        overwrite: Remove the run in `named` first, unless it is this one, unfinished.

    Raises:
        RunError: The folder belongs to a run with other settings (the difference is shown), or is in use.
    """
    if named is not None:
        if overwrite:
            _make_room(Path(named), settings)
        return RunFolder(Path(named), settings, environment, program())
    for path in sorted(Path().glob("ckpt_*"), reverse=True):
        try:
            record = read_record(path)
        except RunError as error:
            logger.warning("%s; it is passed over", error.what)
            continue
        same = record and record["program"] == program() and record["settings"] == dict(settings)
        if record and same and record["status"] != "finished":
            try:
                folder = RunFolder(path, settings, environment)
            except RunError:  # another process is at it
                continue
            logger.info("Going on with the unfinished run in %s (name a checkpoint_dir to start another)", path)
            return folder
    return RunFolder(_new_path(), settings, environment, program())


def read_record(path: Path) -> dict[str, Any] | None:
    """What ``run.json`` of a folder holds, or None where there is none."""
    record = _read_json(path / RECORD)
    whole = record is not None and {"status", "program", *SECTIONS} <= record.keys()
    whole = whole and record is not None and all(isinstance(record[name], dict) for name in SECTIONS)
    if not whole and (path / RECORD).exists():
        raise RunError(f"{path / RECORD} cannot be read", fix="choose another checkpoint_dir, or --overwrite this one")
    return record


def environment(device: str) -> dict[str, Any]:
    """What a run's bits may depend on beside its settings."""
    import torch
    import transformers

    return {
        "transferhub": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
        "device": device,
        "machine": platform.machine(),
        "command": " ".join(sys.argv),
    }


def program() -> str:
    """What runs: a command's name, or a script's with a digest of its text. The same finds its unfinished run again."""
    name = Path(sys.argv[0] or "python")
    return (
        name.name
        if name.suffix != ".py"
        else f"{name.name} {atomic.sha256(name)[:16] if name.is_file() else ''}".strip()
    )


def _new_path() -> Path:
    moment = datetime.datetime.now()
    while True:
        path = Path(f"ckpt_{moment:%Y%m%d%H%M%S}")
        try:
            path.mkdir()
        except FileExistsError:
            moment += datetime.timedelta(seconds=1)
        else:
            return path


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A line for each setting that is not the same there and now."""
    there, now = dict(_flat(old)), dict(_flat(new))
    return [
        f"    {name}: {there.get(name)!r} there, {now.get(name)!r} now"
        for name in {**there, **now}
        if there.get(name) != now.get(name)
    ]


def _refuse_other(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    rows = differences(old, new)
    data = [row for row in rows if row.startswith("    data.")]
    if rows:
        what = "whose rows have changed since" if len(data) == len(rows) else "with other settings"
        raise RunError(
            f"{path} belongs to a run {what}:\n" + "\n".join(rows),
            fix="give the same settings to go on with it, another checkpoint_dir, or --overwrite (overwrite=True)",
        )


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _say_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for name in MACHINE:
        if old.get(name) != new.get(name):
            logger.warning(
                "This run was started with %s %s, now it is %s: the result may differ in the last bits",
                name,
                old.get(name),
                new.get(name),
            )


def _refuse_foreign(path: Path) -> None:
    """A run is not started over files that look like a run's and are not one's: they would be replaced."""
    there = sorted({left.name for pattern in WRITTEN for left in path.glob(pattern)})
    if there:
        raise RunError(
            f"{path} holds {', '.join(there[:4])}, but no {RECORD}: it is not known to be a run's folder",
            expected="a run's folder, or one without such files",
            fix="choose another checkpoint_dir, or move these away",
        )


def _make_room(path: Path, settings: Mapping[str, Any]) -> None:
    """Remove the run in a folder, and nothing else that lies there; an unfinished run of these settings goes on."""
    if not path.exists():
        return
    if not (path / RECORD).exists():
        return  # not a run of ours: nothing in it is ours to remove
    record = _read_json(path / RECORD) or {}
    if record.get("settings") == dict(settings) and record.get("status") != "finished":
        return
    if {"settings", "environment"} <= record.keys():
        RunFolder(path, record["settings"], record["environment"]).close()  # refuses if another process is at it
    for pattern in WRITTEN:
        for left in path.glob(pattern):
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
