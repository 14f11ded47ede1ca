"""1.x's names of the folders."""

from transferhub import paths

HUB_HOME = str(paths.home())
MODULE_HOME = str(paths.modules())
CACHE_HOME = str(paths.cache())
DATA_HOME = str(paths.home() / "dataset")
