"""What can be computed again, on disk: an entry is a whole folder, and all entries together stay under a cap.

Environment:
    TRANSFERHUB_CACHE_GB: how much the entries may take together (default 20). What was not used for longest goes first;
        nothing that this process uses goes, and what another process has mapped stays readable to it.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from transferhub import atomic, paths
from transferhub.errors import ConfigError, HubError
from transferhub.log import logger

KINDS = ("rows", "columns", "vectors")
DAY = 86400
_used: set[Path] = set()


def entry(kind: str, key: str, fill: Callable[[Path], None]) -> Path:
    """The folder of an entry, filled first if it is not there or not as it was written.

    Args:
        kind: One of `KINDS`.
        key: A digest of everything that the content depends on.
        fill: Writes the content into the folder that it is given.

    Raises:
        HubError: The folder cannot be written; and whatever `fill` raises.
    """
    folder = paths.cache() / kind / key
    _used.add(folder)
    with writing():
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            with atomic.whole_folder(folder, replace=False) as part:
                fill(part)
            _trim()
        os.utime(folder)
    return folder


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Turn what the system says of the cache's folder into a `HubError` that names it."""
    try:
        yield
    except OSError as error:
        raise HubError(
            f"the cache {paths.cache()} cannot be written: {error}",
            fix="free some space, or set TRANSFERHUB_HOME to a folder that can be written",
        ) from error


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


def _is_whole(folder: Path) -> bool:
    try:
        files = json.loads((folder / atomic.MANIFEST).read_text(encoding="utf-8"))["files"]
        return all((folder / name).stat().st_size == said["bytes"] for name, said in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


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
