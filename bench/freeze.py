"""What kept lower blocks gain: fine-tuning with `freeze=k`, with and without a cache for what the frozen blocks give.

    python bench/freeze.py [--rows 600] [--freeze 3 5 6] [--rounds 2]

MiniLM-L6 (the embeddings and six blocks) on the first rows of ChnSentiCorp, batches of 32, three epochs, bf16; a run is
a process of its own, both ways in turn. Seconds are those of the training steps of an epoch after the first, in which
what is kept is computed. Both ways must end with the same score on dev. The table goes to bench/freeze.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rows

HERE = Path(__file__).resolve().parent
EPOCHS, BATCH = 3, 32
WAYS = {"computed anew": "0.000001", "kept": "20"}  # $TRANSFERHUB_CACHE_GB


def measure(train, dev, freeze, count):
    """Seconds of the first epoch and of the later ones (mean), and the score on dev."""
    import transferhub as hub

    data = hub.dataset.load(train, dev)
    data.train_examples, data.dev_examples = data.train_examples[:count], data.dev_examples[:300]
    config = hub.RunConfig(
        num_epoch=EPOCHS,
        batch_size=BATCH,
        precision="bf16",
        strategy=hub.AdamWeightDecayStrategy(freeze=freeze),
        checkpoint_dir="run",
    )
    task = hub.TextClassifierTask(module="minilm", dataset=data, config=config)
    seconds = []
    task.add_hook("run_step", "clock", lambda task, states: seconds.append(states[0].run_time_used))
    result = task.finetune_and_eval()
    steps = len(seconds) // EPOCHS
    return sum(seconds[:steps]), sum(seconds[steps:]) / (EPOCHS - 1), result.dev["acc"]


def run(way, home, train, dev, freeze, count):
    command = [sys.executable, __file__, "--one", str(train), str(dev), "--freeze", str(freeze), "--rows", str(count)]
    environment = {**os.environ, "TRANSFERHUB_CACHE_GB": WAYS[way], "TRANSFERHUB_HOME": str(home)}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--freeze", type=int, nargs="+", default=[3, 5, 6])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(*given.one, given.freeze[0], given.rows)))
        return
    import torch

    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        train, dev = rows.write("chnsenticorp", Path(scratch) / "rows")
        for freeze in given.freeze:
            found = {way: [] for way in WAYS}
            for number in range(given.rounds):
                for way, runs in found.items():
                    runs.append(run(way, Path(scratch) / f"{way}-{freeze}-{number}", train, dev, freeze, given.rows))
                    print(freeze, way, runs[-1], flush=True)
            ratios = [slow[1] / fast[1] for slow, fast in zip(*found.values(), strict=True)]
            for way, runs in found.items():
                first, later, scores = zip(*runs, strict=True)
                ratio = f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f})"
                lines.append(
                    f"| {freeze} | {way} | {statistics.median(first):.2f} | {statistics.median(later):.2f} "
                    f"| {ratio if way == 'kept' else ''} | {', '.join(f'{score:.4f}' for score in scores)} |"
                )
    table = [
        "# Lower frozen blocks, kept",
        "",
        f"`python bench/freeze.py`, {given.rows} rows, {time.strftime('%Y-%m-%d')}: {torch.get_num_threads()} threads,",
        f"torch {torch.__version__}, bf16; {given.rounds} interleaved rounds; seconds of an epoch's training steps.",
        "",
        "| freeze | what lower blocks give | first epoch, s | later epochs, s | ratio | dev acc |",
        "|-|-|-|-|-|-|",
        *lines,
    ]
    (HERE / "freeze.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
