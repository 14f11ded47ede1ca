"""Options that several commands share, and what is built from them."""

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transferhub.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from transferhub.dataset import BaseDataset
    from transferhub.strategy import Strategy
    from transferhub.task.base_task import BaseTask

STRATEGY_NAMES = ("default", "adamw", "l2sp", "ulmfit", "combined", "lora")  # strategy.STRATEGIES, which imports torch

ModuleName = Annotated[str, typer.Option(help="A name of `hub list --all`, a folder, or hf:OWNER/NAME.")]
Train = Annotated[
    Path,
    typer.Option(
        help="csv, tsv, json, jsonl or parquet; a folder of text files, or of pictures; a built-in set: ChnSentiCorp."
    ),
]
TextColumn = Annotated[str | None, typer.Option(help="Default: guessed from the header.")]
TextPairColumn = Annotated[str | None, typer.Option(help="The second text of a pair.")]
LabelColumn = Annotated[str | None, typer.Option(help="Default: guessed from the header.")]
Delimiter = Annotated[str | None, typer.Option(help="What stands between two cells. Default: told from the rows.")]
Encoding = Annotated[str | None, typer.Option(help="Of text files. Default: UTF-8, or what the bytes say.")]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether the first row names the columns. Default: told.")
]
Quoted = Annotated[
    bool | None, typer.Option("--quoted/--no-quoted", help="Whether quotes enclose cells. Default: in csv files.")
]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out pictures that cannot be decoded; they are named.")
]
BestModel = Annotated[Path, typer.Argument(help="The best_model folder of a run.")]
MaxSeqLen = Annotated[int | None, typer.Option(help="Tokens a text may have. Default: 128.")]
BatchSize = Annotated[int, typer.Option(help="Examples for each step.")]
Seed = Annotated[int, typer.Option(help="Everything random is a function of it.")]
ConfidenceInterval = Annotated[
    float | None,
    typer.Option(help="A level such as 0.95: each score with its bootstrap interval. Default: without."),
]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16.")]
StrategyName = Annotated[str, typer.Option(help=f"Which parameters move and how fast: {', '.join(STRATEGY_NAMES)}.")]
StrategyArg = Annotated[
    list[str] | None,
    typer.Option(help="NAME=VALUE, an argument of the strategy; may be given several times: dis_blocks=3."),
]


def without_broken(task: "BaseTask", rows: Any) -> Any:
    """Rows of a model of pictures without those that cannot be decoded: what --skip-broken asks for.

    Raises:
        ConfigError: A model of something else.
    """
    from transferhub.task.image_task import ImageTask

    if not isinstance(task, ImageTask):
        raise ConfigError(f"--skip-broken with a {type(task).__name__}", expected="a model of pictures")
    return task.without_broken(rows)


def given_path(text: str, name: str) -> Path:
    """A path that was given; an empty one, as an unset variable of a shell leaves it, is none."""
    if not text.strip():
        raise ConfigError(f"{name} is empty", expected="a path")
    return Path(text)


def built_in_set(path: Path, beside: Mapping[str, Any]) -> "BaseDataset | None":
    """The built-in data set that --train names, where there is no file of its name; None: it names none.

    Args:
        path: What --train is.
        beside: Flags that say where files are and how they are read; None: not given.

    Raises:
        DataError: There is neither, but a set of nearly this name.
        ConfigError: One of these flags is given with a set's name.
    """
    if path.exists() or len(path.parts) > 1 or path.suffix:
        return None
    from transferhub import dataset

    known = dataset.built_in_names()
    name = path.name if path.name in known else path.name.removesuffix("Dataset")  # as PaddleHub's classes are called
    if name not in known:
        if near := did_you_mean(path.name, known):
            raise DataError(f"there is no file {path}, and no built-in data set of this name", fix=near)
        return None
    given = [name for name, value in beside.items() if value is not None]
    if given:
        raise ConfigError(f"--{given[0].replace('_', '-')} with the built-in data set {path}", fix="leave it out")
    made: BaseDataset = getattr(dataset, name)()
    return made


def names_of(given: str | None) -> list[str] | None:
    """``--label-list``: names between commas, a JSON list, or a file of names, one a line.

    Raises:
        ConfigError: None, or what begins like JSON and is no list of names.
    """
    if given is None:
        return None
    if given.lstrip().startswith("["):
        try:
            listed: Any = json.loads(given)
        except ValueError as error:
            raise ConfigError(f"--label-list {given:.60}: {error}", expected='JSON, such as ["a", "b"]') from None
    elif Path(given).is_file():
        try:
            listed = Path(given).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise ConfigError(f"--label-list {given} is not UTF-8", fix="convert it to UTF-8 first") from None
    else:
        listed = given.split(",")
    names = [str(name).strip() for name in listed]
    names = [name for name in names if name]
    if not names:
        raise ConfigError(f"--label-list {given!r:.60} names no labels", expected="names: a,b,c")
    return names


def weights_of(given: str | None) -> str | dict[str, float] | None:
    """``--class-weight``: ``balanced``, or JSON.

    Raises:
        ConfigError: It begins like JSON and is none.
    """
    if given is None or not given.lstrip().startswith("{"):
        return given
    try:
        weights: dict[str, float] = json.loads(given)
    except ValueError as error:
        raise ConfigError(f"--class-weight {given}: {error}", expected='JSON, such as {"spam": 5, "ham": 1}') from None
    return weights


def strategy_of(name: str, given: Sequence[str] | None, **arguments: Any) -> "Strategy":
    """The strategy with a short name.

    Args:
        name: A key of `transferhub.strategy.STRATEGIES`.
        given: ``NAME=VALUE``; a value is JSON, or else a string.
        arguments: From options of their own; None: not given.

    Raises:
        ConfigError: No such strategy or argument.
    """
    from transferhub.strategy import STRATEGIES

    if name not in STRATEGIES:
        raise ConfigError(
            f"--strategy {name}", expected=f"one of {', '.join(STRATEGIES)}", fix=did_you_mean(name, STRATEGIES) or None
        )
    values = {key: value for key, value in arguments.items() if value is not None}
    flags = {key: f"--{key.replace('_', '-')}" for key in values}
    for pair in given or ():
        key, equals, text = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise ConfigError(f"--strategy-arg {pair}", expected="NAME=VALUE, such as dis_blocks=3")
        if key in values:
            raise ConfigError(f"{flags[key]} and --strategy-arg {key} both say what {key} is", fix="give one of them")
        values[key], flags[key] = _value(text), f"--strategy-arg {key}"
    known = list(inspect.signature(STRATEGIES[name]).parameters)
    for key in values:
        if key not in known:
            raise ConfigError(
                f"{flags[key]}: the strategy {name} has no argument {key!r}",
                expected=f"of {', '.join(known)}",
                fix=did_you_mean(key, known) or None,
            )
    return STRATEGIES[name](**values)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()
