"""How much memory and time a million rows take from the csv file to the first training step, beside ten thousand.

    python bench/rows_memory.py [--rows 10000 1000000]

Each size runs in a process of its own, with an empty cache: `hub.dataset.load`, then `TextClassifierTask` on the
module ``minilm``, stopped after its first step. Printed: seconds to that step from the start of `load` (and seconds of
processor time, which other programs on the machine do not lengthen), and the most memory that the process held; and the
difference between the sizes, which is what the rows themselves cost.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = 12  # in a row, about


def write(path: Path, rows: int) -> None:
    """Write a csv file of made-up reviews in the words of the demo reviews."""
    import transferhub as hub

    words = sorted({word for row in hub.dataset.DemoReviews("en").train_examples for word in row.text_a.split()})
    draw = random.Random(0)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for row in range(rows):
            text = " ".join(draw.choices(words, k=draw.randint(WORDS - 4, WORDS + 4)))
            writer.writerow([text, ("negative", "positive")[row % 2]])


def first_step(path: Path) -> None:
    """Train one step and print what it took; ends the process."""
    import transferhub as hub
    from transferhub.task.result import peak_rss_mb

    module = hub.Module(name="minilm")
    module.context()
    started, worked = time.monotonic(), time.process_time()
    dataset = hub.dataset.load(path)
    loaded = time.monotonic() - started
    config = hub.RunConfig(batch_size=32, num_epoch=1, precision="fp32", checkpoint_dir=path.parent / "run")
    task = hub.TextClassifierTask(module=module, dataset=dataset, config=config)

    def stop(task: object, states: object) -> None:
        peak = peak_rss_mb()
        seconds, processor = time.monotonic() - started, time.process_time() - worked
        print(json.dumps({"load": loaded, "first step": seconds, "processor": processor, "peak": peak}), flush=True)
        os._exit(0)

    task.add_hook("run_step_event", "stop", stop)
    task.finetune()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        first_step(given.child)
        return
    measured = {}
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            write(path, rows)
            env = {**os.environ, "TRANSFERHUB_HOME": str(Path(folder) / "home")}
            done = subprocess.run(
                [sys.executable, __file__, "--child", str(path)], env=env, stdout=subprocess.PIPE, text=True, check=True
            )
        measured[rows] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{rows:>9} rows: loaded in {measured[rows]['load']:.1f} s, first step done after "
            f"{measured[rows]['first step']:.1f} s ({measured[rows]['processor']:.1f} s of processor time), "
            f"peak {measured[rows]['peak']:.0f} MB",
            flush=True,
        )
    few, many = measured[min(measured)], measured[max(measured)]
    print(
        f"difference: {many['first step'] - few['first step']:.1f} s, {many['peak'] - few['peak']:.0f} MB "
        "(asked: under 60 s to the first step, under 200 MB more)"
    )


if __name__ == "__main__":
    main()
