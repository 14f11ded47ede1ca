"""Where built-in data sets are found, under PaddleHub's own folder names."""

from pathlib import Path

from transferhub.errors import DataError
from transferhub.paths import dataset_roots


def dataset_folder(folder: str, name: str) -> Path:
    """Find a built-in set's folder.

    Raises:
        DataError: It is in none of `paths.dataset_roots`.
    """
    for root in dataset_roots():
        if (root / folder).is_dir():
            return root / folder
    looked = ", ".join(str(root / folder) for root in dataset_roots())
    raise DataError(
        f"the data set {name} is not downloaded: looked for {looked}",
        fix=f"put its folder {folder}/ into one of these, or set TRANSFERHUB_DATASETS to the folder that holds it",
    )
