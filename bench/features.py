"""Frozen features as the document makes them beside ``module.features``: same sentences, same head, in turn.

    python bench/features.py [--rows 400] [--epochs 3] [--rounds 3]

The document (seeds/002, type two) encodes a sentence at a time, cut to 32 characters before the encoder, padded in
front to 32 tokens, fp32, again in every epoch. Ours computes them once, cut to 32 tokens, in fp32 or bf16. The head is
one linear layer over 32 × H on both sides, SGD 0.001 with momentum, batches of 16. Models are loaded before the clock
starts; an epoch is making the features it needs and training on them. The table goes to bench/features.md.
"""

import argparse
import csv
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import rows

LENGTH, BATCH = 32, 16


def read(path, count):
    with open(path, encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[:count]
    return [row["text_a"] for row in found], [int(row["label"]) for row in found]


class Document:
    """A sentence at a time, in every epoch."""

    def __init__(self, directory):
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.model = AutoModel.from_pretrained(directory).eval()

    def encode(self, text):
        import torch

        ids = self.tokenizer.encode(text[:LENGTH])[1:-1][-LENGTH:]
        with torch.no_grad():
            return self.model(torch.tensor([[0] * (LENGTH - len(ids)) + ids]))[0]

    def prepare(self, texts):
        return texts

    def batch(self, prepared, chosen):
        import torch

        return torch.cat([self.encode(prepared[place]) for place in chosen])


class Ours:
    """``module.features``, then reading what is kept."""

    def __init__(self, directory, precision):
        import transferhub as hub

        self.module, self.precision = hub.Module(directory=directory), precision
        self.prepare(["the weights are read"])

    def prepare(self, texts):
        return self.module.features(texts, LENGTH, precision=self.precision)

    def batch(self, prepared, chosen):
        import torch

        values = torch.zeros(len(chosen), LENGTH, prepared[0].shape[-1])
        for place, row in enumerate(chosen):
            values[place, : len(prepared[row])] = torch.from_numpy(prepared[row])
        return values


def train(side, width, data, dev, epochs, seed):
    """Seconds of each epoch, and accuracy on dev."""
    import numpy as np
    import torch

    torch.manual_seed(seed)
    head = torch.nn.Linear(LENGTH * width, 2)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.001, momentum=0.9)
    labels, order, seconds = torch.tensor(data[1]), np.random.default_rng(seed), []
    for epoch in range(epochs):
        began = time.perf_counter()
        if epoch == 0:
            prepared = side.prepare(data[0])
        places = order.permutation(len(labels))
        for start in range(0, len(places), BATCH):
            chosen = places[start : start + BATCH]
            optimizer.zero_grad()
            outputs = head(side.batch(prepared, chosen).flatten(1))
            torch.nn.functional.cross_entropy(outputs, labels[chosen]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
    prepared, right = side.prepare(dev[0]), 0
    with torch.no_grad():
        for start in range(0, len(dev[1]), BATCH):
            chosen = range(start, min(start + BATCH, len(dev[1])))
            guessed = head(side.batch(prepared, chosen).flatten(1)).argmax(1)
            right += int((guessed == torch.tensor(dev[1][start : start + BATCH])).sum())
    return seconds, right / len(dev[1])


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        # What is measured is kept in a home of its own; the module is the built-in one.
        os.environ.update(TRANSFERHUB_HOME=f"{scratch}/home", HF_HUB_OFFLINE="1")
        import torch

        import transferhub as hub

        directory = hub.Module(name="minilm").directory
        paths = rows.write("chnsenticorp", Path(scratch) / "rows")
        data, dev = (read(path, count) for path, count in zip(paths, (options.rows, options.rows // 2), strict=True))
        width = 384
        sides = {
            "document": Document(directory),
            "TransferHub, fp32": Ours(directory, "fp32"),
            "TransferHub, bf16": Ours(directory, "bf16"),
        }
        for side in sides.values():  # threads and kernels are there
            side.batch(side.prepare(data[0][:4]), range(4))
        first, later, accuracy = ({name: [] for name in sides} for _ in range(3))
        for seed in range(options.rounds):
            shutil.rmtree(f"{scratch}/home/cache", ignore_errors=True)
            for name, side in sides.items():
                seconds, right = train(side, width, data, dev, options.epochs, seed)
                first[name].append(seconds[0])
                later[name].append(statistics.median(seconds[1:]))
                accuracy[name].append(right)
                print(name, seed, [round(each, 4) for each in seconds], right, flush=True)
        ratios = {
            name: [[a / b for a, b in zip(times["document"], times[name], strict=True)] for times in (first, later)]
            for name in sides
            if name != "document"
        }
        table = [
            "# Frozen features beside the document's recipe",
            "",
            f"`python bench/features.py --rows {options.rows}`, {time.strftime('%Y-%m-%d')}: {torch.get_num_threads()} "
            f"thread(s), torch {torch.__version__}; {options.rounds} interleaved rounds; median (lowest–highest).",
            f"MiniLM-L6, {len(data[0])} sentences of ChnSentiCorp, 32 tokens, batch 16; seconds an epoch.",
            "",
            "| | first epoch, s | later epochs, s | dev acc |",
            "|-|-|-|-|",
            *(
                f"| {name} | {spread(first[name], '.3f')} | {spread(later[name], '.4f')} "
                f"| {spread(accuracy[name], '.3f')} |"
                for name in sides
            ),
            *(
                f"| **ratio, {name[-4:]}** | **{spread(early, '.1f')}** | **{spread(late, '.0f')}** | |"
                for name, (early, late) in ratios.items()
            ),
        ]
    Path(__file__).with_suffix(".md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
