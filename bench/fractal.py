"""What fractal-mini is worth: fine-tuned from few pictures, against the same network from scratch.

    python bench/fractal.py [--sets hymenoptera flowers digits] [--starts pretrained scratch] [--seeds 3]

For each set, start and seed: so many pictures of each class to train on, others to choose the best epoch by, the set's
own test pictures at the end. Both starts get the same rows, epochs and rates; of the rates, the one that is better on
the dev pictures (mean over the seeds) counts. Only accuracy is measured, so this may run niced beside other work.
$TRANSFERHUB_DATASETS names the folder with hymenoptera and flower_photos; digits are scikit-learn's. The table goes to
bench/fractal.md; finished runs are kept in --work and not done again.
"""

import argparse
import json
import shutil
import statistics
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import rows
import transferhub as hub
from transferhub.reader.augment import Augment

EACH, DEV = {"hymenoptera": 20, "flowers": 20, "digits": 10}, 10  # pictures of a class
FOLDERS = {"hymenoptera": "hymenoptera", "flowers": "flower_photos"}
DIGITS_TO_TEST = 600
RATES, EPOCHS, BATCH = (1e-3, 3e-3), 40, 16
STARTS = ("pretrained", "scratch")


def pictures_of(folder):
    return [(str(path), path.parent.name) for path in sorted(folder.rglob("*.jpg"))]


def digits(work):
    """Scikit-learn's digits, 8 × 8 with 17 greys, as files: rows to train on and to test on."""
    found, made = load_digits(), []
    for number, (image, label) in enumerate(zip(found.images, found.target, strict=True)):
        path = work / "digits" / f"{number:04}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((image * 255 / 16).round().astype(np.uint8)).save(path)
        made.append((str(path), str(label)))
    order = np.random.default_rng(0).permutation(len(made))
    return [made[row] for row in order[DIGITS_TO_TEST:]], [made[row] for row in order[:DIGITS_TO_TEST]]


def few(name, seed, work):
    """A data set with few rows, drawn by the seed."""
    if name == "digits":
        train, test = digits(work)
    else:
        folder = rows.datasets() / FOLDERS[name]
        train, test = pictures_of(folder / "train"), pictures_of(folder / "val")
    draw = np.random.default_rng(seed)
    chosen, held = [], []
    for label in sorted({label for _, label in train}):
        own = [row for row in train if row[1] == label]
        order = [own[place] for place in draw.permutation(len(own))]
        chosen += order[: EACH[name]]
        held += order[EACH[name] : EACH[name] + DEV]
    return hub.dataset.load_images({"train": chosen, "dev": held, "test": test})


def run(module, name, start, rate, seed, work):
    kept = work / f"{name}-{start}-{rate:g}-{seed}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    data = few(name, seed, work)
    steps = len(data.train_examples) // BATCH
    task = hub.ImageClassifierTask(
        module=hub.Module(module, pretrained=start == "pretrained"),
        dataset=data,
        augment=Augment(area=(0.7, 1.0), mirrored=0.0) if name == "digits" else "light",
        config=hub.RunConfig(
            num_epoch=EPOCHS,
            batch_size=BATCH,
            seed=seed,
            eval_interval=4 * steps,
            log_interval=10 * steps,
            precision="fp32",
            checkpoint_dir=work / "run",
            overwrite=True,
            strategy=hub.AdamWeightDecayStrategy(learning_rate=rate),
        ),
    )
    result = task.finetune_and_eval()
    found = {"dev": result.dev["acc"], "test": result.test["acc"]}
    kept.write_text(json.dumps(found))
    shutil.rmtree(work / "run")
    return found


def best_rate(found, name, start, seeds):
    """Of the rates, the one with the better mean on dev, and each seed's test accuracy at it."""
    rate = max(RATES, key=lambda rate: statistics.mean(found[name, start, rate, seed]["dev"] for seed in seeds))
    return rate, [found[name, start, rate, seed]["test"] for seed in seeds]


def table(found, module, sets, seeds):
    rates = " and ".join(f"{rate:g}" for rate in RATES)
    lines = [
        "| set | pictures of a class | pretrained | from scratch | difference in points, each seed |",
        "|-|-|-|-|-|",
    ]
    for name in sets:
        (rate, ours), (other, theirs) = (best_rate(found, name, start, seeds) for start in STARTS)
        gains = [100 * (a - b) for a, b in zip(ours, theirs, strict=True)]
        lines.append(
            f"| {name} | {EACH[name]} | {statistics.mean(ours):.4f} (rate {rate:g}) | {statistics.mean(theirs):.4f} "
            f"(rate {other:g}) | **{statistics.mean(gains):+.1f}** ({', '.join(f'{gain:+.1f}' for gain in gains)}) |"
        )
    return "\n".join(
        [
            f"# {module} against the same network from scratch",
            "",
            f"`python bench/fractal.py`: test accuracy, mean over {len(seeds)} seeds (pictures, head, augmentation);",
            f"{EPOCHS} epochs, batches of {BATCH}, fp32, AdamW at the better of {rates}",
            f"by the dev pictures ({DEV} of a class), which choose the epoch too.",
            "",
            *lines,
            "",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", default="fractal-mini")
    parser.add_argument("--sets", nargs="+", default=list(EACH), choices=list(EACH))
    parser.add_argument("--starts", nargs="+", default=list(STARTS), choices=list(STARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("fractal-bench"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    seeds, found = range(given.seeds), {}
    for name in given.sets:
        for start in given.starts:
            for rate in RATES:
                for seed in seeds:
                    found[name, start, rate, seed] = run(given.module, name, start, rate, seed, given.work)
                    print(name, start, rate, seed, found[name, start, rate, seed], flush=True)
    if set(given.starts) == set(STARTS):
        text = table(found, given.module, given.sets, seeds)
        if set(given.sets) == set(EACH):
            Path(__file__).with_suffix(".md").write_text(text)
        print(text)


if __name__ == "__main__":
    main()
