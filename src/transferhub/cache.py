"""What can be computed again, on disk: an entry is a whole folder, and all entries together stay under a cap.

Environment:
    TRANSFERHUB_CACHE_GB: how much the entries may take together (default 20). What was not used for longest goes first;
        nothing that this process uses goes, and what another process has mapped stays readable to it.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import filelock

from transferhub import atomic, paths
from transferhub.errors import ConfigError
from transferhub.log import logger

KINDS = ("rows", "columns", "archives", "vectors")
DAY = 86400
_used: set[Path] = set()


def entry(kind: str, key: str, fill: Callable[[Path], None]) -> Path:
    """The folder of an entry, filled first if it is not there or not as it was written.

    Args:
        kind: One of `KINDS`.
        key: A digest of everything that the content depends on.
        fill: Writes the content into the folder that it is given.

    Raises:
        StorageError: The folder cannot be written; and whatever `fill` raises.
    """
    folder = paths.cache() / kind / key
    _used.add(folder)
    locks = paths.cache() / "locks"
    with atomic.writing(folder, fix="free some space, or set TRANSFERHUB_HOME to a folder that can be written"):
        locks.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(locks / f"{kind}-{key}"):  # one process fills it, others wait
            if atomic.damage(folder, bytes_too=False):
                shutil.rmtree(folder, ignore_errors=True)
                with atomic.whole_folder(folder) as part:
                    fill(part)
                _trim()
            os.utime(folder)
    return folder


def cap() -> int:
    """The most bytes that all entries together may take."""
    given = os.environ.get("TRANSFERHUB_CACHE_GB") or "20"
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = -1.0
    if not gigabytes >= 0:
        raise ConfigError(f"TRANSFERHUB_CACHE_GB={given}", expected="a number of gigabytes, say 20")
    return int(min(gigabytes, 1e6) * 1e9)


def _trim() -> None:
    limit, now = cap(), time.time()
    entries: list[tuple[float, int, Path]] = []
    for kind in KINDS:
        for folder in (paths.cache() / kind).glob("*"):
            try:
                used, size = folder.stat().st_mtime, sum(file.stat().st_size for file in folder.glob("*"))
            except OSError:  # another process removes it
                continue
            if not folder.name.startswith("."):
                entries.append((used, size, folder))
            elif now - used > DAY:  # a process that was killed left it half-written
                shutil.rmtree(folder, ignore_errors=True)
    for lock in (paths.cache() / "locks").glob("*"):
        if now - lock.stat().st_mtime > DAY:
            lock.unlink(missing_ok=True)
    total = sum(size for _, size, _ in entries)
    removed: list[int] = []
    for _, size, folder in sorted(entries):
        if total - sum(removed) <= limit:
            break
        if folder not in _used:
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(size)
    if removed:
        logger.info(
            "Cache: %d entries not used for longest were removed (%.2f GB), to stay under %.4g GB "
            "(TRANSFERHUB_CACHE_GB)",
            len(removed),
            sum(removed) / 1e9,
            limit / 1e9,
        )
