"""``hub finetune``: a file and a module in, a best model out."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from transferhub.commands import options
from transferhub.errors import ConfigError, did_you_mean

TASKS = ("text-classification",)
LOSSES = ("cross_entropy", "focal")  # as task/losses.py has them, which imports torch
_started = time.monotonic()


def finetune(
    module: options.ModuleName,
    train: options.Train,
    dev: Annotated[Path | None, typer.Option(help="Chooses the best model. Default: a tenth of --train.")] = None,
    test: Annotated[Path | None, typer.Option(help="Looked at once, at the end.")] = None,
    text_column: options.TextColumn = None,
    text_pair_column: options.TextPairColumn = None,
    label_column: options.LabelColumn = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    quoted: options.Quoted = None,
    task: Annotated[str, typer.Option(help=f"One of: {', '.join(TASKS)}.")] = TASKS[0],
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Random weights instead of pretrained ones.")
    ] = False,
    max_seq_len: options.MaxSeqLen = None,
    long_text: Annotated[
        str, typer.Option(help="Of texts with more tokens: truncate, head_tail (both ends) or window (all, in pieces).")
    ] = "truncate",
    batch_size: options.BatchSize = 32,
    num_epoch: Annotated[int, typer.Option(help="How often each row is seen.")] = 3,
    strategy: options.StrategyName = "adamw",
    strategy_arg: options.StrategyArg = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="The peak rate. Default: 5e-5 for adamw, else the strategy's own.")
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="The first chooses the best model: acc, f1, f1_macro, balanced_acc, matthews …")
    ] = "acc,f1",
    class_weight: Annotated[
        str | None,
        typer.Option(help='Of training rows: balanced, or JSON with every label: \'{"spam": 5, "ham": 1}\'.'),
    ] = None,
    loss: Annotated[str, typer.Option(help=f"One of: {', '.join(LOSSES)}.")] = LOSSES[0],
    focal_gamma: Annotated[float | None, typer.Option(help="Of --loss focal. Default: 2.")] = None,
    label_smoothing: Annotated[
        float, typer.Option(help="The part of a label spread over all labels; not with focal.")
    ] = 0.0,
    warmup_proportion: Annotated[
        float | None, typer.Option(help="The part of all steps in which the rate rises. Default: 0.1.")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of adamw and lora. Default: 0.01.")] = None,
    seed: options.Seed = 42,
    precision: options.Precision = "auto",
    eval_interval: Annotated[int, typer.Option(help="Steps between two evaluations on dev.")] = 100,
    early_stopping: Annotated[
        int | None, typer.Option(help="End after so many evaluations without a better score on dev. Default: never.")
    ] = None,
    save_ckpt_interval: Annotated[
        int | None, typer.Option(help="Steps between two kept checkpoints. Default: a rolling one.")
    ] = None,
    checkpoint_dir: Annotated[Path | None, typer.Option(help="The run's folder. Default: ckpt_<time>.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished or different run there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object, as the last line.")
    ] = False,
) -> None:
    """Fine-tune a pretrained module on your rows. A stopped run goes on when the same command is given again.

    Example: hub finetune --module minilm --train reviews.csv --num-epoch 3
    """
    if task not in TASKS:
        raise ConfigError(
            f"--task {task}", expected=f"one of {', '.join(TASKS)}", fix=did_you_mean(task, TASKS) or None
        )
    import transferhub as hub

    config = hub.RunConfig(
        eval_interval=eval_interval,
        save_ckpt_interval=save_ckpt_interval,
        early_stopping=early_stopping,
        checkpoint_dir=checkpoint_dir,
        num_epoch=num_epoch,
        batch_size=batch_size,
        seed=seed,
        precision=precision,
        overwrite=overwrite,
        strategy=options.strategy_of(
            strategy,
            strategy_arg,
            learning_rate=5e-5 if strategy == "adamw" and learning_rate is None else learning_rate,
            warmup_proportion=warmup_proportion,
            weight_decay=weight_decay,
        ),
    )
    rows = hub.dataset.load(
        options.given_path(str(train), "--train"),
        dev,
        test,
        text=text_column,
        text_pair=text_pair_column,
        label=label_column,
        delimiter=delimiter,
        encoding=encoding,
        header=header,
        quoted=quoted,
    )
    trained = hub.TextClassifierTask(
        module=hub.Module(name=module, pretrained=not from_scratch),
        dataset=rows,
        config=config,
        metrics_choices=[name.strip() for name in metrics.split(",")],
        max_seq_len=max_seq_len,
        long_text=long_text,
        class_weight=_weights(class_weight),
        loss=loss,
        focal_gamma=focal_gamma,
        label_smoothing=label_smoothing,
    )
    result = trained.finetune_and_eval()
    if as_json:
        wall = round(time.monotonic() - _started, 1)
        print(json.dumps({**dataclasses.asdict(result), "wall_seconds": wall}, ensure_ascii=False))
        return
    for split, scores in (("dev", result.dev), ("test", result.test)):
        if scores:
            print(f"{split:5}" + "  ".join(f"{name} {value:.4f}" for name, value in scores.items()))
    print(f"best model  {result.best_model}\nreport      {result.report}")
    print(f"curves      tensorboard --logdir {result.checkpoint_dir}/visualization")
    print(f"next        hub predict {result.best_model} FILE")


def _weights(given: str | None) -> str | dict[str, float] | None:
    if given is None or not given.lstrip().startswith("{"):
        return given
    try:
        weights: dict[str, float] = json.loads(given)
    except ValueError as error:
        raise ConfigError(f"--class-weight {given}: {error}", expected='JSON, such as {"spam": 5, "ham": 1}') from None
    return weights
