"""The documents' demos run with the documents' flags."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
from PIL import Image

from conftest import WORDS, reviews, write_csv
from transferhub.module.elmo import write_random

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    """Import a script of a folder of examples, as if it was started there."""

    def load(folder, name):
        monkeypatch.syspath_prepend(str(EXAMPLES / folder))
        return importlib.import_module(name)

    before = set(sys.modules)
    yield load
    for name in set(sys.modules) - before:
        if str(EXAMPLES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def imdb(tmp_path):
    """train/ and test/ of folders of texts, and vectors of their words."""
    for split, count, seed in (("train", 160, 1), ("test", 48, 2)):
        for number, (text, label) in enumerate(reviews(count, seed)):
            folder = tmp_path / "aclImdb" / split / label[:3]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.txt").write_text(text)
    draw = np.random.default_rng(0)
    lines = [" ".join([word, *(f"{value:.4f}" for value in draw.normal(size=8))]) for word in WORDS[:-2]]
    (tmp_path / "glove").mkdir()
    (tmp_path / "glove" / "glove.6B.8d.txt").write_text("\n".join(lines) + "\n")
    return ["--data", str(tmp_path / "aclImdb"), "--glove", str(tmp_path / "glove"), "--glove_dim", "8"]


@pytest.mark.parametrize(
    ("name", "more"),
    [("birnn", ["--num_hiddens", "8"]), ("textcnn", ["--num_channels", "8", "--kernel_sizes", "2", "3"])],
)
def test_birnn_and_textcnn_learn_and_keep_what_is_frozen(name, more, example, imdb, in_tmp, capsys):
    flags = ["--min_freq", "1", "--num_epoch", "6", "--batch_size", "8", "--learning_rate", "0.01", *more]
    module = example("text_classification", name)
    result = module.main([*imdb, *flags, "--checkpoint_dir", str(in_tmp / "run")])
    assert result.test["acc"] >= 0.75
    said = capsys.readouterr().out
    assert "There are 4 oov words." in said, "two words without a vector, <unk> and <pad>"
    assert "this movie is so great" in said
    from safetensors.torch import load_file

    from transferhub.text.vocab import GloVe

    tables = [v for k, v in load_file(in_tmp / "run/best_model/network.safetensors").items() if "table.weight" in k]
    vectors = GloVe(dim=8, cache=in_tmp / "glove")
    words = (in_tmp / "run.vocab.txt").read_text().split()
    still = [bool((table == vectors.get_vecs_by_tokens(words)).all()) for table in tables]
    assert sorted(still) == {"birnn": [True], "textcnn": [False, True]}[name]


def arguments_of(script, more, folder):
    """What a shell script gives to python."""
    fake = folder / "bin" / "python"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text('#!/bin/sh\nfor each in "$@"; do echo "$each"; done\n')
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", script, *more], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    unbuffered, started, *given = done.stdout.splitlines()
    assert unbuffered == "-u"
    assert Path(started).is_file()
    return Path(started).stem, given


def test_elmo_is_fine_tuned_and_predicts_by_its_scripts(example, home, in_tmp, capsys, monkeypatch):
    monkeypatch.setenv("TRANSFERHUB_DATASETS", str(home / "dataset"))
    for split, count, seed in (("train", 32, 1), ("dev", 12, 2), ("test", 10, 3)):
        folder = home / "dataset" / "chnsenticorp"
        folder.mkdir(parents=True, exist_ok=True)
        rows = [f"{int(label == 'positive')}\t{text}" for text, label in reviews(count, seed)]
        (folder / f"{split}.tsv").write_text("\n".join(["label\ttext_a", *rows]) + "\n")
    own = ["--module", str(write_random(in_tmp / "elmo", WORDS, dim=8)), "--checkpoint_dir", "./ckpt"]
    short = ["--num_epoch=2", "--batch_size=8", "--learning_rate=1e-3"]
    name, given = arguments_of(EXAMPLES / "elmo/run_elmo_finetune.sh", [*own, *short], in_tmp)
    result = example("elmo", name).main(given)
    assert result.steps == 8
    name, given = arguments_of(EXAMPLES / "elmo/run_predict.sh", own, in_tmp)
    capsys.readouterr()
    accuracy = example("elmo", name).main(given)
    assert accuracy == pytest.approx(result.test["acc"])
    said = capsys.readouterr().out.splitlines()
    assert sum("\tpredict=" in line for line in said) == 10
    assert said[-1] == f"accuracy = {accuracy:.5f}"


def test_frozen_features_are_computed_once_and_learned_from(example, tiny, in_tmp, lines, capsys):
    for name, count, seed in (("train", 48, 1), ("dev", 16, 2)):
        write_csv(
            in_tmp / f"{name}.csv",
            [(t, str(int(la == "positive"))) for t, la in reviews(count, seed)],
            ("sentence", "label"),
        )
    flags = ["--train", "train.csv", "--valid", "dev.csv", "--module", str(tiny), "--cutlen", "12"]
    example("frozen_features", "frozen_features").main([*flags, "--num_epoch", "30", "--learning_rate", "0.05"])
    seen = [float(line.partition("acc=")[2].split()[0]) for line in lines if "TRAIN]" in line]
    assert seen[-1] >= 0.8 > seen[0]
    assert sum("Features of 48 rows are computed once" in line for line in lines) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_pictures_are_classified_by_the_documents_scripts(example, home, in_tmp, capsys, monkeypatch):
    monkeypatch.setenv("TRANSFERHUB_DATASETS", str(home / "dataset"))
    folder = home / "dataset" / "flower_photos"
    draw, colours = np.random.default_rng(0), {"daisy": (230, 230, 200), "rose": (200, 40, 60)}
    folder.mkdir(parents=True)
    (folder / "label_list.txt").write_text("daisy\nrose\n")
    for split, count in (("train", 24), ("validate", 8), ("test", 6)):
        lines = []
        for number in range(count):
            name, colour = list(colours.items())[number % 2]
            pixels = draw.normal(colour, 30, (40, 40, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{split}-{number}.png")
            lines.append(f"{split}-{number}.png {number % 2}")
        (folder / f"{split}_list.txt").write_text("\n".join(lines) + "\n")
    network = timm.create_model("test_resnet", pretrained=False)
    timm.models.save_for_hf(network, in_tmp / "module", safe_serialization=True)
    own = ["--module", str(in_tmp / "module"), "--checkpoint_dir", "./ckpt"]
    name, given = arguments_of(EXAMPLES / "image_classification/run_classifier.sh", [*own, "--batch_size=8"], in_tmp)
    assert name == "img_classifier"
    result = example("image_classification", name).main(given)
    assert result.steps == 3
    name, given = arguments_of(EXAMPLES / "image_classification/run_predict.sh", own, in_tmp)
    capsys.readouterr()
    accuracy = example("image_classification", name).main(given)
    assert accuracy == pytest.approx(result.test["acc"])
    said = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in said[:-1]] == [f"test-{number}.png" for number in range(6)]
    assert said[-1] == f"accuracy = {accuracy:.5f}"
