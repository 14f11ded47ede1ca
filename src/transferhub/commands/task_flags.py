"""The flags that describe a task and its run, shared by the commands that train."""

import dataclasses
import functools
import inspect
import json
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transferhub.commands import options, task_rows
from transferhub.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from transferhub.dataset import BaseDataset
    from transferhub.engine.config import RunConfig
    from transferhub.module import Module
    from transferhub.task.base_task import BaseTask

# --task → the class in `transferhub`. A new task is a line here.
TASKS = {
    "text-classification": "TextClassifierTask",
    "text-matching": "TextClassifierTask",  # of pairs
    "multi-label": "MultiLabelClassifierTask",
    "sequence-labeling": "SequenceLabelTask",
    "reading-comprehension": "ReadingComprehensionTask",
    "regression": "RegressionTask",
    "pointwise-text-matching": "PointwiseTextMatchingTask",  # each text read by itself
    "pairwise-text-matching": "PairwiseTextMatchingTask",  # of triples
    "image-classification": "ImageClassifierTask",
    "image-multi-label": "MultiLabelImageClassifierTask",
}
LOSSES = ("cross_entropy", "focal", "hinge", "rank")  # as the tasks have them, which import torch
MATCHING = ("pointwise-text-matching", "pairwise-text-matching")
OF_ONE_TASK = (  # flags that are arguments of their task, by the same names
    "add_crf",
    "network",
    "sub_task",
    "doc_stride",
    "max_query_length",
    "max_answer_length",
    "n_best_size",
    "null_score_diff_threshold",
)
WITH_LABELS = ("classes", "labels", "tags")  # kinds of rows


@dataclasses.dataclass(kw_only=True)
class TaskFlags:
    """What is trained on what, and how. Flags that are None leave the task its own default."""

    module: options.ModuleName
    train: options.Train
    dev: Annotated[Path | None, typer.Option(help="Chooses the best model. Default: a tenth of --train.")] = None
    test: Annotated[Path | None, typer.Option(help="Looked at once, at the end.")] = None
    task: Annotated[str, typer.Option(help=f"One of: {', '.join(TASKS)}.")] = "text-classification"
    text_column: options.TextColumn = None
    text_pair_column: options.TextPairColumn = None
    label_column: options.LabelColumn = None
    delimiter: options.Delimiter = None
    encoding: options.Encoding = None
    header: options.Header = None
    quoted: options.Quoted = None
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Random weights instead of pretrained ones.")] = (
        False
    )
    freeze: Annotated[bool, typer.Option("--freeze", help="The pretrained part stays as it is.")] = False
    augment: Annotated[
        str | None, typer.Option(help="Of training pictures: none, light, standard or strong. Default: light.")
    ] = None
    skip_broken: options.SkipBroken = False
    add_crf: Annotated[
        bool | None, typer.Option("--add-crf", help="Of sequence-labeling: a CRF on top of the linear layer.")
    ] = None
    network: Annotated[
        str | None,
        typer.Option(help="Over vectors of tokens: bow, cnn, gru, lstm … Default: none."),
    ] = None
    sub_task: Annotated[
        str | None,
        typer.Option(help="Of reading-comprehension: whose scores, squad, squad2.0, cmrc2018 or drcd. Default: told."),
    ] = None
    doc_stride: Annotated[
        int | None, typer.Option(help="Of reading-comprehension: tokens between two windows. Default: 128.")
    ] = None
    max_query_length: Annotated[
        int | None, typer.Option(help="Of reading-comprehension: tokens of a question that are read. Default: 64.")
    ] = None
    max_answer_length: Annotated[
        int | None, typer.Option(help="Of reading-comprehension: tokens an answer may have. Default: 30.")
    ] = None
    n_best_size: Annotated[
        int | None, typer.Option(help="Of reading-comprehension: answers kept of each question. Default: 20.")
    ] = None
    null_score_diff_threshold: Annotated[
        float | None,
        typer.Option(help="Of squad2.0: no answer where the null score leads by more than this. Default: 0."),
    ] = None
    label_list: Annotated[
        str | None,
        typer.Option(help="Labels in the order of their ids: a,b,c; a JSON list; or a file of them, one a line."),
    ] = None
    max_seq_len: options.MaxSeqLen = None
    long_text: Annotated[
        str | None,
        typer.Option(help="Of texts with more tokens: truncate, head_tail (both ends) or window (all, in pieces)."),
    ] = None
    batch_size: options.BatchSize = 32
    num_epoch: Annotated[int, typer.Option(help="How often each row is seen.")] = 3
    strategy: options.StrategyName = "adamw"
    strategy_arg: options.StrategyArg = None
    learning_rate: Annotated[
        float | None, typer.Option(help="The peak rate. Default: 5e-5 for adamw, else the strategy's own.")
    ] = None
    metrics: Annotated[
        str | None, typer.Option(help="The first chooses the best model: acc, f1, f1_macro, auc, spearman …")
    ] = None
    class_weight: Annotated[
        str | None,
        typer.Option(help='Of training rows: balanced, or JSON with every label: \'{"spam": 5, "ham": 1}\'.'),
    ] = None
    loss: Annotated[str | None, typer.Option(help=f"One of: {', '.join(LOSSES)}.")] = None
    focal_gamma: Annotated[float | None, typer.Option(help="Of --loss focal. Default: 2.")] = None
    label_smoothing: Annotated[
        float | None, typer.Option(help="The part of a label spread over all labels; not with focal.")
    ] = None
    warmup_proportion: Annotated[
        float | None, typer.Option(help="The part of all steps in which the rate rises. Default: 0.1.")
    ] = None
    weight_decay: Annotated[float | None, typer.Option(help="Of adamw and lora. Default: 0.01.")] = None
    seed: options.Seed = 42
    precision: options.Precision = "auto"
    confidence_interval: options.ConfidenceInterval = None
    eval_interval: Annotated[int, typer.Option(help="Steps between two evaluations on dev.")] = 100
    early_stopping: Annotated[
        int | None, typer.Option(help="End after so many evaluations without a better score on dev. Default: never.")
    ] = None
    save_ckpt_interval: Annotated[
        int | None, typer.Option(help="Steps between two kept checkpoints. Default: a rolling one.")
    ] = None
    checkpoint_dir: Annotated[Path | None, typer.Option(help="The run's folder. Default: ckpt_<time>.")] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished or different run there.")] = False

    @property
    def task_class(self) -> "type[BaseTask]":
        """The class of --task.

        Raises:
            ConfigError: There is no such task.
        """
        if self.task not in TASKS:
            near = did_you_mean(self.task, TASKS) or None
            raise ConfigError(f"--task {self.task}", expected=f"one of {', '.join(TASKS)}", fix=near)
        import transferhub as hub

        found: type[BaseTask] = getattr(hub, TASKS[self.task])
        return found

    @property
    def rate_is_given(self) -> bool:
        """Whether --learning-rate or --strategy-arg says the rate."""
        names = [pair.partition("=")[0].strip().replace("-", "_") for pair in self.strategy_arg or ()]
        return self.learning_rate is not None or "learning_rate" in names

    @property
    def usual_rate(self) -> float:
        """The rate of adamw where none is given."""
        kind: Any = self.task_class
        if self.task not in MATCHING:
            return float(kind.usual_rate)
        import transferhub as hub
        from transferhub.task.matching import usual_rate

        return usual_rate([hub.Module(name=self.module).family])

    def rows(self) -> "BaseDataset":
        """The rows of --train, --dev and --test, read as the task reads them."""
        return task_rows.read(self)

    def config(self, **changed: Any) -> "RunConfig":
        """How it is trained; `changed` replaces arguments of `RunConfig`."""
        import transferhub as hub

        rate = self.usual_rate if self.strategy == "adamw" and not self.rate_is_given else self.learning_rate
        strategy = options.strategy_of(
            self.strategy,
            self.strategy_arg,
            learning_rate=rate,
            warmup_proportion=self.warmup_proportion,
            weight_decay=self.weight_decay,
        )
        names = [field.name for field in dataclasses.fields(hub.RunConfig)]
        given = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return hub.RunConfig(**{**given, "strategy": strategy, **changed})

    def build(self, rows: "BaseDataset", config: "RunConfig", module: "Module | None" = None) -> "BaseTask":
        """The task on `rows`; `module` in place of --module.

        Raises:
            ConfigError: A flag that this task has not.
        """
        import transferhub as hub

        kind: Any = self.task_class
        plain = self.task in ("text-classification", "text-matching")
        metrics = self.metrics or ("acc,f1" if plain else None)
        given = {
            "metrics_choices": [name.strip() for name in metrics.split(",")] if metrics else None,
            "max_seq_len": self.max_seq_len,
            "long_text": self.long_text,
            "class_weight": options.weights_of(self.class_weight),
            "loss": self.loss,
            "focal_gamma": self.focal_gamma,
            "label_smoothing": self.label_smoothing,
            "augment": self.augment,
            **{name: getattr(self, name) for name in OF_ONE_TASK},
        }
        asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        for name in asked:
            self.refuse(name)
        module = module or hub.Module(name=self.module, pretrained=not self.from_scratch)
        if self.freeze and self.task in MATCHING:
            asked.update(self._frozen_features(module))
        elif self.freeze:
            _, outputs, _ = module.context(trainable=False, max_seq_len=self.max_seq_len)
            asked["feature"] = outputs.get(kind.feature_name)
        else:
            asked["module"] = module
        made: BaseTask = kind(dataset=rows, config=config, **asked)
        return made

    def _frozen_features(self, module: "Module") -> dict[str, Any]:
        from transferhub.task import matching, pairwise_matching, pointwise_matching

        names = pointwise_matching.NAMES if self.task == MATCHING[0] else pairwise_matching.NAMES
        length = self.max_seq_len
        found = matching.features_of(module, len(names), self.network, length, trainable=False)
        return dict(zip(names, found, strict=True))

    def refuse(self, name: str) -> None:
        """Refuse a flag that the task has not, with the tasks that have it.

        Raises:
            ConfigError: The task has not got it.
        """
        import transferhub as hub

        def has(task: str) -> bool:
            kind = getattr(hub, TASKS[task])
            if name == "network":
                return task in MATCHING  # others need a feature of one's own beside it
            return name in inspect.signature(kind).parameters and (
                name != "label_list" or (kind.kind or "classes") in WITH_LABELS
            )

        having = [task for task in TASKS if has(task)]
        if self.task not in having:
            flag = f"--{'metrics' if name == 'metrics_choices' else name.replace('_', '-')}"
            raise ConfigError(f"{flag} with --task {self.task}", expected=f"it is for --task {' or '.join(having)}")


def with_task_flags(command: Callable[..., None]) -> Callable[..., None]:
    """A command ``(flags: TaskFlags, …)`` as typer reads it: the fields of `TaskFlags` are its options too."""
    fields = dataclasses.fields(TaskFlags)
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        flags = TaskFlags(**{field.name: given.pop(field.name) for field in fields})
        command(flags, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(
            field.name,
            keyword,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=field.type,
        )
        for field in fields
    ]
    merged = [*shared, *(parameter.replace(kind=keyword) for parameter in own)]
    del run.__dict__["__wrapped__"]
    run.__signature__ = inspect.Signature(merged)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in merged}
    return run


def given_flags(context: typer.Context) -> set[str]:
    """The names of the flags that a command was given."""
    sources = ((name, context.get_parameter_source(name)) for name in context.params)
    return {name for name, source in sources if source is not None and source.name == "COMMANDLINE"}


def with_values(flags: TaskFlags, values: Mapping[str, Any]) -> TaskFlags:
    """Flags with a trial's values in their place; what is no flag is an argument of the strategy."""
    known = {field.name for field in dataclasses.fields(flags)}
    own = {name: value for name, value in values.items() if name in known}
    arguments = [f"{name}={json.dumps(value)}" for name, value in values.items() if name not in known]
    if arguments:
        own["strategy_arg"] = [*(flags.strategy_arg or ()), *arguments]
    return dataclasses.replace(flags, **own)


def command_of(
    flags: TaskFlags,
    values: Mapping[str, Any],
    named: set[str],
    without: Collection[str] = ("checkpoint_dir", "overwrite"),
) -> str:
    """The ``hub finetune`` with these values; `named` are flags that were given beside them, `without` are left out."""
    chosen, words = with_values(flags, values), ["hub", "finetune"]
    for field in dataclasses.fields(chosen):
        value = getattr(chosen, field.name)
        left_out = field.name in without or value is None
        if left_out or not (field.name in named or field.name in values or value != getattr(flags, field.name)):
            continue
        flag = f"--{field.name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else [f"--no-{flag[2:]}"] if field.name in ("header", "quoted") else []
        elif isinstance(value, list):
            words += [word for each in value for word in (flag, shlex.quote(each))]
        else:
            words += [flag, shlex.quote(str(value))]
    return " ".join(words)
