"""Sequence labelling: a tag for each word, by a linear layer over a vector a token, with or without a CRF."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from transferhub.dataset import conll, raw
from transferhub.dataset.files import JSON, PARQUET
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import Answers
from transferhub.errors import ConfigError
from transferhub.graph import Variable
from transferhub.graph.build import add_crf
from transferhub.metrics import classification, spans
from transferhub.metrics.choices import chosen
from transferhub.module import Module
from transferhub.reader import Columns, SequenceLabelReader, TextReader
from transferhub.task import applying
from transferhub.task.class_task import known_labels
from transferhub.task.scored import ScoredSplit, Shown
from transferhub.task.scored_tags import show_tags
from transferhub.task.tag_predictions import TagAnswer, TagPredictions, as_of_1x
from transferhub.task.tagging import TagMeter, best_tags, chunk_tags, probabilities, true_tags, word_losses
from transferhub.task.text_task import TextTask

# A CRF's transitions are new and few: at a pretrained network's rate they would hardly move from where they begin.
CRF_RATE = 100.0


class SequenceLabelTask(TextTask):
    """Named entities, words of a sentence, parts of speech: a tag for each word or character.

    The long door gives reader, feature and feeds; the short door a module and a data set, the rest has defaults.

    A row's loss is the mean over its words: of their cross-entropies or, with a CRF, its tags' negative log-likelihood
    divided by its words. With a CRF the best path among the legal ones is predicted (no ``O I-PER``), over the whole
    sentence, however many windows it is read in; without, each word's most probable tag, as it is.

    Args:
        feature: One vector a token, ``[B, L, width]``; None: the module's ``sequence_output``.
        max_seq_len: Tokens that are read at once; longer sentences are read in windows. None: the reader's, or 128.
        num_classes: How many tags there are; None: the data set's.
        dataset: A data set, or what `hub.dataset.load` takes (with ``kind="tags"``); None: the reader's.
        feed_list: Names of the inputs; None: the reader's own.
        data_reader: None: a `SequenceLabelReader` over the module's tokenizer.
        startup_program: Accepted for scripts of 1.x.
        config: None: with a reader, 1.x's ``RunConfig()``; with a module, AdamW at 5e-5, 3 epochs, batches of 32.
        metrics_choices: Of ``f1 precision recall`` (whole chunks, strict, micro: seqeval's figures), ``f1_macro
            f1_weighted …`` over types, ``acc`` of words; the first chooses the best model. Where tags mark no chunks
            (parts of speech), those of `TextClassifierTask`, counted over words, ``acc`` by default.
        add_crf: A linear-chain CRF on the linear layer. Its transitions move at 100 times the strategy's rate.
        hidden_units: Sizes of hidden layers between feature and tags. None: where the feature is the module's own, the
            architecture's own head, so that the best model opens with ``AutoModelForTokenClassification`` (with a CRF
            that gives the emissions; the transitions lie beside, in ``beside.safetensors``).
        module: A module or its name.
        label_list: Tags in the order of their ids; None: the data set's.
        words: What a plain text is cut into, as for `SequenceLabelReader`.

    Raises:
        ConfigError: Neither reader nor module, a feature that is not one vector a token, another reader, a
            ``num_classes`` that disagrees with the data set, a metric that does not exist.
        DataError: The data set's files or tags are not right.
    """

    kind: ClassVar[str] = "tags"
    pipeline_tag = "token-classification"
    feature_name: ClassVar[str] = "sequence_output"
    feature_rank: ClassVar[int] = 3
    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    reader_class: ClassVar[type[SequenceLabelReader]] = SequenceLabelReader
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {
        **TextTask.described,
        "add_crf": (bool,),
        "words": (str,),
        "split_char": (str, type(None)),
    }

    def __init__(
        self,
        feature: Variable | None = None,
        max_seq_len: int | None = None,
        num_classes: int | None = None,
        dataset: Any = None,
        feed_list: Sequence[str] | None = None,
        data_reader: TextReader | None = None,
        startup_program: Any = None,
        config: RunConfig | None = None,
        metrics_choices: str | Sequence[str] | None = "default",
        add_crf: bool = False,
        *,
        hidden_units: Sequence[int] | None = None,
        module: Module | str | Path | None = None,
        label_list: Sequence[str] | None = None,
        words: str | None = None,
    ) -> None:
        given: Any = feed_list
        if isinstance(given, TextReader):  # 1.6 and before: (feature, max_seq_len, num_classes, feed_list, data_reader)
            feed_list, data_reader, dataset = dataset, given, None
        if data_reader is not None and not isinstance(data_reader, SequenceLabelReader):
            raise ConfigError(
                f"data_reader={data_reader!r:.60}", expected="a SequenceLabelReader: it gives each word its tag"
            )
        if data_reader is not None and max_seq_len is not None and max_seq_len != data_reader.max_seq_len:
            raise ConfigError(
                f"max_seq_len={max_seq_len}, but the reader's is {data_reader.max_seq_len}", expected="the same"
            )
        super().__init__(
            feature,
            hidden_units,
            dataset,
            feed_list,
            data_reader,
            config,
            "default",
            module=module,
            max_seq_len=max_seq_len,
            label_list=label_list,
            reader_options={"words": words},
        )
        self.reader: SequenceLabelReader
        self.add_crf = bool(add_crf)
        self.label_list = known_labels(num_classes, self.label_list)
        self._tags = chunk_tags(self.label_list)
        known, usual = (
            (classification.NAMES, ["acc"]) if self._tags is None else (spans.NAMES, ["f1", "precision", "recall"])
        )
        self.metrics_choices = list(chosen(metrics_choices, usual, known, functions=False))
        self._legal = None if self._tags is None else torch.from_numpy(self._tags.legal)

    @property
    def num_classes(self) -> int:
        """How many tags there are."""
        return len(self.label_list)

    def _build_net(self) -> list[Variable]:
        """The logits of each sub-token, ``[P, L, tags]``; with a CRF, its table ``[tags + 2, tags]`` too."""
        node, length = self.head(self.num_classes), self.feature.shape[1]
        logits = Variable("logits", (-1, length, self.num_classes), "float32", node, "logits", self.feature.block)
        if not self.add_crf:
            return [logits]
        legal = None if self._tags is None else self._tags.legal.tolist()
        return [logits, add_crf(logits, legal, lr_scale=CRF_RATE)]

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The mean over each row's words."""
        return word_losses(outputs["logits"], self._transitions(outputs), batch)

    def meter(self, columns: Columns | None = None) -> TagMeter:
        """Counts of chunks, or of words."""
        return TagMeter(self.label_list, self.metrics_choices, self._found)

    def _found(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return best_tags(outputs["logits"], self._transitions(outputs), batch, self._legal)

    def _transitions(self, outputs: Mapping[str, Tensor]) -> Tensor | None:
        return outputs[self.outputs[1].name] if self.add_crf else None

    def prepare(self, train: Columns) -> list[str]:
        """Say what is learnt where, what the scores are of, and which training rows have illegal tags."""
        notes = [f"texts to predict are cut into {_CUT[self.reader.words]}"]
        if self._tags is None:
            return [*notes, "these tags mark no chunks: scores are of single words"]
        runs = self._tags.chunks(*true_tags(train)).illegal
        form = "begin without B" + (" or end without E" if self._tags.scheme == "IOBES" else "")
        illegal = f"{runs:,} runs of tags in the training rows {form}: learnt as they are, no chunks to the scores"
        return [*notes, "f1, precision and recall are of whole chunks (strict)", *([illegal] if runs else [])]

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> list[TagAnswer]:
        """The tags of each row's words and how probable they are: int64 and float32 ``[words]``."""
        tags, mask = self._found(outputs, batch)
        probable = probabilities(outputs["logits"], self._transitions(outputs), batch, tags).cpu().numpy()
        found, lengths = tags.cpu().numpy(), mask.sum(dim=1).tolist()
        return [(found[row, :count].copy(), probable[row, :count].copy()) for row, count in enumerate(lengths)]

    def run_results(self, answers: Answers) -> list[Any]:
        """Padded ids and lengths, as 1.x gave them."""
        assert isinstance(answers, list)
        return list(as_of_1x(answers, self.reader.max_seq_len, self.num_classes - 1))

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> TagPredictions:
        """With tags, spans and probabilities."""
        assert isinstance(answers, list)
        names = label_list or self.label_list
        return TagPredictions(self.run_states(answers), rows, self.reader, names, answers)

    def check_rows(self, rows: Sequence[Any]) -> None:
        """Nothing: the reader refuses pairs when it reads them."""

    def column_names(self, path: Path, **form: Any) -> dict[str, str]:
        """The training file's columns, as far as this file has them too; none of CoNLL columns, which have no names."""
        bare = raw.suffix_of(path) not in (*JSON, *PARQUET) and conll.is_conll(path, form.get("encoding"))
        return {} if bare else super().column_names(path, **form)

    def rows_of_file(self, path: Path, *, labelled: bool, **how: Any) -> Sequence[Any]:
        """The rows of a file: with tags; to predict also lists of words, CoNLL columns, or a sentence a line."""
        encoding = (how.get("form") or {}).get("encoding")
        lists = raw.suffix_of(path) in (*JSON, *PARQUET)
        tagged = labelled or lists or conll.has_tags(path, self.label_list, encoding)
        return applying.file_rows(self, path, labelled=labelled, kind="tags" if tagged else "classes", **how)

    def shown(self, split: ScoredSplit) -> Shown:
        """A table of the types, and the sentences in which it was most sure and wrong."""
        return show_tags(split, self.reader)

    def description(self) -> dict[str, Any]:
        """The text task's, and whether there is a CRF."""
        return {**super().description(), "add_crf": self.add_crf}

    @classmethod
    def saved_options(cls, description: Mapping[str, Any]) -> dict[str, Any]:
        """Whether there is a CRF."""
        return {"add_crf": description["add_crf"]}


_CUT = {
    "characters": "characters",
    "whitespace": "words between white space",
    "mixed": "Chinese, Japanese and Korean characters, and words between white space",
}
