"""What can be computed again, on disk: an entry is a whole folder, and all entries together stay under a cap.

Environment:
    TRANSFERHUB_CACHE_GB: how much the entries may take together (default 20). What was not used for longest goes first;
        nothing that this process uses goes, and what another process has mapped stays readable to it.
"""

import contextlib
import dataclasses
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import filelock

from transferhub import atomic, paths
from transferhub.errors import ConfigError, did_you_mean
from transferhub.log import logger

KINDS = ("rows", "columns", "archives", "vectors", "features", "pictures")
DAY = 86400
SPARE = 64 << 20  # bytes of the disk that are left free
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
            if not has(kind, key):
                shutil.rmtree(folder, ignore_errors=True)
                with atomic.whole_folder(folder) as part:
                    fill(part)
                _trim()
            os.utime(folder)
    return folder


def has(kind: str, key: str) -> bool:
    """Whether an entry is there as it was written, without a look at its bytes."""
    return atomic.damage(paths.cache() / kind / key, bytes_too=False) is None


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


def no_room(size: int) -> str | None:
    """Why so many bytes cannot be kept; None: they can."""
    if size > cap():
        return f"{size / 1e9:.3f} GB are more than the cache may hold (TRANSFERHUB_CACHE_GB)"
    place = paths.cache()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return f"{size / 1e9:.3f} GB, but {place} has {free / 1e9:.3f} GB free" if size + SPARE > free else None


@dataclasses.dataclass(frozen=True)
class Entry:
    """One entry on disk.

    Args:
        kind: One of `KINDS`.
        folder: Where it is.
        bytes: How much it takes.
        used: When it was used last, in seconds since 1970.
    """

    kind: str
    folder: Path
    bytes: int
    used: float

    @property
    def used_at(self) -> str:
        """When it was used last, for people."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.used))


def entries(kind: str | None = None) -> list[Entry]:
    """What is kept, of one kind or of all; what was used last comes first in each kind.

    Raises:
        ConfigError: There is no such kind.
    """
    found = []
    for name in _chosen(kind):
        for folder in (paths.cache() / name).glob("[!.]*"):
            try:
                size, used = sum(file.stat().st_size for file in folder.glob("*")), folder.stat().st_mtime
            except OSError:  # another process removes it
                continue
            found.append(Entry(name, folder, size, used))
    return sorted(found, key=lambda entry: (KINDS.index(entry.kind), -entry.used))


def clear(kind: str | None = None) -> int:
    """Remove the entries of one kind or of all, and return their bytes; what a process has mapped stays readable to it.

    Raises:
        ConfigError: There is no such kind.
    """
    found = entries(kind)
    for name in _chosen(kind):
        shutil.rmtree(paths.cache() / name, ignore_errors=True)
    return sum(entry.bytes for entry in found)


def _chosen(kind: str | None) -> tuple[str, ...]:
    if kind is not None and kind not in KINDS:
        near = did_you_mean(kind, KINDS) or None
        raise ConfigError(f"the cache has no {kind!r}", expected=f"one of {', '.join(KINDS)}", fix=near)
    return KINDS if kind is None else (kind,)


def _trim() -> None:
    limit, found = cap(), entries()
    for kind in KINDS:
        for part in (paths.cache() / kind).glob(".*"):
            with contextlib.suppress(OSError):  # another process removes it
                if time.time() - part.stat().st_mtime > DAY:  # a process that was killed left it half-written
                    shutil.rmtree(part, ignore_errors=True)
    for lock in (paths.cache() / "locks").glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - lock.stat().st_mtime > DAY:
                lock.unlink(missing_ok=True)
    total = sum(entry.bytes for entry in found)
    removed: list[int] = []
    for entry in sorted(found, key=lambda entry: entry.used):
        if total - sum(removed) <= limit:
            break
        if entry.folder not in _used:
            shutil.rmtree(entry.folder, ignore_errors=True)
            removed.append(entry.bytes)
    if removed:
        logger.info(
            "Cache: %d entries not used for longest were removed (%.2f GB), to stay under %.4g GB "
            "(TRANSFERHUB_CACHE_GB)",
            len(removed),
            sum(removed) / 1e9,
            limit / 1e9,
        )
