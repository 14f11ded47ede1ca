"""What the documents' pages find when they are run: small modules, data sets and files under the names that they use.

This is the one place where something stands for something else; pages themselves are run as they are written.
"""

import json
from pathlib import Path

import numpy as np

from conftest import BAD, GOOD, WORDS, reviews, write_csv, write_tiny_module

# Text on a page → what is run instead of it: searches and pretraining of a size for tests.
INSTEAD = {
    "--trials 20": "--trials 2",
    "--trials 8": "--trials 2",
    "--workers 2": "--workers 1",
    "trials=20": "trials=2",
    "--popsize 5 --round 10": "--popsize 1 --round 2",
    "--network resnet18": "--network test_resnet --classes 3 --each 4 --size 32 --num-epoch 1",
}
ENCODERS = ("minilm", "ernie", "bert-base-chinese", "bert-base-uncased")
IMAGE_NETWORKS = ("fractal-mini", "resnet_v2_50_imagenet")
TABLES = ("word2vec_skipgram", "simnet_bow")  # of word vectors
COLOURS = {"daisy": (230, 230, 200), "roses": (200, 40, 60)}


def install_modules(sources: Path) -> None:
    """A tiny encoder, image network and table of vectors, installed in the home under the modules' names."""
    import timm
    import torch

    from transferhub.module import store

    write_tiny_module(sources / "encoder", positions=512)
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False)
    timm.models.save_for_hf(network, sources / "network", safe_serialization=True)
    write_vectors(sources / "vectors.txt")
    for names, source in ((ENCODERS, "encoder"), (IMAGE_NETWORKS, "network"), (TABLES, "vectors.txt")):
        for name in names:
            store.install(name, origin=str(sources / source))


def write_vectors(path: Path, dim: int = 50) -> None:
    """GloVe's form: a word and its numbers a line."""
    draw = np.random.default_rng(0)
    lines = [" ".join([word, *(f"{value:.4f}" for value in draw.normal(size=dim))]) for word in WORDS]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_data_sets(root: Path) -> None:
    """``$TRANSFERHUB_DATASETS`` with the sets that pages load by name."""
    for split, count, seed in (("train", 40, 1), ("dev", 12, 2), ("test", 12, 3)):
        rows = [(label, text) for text, label in numbered(count, seed)]
        write_tsv(root / "chnsenticorp" / f"{split}.tsv", ("label", "text_a"), rows)
    for split, count, seed in (("train", 40, 1), ("dev", 12, 2)):
        pairs = [(label, 1, 2, text, "the room was good") for text, label in numbered(count, seed)]
        header = ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String")
        write_tsv(root / "glue_data" / "MRPC" / f"{split}.tsv", header, pairs)
        write_tsv(root / "cn_data" / "SST-2" / f"{split}.tsv", ("sentence", "label"), numbered(count, seed))
    write_picture_lists(root / "flower_photos", [*COLOURS, "dandelion", "sunflowers", "tulips"])


def write_files(folder: Path) -> None:
    """The files that pages name, beside which they are run."""
    rows = reviews(40, 1)
    write_csv(folder / "reviews.csv", rows)
    write_csv(folder / "test.csv", reviews(12, 3))
    write_csv(folder / "new.csv", [(text,) for text, _ in reviews(6, 4)], ("text",))
    (folder / "new_zh.txt").write_text("交通方便\n房间太小了\n", encoding="utf-8")
    write_csv(folder / "pairs.csv", [(t, "the room was good", name) for t, name in rows], ("text_a", "text_b", "label"))
    flags = [(text, *(str(int(word in text.split())) for word in ("good", "bad", "dull"))) for text, _ in rows]
    write_csv(folder / "comments.csv", flags, ("text", "toxic", "obscene", "insult"))
    write_csv(folder / "ratings.csv", [(text, str(stars(text))) for text, _ in rows], ("text", "stars"))
    sentences = ["".join(f"{word} {tag(word)}\n" for word in text.split()) for text, _ in rows]
    (folder / "ner.conll").write_text("\n".join(sentences), encoding="utf-8")
    for split in ("train", "dev"):
        (folder / f"{split}-v2.0.json").write_text(json.dumps(questions(rows)), encoding="utf-8")
        write_tsv(folder / "SST-2" / f"{split}.tsv", ("sentence", "label"), numbered(40, 1))
    for split in ("train", "dev", "test"):
        write_tsv(folder / "path/to/dataset" / f"{split}.tsv", ("text_a", "label"), numbered(24, 1))
    write_tsv(folder / "path/to/dataset/predict.tsv", ("text_a",), [("good food",)])
    write_picture_lists(folder / "test/data", list(COLOURS))
    for place in ("pictures", "hotdog"):
        for split, count in (("train", 8), ("val", 4)):
            for label in COLOURS:
                for number in range(count):
                    write_picture(folder / place / split / label / f"{number}.png", label, number)
    for split, count, seed in (("train", 48, 1), ("test", 12, 2)):
        for number, (text, label) in enumerate(reviews(count, seed)):
            path = folder / "aclImdb" / split / label[:3] / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    write_vectors(folder / "glove/glove.6B.50d.txt")


def numbered(count: int, seed: int) -> list[tuple[str, int]]:
    """Reviews whose labels are 0 and 1."""
    return [(text, int(label == "positive")) for text, label in reviews(count, seed)]


def stars(text: str) -> int:
    """How much praise there is more than blame."""
    return sum(word in GOOD for word in text.split()) - sum(word in BAD for word in text.split())


def tag(word: str) -> str:
    """The tag of a word of praise or blame."""
    return "B-GOOD" if word in GOOD else "B-BAD" if word in BAD else "O"


def questions(rows: list[tuple[str, str]]) -> dict[str, object]:
    """SQuAD 2.0's form: which word of praise or blame is in the text?"""
    paragraphs = []
    for number, (text, _) in enumerate(rows):
        word = next(word for word in text.split() if word in GOOD + BAD)
        answers = [{"text": word, "answer_start": text.index(word)}]
        asked = {"id": str(number), "question": "What was it?", "answers": answers, "is_impossible": False}
        paragraphs.append({"context": text, "qas": [asked]})
    return {"version": "v2.0", "data": [{"title": "reviews", "paragraphs": paragraphs}]}


def write_tsv(path: Path, header, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(map(str, cells)) for cells in [header, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_picture_lists(folder: Path, labels: list[str]) -> None:
    """PaddleHub's lists, and pictures that their label's colour tells."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "label_list.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    for split, count in (("train", 16), ("validate", 8), ("test", 6), ("predict", 2)):
        lines = []
        for number in range(count):
            label = list(COLOURS)[number % 2]
            write_picture(folder / f"{split}-{number}.png", label, number)
            lines.append(f"{split}-{number}.png {number % 2}")
        (folder / f"{split}_list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_picture(path: Path, label: str, seed: int) -> None:
    from PIL import Image

    pixels = np.random.default_rng(seed).normal(COLOURS[label], 30, (40, 40, 3)).clip(0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
