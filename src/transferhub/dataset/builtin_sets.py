"""The built-in text data sets as classes: one for each entry of `sets.toml`, by hand where it takes arguments."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from transferhub.dataset.base_nlp_dataset import (
    BaseNLPDataset,
    MRCDataset,
    MultiLabelDataset,
    RegressionDataset,
    SeqLabelingDataset,
)
from transferhub.dataset.builtin import Card, cards, dataset_folder
from transferhub.dataset.examples import InputExample, TripleExample
from transferhub.dataset.nlp_rows import Layout, loose_rows
from transferhub.dataset.rows import Row
from transferhub.errors import ConfigError, DataError, did_you_mean
from transferhub.log import logger

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")  # of XNLI
SEPARATORS = {"tab": "\t"}


class BuiltinSet(BaseNLPDataset):
    """A data set that `sets.toml` describes, read from PaddleHub's own folder and files.

    Rows that are damaged (another number of columns, a label that does not exist) are left out, counted and said.

    Args:
        tokenizer: Of 1.8's records, as for `BaseNLPDataset`.
        max_seq_len: Of these records.

    Raises:
        DataError: The folder or its training file is not here; the message lists the ways to bring it.
    """

    card: Card
    lenient = True

    def __init__(self, tokenizer: Any = None, max_seq_len: int | None = None) -> None:
        card, name = self.card, self._called()
        self.kind = card.kind
        folder = dataset_folder(card.folder, name)
        files = {phase: file for phase, file in card.files.items() if (folder / file).is_file()}
        if "train" not in files:
            raise DataError(
                f"the data set {name} is not downloaded: {folder} has no {card.files['train']}",
                expected=", ".join(card.files.values()),
                fix=f"put these files into {folder}",
            )
        if len(files) < len(card.files):
            absent = ", ".join(file for phase, file in card.files.items() if phase not in files)
            logger.warning("%s: %s is not in %s", name, absent, folder)
        self.is_pair_wise = self.is_pair_wise or "third" in card.columns
        arguments: dict[str, Any] = {f"{phase}_file": file for phase, file in files.items()}
        arguments |= {f"{phase}_file_with_header": card.has_header(phase) for phase in files}
        super().__init__(
            folder,
            label_file=card.labels_file,
            label_list=card.labels,
            tokenizer=tokenizer,
            max_seq_len=max_seq_len,
            **arguments,
        )
        self.name = name

    @property
    def metric(self) -> tuple[str, ...]:
        """The usual metrics, the main one first."""
        return self.card.metric

    @property
    def licence(self) -> str:
        """Of the data."""
        return self.card.licence

    @property
    def citation(self) -> str:
        """Of the data."""
        return self.card.citation

    def _called(self) -> str:
        return self.card.name

    def _rows(self, path: Path, with_header: bool, notes: list[str]) -> Iterator[Row]:
        return loose_rows(path, SEPARATORS.get(self.card.separator, self.card.separator))

    def _layout(self, path: Path, top: Row, first: Row, predict: bool) -> Layout:
        card, width = self.card, len(top.cells)
        try:
            names = card.names(width, predict=predict)
        except IndexError:
            raise DataError(
                f"{path}:{top.line}: {width} columns: {top.cells!r:.80}",
                expected=f"{card.name}'s columns: {card.predict if predict else card.columns}",
            ) from None
        exact = card.separator != "_!_"  # such a file may end a line with more, or with nothing
        if not exact:
            names = names[: 1 + max(place for place, name in enumerate(names) if name)]
        flags = tuple(card.labels or ()) if names.count("label") > 1 else ()
        known = None if card.labels is None else dict.fromkeys(card.labels)
        return Layout(names, self.kind, self.split_char, flags, known, card.aliases, exact)


class GLUE(BuiltinSet):
    """The General Language Understanding Evaluation benchmark's sets (Wang et al., 2018, arXiv:1804.07461), by name.

    ``test.tsv`` has no labels: it is the predict split. ``glue_data/NAME/{train,dev,test}.tsv``, as GLUE's own script
    downloads them.

    Args:
        sub_dataset: ``CoLA``, ``MNLI`` (= ``MNLI_m``), ``MNLI_m``, ``MNLI_mm``, ``MRPC``, ``QNLI``, ``QQP``, ``RTE``,
            ``SST-2``, ``STS-B``, ``WNLI``.
        tokenizer: Of 1.8's records.
        max_seq_len: Of these records.

    Raises:
        ConfigError: No such set.
        DataError: It is not here.
    """

    names: ClassVar[tuple[str, ...]] = tuple(name for name, card in cards().items() if card.variant_of == "GLUE")

    def __init__(self, sub_dataset: str = "SST-2", tokenizer: Any = None, max_seq_len: int | None = None) -> None:
        if sub_dataset not in self.names:
            raise ConfigError(
                f"GLUE has no {sub_dataset!r}",
                expected=f"one of {', '.join(sorted(self.names))}",
                fix=did_you_mean(sub_dataset, self.names) or None,
            )
        self.sub_dataset = sub_dataset
        self.card = cards()[sub_dataset]
        super().__init__(tokenizer, max_seq_len)

    def _called(self) -> str:
        return f"GLUE({self.sub_dataset!r})"


class XNLI(BuiltinSet):
    """Natural language inference in 15 languages (Conneau et al., 2018, arXiv:1809.05053).

    Args:
        language: ``ar bg de el en es fr hi ru sw th tr ur vi zh``.
        tokenizer: Of 1.8's records.
        max_seq_len: Of these records.

    Raises:
        ConfigError: No such language.
        DataError: It is not here.
    """

    card = cards()["XNLI"]

    def __init__(self, language: str = "zh", tokenizer: Any = None, max_seq_len: int | None = None) -> None:
        if language not in LANGUAGES:
            raise ConfigError(f"XNLI has no language {language!r}", expected=f"one of {', '.join(LANGUAGES)}")
        self.language = language
        files = {phase: file.format(language=language) for phase, file in self.card.files.items()}
        self.card = dataclasses.replace(self.card, folder=self.card.folder.format(language=language), files=files)
        super().__init__(tokenizer, max_seq_len)

    def _called(self) -> str:
        return f"XNLI({self.language!r})"


class LCQMC(BuiltinSet):
    """Pairs of Chinese questions: the same intent (1) or not (0) (Liu et al., COLING 2018).

    Args:
        is_pair_wise: Whether to make triples of them, for pairwise matching: see `triples`.
        tokenizer: Of 1.8's records.
        max_seq_len: Of these records.

    Raises:
        DataError: It is not here; or no triple can be made of its training rows.
    """

    card = cards()["LCQMC"]

    def __init__(self, is_pair_wise: bool = False, tokenizer: Any = None, max_seq_len: int | None = None) -> None:
        self.is_pair_wise = is_pair_wise
        super().__init__(tokenizer, max_seq_len)

    def _read_file(self, input_file: str, phase: str | None = None) -> Sequence[InputExample]:
        rows = super()._read_file(input_file, phase)
        if not self.is_pair_wise:
            return rows
        made = triples(rows, input_file)
        if not made and phase == "train":
            raise DataError(
                f"{input_file}: no query has a text that fits and one that does not", expected="rows of both labels"
            )
        return made


class SQUAD(BuiltinSet, MRCDataset):
    """The Stanford Question Answering Dataset (Rajpurkar et al., 2016, arXiv:1606.05250; 2018, arXiv:1806.03822).

    Args:
        version_2_with_negative: Whether to read version 2.0, with questions that are not answered, in place of 1.1.
        tokenizer: Of 1.8's records.
        max_seq_len: Of these records.

    Raises:
        DataError: It is not here.
    """

    def __init__(
        self, version_2_with_negative: bool = False, tokenizer: Any = None, max_seq_len: int | None = None
    ) -> None:
        self.version_2_with_negative = version_2_with_negative
        self.card = cards()["SQUAD2" if version_2_with_negative else "SQUAD"]
        super().__init__(tokenizer, max_seq_len)

    def _called(self) -> str:
        return f"SQUAD(version_2_with_negative={self.version_2_with_negative})"


def triples(examples: Sequence[InputExample], source: str) -> list[InputExample]:
    """Pairs of a query and a text, labelled ``1`` or ``0`` → a query, a text that fits it and one that does not.

    Only queries that have both are of use; their texts are paired in order, the shorter list again from its start. The
    text that fits is the left one (label ``1``) and the right one (``0``) in turn.
    """
    texts: dict[str, tuple[list[str], list[str]]] = {}
    for example in examples:
        texts.setdefault(example.text_a, ([], []))[example.label == "1"].append(example.text_b or "")
    found: list[InputExample] = []
    for query, (wrong, right) in texts.items():
        for place in range(max(len(wrong), len(right)) if wrong and right else 0):
            fits, other = right[place % len(right)], wrong[place % len(wrong)]
            left = len(found) % 2 == 0
            both = (fits, other) if left else (other, fits)
            found.append(TripleExample(len(found), query, *both, "1" if left else "0"))
    used = sum(bool(wrong and right) for wrong, right in texts.values())
    logger.info(
        "%s: %d triples of %d queries; %d queries have texts of one label only and are left out",
        source,
        len(found),
        used,
        len(texts) - used,
    )
    return found


_BASES: dict[str, tuple[type[BaseNLPDataset], ...]] = {
    "value": (BuiltinSet, RegressionDataset),
    "tags": (BuiltinSet, SeqLabelingDataset),
    "labels": (BuiltinSet, MultiLabelDataset),
    "answers": (BuiltinSet, MRCDataset),
}
_BY_HAND: dict[str, type[BuiltinSet]] = {"GLUE": GLUE, "XNLI": XNLI, "LCQMC": LCQMC, "SQUAD": SQUAD}
NAMES = tuple(sorted({*_BY_HAND, *(name for name, card in cards().items() if card.variant_of is None)}))


def _made(card: Card) -> type[BuiltinSet]:
    about = {
        "__doc__": f"{card.summary[0].upper()}{card.summary[1:]}.\n\n    {card.citation}\n    Licence: {card.licence}",
        "__module__": __name__,
        "card": card,
        "kind": card.kind,
    }
    made: type[BuiltinSet] = type(card.name, _BASES.get(card.kind, (BuiltinSet,)), about)
    return made


CLASSES: dict[str, type[BuiltinSet]] = {name: _BY_HAND.get(name) or _made(cards()[name]) for name in NAMES}
globals().update(CLASSES)
