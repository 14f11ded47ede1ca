"""A trained network applied to rows: evaluation and prediction."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub.dataset import Examples, InputExample
from transferhub.dataset.files import read_examples
from transferhub.dataset.folders import ENDINGS
from transferhub.engine.evaluation import Answers, stream
from transferhub.engine.run_state import RunState
from transferhub.engine.training import say_evaluation
from transferhub.errors import ConfigError, DataError
from transferhub.graph import Network
from transferhub.log import logger
from transferhub.reader import Columns, records
from transferhub.reader.classify_reader import Row, texts_of
from transferhub.task.confidence import Evaluated, scored
from transferhub.task.predictions import Predictions

if TYPE_CHECKING:
    from transferhub.task.base_task import BaseTask

FILES = (*ENDINGS, *(f"{ending}.gz" for ending in ENDINGS))  # a word that ends so is meant as a file


def evaluate_split(
    task: "BaseTask", phase: str, *, load_best_model: bool, confidence_interval: float | None
) -> RunState:
    """Loss and scores on a split of the task's data set, said in the log."""
    with _in_phase(task, phase):
        columns = task.reader.columns(phase, task.rows())
        logger.info("Evaluation on %s dataset start", phase)
        task.events.fire("eval_start")
        level = task.config.confidence_interval if confidence_interval is None else confidence_interval
        state = _evaluated(task, _network(task, load_best_model), columns, phase, level)
        task.events.fire("eval_end", [state])
    return state


def evaluate_rows(
    task: "BaseTask", data: str | Path | Sequence[Any], *, confidence_interval: float | None
) -> Evaluated:
    """Scores and ``loss`` on a file with labels, or on examples."""
    rows: Any = task.rows_of_file(Path(data), labelled=True) if isinstance(data, str | Path) else data
    if not isinstance(rows, Sequence) or not len(rows) or not isinstance(rows[0], InputExample | tuple):
        raise DataError(
            f"no rows to evaluate in {rows!r:.60}",
            expected="a file with labels, or a list of InputExample",
            fix="hub.dataset.load(…).train_examples are the rows of a DataFrame or a data set",
        )
    task.check_rows(rows)
    columns = task.reader.columns("test", task.dataset_of(rows), keep=False)
    state = _evaluated(task, task.best_network(), columns, "test", confidence_interval)
    return Evaluated(state)


def predict(
    task: "BaseTask",
    data: str | Path | Sequence[Row] | None,
    label_list: Sequence[str] | None,
    *,
    load_best_model: bool,
) -> Predictions:
    """What the network says of rows, in their order."""
    if label_list is not None and (isinstance(label_list, Mapping) or len(label_list) != len(task.label_list)):
        expected = f"{len(task.label_list)} names, in the labels' order"
        raise ConfigError(f"label_list={label_list!r:.60}", expected=expected)
    with _in_phase(task, "predict"):
        network = _network(task, load_best_model)
        logger.info("TransferHub predict start")
        task.events.fire("predict_start")
        if load_best_model:
            logger.info("The best model has been loaded")
        rows = task.rows_to_predict(data)
        answers: Answers = []
        columns = None
        if len(rows):
            task.check_rows(rows)
            columns = task.reader.encode(rows)
            found = task.collected(columns)
            for batch in stream(network, columns, task.padding, task.config.batch_size, task.config.device):
                found(*batch)
            answers = found.values
        predictions = task.predictions(answers, rows, columns, label_list)
    task.events.fire("predict_end", predictions)
    logger.info("TransferHub predict finished.")
    return predictions


@contextlib.contextmanager
def _in_phase(task: "BaseTask", phase: str) -> Iterator[None]:
    before, task.phase = task.phase, phase
    try:
        yield
    finally:
        task.phase = before


def _network(task: "BaseTask", load_best_model: bool) -> Network:
    return task.best_network() if load_best_model or task.training is None else task.training.network


def _evaluated(task: "BaseTask", network: Network, columns: Columns, name: str, level: float | None) -> RunState:
    state = scored(task, network, columns, level)
    say_evaluation(name, state)
    return state


def text_rows(task: "BaseTask", data: str | Path | Sequence[Row] | None) -> Sequence[Row]:
    """What `predict` was given, as rows of texts or pairs: a file is read, a text alone is a row."""
    if data is None:
        if task.dataset is None or not len(task.dataset.predict_examples):
            raise DataError("nothing to predict", expected="data=…, or a data set with a predict_file")
        return task.dataset.predict_examples
    if isinstance(data, Path) or (isinstance(data, str) and is_named_like_a_file(data)):
        return task.rows_of_file(Path(str(data)), labelled=False)
    if isinstance(data, str):
        return [data]
    if isinstance(data, Mapping) or not isinstance(data, Iterable):
        raise DataError(f"{data!r:.60} cannot be predicted", expected="a text, a list of texts or pairs, or a file")
    return data if isinstance(data, Sequence) else list(data)


def file_rows(
    task: "BaseTask",
    path: Path,
    *,
    labelled: bool,
    kind: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    form: Mapping[str, Any] | None = None,
) -> Examples:
    """The rows of a file, to predict or to evaluate.

    Args:
        task: Says which columns its training file had, and whether rows are pairs.
        path: The file.
        labelled: Whether there must be labels.
        kind: What they are read as; None: as the task's are.
        columns: ``text``, ``text_pair``, ``label``: names that go before those.
        form: ``delimiter``, ``encoding``, ``header``, ``quoted``, as for `hub.dataset.load`.
    """
    given = {role: name for role, name in (columns or {}).items() if name is not None}
    how = {name: value for name, value in (form or {}).items() if value is not None}
    known: dict[str, Any] = {**task.column_names(path, **how), **given, **how}
    return read_examples(path, **known, labelled=labelled, paired=task.reads_pairs, kind=kind or task.kind or "classes")


def refuse_other_form(task: "BaseTask", rows: Sequence[Row]) -> None:
    """Refuse texts where the model was trained on pairs, and pairs where it was on texts."""
    if task.reads_pairs is None or not len(rows):
        return
    paired = records.is_pair(rows[0]) if isinstance(rows[0], Mapping) else texts_of(rows[0], 0)[1] is not None
    if paired is not None and paired != task.reads_pairs:
        trained, given = ("pairs", "texts") if task.reads_pairs else ("texts", "pairs")
        raise DataError(f"these rows are {given}, the model was trained on {trained}", expected=f"{trained} as rows")


def is_named_like_a_file(text: str) -> bool:
    """Whether a text is the name of a file, or meant as one."""
    return (text.lower().endswith(FILES) and not re.search(r"\s", text)) or _is_file(text)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL byte
        return False
