"""``hub finetune``: a file and a module in, a best model out."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from transferhub.errors import ConfigError, did_you_mean

TASKS = ("text-classification",)
LOSSES = ("cross_entropy", "focal")  # as task/losses.py has them, which imports torch
_started = time.monotonic()


def finetune(
    module: Annotated[str, typer.Option(help="A name of `hub list --all`, a folder, or hf:OWNER/NAME.")],
    train: Annotated[Path, typer.Option(help="csv or tsv with a header line.")],
    dev: Annotated[Path | None, typer.Option(help="Chooses the best model. Default: a tenth of --train.")] = None,
    test: Annotated[Path | None, typer.Option(help="Looked at once, at the end.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Default: guessed from the header.")] = None,
    text_pair_column: Annotated[str | None, typer.Option(help="The second text of a pair.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Default: guessed from the header.")] = None,
    task: Annotated[str, typer.Option(help=f"One of: {', '.join(TASKS)}.")] = TASKS[0],
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Random weights instead of pretrained ones.")
    ] = False,
    max_seq_len: Annotated[int | None, typer.Option(help="Tokens a text may have. Default: 128.")] = None,
    batch_size: Annotated[int, typer.Option(help="Examples for each step.")] = 32,
    num_epoch: Annotated[int, typer.Option(help="How often each row is seen.")] = 3,
    learning_rate: Annotated[float, typer.Option(help="The peak rate.")] = 5e-5,
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
    warmup_proportion: Annotated[float, typer.Option(help="The part of all steps in which the rate rises.")] = 0.1,
    weight_decay: Annotated[float, typer.Option(help="AdamW's.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Everything random is a function of it.")] = 42,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
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
        strategy=hub.AdamWeightDecayStrategy(
            learning_rate=learning_rate, warmup_proportion=warmup_proportion, weight_decay=weight_decay
        ),
    )
    rows = hub.dataset.load(train, dev, test, text=text_column, text_pair=text_pair_column, label=label_column)
    trained = hub.TextClassifierTask(
        module=hub.Module(name=module, pretrained=not from_scratch),
        dataset=rows,
        config=config,
        metrics_choices=[name.strip() for name in metrics.split(",")],
        max_seq_len=max_seq_len,
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
