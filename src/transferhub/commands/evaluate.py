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
    skip_broken: options.SkipBroken = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as one JSON object.")] = False,
) -> None:
    """Score a best model on a file with labels, in fp32.

    Example: hub evaluate ckpt_20261121101500/best_model test.csv
    """
    import transferhub as hub

    path, task = options.given_path(file, "FILE"), hub.load(best_model)
    columns = {"text": text_column, "text_pair": text_pair_column, "label": label_column}
    form = {"delimiter": delimiter, "encoding": encoding, "header": header, "quoted": quoted}
    rows = task.rows_of_file(path, labelled=True, columns=columns, form=form)
    scores = task.evaluate(options.without_broken(task, rows) if skip_broken else rows)
    print(json.dumps(scores) if as_json else "\n".join(f"{name:10} {value:.5f}" for name, value in scores.items()))
