"""PaddleHub's picture sets, under its own folder and file names."""

from transferhub.dataset.base_cv_dataset import BaseCVDataset
from transferhub.dataset.builtin import dataset_folder


class _BuiltIn(BaseCVDataset):
    """Lists in a folder of `paths.dataset_roots`: ``{train,validate,test}_list.txt`` and ``label_list.txt``."""

    folder: str

    def __init__(self) -> None:
        super().__init__(
            dataset_folder(self.folder, type(self).__name__),
            train_list_file="train_list.txt",
            validate_list_file="validate_list.txt",
            test_list_file="test_list.txt",
            label_list_file="label_list.txt",
        )


class Flowers(_BuiltIn):
    """Photographs of five kinds of flowers; looked for as ``flower_photos/``.

    Raises:
        DataError: The folder is in none of the places; the message lists the ways to bring it.
    """

    folder = "flower_photos"


class DogCat(_BuiltIn):
    """Photographs of cats (0) and dogs (1); looked for as ``dog-cat/``.

    Raises:
        DataError: As `Flowers`.
    """

    folder = "dog-cat"


DogCatDataset = DogCat  # what some of PaddleHub's documents call it


class StanfordDogs(_BuiltIn):
    """Photographs of 120 breeds of dogs; looked for as ``StanfordDogs-120/``.

    Raises:
        DataError: As `Flowers`.
    """

    folder = "StanfordDogs-120"


class Indoor67(_BuiltIn):
    """Photographs of 67 kinds of rooms; looked for as ``Indoor67/``.

    Raises:
        DataError: As `Flowers`.
    """

    folder = "Indoor67"


class Food101(_BuiltIn):
    """Photographs of 101 dishes; looked for as ``food-101/images/``.

    Raises:
        DataError: As `Flowers`.
    """

    folder = "food-101/images"


PICTURE_SETS = {made.__name__: made for made in (Flowers, DogCat, StanfordDogs, Indoor67, Food101)}
