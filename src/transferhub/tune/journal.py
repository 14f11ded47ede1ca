"""Optuna's journal file, made safe for processes that are killed and disks that are full."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from transferhub import atomic
from transferhub.log import logger


class Journal:
    """Optuna's journal file; what the disk refuses is a `StorageError`."""

    def __init__(self, path: Path) -> None:
        from optuna.storages.journal import JournalFileBackend

        lock: Any = _JournalLock(path)
        self._path, self._file = path, JournalFileBackend(str(path), lock_obj=lock)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The records from a number on."""
        yield from self._file.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add records."""
        with atomic.writing(self._path):
            self._file.append_logs(logs)


class _JournalLock:
    """Optuna's journal is locked by the system, so that a killed process holds nothing; a torn last line is cut off."""

    def __init__(self, journal: Path) -> None:
        self._journal, self._lock = journal, filelock.FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        self._lock.acquire()
        _cut_torn_line(self._journal)
        return True

    def release(self) -> None:
        self._lock.release()


def _cut_torn_line(journal: Path) -> None:
    with open(journal, "ab+") as file:
        size = end = file.tell()
        while end:
            start = max(0, end - 4096)
            file.seek(start)
            last = file.read(end - start).rfind(b"\n")
            if last >= 0:
                end = start + last + 1
                break
            end = start
        if end < size:
            logger.warning("%s ends in a torn line, of a process that was killed: it is cut off", journal)
            os.truncate(journal, end)
