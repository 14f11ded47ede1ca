"""Fine-tuning image networks beside the usual loop, which decodes with PIL in a DataLoader and computes in fp32.

    python bench/images.py [--nets resnet18 resnet50 mobilenetv3_small_100] [--rounds 2] [--epochs 2]

The same pictures, augmentation, batches and AdamW at a constant rate, clipped at norm 1, in turn: random weights,
hymenoptera's 244 training pictures at 224 px, crops of 70 to 100 % of a picture, mirrored. Images a second are those
from the end of the first step to the end of the last, with all that happens between steps; the first step of a run is
not counted on either side. A run is a process of its own: ours sets the C library's allocator, which would serve the
other side too. Ours runs as `ImageClassifierTask` does without settings: precision by measuring, pictures decoded once.
Frozen: seconds of an epoch after the first, of the loop that computes the backbone anew each time and of ours, which
keeps its features. Then a folder of a million files is opened. The table goes to bench/images.md.

    python bench/images.py --curves [--nets resnet18] [--seeds 5] [--epochs 3]

Only the loss of each epoch: from the same weights, new heads drawn alike, ours in fp32 and in bf16 beside the usual
loop's fp32. It goes to bench/curves.md; its speeds mean nothing.
"""

import argparse
import itertools
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
BATCH, RATE, NETS = 32, 3e-4, ("resnet18", "resnet50", "mobilenetv3_small_100")


class Clock:
    """When each step ended, and its pictures and loss."""

    def __init__(self):
        self.ends, self.pictures, self.losses = [], [], []

    def step(self, pictures, loss):
        self.ends.append(time.perf_counter())
        self.pictures.append(pictures)
        self.losses.append(loss)

    def speed(self):
        """Images a second, without the first step."""
        return sum(self.pictures[1:]) / (self.ends[-1] - self.ends[0])

    def epochs(self, steps):
        """Seconds of each epoch after the first."""
        last = self.ends[steps - 1 :: steps]
        return [after - before for before, after in itertools.pairwise(last)]

    def curve(self, steps):
        """The mean loss of each epoch's pictures."""
        parts = range(0, len(self.losses), steps)
        return [
            sum(a * b for a, b in zip(self.losses[p : p + steps], self.pictures[p : p + steps], strict=True))
            / sum(self.pictures[p : p + steps])
            for p in parts
        ]


def usual(net, given):
    """The loop of torchvision's and timm's tutorials; `start` gets the weights that it begins with."""
    import timm
    import torch
    from torchvision import datasets, transforms
    from torchvision.transforms.functional import InterpolationMode

    torch.manual_seed(given.seed)
    network = timm.create_model(net, pretrained=False, num_classes=2)
    if given.start:
        timm.models.save_for_hf(network, given.start, safe_serialization=True)
        torch.nn.init.trunc_normal_(network.get_classifier().weight, std=0.02)
        torch.nn.init.zeros_(network.get_classifier().bias)
    card = network.pretrained_cfg
    way = InterpolationMode(card["interpolation"])
    size, normal = 224, transforms.Normalize(card["mean"], card["std"])
    if given.frozen:
        network.requires_grad_(False)
        network.get_classifier().requires_grad_(True)
        cut = [transforms.Resize(int(size / card["crop_pct"]), way), transforms.CenterCrop(size)]
    else:
        cut = [transforms.RandomResizedCrop(size, (0.7, 1), interpolation=way), transforms.RandomHorizontalFlip()]
    process = transforms.Compose([*cut, transforms.ToTensor(), normal])
    data = datasets.ImageFolder(rows.datasets() / "hymenoptera" / "train", process)
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True)
    moving = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer, clock = torch.optim.AdamW(moving, lr=RATE, weight_decay=0.01), Clock()
    network.train(not given.frozen)
    for _ in range(given.epochs):
        for images, labels in loader:
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(moving, 1.0)
            optimizer.step()
            clock.step(len(labels), loss.item())
    return clock, "fp32"


def ours(net, given):
    """`ImageClassifierTask`."""
    import transferhub as hub

    folder = rows.datasets() / "hymenoptera"
    clock = Clock()
    with tempfile.TemporaryDirectory() as run:
        strategy = hub.AdamWeightDecayStrategy(learning_rate=RATE, lr_scheduler="constant", warmup_proportion=0.0)
        task = hub.ImageClassifierTask(
            module=hub.Module(directory=given.start) if given.start else hub.Module(f"timm:{net}", pretrained=False),
            dataset=hub.dataset.load_images(folder / "train", folder / "val"),
            config=hub.RunConfig(
                num_epoch=given.epochs,
                batch_size=BATCH,
                seed=given.seed,
                checkpoint_dir=Path(run) / "run",
                strategy=strategy,
                precision=given.precision,
            ),
            freeze=given.frozen,
            augment="none" if given.frozen else "light",
        )
        task.add_hook("run_step", "clock", lambda task, states: clock.step(states[0].run_examples, states[0].run_loss))
        result = task.finetune_and_eval()
    return clock, result.precision


def run(side, net, epochs, seed, *more):
    """A run in a process of its own: its clock and precision."""
    command = [sys.executable, __file__, "--side", side, "--nets", net, "--epochs", str(epochs), "--seed", str(seed)]
    done = subprocess.run([*command, *more], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    clock, said = Clock(), json.loads(done.stdout.splitlines()[-1])
    clock.ends, clock.pictures, clock.losses = said["ends"], said["pictures"], said["losses"]
    return clock, said["precision"]


def spread(values, form=".1f"):
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def trained(net, given):
    """The lines of the table of one network."""
    steps = -(-244 // BATCH)
    run("ours", net, 1, 0)  # decodes the pictures, chooses the precision
    taken = {"usual": [], "ours": []}
    for number in range(given.rounds):
        for name in taken:
            clock, precision = run(name, net, given.epochs, number)
            taken[name].append((clock.speed(), clock.curve(steps), precision))
            print(net, name, number, f"{clock.speed():.1f} images/s", clock.curve(steps), precision, flush=True)
    speeds = {name: [speed for speed, _, _ in runs] for name, runs in taken.items()}
    ratios = [fast / slow for slow, fast in zip(speeds["usual"], speeds["ours"], strict=True)]
    curves = {
        name: " → ".join(f"{statistics.mean(values):.3f}" for values in zip(*(c for _, c, _ in runs), strict=True))
        for name, runs in taken.items()
    }
    return (
        f"| {net} | {spread(speeds['usual'])} | {spread(speeds['ours'])} {taken['ours'][0][2]} "
        f"| **{spread(ratios, '.2f')}** | {curves['usual']} | {curves['ours']} |"
    )


def frozen(net, given):
    """Seconds of an epoch after the first, of both."""
    steps = -(-244 // BATCH)
    slow = run("usual", net, 3, 0, "--frozen")[0].epochs(steps)
    fast = run("ours", net, 11, 0, "--frozen")[0].epochs(steps)
    ratio = statistics.median(slow) / statistics.median(fast)
    return (
        f"Frozen {net}, seconds of an epoch after the first: usual {spread(slow, '.2f')}, ours {spread(fast, '.4f')}: "
        f"**{ratio:.0f} times** as fast."
    )


def curves(net, given):
    """The lines of a network: losses of its epochs from the same weights, by side."""
    found = {}
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as start:
            for side, precision in (("usual", "fp32"), ("ours", "fp32"), ("ours", "bf16")):
                clock, _ = run(side, net, given.epochs, seed, "--start", start, "--precision", precision)
                found.setdefault(f"{side}, {precision}", []).append(clock.curve(-(-244 // BATCH)))
                print(seed, side, precision, found[f"{side}, {precision}"][-1], flush=True)
    lines = []
    for name, runs in found.items():
        epochs = [
            f"{statistics.mean(losses):.3f} ± {statistics.stdev(losses):.3f}" for losses in zip(*runs, strict=True)
        ]
        lines.append(f"| {net} | {name} | {' | '.join(epochs)} |")
    return lines


def open_folder(folder):
    """Open a folder of pictures and print seconds and the memory that it took."""
    from transferhub.dataset import load_images

    def held():
        said = Path("/proc/self/status").read_text()
        return {key: int(said.split(f"{key}:")[1].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")}

    before, started = held()["VmRSS"], time.perf_counter()
    dataset = load_images(folder)
    seconds, after = time.perf_counter() - started, held()
    found = {"pictures": len(dataset.train_examples), "s": round(seconds, 1)}
    print(json.dumps({**found, "peak": round(after["VmHWM"] - before), "kept": round(after["VmRSS"] - before)}))


def million(count):
    """A line on a folder of so many (empty) files, opened in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        for label in range(1000):
            folder = Path(name) / f"class-{label:04}"
            folder.mkdir()
            for number in range(count // 1000):
                os.close(os.open(folder / f"photograph_{number:06}.jpg", os.O_CREAT | os.O_WRONLY))
        done = subprocess.run([sys.executable, __file__, "--folder", name], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    return (
        f"A folder of {said['pictures']:,} files (empty, 1,000 labels) opens in {said['s']} s and takes "
        f"{said['kept']} MB ({said['peak']} MB at most)."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--million", type=int, default=1_000_000, help="files of the large folder; 0: none")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=("usual", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--curves", action="store_true", help="only the losses, to bench/curves.md")
    parser.add_argument("--seeds", type=int, default=5, help="of --curves")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--start", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="auto", help=argparse.SUPPRESS)
    parser.add_argument("--frozen", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        open_folder(given.folder)
        return
    if given.side:
        side = {"usual": usual, "ours": ours}[given.side]
        clock, precision = side(given.nets[0], given)
        print(json.dumps({**vars(clock), "precision": precision}))
        return
    if given.curves:
        if given.seeds < 2:
            parser.error("--seeds: from 2, for a deviation")
        with tempfile.TemporaryDirectory() as name:
            os.environ["TRANSFERHUB_HOME"] = name
            lines = [line for net in given.nets for line in curves(net, given)]
        table = [
            "# The loss of image networks' epochs, beside the usual loop",
            "",
            f"`python bench/images.py {' '.join(sys.argv[1:])}`, {time.strftime('%Y-%m-%d')}: the same random weights",
            f"on each side, hymenoptera, 224 px, gradients clipped at norm 1; {given.seeds} seeds, mean ± standard",
            "deviation of the epoch's mean loss. Order of rows, heads and what augmentation draws are each side's own.",
            "",
            "| network | | " + " | ".join(f"epoch {epoch + 1}" for epoch in range(given.epochs)) + " |",
            "|-" * (given.epochs + 2) + "|",
            *lines,
        ]
        (HERE / "curves.md").write_text("\n".join(table) + "\n", encoding="utf-8")
        print("\n".join(table))
        return
    opened = [million(given.million)] if given.million else []
    print(*opened, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ["TRANSFERHUB_HOME"] = name
        import torch

        kept = [frozen("resnet18", given)] if given.nets else []
        print(*kept, sep="\n", flush=True)
        lines = [trained(net, given) for net in given.nets]
    table = [
        "# Image networks beside the usual loop",
        "",
        f"`python bench/images.py {' '.join(sys.argv[1:])}`, {time.strftime('%Y-%m-%d')}: {torch.get_num_threads()} "
        f"thread(s), torch {torch.__version__}; {given.rounds} interleaved rounds of {given.epochs} epochs,",
        "a seed each; median (lowest–highest). hymenoptera, 244 pictures, 224 px, random weights, batches of 32,",
        "AdamW.",
        "",
        "| network | usual loop, images/s | ours, images/s | ratio | usual, loss by epoch | ours |",
        "|-|-|-|-|-|-|",
        *lines,
        "",
        *kept,
        "",
        *opened,
    ]
    (HERE / "images.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
