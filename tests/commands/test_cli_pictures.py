"""``--task image-classification`` from folders, lists and tables to predictions."""

import csv
import io
import json
import shutil
import struct
import zlib

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from test_cli import hub
from test_compare import check_ways, settings_of

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
    for what in (folder / "val", first):
        assert hub("predict", "run/best_model", str(what), "--text-column", "where") == 2
        assert f"path='where' with {what}, which has no columns" in capsys.readouterr().err


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
        (["--label-column", "colour"], "label='colour' with the folder set/train, which has no columns"),
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
    check_ways(settings_of(folder.parent / "ways"), 3e-4)


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


BOMB = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
BROKEN = {
    "empty": (b"", "is empty: it has no bytes"),
    "text": (b"hello there, I am text", "is no picture: it begins with b'hello there, I a'"),
    "bomb": (
        b"\x89PNG\r\n\x1a\n"
        + (struct.pack(">I", 13) + b"IHDR" + BOMB + struct.pack(">I", zlib.crc32(b"IHDR" + BOMB)))
        + (struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", 0)),
        "is too large to be opened (a decompression bomb?)",
    ),
}


def test_broken_pictures_to_predict_are_refused_by_name_or_left_out(folder, capsys, lines):
    assert finetune("--num-epoch", "1") == 0
    new = folder / "new"
    new.mkdir()
    odd = {"a.png": (1, 1), "b.png": (20000, 50), "c.jpg": (50, 2000), "d.png": (7, 300)}
    for name, size in odd.items():
        Image.new("RGB", size, COLOURS["red"]).save(new / name)
    assert [row["path"] for row in predicted(capsys, new)] == [str(new / name) for name in odd]
    for kind, (content, said) in BROKEN.items():
        (new / "bb.jpg").write_bytes(content)
        assert hub("predict", "run/best_model", str(new)) == 2, kind
        assert f"bb.jpg {said}" in capsys.readouterr().err
        assert [row["path"] for row in predicted(capsys, new, "--skip-broken")] == [str(new / name) for name in odd]
        assert any("1 of 5 pictures of those given cannot be read" in line for line in lines)
        lines.clear()
        (folder / "val" / "red" / "bb.jpg").write_bytes(content)
        assert hub("evaluate", "run/best_model", str(folder / "val")) == 2
        assert f"bb.jpg {said}" in capsys.readouterr().err
        assert "acc" in evaluated(capsys, folder / "val", "--skip-broken")
    assert hub("predict", "run/best_model", str(new / "bb.jpg"), "--skip-broken") == 2
    assert "none of the 1 pictures of those given can be read" in capsys.readouterr().err
    assert hub("predict", "run/best_model", str(new / "gone.jpg")) == 2
    assert "gone.jpg does not exist" in capsys.readouterr().err


def test_faults_of_rows_are_said_with_their_place(folder, capsys, lines):
    def said():
        return capsys.readouterr().err

    (folder / "train" / "blue").mkdir()
    Image.open(folder / "train/red/0.png").save(folder / "val/red/again.png")
    assert finetune("--num-epoch", "1") == 0
    assert any("no pictures in the label folders blue: left out" in line for line in lines)
    assert any("1 pictures of dev are in train too" in line for line in lines)
    Image.new("RGB", (4, 4)).save(folder / "train" / "blue" / "0.png")
    (folder / "val" / "gold").mkdir()
    Image.new("RGB", (4, 4)).save(folder / "val" / "gold" / "0.png")
    assert finetune() == 2
    assert "val: label 'gold' of gold/0.png is not known" in said()
    rows = [f"train/{label}/{number}.png {place}" for place, label in enumerate(COLOURS) for number in range(12)]
    (folder / "label_list.txt").write_text("\n".join(COLOURS))
    for line, fault in (
        ("train/red/gone.png 1", "train_list.txt:25: there is no picture"),
        ("train/red/0.png 7", "train_list.txt:25: label '7' is not known"),
        ("train/red/0.png gold", "train_list.txt:25: label 'gold' is not known"),
        ("train/red/0.png", "train_list.txt:25: 'train/red/0.png' has no label"),
    ):
        (folder / "train_list.txt").write_text("\n".join([*rows, line]))
        assert finetune() == 2
        assert fault in said()
    shutil.rmtree(folder / "train" / "blue")
    shutil.rmtree(folder / "train" / "green")
    (folder / "train_list.txt").unlink()
    assert finetune(train="set/train") == 2
    assert "every picture has the label 'red'" in said()


def test_a_text_module_is_refused(folder, tiny, capsys):
    assert hub("finetune", "--task", "image-classification", "--module", str(tiny), "--train", "set") == 2
    assert "is no image network" in capsys.readouterr().err
