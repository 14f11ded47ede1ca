"""BiRNN and TextCNN as document 004 trains them beside ours: the same rows, words, vectors, epochs, rates, in turn.

    python bench/networks.py [--rows 1500] [--rounds 2] [--nets birnn textcnn]

The document pads every review to 500 words and trains in fp32, batches of 64, Adam; the test rows are scored after each
epoch. Ours are the networks of examples/text_classification. Seconds are those of the loop, training steps and an
evaluation an epoch; what stands before it (cutting words, vectors) is the same work on both sides and not counted.
Each run is a process of its own. With --memory the rows are doubled and quadrupled.
The table goes to bench/networks.md.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import rows

HERE = Path(__file__).resolve().parent
LENGTH, BATCH, DIM = 500, 64, 50
RATES, EPOCHS = {"birnn": 0.01, "textcnn": 0.001}, {"birnn": 4, "textcnn": 10}


def write(folder, count, times=1):
    """Some reviews of each split of IMDB, the same ones each time, each so many times, as folders of texts."""
    for split, most in (("train", count), ("test", max(count // 2, BATCH))):
        with open(rows.datasets() / "IMDB" / f"{split}.tsv", encoding="utf-8-sig", newline="") as file:
            found = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if len(row) > 1][1:]
        for number, (label, text) in enumerate(random.Random(42).sample(found, most)):
            target = folder / split / label
            target.mkdir(parents=True, exist_ok=True)
            for copy in range(times):
                (target / f"{number}-{copy}.txt").write_text(text, encoding="utf-8")
    return folder


def options(folder, net, epochs, run):
    return SimpleNamespace(
        data=folder,
        glove=rows.datasets() / "glove",
        glove_dim=DIM,
        num_epoch=epochs,
        batch_size=BATCH,
        learning_rate=RATES[net],
        max_len=LENGTH,
        min_freq=5,
        checkpoint_dir=run,
    )


def ours(net, given, seed):
    """Seconds of training and of evaluations, accuracy on the test rows, precision."""
    import birnn
    import textcnn
    import words

    dataset, reader, vectors = words.read(given)
    dataset.dev_examples = dataset.test_examples  # scored after each epoch, as the document does
    task = words.task(given, dataset, reader, {"birnn": birnn.birnn, "textcnn": textcnn.textcnn}[net](vectors))
    task.config.seed = seed
    scores, steps, seconds, began = [], [], [], []
    task.add_hook("run_step", "clock", lambda task, states: steps.append(states[0].run_time_used))
    task.add_hook("eval_start", "clock", lambda task: began.append(time.perf_counter()))
    task.add_hook("eval_end", "clock", lambda task, states: seconds.append(time.perf_counter() - began[-1]))
    task.add_hook("eval_end", "scores", lambda task, states: scores.append(states[0].run_scores["acc"]))
    result = task.finetune_and_eval()
    return sum(steps), sum(seconds[: given.num_epoch]), scores, result.precision


def document(net, given, seed):
    """The same of the document's networks and loop, over the same words and vectors."""
    import torch
    import words
    from torch import nn

    class BiRNN(nn.Module):
        def __init__(self, vectors, size=100):
            super().__init__()
            self.embedding = nn.Embedding.from_pretrained(vectors.clone())
            self.encoder = nn.LSTM(vectors.shape[1], size, num_layers=2, bidirectional=True)
            self.decoder = nn.Linear(4 * size, 2)

        def forward(self, inputs):
            outputs, _ = self.encoder(self.embedding(inputs.permute(1, 0)))
            return self.decoder(torch.cat((outputs[0], outputs[-1]), -1))

    class TextCNN(nn.Module):
        def __init__(self, vectors, sizes=(3, 4, 5), channels=100):
            super().__init__()
            self.embedding = nn.Embedding.from_pretrained(vectors.clone(), freeze=False)
            self.constant = nn.Embedding.from_pretrained(vectors.clone())
            self.convs = nn.ModuleList(nn.Conv1d(2 * vectors.shape[1], channels, size) for size in sizes)
            self.decoder, self.dropout = nn.Linear(channels * len(sizes), 2), nn.Dropout(0.5)

        def forward(self, inputs):
            both = torch.cat((self.embedding(inputs), self.constant(inputs)), dim=2).permute(0, 2, 1)
            found = [conv(both).relu().amax(-1) for conv in self.convs]
            return self.decoder(self.dropout(torch.cat(found, dim=1)))

    torch.manual_seed(seed)
    dataset, reader, vectors = words.read(given)
    loaders = []
    for split in ("train", "test"):
        columns = reader.columns(split, dataset)
        batch = columns.batch(range(len(columns)), reader.pad, LENGTH)
        made = torch.utils.data.TensorDataset(*(torch.from_numpy(batch[name]) for name in ("word_ids", "labels")))
        loaders.append(torch.utils.data.DataLoader(made, BATCH, shuffle=split == "train"))
    network = {"birnn": BiRNN, "textcnn": TextCNN}[net](vectors)
    moving = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer, training, evaluating, scores = torch.optim.Adam(moving, lr=given.learning_rate), 0.0, 0.0, []
    for _ in range(given.num_epoch):
        began, loss_sum, right = time.perf_counter(), 0.0, 0
        network.train()
        for inputs, labels in loaders[0]:
            outputs = network(inputs)
            loss = nn.functional.cross_entropy(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item()
            right += (outputs.argmax(1) == labels).sum().item()
        training += time.perf_counter() - began
        began, right = time.perf_counter(), 0
        network.eval()
        with torch.no_grad():
            for inputs, labels in loaders[1]:
                right += (network(inputs).argmax(1) == labels).sum().item()
        evaluating += time.perf_counter() - began
        scores.append(right / len(loaders[1].dataset))
    return training, evaluating, scores, "fp32"


def run(side, net, folder, epochs, seed):
    """A run in a process of its own (ours sets the C library's allocator): what it found, and its peak of memory."""
    command = [sys.executable, __file__, "--side", side, "--nets", net, "--folder", str(folder)]
    command += ["--epochs", str(epochs), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def compare(net, folder, given):
    """Rounds of one network on both sides; lines of the table."""
    taken = {"document": [], "TransferHub": []}
    run("TransferHub", net, folder, 1, 0)  # precision is chosen, words are cut; not counted
    for number in range(given.rounds):
        for name, runs in taken.items():
            *found, held = run(name, net, folder, EPOCHS[net], number)
            print(net, name, number, found, held, flush=True)
            runs.append(found)
    seen = given.rows * EPOCHS[net] / 1000, max(given.rows // 2, BATCH) * EPOCHS[net] / 1000
    lines = []
    for name, runs in taken.items():
        training, evaluating = ([run[place] / seen[place] for run in runs] for place in (0, 1))
        accuracy = [run[2][EPOCHS[net] - 1] for run in runs]
        lines.append(
            f"| {net} | {name}, {runs[0][3]} | {spread(training, '.2f')} | {spread(evaluating, '.2f')} "
            f"| {spread(accuracy, '.3f')} |"
        )
    pairs = list(zip(taken["document"], taken["TransferHub"], strict=True))
    ratios = [[slow[place] / fast[place] for slow, fast in pairs] for place in (0, 1)]
    whole = [sum(slow[:2]) / sum(fast[:2]) for slow, fast in pairs]
    lines.append(
        f"| | **ratio; of both together {spread(whole, '.2f')}** | **{spread(ratios[0], '.2f')}** "
        f"| **{spread(ratios[1], '.2f')}** | |"
    )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--nets", nargs="+", default=list(RATES), choices=list(RATES))
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--side", choices=("document", "TransferHub"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path.insert(0, str(HERE.parent / "examples" / "text_classification"))
    if given.side:
        from transferhub.task.result import peak_rss_mb

        side = {"document": document, "TransferHub": ours}[given.side]
        with tempfile.TemporaryDirectory() as name:
            chosen = options(given.folder, given.nets[0], given.epochs, Path(name) / "run")
            found = side(given.nets[0], chosen, given.seed)
        print(json.dumps([*found, peak_rss_mb()]))
        return
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        os.environ["TRANSFERHUB_HOME"] = str(scratch / "home")
        import torch

        folder = write(scratch / "rows", given.rows)
        lines = [line for net in given.nets for line in compare(net, folder, given)]
        held = []
        for times in (1, 2, 4) if given.memory else ():
            copies = write(scratch / f"times{times}", given.rows, times)
            said = [f"{run('TransferHub', net, copies, 1, 0)[-1]} MB {net}" for net in given.nets]
            held.append(f"{given.rows * times} rows: {', '.join(said)}")
            print(held[-1], flush=True)
    table = [
        "# BiRNN and TextCNN beside document 004's loop",
        "",
        f"`python bench/networks.py {' '.join(sys.argv[1:])}`, {time.strftime('%Y-%m-%d')}: {torch.get_num_threads()} "
        f"thread(s), torch {torch.__version__}; {given.rounds} interleaved rounds,",
        f"a seed each; median (lowest–highest). IMDB, {given.rows} reviews to train on and half as many to score,",
        f"at most {LENGTH} words, GloVe 6B {DIM}d, {EPOCHS['birnn']} epochs (BiRNN) and {EPOCHS['textcnn']}, batch "
        f"{BATCH}; seconds per 1,000 reviews.",
        "",
        "| network | | training, s | evaluation, s | test acc |",
        "|-|-|-|-|-|",
        *lines,
        *(["", f"Most memory of a run of ours (one epoch): {'; '.join(held)}."] if held else []),
    ]
    (HERE / "networks.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
