"""Where files live.

Environment:
    TRANSFERHUB_HOME: modules, downloads, caches and measured settings (default ``~/.transferhub``).
    TRANSFERHUB_DATASETS: a folder with data sets in PaddleHub's own layout, looked at first.
"""

import os
from pathlib import Path


def home() -> Path:
    """The folder of everything that TransferHub keeps between runs."""
    return Path(os.environ.get("TRANSFERHUB_HOME") or Path.home() / ".transferhub")


def modules() -> Path:
    """Installed modules, a folder each."""
    return home() / "modules"


def cache() -> Path:
    """What can be computed again."""
    return home() / "cache"


def downloads() -> Path:
    """Files on their way here: what an interrupted ``hub install`` goes on with."""
    return home() / "downloads"


def tuning() -> Path:
    """The file of settings measured on this machine."""
    return home() / "tuning.json"


def dataset_roots() -> list[Path]:
    """The folders in which a built-in data set is looked for, first match wins."""
    given = os.environ.get("TRANSFERHUB_DATASETS")
    roots = [Path(given)] if given else []
    return [*roots, home() / "dataset", Path.home() / ".paddlehub" / "dataset"]
