"""Kill trainings with SIGKILL at random moments, start them again, and compare the bits at the end.

    python bench/kills.py [--kills 20] [--seed 0]

Four trainings differ in precision, checkpoint intervals, and whether the folder is named. Each is run once
undisturbed; then once more, killed at moments drawn over its training time (so also inside a checkpoint's writing) and
started again by the same command until it ends, and so on until it was killed ``kills / 4`` times. Weights,
optimiser and best model must be equal to the byte.
"""

import argparse
import contextlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transferhub import atomic
from transferhub.dataset import DemoReviews

COMMON = ["--module", "minilm", "--num-epoch", "2", "--batch-size", "16", "--learning-rate", "1e-4"]
TRAININGS = {
    "bf16, rolling checkpoints": ["--precision", "bf16", "--eval-interval", "20"],
    "bf16, a checkpoint every 2 steps": ["--precision", "bf16", "--eval-interval", "10", "--save-ckpt-interval", "2"],
    "fp32, a checkpoint every 3 steps": ["--precision", "fp32", "--eval-interval", "7", "--save-ckpt-interval", "3"],
    "bf16, no folder named": ["--precision", "bf16", "--eval-interval", "9", "--save-ckpt-interval", "4"],
}
COMPARED = ("best_model/model.safetensors", "step_{last}/model.safetensors", "step_{last}/optimizer.safetensors")


def start(arguments: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a training in `folder`, its output in ``log``."""
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "transferhub.commands", "finetune", *arguments], cwd=folder, stdout=log, stderr=log
        )


def wait_for(text: str, folder: Path, process: subprocess.Popen[bytes], since: int) -> None:
    """Wait until the log holds `text` after byte `since`, or the process ended."""
    while process.poll() is None and text.encode() not in (folder / "log").read_bytes()[since:]:
        time.sleep(0.02)


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of what must be equal."""
    run = next(path for path in folder.iterdir() if path.is_dir())
    last = max(int(path.name[5:]) for path in run.glob("step_*"))
    return {name: atomic.sha256(run / name.format(last=last)) for name in COMPARED}


def main() -> None:
    """Run all trainings and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    rows = Path(DemoReviews("en").base_path or "")
    failures = 0
    for name, own in TRAININGS.items():
        scratch = Path(tempfile.mkdtemp(prefix="kills"))
        arguments = [
            *COMMON,
            *own,
            "--train",
            str(rows / "train.tsv"),
            "--dev",
            str(rows / "dev.tsv"),
            "--test",
            str(rows / "test.tsv"),
        ]
        arguments += [] if "no folder" in name else ["--checkpoint-dir", "run"]
        quiet, disturbed = scratch / "quiet", scratch / "disturbed"
        quiet.mkdir()
        disturbed.mkdir()
        process = start(arguments, quiet)
        wait_for("finetune start", quiet, process, 0)
        began = time.monotonic()
        if process.wait() != 0:
            raise SystemExit((quiet / "log").read_text())
        training = time.monotonic() - began
        expected, moments, equal = digests(quiet), [], True
        while len(moments) < options.kills // len(TRAININGS):
            shutil.rmtree(disturbed)
            disturbed.mkdir()
            finished = False
            while not finished:  # killed and started again until it ends by itself
                since = (disturbed / "log").stat().st_size if (disturbed / "log").exists() else 0
                process = start(arguments, disturbed)
                wait_for("finetune start", disturbed, process, since)
                moment = draw.uniform(0, training / 2)
                if len(moments) < options.kills // len(TRAININGS):
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(moment)
                if process.poll() is None and len(moments) < options.kills // len(TRAININGS):
                    moments.append(f"{moment:.1f}{' while writing' if list(disturbed.glob('*/.*.part')) else ''}")
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                elif process.wait() == 0:
                    finished = True
                else:
                    raise SystemExit((disturbed / "log").read_text())
            folders = [path for path in disturbed.iterdir() if path.is_dir()]
            equal = equal and len(folders) == 1 and digests(disturbed) == expected
            if not equal:
                break
        failures += not equal
        print(
            f"{'equal' if equal else 'DIFFERENT'}: {name}; {training:.0f} s, killed after {', '.join(moments)} s",
            flush=True,
        )
        if equal:
            shutil.rmtree(scratch)
        else:
            print(f"    left in {scratch}")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
