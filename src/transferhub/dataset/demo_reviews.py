"""DemoReviews: short reviews written one by one for this project, so that a first run needs nothing else."""

from pathlib import Path

from transferhub.dataset.base_nlp_dataset import BaseNLPDataset
from transferhub.errors import ConfigError

LANGUAGES = {"en": "demo_reviews_en"}


class DemoReviews(BaseNLPDataset):
    """Reviews of hotels, shops, films, food and apps, ``negative`` or ``positive``, in three splits.

    Args:
        language: ``en``.

    Raises:
        ConfigError: A language that is not there.
    """

    def __init__(self, language: str = "en") -> None:
        if language not in LANGUAGES:
            raise ConfigError(f"no demo reviews in {language!r}", expected=f"one of {', '.join(LANGUAGES)}")
        super().__init__(
            Path(__file__).parent / "data" / LANGUAGES[language],
            train_file="train.tsv",
            dev_file="dev.tsv",
            test_file="test.tsv",
            label_list=["negative", "positive"],
            train_file_with_header=True,
            dev_file_with_header=True,
            test_file_with_header=True,
        )
