"""``hub predict``: a file in, a label and probabilities for each row out."""

import contextlib
import csv
import itertools
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from transferhub.commands import options
from transferhub.errors import HubError


def predict(
    best_model: options.BestModel,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="csv, tsv, txt, json, jsonl, parquet; - for a text a line on standard input; pictures, or folders.",
        ),
    ],
    output: Annotated[Path | None, typer.Option(help="Write the csv there instead of printing it.")] = None,
    text_column: options.TextColumn = None,
    text_pair_column: options.TextPairColumn = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    quoted: options.Quoted = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a row instead of csv.")] = False,
    skip_broken: options.SkipBroken = False,
) -> None:
    """Predict each row, as csv in the rows' order: the row, what is predicted, and the probabilities behind it.

    Example: hub predict ckpt_20261121101500/best_model reviews-new.csv --output labelled.csv
    """
    import transferhub as hub
    from transferhub import atomic
    from transferhub.task.scored import cell

    paths = [options.given_path(file, "FILE") for file in files]
    if output is not None and output.is_dir():
        raise HubError(f"--output {output} is a folder", expected="the name of a file to write")
    for path in paths:
        if output is not None and output.exists() and path.exists() and output.samefile(path):
            raise HubError(f"--output {output} is the file that is read", fix="name another file to write")
    task = hub.load(best_model)
    columns = {"text": text_column, "text_pair": text_pair_column}
    form = {"delimiter": delimiter, "encoding": encoding, "header": header, "quoted": quoted}
    if files == ["-"]:
        rows: Any = _lines()
    else:
        found = [task.rows_of_file(path, labelled=False, columns=columns, form=form) for path in paths]
        rows = found[0] if len(found) == 1 else list(itertools.chain.from_iterable(found))
    predictions = task.predict(options.without_broken(task, rows) if skip_broken else rows)
    records, count = predictions.each_record(), 0
    first = next(records, None)
    with contextlib.nullcontext(sys.stdout) if output is None else atomic.whole_file(output) as out:
        writer = csv.writer(out, lineterminator="\n")
        if not as_json:
            writer.writerow(["text", *predictions.field_names] if first is None else first)
        for record in itertools.chain([] if first is None else [first], records):
            if as_json:
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
            else:
                writer.writerow([cell(value) for value in record.values()])
            count += 1
    if output is not None:
        print(f"{count} rows → {output}", file=sys.stderr)


def _lines() -> list[str]:
    """The lines of standard input, whatever its encoding is set to."""
    stream = getattr(sys.stdin, "buffer", None)
    given: bytes = sys.stdin.read().encode() if stream is None else stream.read()
    try:
        content = given.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = given[: error.start].count(b"\n") + 1
        raise HubError(
            f"standard input is not UTF-8 at line {number} (byte 0x{given[error.start]:02x})",
            fix="convert it to UTF-8 first",
        ) from None
    return [line.removesuffix("\r") for line in content.removesuffix("\n").split("\n")] if content else []
