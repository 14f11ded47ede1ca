"""PaddleHub's strategy study in small: the same rows and epochs under each strategy, three seeds, with intervals.

    python bench/strategies.py [--seeds 3] [--sets chnsenticorp sst2] [--strategies constant ulmfit …]

Their study (docs/tutorial/strategy_exp.md, v1.8.1) had one seed and no interval. Only accuracy is measured, so this may
run niced beside other work. The table goes to bench/strategies.md; finished runs are kept in --work and not done again.
"""

import argparse
import json
import math
import shutil
import statistics
import tempfile
from pathlib import Path

import rows
import transferhub as hub
from transferhub.log import logger

RATE = 1e-4
ROWS, DEV = {"chnsenticorp": 600, "sst2": 1000}, 600
LENGTH = 64
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t, two-sided 95 %, for so many seeds


def combined(**scheduler):
    return hub.CombinedStrategy("adam", RATE, scheduler)


STRATEGIES = {
    "constant": lambda: hub.DefaultStrategy(RATE),
    "warm-up 0.1, linear decay": lambda: combined(warmup=0.1, linear_decay={"start_point": 0.1}),
    "slanted triangle 0.1": lambda: combined(slanted_triangle=0.1),
    "discriminative, 3 blocks": lambda: combined(discriminative=3),
    "discriminative, 5 blocks": lambda: combined(discriminative=5),
    "gradual unfreezing, 3 blocks": lambda: combined(gradual_unfreeze=3),
    "ULMFiT (all three)": lambda: hub.ULMFiTStrategy(RATE),
    "L2-SP 1e-3": lambda: hub.L2SPFinetuneStrategy(RATE),
    "AdamW": lambda: hub.AdamWeightDecayStrategy(RATE),
    "LoRA, rank 8": lambda: hub.LoRAStrategy(10 * RATE),
}
# 8 steps: cut_fraction * steps < 1, where PaddleHub's table says 0.5346, "abnormal". At a rate that learns in 8 steps.
SHORT = {
    "constant, 8 steps": lambda: hub.DefaultStrategy(5 * RATE),
    "slanted triangle 0.1, 8 steps": lambda: hub.CombinedStrategy("adam", 5 * RATE, {"slanted_triangle": 0.1}),
}


def accuracy(name, label, make, seed, work, short):
    """Dev accuracy of one run; read if it was done before."""
    folder = work / f"{name}-{label.replace(' ', '_').replace('/', '_')}-{seed}"
    if not (folder / "accuracy.json").is_file():
        train, dev = rows.write(name, work / "rows" / name)
        dataset = hub.dataset.load(train, dev)
        dataset.train_examples = list(dataset.train_examples)[: 256 if short else ROWS[name]]
        dataset.dev_examples = list(dataset.dev_examples)[:DEV]
        config = hub.RunConfig(
            num_epoch=1 if short else 3,
            batch_size=32,
            eval_interval=10**9,
            checkpoint_dir=folder,
            overwrite=True,
            seed=seed,
            precision="bf16",
            strategy=make(),
        )
        task = hub.TextClassifierTask(module="minilm", dataset=dataset, max_seq_len=LENGTH, config=config)
        result = task.finetune_and_eval()
        for left in [*folder.glob("step_*"), folder / "best_model"]:
            shutil.rmtree(left)  # half a gigabyte a run
        (folder / "accuracy.json").write_text(json.dumps(result.dev["acc"]), encoding="utf-8")
    return float(json.loads((folder / "accuracy.json").read_text(encoding="utf-8")))


def line(label, values):
    """A row of the table: the mean with its 95 % interval over seeds."""
    half = T95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    each = ", ".join(f"{value:.4f}" for value in values)
    return f"| {label} | {statistics.mean(values):.4f} ± {half:.4f} | {each} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3, choices=T95)
    parser.add_argument("--sets", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--strategies", nargs="+", default=[*STRATEGIES, *SHORT])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "transferhub-strategies")
    given = parser.parse_args()
    logger.setLevel("WARNING")
    table = []
    for name in given.sets:
        table += [f"\n## {name}\n", "| strategy | dev accuracy | each seed |", "|-|-|-|"]
        for label in given.strategies:
            short = label in SHORT
            make = SHORT[label] if short else STRATEGIES[label]
            values = [accuracy(name, label, make, seed, given.work, short) for seed in range(1, given.seeds + 1)]
            table.append(line(label, values))
            print(name, table[-1], flush=True)
    text = "\n".join(
        [
            "# Strategies side by side\n",
            f"`python bench/strategies.py`: MiniLM-L6 (English), {ROWS['chnsenticorp']} rows of ChnSentiCorp and",
            f"{ROWS['sst2']} of SST-2, the first {DEV} dev rows, at most {LENGTH} tokens, 3 epochs, batch 32, peak",
            f"rate {RATE:g} (LoRA {10 * RATE:g}), bf16; mean ± half of the 95 % interval (Student's t) over",
            f"{given.seeds} seeds. The last two rows of each table are runs of 8 steps at rate {5 * RATE:g}.",
            *table,
            "",
        ]
    )
    (Path(__file__).resolve().parent / "strategies.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
