"""The rows of a run: GLUE's folders as GLUE has them, or files of one's own."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferhub.dataset.base_dataset import BaseDataset
from transferhub.dataset.builtin import Card, cards, dataset_folder
from transferhub.dataset.builtin_sets import BuiltinSet
from transferhub.dataset.examples import Examples
from transferhub.dataset.files import header_of, load, read_examples
from transferhub.dataset.roles import LABEL_NAMES, usual_names
from transferhub.errors import ConfigError, DataError
from transferhub.glue.arguments import Arguments
from transferhub.glue.tasks import GlueTask, known_task
from transferhub.log import logger

ENDINGS = (".csv", ".tsv", ".json", ".jsonl")
Rows = Sequence[Any]


class TrainRows(BaseDataset):
    """Training rows of which none are split off: run_glue trains on all that it is given."""

    def with_dev(self, seed: int, proportion: float = 0.1, kind: str | None = None) -> BaseDataset:
        """As it is."""
        return self


@dataclass(frozen=True)
class GlueRows:
    """All rows of a run, cut to the numbers that were asked for.

    Args:
        task: What is learnt of them.
        labels: In the order of their ids; none of numbers.
        train: To train on; None: not asked for.
        evaluated: Suffix of the scores' names → rows with labels.
        predicted: The task's name in the file's name → rows.
        name: What reports call them.
    """

    task: GlueTask
    labels: Sequence[str]
    train: Rows | None
    evaluated: Mapping[str, Rows]
    predicted: Mapping[str, Rows]
    name: str

    def dataset(self, labels: Sequence[str], *, with_dev: bool) -> BaseDataset:
        """The training rows, and the rows that are scored during training, as a task of ours takes them."""
        made = TrainRows(None, labels or None)
        made.name, made.kind = self.name, "value" if self.task.is_regression else "classes"
        made.train_examples = self.train or []
        if with_dev:
            made.dev_examples = self.evaluated[""]
        return made


def read_rows(arguments: Arguments) -> GlueRows:
    """Read what ``--do_train``, ``--do_eval`` and ``--do_predict`` need.

    Raises:
        ConfigError: Neither a task nor files, or files that the flags need and do not name.
        DataError: Files that are not here or not right.
    """
    if not (arguments.do_train or arguments.do_eval or arguments.do_predict):
        raise ConfigError("nothing to do", expected="--do_train, --do_eval or --do_predict")
    scored = arguments.do_eval or arguments.eval_strategy != "no"
    rows = _of_task(arguments, scored) if arguments.task_name else _of_files(arguments, scored)
    train = None if rows.train is None else _first(rows.train, arguments.max_train_samples)
    evaluated = {part: _first(found, arguments.max_eval_samples) for part, found in rows.evaluated.items()}
    predicted = {name: _first(found, arguments.max_predict_samples) for name, found in rows.predicted.items()}
    return dataclasses.replace(rows, train=train, evaluated=evaluated, predicted=predicted)


def _first(rows: Rows, count: int | None) -> Rows:
    return rows if count is None else rows[:count]


def _of_task(arguments: Arguments, scored: bool) -> GlueRows:
    task = known_task(arguments.task_name or "")
    files = {name: getattr(arguments, name) for name in ("train_file", "validation_file", "test_file")}
    if given := [name for name, path in files.items() if path]:
        logger.warning("--%s is not looked at: --task_name %s has rows of its own", given[0], task.name)
    train: Rows | None = None
    evaluated: dict[str, Rows] = {}
    predicted: dict[str, Rows] = {}
    for part, name in task.sets.items():
        rows = _Folder(_card(task, name), arguments.data_dir)
        if arguments.do_train and train is None:
            train = rows.split("train")
        if scored:
            evaluated[part] = rows.split("dev")
        if arguments.do_predict:
            predicted[f"{task.name}{part}"] = rows.split("predict")
    return GlueRows(task, task.labels, train, evaluated, predicted, f"GLUE {task.name}")


def _card(task: GlueTask, name: str) -> Card:
    card = cards()[name]
    if task.is_regression:
        return card
    aliases = dict(zip(task.spelled, task.labels, strict=True)) if task.spelled else {}
    return dataclasses.replace(card, labels=list(task.labels), aliases=aliases)


class _Folder(BuiltinSet):
    """A data set of GLUE in a folder that the user names, of which only the splits are read that are asked for."""

    def __init__(self, card: Card, data_dir: str | None) -> None:
        self.card, self.kind = card, card.kind
        self._folder = _find(card, data_dir)
        BaseDataset.__init__(self, str(self._folder), card.labels)
        self._with_header = {phase: card.has_header(phase) for phase in card.files}

    def split(self, phase: str) -> Rows:
        """The rows of ``train``, ``dev`` or ``predict``."""
        path = self._folder / self.card.files[phase]
        if not path.is_file():
            raise DataError(
                f"there is no {path}",
                expected=", ".join(self.card.files.values()),
                fix=f"put {path.name} there, or leave out the flag that asks for it",
            )
        return self._read_file(str(path), phase)


def _find(card: Card, data_dir: str | None) -> Path:
    """The folder of a set: below ``--data_dir`` or ``$DATA_DIR`` or itself that, else where built-in sets lie.

    Raises:
        DataError: It is in none of them.
    """
    name = Path(card.folder).name
    given, flag = (data_dir, "--data_dir") if data_dir else (os.environ.get("DATA_DIR"), "$DATA_DIR")
    if not given:
        try:
            return dataset_folder(card.folder, name)
        except DataError as error:
            raise DataError(error.what, fix=_ways(name, card)) from None
    root = Path(given).expanduser()
    for folder in (root / name, root / name.lower(), root / name.replace("-", ""), root):
        if any((folder / file).is_file() for file in card.files.values()):
            return folder
    what = f"{flag} {root} does not exist" if not root.is_dir() else f"{flag} {root} has no {name}/"
    raise DataError(what, expected=f"{name}/ with {', '.join(card.files.values())}", fix=_ways(name, card))


def _ways(name: str, card: Card) -> str:
    return (
        f"GLUE's own archive {name}.zip (gluebenchmark.com/tasks) holds {', '.join(card.files.values())}: unpack it "
        "and name the folder above with --data_dir or DATA_DIR, or put it below glue_data/ in $TRANSFERHUB_DATASETS; "
        "rows of your own: --train_file and --validation_file"
    )


def _of_files(arguments: Arguments, scored: bool) -> GlueRows:
    paths = _paths(arguments, scored)
    train, dev, test = (paths.get(name) for name in ("train_file", "validation_file", "test_file"))
    source = train or dev
    if source is None:
        assert test is not None
        rows = read_examples(test, **_texts(test), labelled=False)
        return GlueRows(GlueTask(""), [], None, {}, {"None": rows}, str(test))
    with _in_its_words():
        columns = _texts(source)
        seen = read_examples(source, **columns, labelled=True)
        kind = "value" if _are_numbers(seen.found_labels) else "classes"
        labels = None if train is not None or kind == "value" else sorted(seen.found_labels)
        loaded = load(source, dev if train else None, **columns, kind=kind, label_list=labels)
    found, scored_rows = loaded.train_examples, loaded.dev_examples if train else loaded.train_examples
    if train is not None and dev is not None:
        _refuse_other_columns(found, scored_rows)
    predicted: dict[str, Rows] = {}
    if test is not None:
        names = {role: name for role, name in _names(found).items() if role != "label"}
        predicted["None"] = read_examples(test, **names, labelled=False, paired="text_pair" in names)
    task = GlueTask("", metrics=("mse",) if kind == "value" else ("acc",))
    evaluated = {"": scored_rows} if dev is not None else {}
    return GlueRows(task, loaded.label_list, found if train else None, evaluated, predicted, str(source))


def _paths(arguments: Arguments, scored: bool) -> dict[str, Path]:
    """The files that the flags ask for, by flag; all of one kind."""
    wanted = {
        "train_file": ("--do_train", arguments.do_train),
        "validation_file": ("--do_eval", scored),
        "test_file": ("--do_predict", arguments.do_predict),
    }
    paths: dict[str, Path] = {}
    for name, (flag, asked) in wanted.items():
        given = getattr(arguments, name)
        if asked and not given:
            raise ConfigError(f"{flag} without --task_name and --{name}", expected="a GLUE task, or files of your own")
        if given:
            path = Path(given)
            if path.suffix.lower() not in ENDINGS:
                raise ConfigError(f"--{name} {given}", expected=f"a file that ends in {', '.join(ENDINGS)}")
            first = next(iter(paths.items()), None)
            if first is not None and path.suffix.lower() != first[1].suffix.lower():
                raise ConfigError(
                    f"--{name} {given} and --{first[0]} {first[1]}", expected=f"files of one kind: {first[1].suffix}"
                )
            paths[name] = path
    return {name: path for name, path in paths.items() if wanted[name][1]}


def _texts(path: Path) -> dict[str, Any]:
    """The columns of the texts, where run_glue's rule tells them; else they are told from usual names."""
    header = [name for name in header_of(path) if isinstance(name, str)]
    others = [name for name in header if name.lower() not in LABEL_NAMES]
    if "sentence1" in others and "sentence2" in others:
        return {"text": "sentence1", "text_pair": "sentence2"}
    if not others or usual_names("classes") & {name.lower() for name in others}:
        return {}
    return dict(zip(("text", "text_pair"), others, strict=False))


def _are_numbers(labels: Sequence[str]) -> bool:
    """Whether labels are numbers that are not all whole: then run_glue learns numbers."""
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return False
    return not all(label.strip().lstrip("+-").isdecimal() for label in labels) and all(map(math.isfinite, values))


def _names(rows: Rows) -> dict[str, Any]:
    return dict(rows.names) if isinstance(rows, Examples) else {}


def _refuse_other_columns(train: Rows, dev: Rows) -> None:
    there, here = _names(train), _names(dev)
    if there != here and isinstance(train, Examples) and isinstance(dev, Examples):
        raise DataError(
            f"{dev.source} is read by the columns {_said(here)}, {train.source} by {_said(there)}",
            expected="the same columns in both",
            fix="give both files the same header",
        )


def _said(names: Mapping[str, Any]) -> str:
    return ", ".join(f"{role}={name!r}" for role, name in names.items())


@contextlib.contextmanager
def _in_its_words() -> Iterator[None]:
    """What is to be done about columns, without the flags of other commands."""
    try:
        yield
    except DataError as error:
        if "_column" not in (error.fix or "").replace("-", "_"):
            raise
        fix = "call the label's column 'label' and the texts' 'sentence', or 'sentence1' and 'sentence2'"
        raise DataError(error.what, expected=error.expected, fix=fix) from None
