"""The lower half of MiniLM frozen (embeddings and 3 of 6 blocks): what it gives kept, beside computed in every step.

    python bench/lower_blocks.py [--rows 256] [--epochs 3] [--rounds 3]

`TextClassifierTask`, AdamW with ``freeze=4``, 64 tokens, batches of 16, fp32, no evaluation on the way. An epoch is its
steps; the first one computes what is kept. The table goes to the end of bench/features.md.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import rows

TITLE = "## Lower blocks"


def epochs_of(paths, folder, options, seed, cached):
    """Seconds of each epoch's steps, and the last training loss."""
    import transferhub as hub

    seconds, losses = [], []
    task = hub.TextClassifierTask(
        module="minilm",
        dataset=hub.dataset.load(*paths[:2]),
        max_seq_len=64,
        config=hub.RunConfig(
            num_epoch=options.epochs,
            batch_size=16,
            precision="fp32",
            seed=seed,
            checkpoint_dir=folder,
            eval_interval=10**6,
            cache_features=None if cached else False,
            strategy=hub.AdamWeightDecayStrategy(freeze=4),
        ),
    )

    def count(task, states):
        if (task.current_step - 1) % -(-options.rows // 16) == 0:
            seconds.append(0.0)
            losses.clear()
        seconds[-1] += states[0].run_time_used
        losses.append(states[0].run_loss)

    task.add_hook("run_step", "count", count)
    task.finetune()
    return seconds, statistics.mean(losses)


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sides = {"computed in each step": False, "kept": True}
    first, later, loss = ({name: [] for name in sides} for _ in range(3))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(TRANSFERHUB_HOME=f"{scratch}/home", HF_HUB_OFFLINE="1")
        import torch

        paths = rows.write("chnsenticorp", Path(scratch) / "rows")
        cut = Path(scratch) / "cut.tsv"
        lines = Path(paths[0]).read_text(encoding="utf-8").splitlines(keepends=True)
        cut.write_text("".join(lines[: options.rows + 1]), encoding="utf-8")
        for seed in range(options.rounds):
            for name, cached in sides.items():
                shutil.rmtree(f"{scratch}/home/cache/features", ignore_errors=True)
                seconds, last = epochs_of([cut, cut], f"{scratch}/{seed}-{cached}", options, seed, cached)
                first[name].append(seconds[0])
                later[name].append(statistics.median(seconds[1:]))
                loss[name].append(last)
                print(name, seed, [round(each, 3) for each in seconds], last, flush=True)
    plain, kept = sides
    ratios = [[a / b for a, b in zip(each[plain], each[kept], strict=True)] for each in (first, later)]
    table = [
        TITLE,
        "",
        f"`python bench/lower_blocks.py --rows {options.rows}`, {time.strftime('%Y-%m-%d')}: {torch.get_num_threads()} "
        f"thread(s), torch {torch.__version__}; {options.rounds} interleaved rounds; median (lowest–highest).",
        f"MiniLM-L6 with `freeze=4` (embeddings and 3 of 6 blocks), {options.rows} rows of ChnSentiCorp, 64 tokens, "
        "batch 16, fp32; seconds of an epoch's steps.",
        "",
        "| | first epoch, s | later epochs, s | loss in the last one |",
        "|-|-|-|-|",
        *(f"| {name} | {spread(first[name])} | {spread(later[name])} | {spread(loss[name])} |" for name in sides),
        f"| **ratio** | **{spread(ratios[0])}** | **{spread(ratios[1])}** | |",
    ]
    page = Path(__file__).with_name("features.md")
    before = page.read_text(encoding="utf-8").partition(f"\n{TITLE}")[0].rstrip("\n")
    page.write_text(before + "\n\n" + "\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
