"""``--task image-classification`` from folders, lists and tables to predictions."""

import csv
import io
import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from test_cli import hub

COLOURS = {"green": (50, 180, 60), "red": (200, 50, 40)}


@pytest.fixture
def folder(in_tmp):
    """train/ and val/ with pictures of two colours; ``network``, a module of random weights."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 5)):
        for label, colour in COLOURS.items():
            (in_tmp / "set" / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = draw.normal(colour, 30, (40, 48, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(in_tmp / "set" / split / label / f"{number}.png")
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False)
    timm.models.save_for_hf(network, in_tmp / "network", safe_serialization=True)
    return in_tmp / "set"


def finetune(*more, train="set", task="image-classification"):
    usual = ["--module", "network", "--train", train, "--num-epoch", "10", "--batch-size", "8", "--precision", "fp32"]
    return hub("finetune", "--task", task, *usual, "--checkpoint-dir", "run", "--learning-rate", "3e-3", *more)


def predicted(capsys, *files):
    capsys.readouterr()
    assert hub("predict", "run/best_model", *map(str, files)) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def evaluated(capsys, what, *more):
    capsys.readouterr()
    assert hub("evaluate", "run/best_model", str(what), "--json", *more) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_from_a_folder_to_predictions(folder, capsys):
    assert finetune() == 0
    score = evaluated(capsys, folder / "val")
    assert score["acc"] == 1
    assert evaluated(capsys, folder) == score, "the pictures it was not trained on"
    first, second = sorted((folder / "val").rglob("0.png"))
    rows = predicted(capsys, first, second, folder / "val" / "red")
    assert list(rows[0]) == ["path", "label", "green", "red"]
    assert [row["label"] for row in rows] == ["green"] + 6 * ["red"]
    table = folder / "new.csv"
    table.write_text("picture,note\nval/red/0.png,x\nval/green/0.png,y\n")
    assert [row["label"] for row in predicted(capsys, table)] == ["red", "green"]
    table.write_text("where,note\nval/red/0.png,x\n")
    assert hub("predict", "run/best_model", str(table)) == 2
    assert "cannot tell which column is the path" in capsys.readouterr().err
    assert [row["label"] for row in predicted(capsys, table, "--text-column", "where")] == ["red"]


def test_labels_in_another_order_and_in_columns_are_the_same_labels(folder, capsys):
    assert finetune() == 0
    names = ["red", "green"]
    files = sorted((folder / "val").rglob("*.png"))
    (folder / "label_list.txt").write_text("\n".join(names))
    for name in ("train", "test"):
        lines = [f"{file.relative_to(folder)} {names.index(file.parent.name)}" for file in files]
        (folder / f"{name}_list.txt").write_text("\n".join(lines))
    assert evaluated(capsys, folder)["acc"] == 1
    table = folder / "new.csv"
    table.write_text("picture,x,colour\n" + "".join(f"{file},1,{file.parent.name}\n" for file in files))
    assert evaluated(capsys, table, "--label-column", "colour")["acc"] == 1
    assert hub("evaluate", "run/best_model", str(table), "--label-column", "color") == 2
    assert "did you mean 'colour'" in capsys.readouterr().err
    assert hub("evaluate", "run/best_model", str(table), "--delimiter", ";") == 2
    assert "delimiter=';' with pictures" in capsys.readouterr().err


def test_broken_pictures_are_named_and_left_out_where_that_is_asked(folder, capsys, lines):
    whole = (folder / "train/red/0.png").read_bytes()
    (folder / "train/red/half.png").write_bytes(whole[: len(whole) // 2])
    assert finetune() == 2
    assert "half.png is damaged" in capsys.readouterr().err
    assert finetune("--skip-broken", "--overwrite") == 0
    assert any("1 of 25 pictures of train cannot be read and are left out" in line for line in lines)
    assert finetune("--skip-broken", task="regression") == 2
    assert "--skip-broken with --task regression" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--quoted"], "quoted=True with pictures"),
        (["--metrics", "acc,top_5"], "top_5 of 2 labels is 1 whatever is predicted"),
        (["--augment", "wild"], "augment='wild'"),
        (["--max-seq-len", "8"], "--max-seq-len with --task image-classification"),
        (["--label-column", "colour"], "label='colour' of the folder"),
    ],
)
def test_what_says_nothing_of_pictures_is_refused(folder, capsys, more, said):
    assert finetune(*more) == 2
    assert said in capsys.readouterr().err


def test_an_image_network_for_texts_is_refused_by_its_name(folder, capsys):
    assert hub("finetune", "--module", "timm:resnet18", "--train", "set") == 2
    assert "fix: --task image-classification" in capsys.readouterr().err


def test_compare_puts_three_ways_beside_each_other(folder, capsys):
    flags = ["--task", "image-classification", "--module", "network", "--train", "set", "--num-epoch", "1"]
    assert hub("compare", *flags, "--precision", "fp32", "--checkpoint-dir", "ways", "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found) == {"fine-tuned", "frozen", "from scratch", "checkpoint_dir"}
    assert all(0 <= found[way]["dev"]["acc"] <= 1 for way in ("fine-tuned", "frozen", "from scratch"))


def test_pictures_with_any_number_of_labels(folder, capsys):
    files = sorted(str(file) for file in folder.rglob("*.png"))
    rows = [f"{file},{int('green' in file)},{int('red' in file)},{int('0.png' in file)}" for file in files]
    table = folder.parent / "labels.csv"
    table.write_text("\n".join(["path,green,red,first", *rows]))
    flags = ["--label-column", "green,red,first", "--augment", "none"]
    assert finetune(*flags, train="labels.csv", task="image-multi-label") == 0
    score = evaluated(capsys, table)
    assert score["auc"] > 0.6
    assert evaluated(capsys, table, "--label-column", "first,red,green") == score
    found = predicted(capsys, *files[:3])
    assert list(found[0]) == ["path", "labels", "green", "red", "first"]
    assert hub("finetune", "--module", "timm:resnet18", "--train", "labels.csv", "--task", "multi-label") == 2
    assert "fix: --task image-multi-label" in capsys.readouterr().err
