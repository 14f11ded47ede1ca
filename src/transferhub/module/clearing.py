"""Removing what can be computed or fetched again."""

import shutil
import time
from pathlib import Path

from transferhub import paths
from transferhub.log import logger
from transferhub.module import fetch

ABANDONED = 3600.0  # seconds: nobody fills a module's folder for so long


def clear() -> int:
    """Remove caches, half-finished downloads and half-written modules; return the bytes that it freed.

    What another process is downloading stays.
    """
    freed = _remove(paths.cache())
    downloads = [each for each in paths.downloads().glob("*") if each.is_dir() and not each.name.startswith(".")]
    for folder in downloads:
        with fetch.in_use(folder, wait=0) as free:
            if free:
                freed += _remove(folder)
            else:
                logger.warning("%s is in use by another process and stays", folder)
    for part in paths.modules().glob(".*.part"):
        if time.time() - part.stat().st_mtime > ABANDONED:
            freed += _remove(part)
    return freed


def _remove(folder: Path) -> int:
    freed = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    return freed
