"""``hub predict``: a file in, a label and probabilities for each row out."""

import contextlib
import csv
import itertools
import sys
from pathlib import Path
from typing import Annotated

import typer

from transferhub.errors import HubError


def predict(
    best_model: Annotated[Path, typer.Argument(help="The best_model folder of a run.")],
    file: Annotated[
        str, typer.Argument(help="csv, tsv, txt, json, jsonl or parquet; or - for one text a line on standard input.")
    ],
    output: Annotated[Path | None, typer.Option(help="Write the csv there instead of printing it.")] = None,
) -> None:
    """Predict each row: text, label, one probability for each label name, as csv in the rows' order.

    Example: hub predict ckpt_20261121101500/best_model reviews-new.csv --output labelled.csv
    """
    import transferhub as hub
    from transferhub import atomic

    if output is not None and output.is_dir():
        raise HubError(f"--output {output} is a folder", expected="the name of a file to write")
    task = hub.load(best_model)
    try:
        rows = [line.rstrip("\n") for line in sys.stdin] if file == "-" else Path(file)
    except UnicodeDecodeError as error:
        raise HubError(f"standard input is not UTF-8: {error}", fix="convert it to UTF-8 first") from None
    predictions = task.predict(rows)
    records, count = predictions.each_record(), 0
    first = next(records, None)
    with contextlib.nullcontext(sys.stdout) if output is None else atomic.whole_file(output) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["text", "label", *predictions.label_names] if first is None else first)
        for record in itertools.chain([] if first is None else [first], records):
            writer.writerow([f"{value:.6f}" if isinstance(value, float) else value for value in record.values()])
            count += 1
    if output is not None:
        print(f"{count} rows → {output}", file=sys.stderr)
