"""``hub evaluate``: the scores of a best model on a file."""

import json
from typing import Annotated

import typer

from transferhub.commands import options


def evaluate(
    best_model: options.BestModel,
    file: Annotated[
        str,
        typer.Argument(
            help="With labels: csv, tsv, txt, json, jsonl, parquet; a folder of text files, or of pictures."
        ),
    ],
    text_column: options.TextColumn = None,
    text_pair_column: options.TextPairColumn = None,
    label_column: options.LabelColumn = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    quoted: options.Quoted = None,
    confidence_interval: options.ConfidenceInterval = None,
    skip_broken: options.SkipBroken = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as one JSON object.")] = False,
) -> None:
    """Score a best model on a file with labels, in fp32.

    Example: hub evaluate ckpt_20261121101500/best_model test.csv
    """
    import transferhub as hub
    from transferhub.task import confidence

    path, task = options.given_path(file, "FILE"), hub.load(best_model)
    columns = {"text": text_column, "text_pair": text_pair_column, "label": label_column}
    form = {"delimiter": delimiter, "encoding": encoding, "header": header, "quoted": quoted}
    rows = task.rows_of_file(path, labelled=True, columns=columns, form=form)
    scores = task.evaluate(
        options.without_broken(task, rows) if skip_broken else rows, confidence_interval=confidence_interval
    )
    intervals = confidence.as_json(scores.intervals)
    print(json.dumps({**scores, **({"intervals": intervals} if intervals else {})}) if as_json else scores)
    if confidence_interval is not None and not as_json:
        print(confidence.heading(confidence_interval))
