"""1.8's record mode: rows as a tokenizer encodes them, for loops of one's own.

    dataset = hub.dataset.ChnSentiCorp(hub.BertTokenizer(module.get_vocab_path()), max_seq_len=128)
    for batch in dataset.batch_records_generator("train", batch_size=32):
        batch["input_ids"], batch["label"]

Tasks need none of it: their readers encode rows once, without padding, and keep the ids on disk.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from transferhub.dataset import targets
from transferhub.dataset.base_dataset import BaseDataset
from transferhub.errors import ConfigError
from transferhub.log import logger

if TYPE_CHECKING:
    from transferhub.dataset.examples import InputExample

Record = dict[str, Any]
LENGTH = 128  # where no max_seq_len is given, as in 1.8
PADDED = ("input_ids", "segment_ids", "input_mask", "position_ids", "text")  # of a record: as long as max_seq_len


class RecordMode(BaseDataset):
    """A data set with a tokenizer, whose rows can be had as records."""

    tokenizer: Any = None
    max_seq_len: int | None = None
    is_pair_wise = False
    _kept: dict[str, tuple[Sequence["InputExample"], list[Record]]] | None = None

    def get_records(self, phase: str, shuffle: bool = False) -> list[Record]:
        """The rows of a split as the tokenizer's ``encode`` gives them, with their ``label`` where they have one.

        A label is its id, a number, or a list of 0 and 1. Rows that hold no known word are left out, counted and said.

        Args:
            phase: ``train``, ``dev`` (or ``val``), ``test`` or ``predict``.
            shuffle: Whether in random order, drawn from numpy's global state as in 1.x.

        Raises:
            ConfigError: There is no tokenizer, no such split, or the rows are tagged texts, passages or
                triples.
        """
        examples = self.get_examples(phase)
        if self._kept is None:
            self._kept = {}
        kept = self._kept.get(phase)
        if kept is None or kept[0] is not examples:
            kept = self._kept[phase] = examples, self._encoded(phase, examples)
        order = np.random.permutation(len(kept[1])) if shuffle else range(len(kept[1]))
        return [kept[1][place] for place in order]

    def get_train_records(self, shuffle: bool = False) -> list[Record]:
        """`get_records` of the rows to train on."""
        return self.get_records("train", shuffle)

    def get_dev_records(self, shuffle: bool = False) -> list[Record]:
        """`get_records` of the rows on which the best model is chosen."""
        return self.get_records("dev", shuffle)

    get_val_records = get_dev_records

    def get_test_records(self, shuffle: bool = False) -> list[Record]:
        """`get_records` of the rows that are looked at once."""
        return self.get_records("test", shuffle)

    def get_predict_records(self, shuffle: bool = False) -> list[Record]:
        """`get_records` of the rows without labels."""
        return self.get_records("predict", shuffle)

    def get_feed_list(self, phase: str) -> list[str]:
        """The names of a split's columns, as its first record has them."""
        return list(next(iter(self.get_records(phase)), {}))

    def batch_records_generator(
        self, phase: str, batch_size: int, shuffle: bool = True, pad_to_batch_max_seq_len: bool = False
    ) -> Iterator[dict[str, list[Any]]]:
        """The records of a split batch by batch, as a list for each name; the last batch may be smaller.

        Args:
            phase: As for `get_records`.
            batch_size: Rows in a batch.
            shuffle: Whether in random order.
            pad_to_batch_max_seq_len: Whether rows are as long as the longest of their batch, and not `max_seq_len`.

        Raises:
            ConfigError: As `get_records`, or a `batch_size` below 1.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}", expected="at least 1")
        records = self.get_records(phase, shuffle)
        for start in range(0, len(records), batch_size):
            part = records[start : start + batch_size]
            longest = max(record["seq_len"] for record in part) if pad_to_batch_max_seq_len else None
            yield {
                name: [record[name][:longest] if name in PADDED else record[name] for record in part]
                for name in part[0]
            }

    def _encoded(self, phase: str, examples: Sequence["InputExample"]) -> list[Record]:
        if self.tokenizer is None:
            raise ConfigError(
                f"{self.name} has no tokenizer: its rows cannot be records",
                fix=f"{type(self).__name__}(tokenizer=hub.BertTokenizer(module.get_vocab_path()), …)",
            )
        if self.is_pair_wise:
            raise ConfigError(
                f"{self.name} holds triples: a record is of one text or two",
                fix="give the data set to PairwiseTextMatchingTask",
            )
        labels, length = self._labels_of(phase, examples), self.max_seq_len or LENGTH
        found, unknown = list[Record](), 0
        for row, example in enumerate(examples):
            record = dict(self.tokenizer.encode(example.text_a, example.text_b, max_seq_len=length))
            if not record:
                unknown += 1
                continue
            found.append(record if labels is None else {**record, "label": labels[row]})
        if unknown:
            logger.warning("%s: %d of %d rows hold no known word and are left out", phase, unknown, len(examples))
        return found

    def _labels_of(self, phase: str, examples: Sequence["InputExample"]) -> list[Any] | None:
        if self.kind not in ("classes", "value", "labels"):
            raise ConfigError(
                f"{self.name} holds tags or answers: a record says nothing of them",
                fix="give the data set to the task: its reader knows each word's place",
            )
        if phase == "predict" or all(example.label is None for example in examples):
            return None
        if self.kind == "classes":
            return list(self.label_ids(phase).tolist())
        numbers = targets.values(self, phase) if self.kind == "value" else targets.label_sets(self, phase)
        return list(numbers.tolist())
