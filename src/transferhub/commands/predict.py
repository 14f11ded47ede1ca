"""``hub predict``: a file in, a label and probabilities for each row out."""

import csv
import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from transferhub.errors import HubError


def predict(
    best_model: Annotated[Path, typer.Argument(help="The best_model folder of a run.")],
    file: Annotated[
        str, typer.Argument(help="csv or tsv with a header line; or - for one text a line on standard input.")
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
    table = io.StringIO()
    records = predictions.records()
    fields = list(records[0]) if records else ["text", "label", *predictions.label_names]
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(fields)
    for record in records:
        writer.writerow([f"{value:.6f}" if isinstance(value, float) else value for value in record.values()])
    if output is None:
        print(table.getvalue(), end="")
    else:
        atomic.write_text(output, table.getvalue())
        print(f"{len(records)} rows → {output}", file=sys.stderr)
