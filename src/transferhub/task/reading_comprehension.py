"""Reading comprehension: where in a passage does the answer to a question stand?"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from transferhub.dataset import BaseDataset, InputExample, ReadingExample
from transferhub.dataset.files import read_questions
from transferhub.dataset.reading import COLUMNS
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import Answers, Collected
from transferhub.engine.objective import Meter
from transferhub.errors import ConfigError, DataError
from transferhub.graph import Variable
from transferhub.log import logger
from transferhub.module import Module
from transferhub.reader import Columns, Reader
from transferhub.reader.reading_reader import ReadingComprehensionReader
from transferhub.task import applying
from transferhub.task.answers import Answered
from transferhub.task.predictions import Predictions
from transferhub.task.reading_predictions import AnswerPredictions, show_answers
from transferhub.task.reading_scores import ReadingMeter, WindowMeter, scores_chosen, sub_task_of
from transferhub.task.reading_windows import Answering, Once, answered, question_losses
from transferhub.task.scored import ScoredSplit, Shown
from transferhub.task.text_task import TextTask

OUTPUTS = ("start", "end")


class ReadingComprehensionTask(TextTask):
    """Finds answers to questions in passages: SQuAD 1.1 and 2.0, CMRC2018, DRCD, and questions of one's own.

    Long passages are read in windows. The loss of a question is the mean over its windows, of which those without the
    answer are to point at ``[CLS]``; scores are those of the official scripts, in percent, of answers as texts.

    Args:
        feature: A vector for each token, ``[B, L, width]``; None: the module's ``sequence_output``.
        dataset: A data set, or what ``hub.dataset.load(…, kind="answers")`` takes: a file in SQuAD's form …; None: the
            reader's.
        feed_list: Names of the inputs; None: the reader's own.
        data_reader: None: a `ReadingComprehensionReader` over the module's tokenizer.
        startup_program: Accepted for scripts of 1.x.
        config: None: with a reader, 1.x's ``RunConfig()``; with a module, AdamW at 5e-5, 3 epochs, batches of 32.
        metrics_choices: Of the definition's scores, all by default; the first chooses the best model.
        sub_task: The definition: ``squad`` (``exact_match f1``), ``squad2.0`` (``exact f1 …``; there may be no answer),
            ``cmrc2018`` or ``drcd`` (``AVERAGE F1 EM TOTAL SKIP``). None: the data set's own.
        null_score_diff_threshold: ``squad2.0``: no answer is given where the null score is above the best text's by
            more than this.
        n_best_size: Answers kept of each question.
        max_answer_length: Tokens an answer may have.
        hidden_units: Sizes of hidden layers between feature and output. None: where the feature is the module's own,
            the architecture's own head, so that the best model opens with ``AutoModelForQuestionAnswering``.
        module: A module or its name.
        max_seq_len: Tokens read at once, where the task makes its own reader. None: 384.
        doc_stride: Likewise, tokens between the starts of two windows.
        max_query_length: Likewise, tokens of the question that are read.

    Raises:
        ConfigError: Neither reader nor module, wrong feeds, an unknown `sub_task` or score, sizes below 1.
        DataError: The data set's files are not right.
    """

    kind = "answers"
    pipeline_tag = "question-answering"
    usage = 'predict([("a question", "the passage that answers it")]).labels'
    percent_scores = True
    feature_name = "sequence_output"
    feature_rank = 3
    usual_length = 384
    auto_class = "AutoModelForQuestionAnswering"
    reader_class = ReadingComprehensionReader
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {
        **TextTask.described,
        "sub_task": (str,),
        "null_score_diff_threshold": (int, float),
        "n_best_size": (int,),
        "max_answer_length": (int,),
        "doc_stride": (int,),
        "max_query_length": (int,),
    }

    def __init__(
        self,
        feature: Variable | None = None,
        dataset: Any = None,
        feed_list: Sequence[str] | None = None,
        data_reader: Reader | None = None,
        startup_program: Any = None,
        config: RunConfig | None = None,
        metrics_choices: str | Sequence[str] | None = "default",
        sub_task: str | None = None,
        null_score_diff_threshold: float = 0.0,
        n_best_size: int = 20,
        max_answer_length: int = 30,
        *,
        hidden_units: Sequence[int] | None = None,
        module: Module | str | Path | None = None,
        max_seq_len: int | None = None,
        doc_stride: int = 128,
        max_query_length: int = 64,
    ) -> None:
        if data_reader is not None and not isinstance(data_reader, ReadingComprehensionReader):
            raise ConfigError(f"data_reader={data_reader!r:.60}", expected="a ReadingComprehensionReader")
        for name, size in (("n_best_size", n_best_size), ("max_answer_length", max_answer_length)):
            number: object = size
            if not isinstance(number, Integral) or int(number) < 1:
                raise ConfigError(f"{name}={size!r}", expected="a whole number of at least 1")
        threshold: object = null_score_diff_threshold
        if not isinstance(threshold, Real) or threshold != threshold:
            raise ConfigError(f"null_score_diff_threshold={threshold!r}", expected="a number")
        super().__init__(
            feature,
            hidden_units,
            dataset,
            feed_list,
            data_reader,
            config,
            metrics_choices,
            module=module,
            max_seq_len=max_seq_len,
            reader_options={"doc_stride": doc_stride, "max_query_length": max_query_length},
        )
        self.sub_task = sub_task_of(sub_task, self.dataset)
        self.metrics_choices = scores_chosen(metrics_choices, self.sub_task)
        self.null_score_diff_threshold = float(null_score_diff_threshold)
        self.n_best_size, self.max_answer_length = int(n_best_size), int(max_answer_length)
        self._learnt: tuple[list[Any], BaseDataset] | None = None  # what `rows` was told, and gives

    def _build_net(self) -> list[Variable]:
        """``start_logits``, ``end_logits`` ``[P, L]`` of the architecture's head; ``logits`` ``[P, L, 2]`` of ours."""
        head, program = self.head(len(OUTPUTS), OUTPUTS), self.feature.block
        if not self.has_architecture_head:
            return [Variable("logits", (*self.feature.shape[:-1], len(OUTPUTS)), "float32", head, "logits", program)]
        names = [f"{name}_logits" for name in OUTPUTS]
        return [Variable(name, self.feature.shape[:-1], "float32", head, name, program) for name in names]

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The mean over a question's windows of half of both cross-entropies, float32 ``[B]``."""
        return question_losses(outputs, batch)

    def meter(self, columns: Columns | None = None) -> Meter:
        """The official scores of a split; between log lines, the part of windows that are right."""
        if columns is None:
            return WindowMeter()
        return ReadingMeter(self.sub_task, self.metrics_choices, columns.examples, self._answering(columns))

    def collected(self, columns: Columns) -> Collected:
        """Gathers the answers; the logits go batch by batch."""
        return Collected(len(columns), self._answering(columns))

    def gathering(self, columns: Columns) -> tuple[Meter, Collected]:
        """Both of the same answers: each batch is decoded once."""
        once = Once(self._answering(columns))
        return ReadingMeter(self.sub_task, self.metrics_choices, columns.examples, once), Collected(len(columns), once)

    def _answering(self, columns: Columns) -> Answering:
        threshold = self.null_score_diff_threshold if self.sub_task.has_impossible else None

        def answer(
            outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor], rows: npt.NDArray[np.int64]
        ) -> list[Answered]:
            contexts = [columns.examples[row].text_b for row in rows.tolist()]
            return answered(outputs, batch, contexts, self.n_best_size, self.max_answer_length, threshold)

        return answer

    def run_results(self, answers: Answers) -> list[Any]:
        """A list of `Answered`; 1.x's logits are not kept."""
        return [answers]

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> AnswerPredictions:
        """Answers with texts, places and probabilities."""
        return AnswerPredictions(self.run_states(answers), rows, self.reader, self.sub_task.has_impossible)

    def _postprocessing(self, run_states: Sequence[Any]) -> Any:
        """``OrderedDict`` of questions' ids and texts of answers, as 1.x gave with ``return_result=True``."""
        return run_states.by_id() if isinstance(run_states, AnswerPredictions) else super()._postprocessing(run_states)

    def shown(self, split: ScoredSplit) -> Shown:
        """The worst mistakes."""
        return show_answers(split, self.sub_task)

    def prepare(self, train: Columns) -> list[str]:
        """What the scores and the loss are."""
        assert isinstance(self.reader, ReadingComprehensionReader)
        said = [f"scores by {self.sub_task.definition} definition, in percent (sub_task={self.sub_task.name!r})"]
        if train.pieces is not None and len(train.offsets) - 1 > len(train):
            said.append(
                f"passages are read in windows of {self.reader.max_seq_len} tokens, {self.reader.doc_stride} apart; "
                "the loss of a question is the mean over its windows"
            )
        return said

    def rows(self) -> BaseDataset:
        """As `BaseTask.rows`, without training questions from which nothing can be learnt.

        Raises:
            DataError: None is left.
        """
        rows = super().rows()
        told = [rows, rows.train_examples, rows.dev_examples, rows.test_examples]
        if self._learnt is None or any(now is not then for now, then in zip(told, self._learnt[0], strict=True)):
            self._learnt = told, _learnable(rows)
        return self._learnt[1]

    def description(self) -> dict[str, Any]:
        """The base's, and how answers are found and scored."""
        return {
            **super().description(),
            "sub_task": self.sub_task.name,
            "null_score_diff_threshold": self.null_score_diff_threshold,
            "n_best_size": self.n_best_size,
            "max_answer_length": self.max_answer_length,
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any], network: Sequence[Variable], reader: Reader) -> Self:
        """Build a task as it was saved, on its feature."""
        names = ("hidden_units", "sub_task", "null_score_diff_threshold", "n_best_size", "max_answer_length")
        return cls(
            feature=network[0],
            data_reader=reader,
            metrics_choices=description["metrics"],
            **{name: description[name] for name in names},
        )

    def rows_to_predict(self, data: Any) -> Sequence[ReadingExample]:
        """Questions, of a file in SQuAD's form or a table; of examples, pairs and dictionaries; or of one of them."""
        if isinstance(data, Mapping) or (isinstance(data, tuple) and [type(each) for each in data] == [str, str]):
            data = [data]
        elif isinstance(data, str) and not applying.is_named_like_a_file(data):
            raise DataError(f"{data!r:.60} is no file", expected='a file, or [("question", "passage"), …]')
        return [_question(row, place) for place, row in enumerate(applying.text_rows(self, data))]

    def rows_of_file(self, path: Path, *, labelled: bool, **how: Any) -> Sequence[ReadingExample]:
        """The questions of a file: SQuAD's form, or a table with columns ``question context``, and ``answers``."""
        encoding = (how.get("form") or {}).get("encoding")
        return read_questions(path, encoding=encoding, labelled=labelled)

    def check_rows(self, rows: Sequence[Any]) -> None:
        """Nothing to refuse: `rows_to_predict` made them, or the reader looks at their answers."""

    def predict(
        self,
        data: Any = None,
        label_list: Sequence[str] | bool | None = None,
        load_best_model: bool = True,
        return_result: bool = False,
        accelerate_mode: bool = True,
    ) -> Any:
        """Answer questions, in order, none dropped.

        Args:
            data: A file in SQuAD's form (answers in it are not looked at), examples, ``[(question, passage), …]``,
                ``[{"question": …, "context": …, "id": …}, …]``; None: the data set's predict rows.
            label_list: Not used: answers have no labels.
            load_best_model: The best model, not the last weights (during training).
            return_result: Return ``OrderedDict`` of questions' ids and answers, as 1.8 did.
            accelerate_mode: Accepted for scripts of 1.x.

        Returns:
            `AnswerPredictions`: ``.labels`` (texts), ``.answers`` (places, probabilities, the n best, null scores),
            ``.by_id()``, ``.write(path)`` (the official scripts' file), ``.to_frame()``.

        Raises:
            RunError: Nothing was trained yet.
            DataError: A row that is no question on a passage.
        """
        found: Predictions = super().predict(data, label_list, load_best_model, return_result, accelerate_mode)
        return found


def _learnable(rows: BaseDataset) -> BaseDataset:
    examples = rows.train_examples
    kept = [example for example in examples if isinstance(example, ReadingExample) and example.trainable]
    if len(kept) == len(examples):
        return rows
    if not kept:
        raise DataError(
            f"none of {len(examples)} training rows has an answer that is in its passage",
            expected="questions with answers: ReadingExample(id, question, passage, [(text, start)])",
            fix='hub.dataset.load(file, kind="answers") reads files in SQuAD\'s form',
        )
    logger.warning(
        "%d of %d training questions have no answer in their passage and are left out",
        len(examples) - len(kept),
        len(examples),
    )
    learnt = copy.copy(rows)
    learnt.train_examples = kept
    return learnt


def _question(row: Any, place: int) -> ReadingExample:
    """A row to predict as an example.

    Raises:
        DataError: It is no question on a passage.
    """
    name, given = None, row
    if isinstance(row, Mapping):
        parts = {
            role: next((row[key] for key in COLUMNS[role] if key in row), None)
            for role in ("id", "question", "context")
        }
        name, given = parts["id"], (parts["question"], parts["context"])
    elif isinstance(row, InputExample):
        name, given = row.guid, (row.text_a, row.text_b)
    texts = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    if len(texts) != 2 or not all(isinstance(text, str) for text in texts) or not texts[0].strip():
        raise DataError(
            f"row {place}: {row!r:.80}",
            expected='a question and its passage: ("…", "…") or {"question": "…", "context": "…"}',
        )
    return ReadingExample(place if name is None else name, texts[0], texts[1])
