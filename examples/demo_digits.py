"""Pictures: what the built-in image network is worth on ten handwritten digits of each kind, beside the same at random.

The digits are scikit-learn's (1,797 of 8 × 8 pixels), written as files first, as pictures of one's own would lie there.
"""

import datetime
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import transferhub as hub
from transferhub.task.compare import compare

EACH = 10  # pictures of a digit to learn from, and as many to choose the best model by
WAYS = ("fine-tuned", "from scratch")


def write_digits(folder):
    """``train/``, ``dev/`` and ``test/`` of ten folders each; the first ones of each digit are learnt from."""
    digits, seen = load_digits(), dict.fromkeys(range(10), 0)
    for number, (image, label) in enumerate(zip(digits.images, digits.target.tolist(), strict=True)):
        split = ("train", "dev", "test")[min(seen[label] // EACH, 2)]
        seen[label] += 1
        (folder / split / str(label)).mkdir(parents=True, exist_ok=True)
        pixels = (image * 255 / 16).round().astype(np.uint8)
        Image.fromarray(pixels).save(folder / split / str(label) / f"{number:04}.png")
    return hub.dataset.load_images(folder)


def main():
    """Train both ways, show the table, and what the better model says of digits that it has not seen."""
    folder = Path(f"ckpt_digits_{datetime.datetime.now():%Y%m%d%H%M%S}")
    dataset = write_digits(folder / "pictures")
    tasks = {}

    def make(way, run):
        strategy = hub.AdamWeightDecayStrategy(learning_rate=1e-3)
        tasks[way] = hub.ImageClassifierTask(
            module=hub.Module(name="fractal-mini", pretrained=way != "from scratch"),
            dataset=dataset,
            augment="none",  # a mirrored digit is none
            config=hub.RunConfig(num_epoch=20, batch_size=16, eval_interval=28, strategy=strategy, checkpoint_dir=run),
        )
        return tasks[way]

    compared = compare(make, folder, WAYS)
    result = compared.results["fine-tuned"]
    shown = sorted((folder / "pictures" / "test").glob("*/*.png"))[::150]
    predictions = tasks["fine-tuned"].predict(list(map(str, shown)))
    print()
    for path, label, probabilities in zip(shown, predictions.labels, predictions.probabilities, strict=True):
        print(f"{label}  {probabilities.max():.2f}  a {path.parent.name}")
    print("\n" + "\n".join(compared.lines()))
    print(f"""
best model  {result.best_model}
report      {result.report}
curves      {folder / "compare.svg"}
use it      hub predict {result.best_model} {folder / "pictures" / "test" / "3"}""")
    return compared


if __name__ == "__main__":
    main()
