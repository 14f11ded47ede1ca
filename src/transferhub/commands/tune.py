"""``hub tune``: the settings with which a task scores best on dev."""

import dataclasses
import inspect
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transferhub.commands.task_flags import TaskFlags, command_of, given_flags, with_task_flags, with_values
from transferhub.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from transferhub.tune.space import Space, Value

# Flags that say what is trained on what and where, and so are the same in all trials.
FIXED = (
    *("module", "train", "dev", "test", "task", "text_column", "text_pair_column", "label_column", "delimiter"),
    *("encoding", "header", "quoted", "from_scratch", "metrics", "seed", "precision", "eval_interval"),
    *("save_ckpt_interval", "checkpoint_dir", "overwrite", "strategy_arg", "confidence_interval"),
    *("label_list", "sub_task", "skip_broken"),
)
# No part of a search's outcome.
BESIDE = ("test", "checkpoint_dir", "overwrite", "eval_interval", "save_ckpt_interval", "confidence_interval")


@with_task_flags
def tune(
    flags: TaskFlags,
    context: typer.Context,
    search: Annotated[
        Path | None,
        typer.Option(help="yaml: flag → [choices] or {low, high, log}. Default: the task's own."),
    ] = None,
    trials: Annotated[int, typer.Option(help="In all, over all starts, workers and machines.")] = 20,
    timeout: Annotated[str | None, typer.Option(help="Of this start: 90, 30m, 1h30m; what runs goes on later.")] = None,
    workers: Annotated[int, typer.Option(help="Processes on this machine.")] = 1,
    storage: Annotated[
        str | None, typer.Option(help="URL of a database for Optuna, for machines without a shared folder.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="tpe, cmaes or random.")] = "tpe",
    pruner: Annotated[str, typer.Option(help="asha, median or none: which trials stop early.")] = "asha",
    keep: Annotated[int, typer.Option(help="The best models that stay on disk.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Search the settings with which a module scores best on your dev rows. A stopped search goes on with the command.

    Flags that are given are the same in all trials; the others are searched. Test rows are looked at once, at the end.

    Example: hub tune --module minilm --train reviews.csv --trials 20 --workers 2
    """
    import transferhub as hub
    from transferhub.tune.search import tune as search_settings

    kind = flags.task_class
    named = given_flags(context)
    rows = flags.rows()
    module = hub.Module(name=flags.module, pretrained=not flags.from_scratch)
    space = _space(flags, search, named, module, len(rows.train_examples))
    split = rows.with_dev(flags.seed, kind=kind.kind)

    def make_task(values: dict[str, Any]) -> Any:
        chosen = with_values(flags, values)
        return chosen.build(split, chosen.config(), module)

    same = {
        field.name: _plain(getattr(flags, field.name))
        for field in dataclasses.fields(flags)
        if field.name not in BESIDE and field.name not in space.described()
    }
    first = {name: getattr(flags, name, None) for name in space.described()}
    result = search_settings(
        make_task,
        space,
        trials=trials,
        timeout=timeout,
        workers=workers,
        storage=storage,
        checkpoint_dir=flags.checkpoint_dir,
        sampler=sampler,
        pruner=pruner,
        keep=keep,
        seed=flags.seed,
        first={name: value for name, value in first.items() if value is not None},
        overwrite=flags.overwrite,
        settings={"task": same},
        command=lambda values: command_of(flags, values, named),
    )
    if as_json:
        print(json.dumps(dataclasses.asdict(result), ensure_ascii=False))
        return
    _print(result)


def _space(flags: TaskFlags, search: Path | None, named: set[str], module: Any, rows: int) -> "Space":
    from transferhub.tune.space import Space, default_space

    if search is None:
        parameters = sum(path.stat().st_size for path in module.directory.glob("*.safetensors")) // 4
        kind: Any = flags.task_class
        classes = kind.kind == "classes" and "label_smoothing" in inspect.signature(kind).parameters
        space = default_space(family=module.family, parameters=parameters, rows=rows, classes=classes)
        return _without(space, flags, named)
    space = Space.read(search)
    _check(space, flags, search, named)
    return _for_strategies(space, flags)


def _without(space: "Space", flags: TaskFlags, named: set[str]) -> "Space":
    """The house's space without what was given; a given strategy leaves the arguments that it has."""
    from transferhub.strategy import STRATEGIES
    from transferhub.tune.space import Space

    left = [each for each in space.dimensions if each.name not in named]
    if "loss" in named:
        left = [each for each in left if each.name != "label_smoothing"]
    if "strategy" in named:
        has = inspect.signature(STRATEGIES[flags.strategy]).parameters if flags.strategy in STRATEGIES else {}
        left = [dataclasses.replace(each, only={}) for each in left if not each.only or each.name in has]
    return Space(left)


def _check(space: "Space", flags: TaskFlags, search: Path, named: set[str]) -> None:
    """Refuse names that are neither flags that a search may change nor arguments of a strategy."""
    from transferhub.strategy import STRATEGIES

    searched = space.described()
    known = {field.name for field in dataclasses.fields(flags)} - set(FIXED)
    strategies = searched.get("strategy", {}).get("choices", [flags.strategy])
    arguments = set[str]()
    for each in strategies:
        arguments |= set(inspect.signature(STRATEGIES[each]).parameters if each in STRATEGIES else ())
    faults = []
    for name in searched:
        if name in FIXED:
            faults.append(f"{name} is the same in all trials")
        elif name in named:
            faults.append(f"{name} is given on the command line too")
        elif name not in known and name not in arguments:
            near = did_you_mean(name, known | arguments)
            faults.append(
                f"{name!r} is no flag and no argument of {', '.join(map(str, strategies))}; {near}".rstrip("; ")
            )
    if faults:
        raise ConfigError(f"{search}: " + "; ".join(faults), expected=f"of {', '.join(sorted(known))}")


def _for_strategies(space: "Space", flags: TaskFlags) -> "Space":
    """Arguments that only some of the searched strategies have are searched where these are chosen."""
    from transferhub.strategy import STRATEGIES
    from transferhub.tune.space import Space

    (strategies,) = [each.choices for each in space.dimensions if each.name == "strategy"] or [()]
    flags_of_tasks = {field.name for field in dataclasses.fields(flags)} - {"warmup_proportion", "weight_decay"}
    made = []
    for each in space.dimensions:
        having: tuple[Value, ...] = tuple(
            name for name in strategies if each.name in inspect.signature(STRATEGIES[str(name)]).parameters
        )
        if strategies and not each.only and each.name not in flags_of_tasks and having != strategies:
            each = dataclasses.replace(each, only={"strategy": having})
        made.append(each)
    return Space(made)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _print(result: Any) -> None:
    from transferhub.tune.outcome import ENOUGH, shown

    print(f"best        trial {result.trial}: {result.metric} {result.score:.4f} on dev  ({shown(result.best)})")
    if result.test:
        print("test        " + "  ".join(f"{name} {value:.4f}" for name, value in result.test.items()))
    counts = {"complete": result.complete, "pruned": result.pruned, "failed": result.failed, "running": result.running}
    print("trials      " + ", ".join(f"{count} {state}" for state, count in counts.items() if count))
    parts = [f"{name} {part:.2f}" for name, part in result.importance.items() if math.isfinite(part)]
    print(
        "importance  " + (", ".join(parts) or f"not known: it needs {ENOUGH} complete trials that tell settings apart")
    )
    print(f"best model  {result.best_model}\nall trials  {result.table}\nreport      {result.report}")
    print(f"again       {result.command}\nnext        hub predict {result.best_model} FILE")
