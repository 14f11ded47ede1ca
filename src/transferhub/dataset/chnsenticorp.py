"""ChnSentiCorp: Chinese reviews of hotels, books and notebooks, positive (1) or negative (0)."""

from typing import Any

from transferhub.dataset.base_nlp_dataset import BaseNLPDataset
from transferhub.dataset.builtin import dataset_folder


class ChnSentiCorp(BaseNLPDataset):
    """9,600 / 1,200 / 1,200 Chinese reviews collected by Tan Songbo; labels ``0`` (negative) and ``1`` (positive).

    Looked for as ``chnsenticorp/{train,dev,test}.tsv`` (``label<TAB>text_a``, with a header) in
    ``$TRANSFERHUB_DATASETS``, ``$TRANSFERHUB_HOME/dataset`` and ``~/.paddlehub/dataset``.

    Raises:
        DataError: The folder is in none of them; the message lists the ways to bring it.
    """

    columns = ("label", "text_a")

    def __init__(self, tokenizer: Any = None, max_seq_len: int | None = None) -> None:
        super().__init__(
            dataset_folder("chnsenticorp", "ChnSentiCorp"),
            train_file="train.tsv",
            dev_file="dev.tsv",
            test_file="test.tsv",
            label_list=["0", "1"],
            train_file_with_header=True,
            dev_file_with_header=True,
            test_file_with_header=True,
            tokenizer=tokenizer,
            max_seq_len=max_seq_len,
        )
