"""TransferHub's predict beside the transformers pipeline: the same saved model, the same rows, in turn.

    python bench/predict.py [--rounds 3] [--rows 300] [--sets chnsenticorp sst2]

``hub.load(best_model).predict(rows)`` against ``pipeline("text-classification")`` over the list, as it comes (one text
at a time) and with ``batch_size=32``; both in fp32, texts cut at 128 tokens. Each measurement is a process of its own
and counts predicting only, after 32 rows to warm up; loading is reported apart. Labels must be equal and
probabilities within 1e-4, or the benchmark fails. The table goes to bench/predict-results.md.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rows

HERE = Path(__file__).resolve().parent
SIDES = {"ours": None, "pipeline": 1, "pipeline32": 32}  # side → the pipeline's batch size
TRAINED_ON = 640  # rows: enough for probabilities that differ between texts
TOLERANCE = 1e-4


def texts_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [row["text_a"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def ours(model, texts):
    began = time.perf_counter()
    import transferhub as hub

    task = hub.load(model)
    task.predict(texts[:32])
    loaded = time.perf_counter()
    predictions = task.predict(texts)
    seconds = time.perf_counter() - loaded
    return loaded - began, seconds, predictions.labels, predictions.probabilities.tolist(), predictions.label_names


def peer(model, texts, batch_size):
    began = time.perf_counter()
    from transformers import pipeline

    options = {"truncation": True, "max_length": 128, "top_k": None, "batch_size": batch_size}
    classify = pipeline("text-classification", model=str(model))
    classify(texts[:32], **options)
    loaded = time.perf_counter()
    said = classify(texts, **options)
    seconds = time.perf_counter() - loaded
    names = [classify.model.config.id2label[place] for place in range(classify.model.config.num_labels)]
    scores = [{entry["label"]: entry["score"] for entry in row} for row in said]
    return (
        loaded - began,
        seconds,
        [row[0]["label"] for row in said],
        [[row[n] for n in names] for row in scores],
        names,
    )


def side(name, model, data):
    """One measurement, printed as a line of JSON."""
    texts = texts_of(data)
    result = ours(model, texts) if name == "ours" else peer(model, texts, SIDES[name])
    print(json.dumps(dict(zip(("load", "seconds", "labels", "probabilities", "names"), result, strict=True))))


def run(arguments, folder):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFERHUB_HOME": str(folder / "home")}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{arguments} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def refuse_other(ours, other, name):
    """Fail unless both sides say the same; return the largest difference of a probability."""
    if ours["names"] != other["names"] or ours["labels"] != other["labels"]:
        raise SystemExit(f"{name} predicts other labels")
    pairs = zip(ours["probabilities"], other["probabilities"], strict=True)
    largest = max(abs(a - b) for row, peer_row in pairs for a, b in zip(row, peer_row, strict=True))
    if largest > TOLERANCE:
        raise SystemExit(f"{name}: probabilities differ by {largest}")
    return largest


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def compare(name, rounds, count, folder):
    """Measure one set; return the lines of its table."""
    train, dev = rows.write(name, folder / name)
    dev.write_text("".join(dev.read_text(encoding="utf-8").splitlines(True)[: count + 1]), encoding="utf-8")
    some = train.with_name("some.tsv")
    some.write_text("".join(train.read_text(encoding="utf-8").splitlines(True)[: TRAINED_ON + 1]), encoding="utf-8")
    command = ["-m", "transferhub.commands", "finetune", "--module", "minilm", "--train", str(some), "--dev", str(dev)]
    model = (
        folder / run([*command, "--num-epoch", "1", "--checkpoint-dir", f"run-{name}", "--json"], folder)["best_model"]
    )
    measured = {side: [] for side in SIDES}
    largest = 0.0
    for number in range(rounds):
        for which, results in measured.items():
            results.append(run([__file__, "--side", which, str(model), str(dev)], folder))
            largest = max(largest, refuse_other(measured["ours"][-1], results[-1], which))
            print(name, number, which, f"{results[-1]['seconds']:.2f} s, load {results[-1]['load']:.1f} s", flush=True)
    count = len(measured["ours"][0]["labels"])
    lines = []
    titles = {"ours": "TransferHub", "pipeline": "pipeline as it comes", "pipeline32": "pipeline, batch_size=32"}
    for which, results in measured.items():
        speeds = [count / result["seconds"] for result in results]
        ratios = [b["seconds"] / a["seconds"] for a, b in zip(measured["ours"], results, strict=True)]
        first, ratio = (f"{name}, {count} rows", "") if which == "ours" else ("", f"**{spread(ratios, '.2f')}**")
        loads = spread([result["load"] for result in results], ".1f")
        lines.append(f"| {first} | {titles[which]} | {spread(speeds, '.0f')} | {ratio} | {loads} |")
    return [*lines, f"| | largest difference of a probability | {largest:.1e} | | |"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=300, help="how many of the dev rows")
    parser.add_argument("--sets", nargs="+", default=["chnsenticorp", "sst2"], choices=["chnsenticorp", "sst2"])
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return side(*options.side)
    import torch
    import transformers

    with tempfile.TemporaryDirectory() as scratch:
        lines = [line for name in options.sets for line in compare(name, options.rounds, options.rows, Path(scratch))]
    table = [
        "# Predicting beside the transformers pipeline",
        "",
        f"`python bench/predict.py`, {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores ({platform.machine()}), torch "
        f"{torch.__version__}, transformers {transformers.__version__};",
        f"{options.rounds} interleaved rounds, a process each; median (lowest–highest). MiniLM-L6 in fp32, at most 128",
        "tokens, the first dev rows. Loading is all imports, the model, and 32 rows to warm up. Ratios above 1 are",
        "in TransferHub's favour.",
        "",
        "| rows | | rows/s | ratio | loading, s |",
        "|-|-|-|-|-|",
        *lines,
    ]
    (HERE / "predict-results.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
