"""Pictures: fine-tune the built-in image network on twenty handwritten digits of each kind, and use the result.

The digits are scikit-learn's (1,797 of 8 × 8 pixels), written as files first, as pictures of one's own would lie there.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import transferhub as hub

try:
    from sklearn.datasets import load_digits
except ImportError:
    raise SystemExit("this demo shows scikit-learn's digits: pip install scikit-learn") from None

EACH = 20  # pictures of a digit to learn from

with tempfile.TemporaryDirectory() as folder:
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        split = "train" if number < 1000 else "test"
        (Path(folder) / split / str(label)).mkdir(parents=True, exist_ok=True)
        if split == "test" or len(list((Path(folder) / split / str(label)).iterdir())) < EACH:
            picture = Image.fromarray((image * 255 / 16).astype(np.uint8))
            picture.save(Path(folder) / split / str(label) / f"{number:04}.png")

    strategy = hub.AdamWeightDecayStrategy(learning_rate=1e-3)
    task = hub.ImageClassifierTask(
        module="fractal-mini",
        dataset=hub.dataset.load_images(folder),
        augment="none",  # a mirrored digit is none
        config=hub.RunConfig(num_epoch=12, batch_size=16, eval_interval=36, strategy=strategy),
    )
    result = task.finetune_and_eval()
    shown = sorted(map(str, (Path(folder) / "test").glob("*/*.png")))[::80]
    predictions = task.predict(shown)
    print()
    for path, label, probabilities in zip(shown, predictions.labels, predictions.probabilities, strict=True):
        print(f"{label}  {probabilities.max():.2f}  a {Path(path).parent.name}")
    for split, scores in (("dev", result.dev), ("test", result.test)):
        print(f"{split:5}" + "  ".join(f"{name} {value:.3f}" for name, value in (scores or {}).items()))
    print(f"\nbest model  {result.best_model}\nreport      {result.report}")
