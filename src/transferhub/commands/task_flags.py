"""The flags that describe a task and its run, shared by the commands that train."""

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transferhub.commands import options
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
    "image-classification": "ImageClassifierTask",
    "image-multi-label": "MultiLabelImageClassifierTask",
}
PICTURES = ("image-classification", "image-multi-label")
LOSSES = ("cross_entropy", "focal")  # as task/losses.py has them, which imports torch
TEXT_FLAGS = ("text_pair_column", "delimiter", "encoding", "header", "quoted")  # that say nothing of pictures


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
    def usual_rate(self) -> float:
        """The rate of adamw where none is given."""
        kind: Any = self.task_class
        return float(kind.usual_rate)

    def rows(self) -> "BaseDataset":
        """The rows of --train, --dev and --test, read as the task reads them."""
        import transferhub as hub

        label: Any = self.label_column
        if label is not None and self.task_class.kind == "labels" and "," in label:
            label = [name.strip() for name in label.split(",")]
        path = options.given_path(str(self.train), "--train")
        if self.task in PICTURES:
            return self._pictures(path, label)
        if self.skip_broken:
            raise ConfigError(f"--skip-broken with --task {self.task}", expected=f"--task {' or '.join(PICTURES)}")
        from transferhub.module.timm_files import is_image

        if is_image(self.module):
            raise ConfigError(
                f"--task {self.task} with the image network {self.module}",
                fix=f"--task image-{'multi-label' if self.task == 'multi-label' else 'classification'}",
            )
        given: dict[str, Any] = {"text": self.text_column, "text_pair": self.text_pair_column, "label": label}
        form: dict[str, Any] = {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "header": self.header,
            "quoted": self.quoted,
        }
        rows = hub.dataset.load(path, self.dev, self.test, kind=self.task_class.kind or "classes", **given, **form)
        if self.task == "text-matching" and len(rows.train_examples) and rows.train_examples[0].text_b is None:
            raise ConfigError(
                f"--task text-matching: the rows of {path} are texts, not pairs",
                expected="two texts and a label",
                fix="--text-pair-column names the second text",
            )
        return rows

    def _pictures(self, path: Path, label: Any) -> "BaseDataset":
        import transferhub as hub
        from transferhub.dataset.picture_tables import refuse_text_flags

        refuse_text_flags({name: getattr(self, name) for name in TEXT_FLAGS})
        return hub.dataset.load_images(
            path,
            self.dev,
            self.test,
            path=self.text_column,
            label=label,
            kind=self.task_class.kind or "classes",
            broken="skip" if self.skip_broken else "refuse",
        )

    def config(self, **changed: Any) -> "RunConfig":
        """How it is trained; `changed` replaces arguments of `RunConfig`."""
        import transferhub as hub

        rate = self.usual_rate if self.strategy == "adamw" and self.learning_rate is None else self.learning_rate
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
            "class_weight": weights_of(self.class_weight),
            "loss": self.loss,
            "focal_gamma": self.focal_gamma,
            "label_smoothing": self.label_smoothing,
            "augment": self.augment,
            "add_crf": self.add_crf,
        }
        asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        known = inspect.signature(kind).parameters
        for name in asked:
            if name not in known:
                flag = f"--{'metrics' if name == 'metrics_choices' else name.replace('_', '-')}"
                raise ConfigError(f"{flag} with --task {self.task}", expected="a flag that this task has")
        module = module or hub.Module(name=self.module, pretrained=not self.from_scratch)
        if self.freeze:
            _, outputs, _ = module.context(trainable=False, max_seq_len=self.max_seq_len)
            asked["feature"] = outputs.get(kind.feature_name)
        else:
            asked["module"] = module
        made: BaseTask = kind(dataset=rows, config=config, **asked)
        return made


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
