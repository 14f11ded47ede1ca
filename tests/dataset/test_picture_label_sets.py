"""Pictures with any number of labels each: the ways in which label sets are written, and what is wrong with them."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import transferhub as hub
from transferhub.dataset.base_cv_dataset import BaseCVDataset
from transferhub.dataset.picture_folders import labelled_rows
from transferhub.errors import ConfigError, DataError

NAMES = ["anger", "joy"]
SETS = [["joy"], ["joy", "anger"], [], ["anger"], ["joy"], ["anger"]]
FLAGS = [[int(name in names) for name in NAMES] for names in SETS]


@pytest.fixture
def folder(tmp_path):
    for number in range(len(SETS)):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return tmp_path


def written(folder, name, header, cells):
    lines = [header, *(f"{number}.png,{cell}" for number, cell in enumerate(cells))]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def as_list_file(folder):
    lines = [f"{number}.png {','.join(names)}" for number, names in enumerate(SETS) if names]
    (folder / "train_list.txt").write_text("\n".join(lines))
    return folder


WAYS = {
    "names": lambda folder: written(folder, "a.csv", "path,labels", [f'"{",".join(names)}"' for names in SETS]),
    "bars": lambda folder: written(folder, "a.csv", "path,labels", ["|".join(names) for names in SETS]),
    "json": lambda folder: written(
        folder, "a.csv", "path,labels", ['"' + json.dumps(names).replace('"', '""') + '"' for names in SETS]
    ),
    "list": lambda folder: [(str(folder / f"{number}.png"), names) for number, names in enumerate(SETS)],
    "frame": lambda folder: pd.DataFrame(
        {"path": [str(folder / f"{number}.png") for number in range(len(SETS))], "labels": SETS}
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_label_sets_are_read_however_they_are_written(folder, way):
    dataset = hub.dataset.load_images(WAYS[way](folder), kind="labels")
    assert dataset.kind == "labels"
    assert dataset.label_list == NAMES
    reader = hub.reader.ImageClassificationReader(8, 8, dataset=dataset)
    assert reader.targets(dataset, "train").tolist() == FLAGS
    assert reader.columns("train").batch([1, 2])["labels"].tolist() == [[1, 1], [0, 0]]
    with pytest.raises(ConfigError, match="any number of labels a row, not one label"):
        dataset.label_ids("train")
    split = dataset.with_dev(seed=1, proportion=0.5)
    together = np.concatenate([reader.targets(split, phase) for phase in ("train", "dev")])
    assert sorted(together.tolist()) == sorted(FLAGS)


def test_lines_of_json(folder):
    rows = [json.dumps({"image": f"{number}.png", "labels": names}) for number, names in enumerate(SETS)]
    (folder / "a.jsonl").write_text("\n".join(rows))
    dataset = hub.dataset.load_images(folder / "a.jsonl", kind="labels")
    assert hub.reader.ImageClassificationReader(8, 8, dataset=dataset).targets(dataset, "train").tolist() == FLAGS


def test_columns_of_flags_keep_their_order_and_are_found_again(folder):
    table = written(folder, "a.csv", "path,joy,anger", [f"{joy},{anger}" for anger, joy in FLAGS])
    dataset = hub.dataset.load_images(table, kind="labels", label=["joy", "anger"])
    assert dataset.label_list == ["joy", "anger"]
    reader = hub.reader.ImageClassificationReader(8, 8, dataset=dataset)
    assert reader.targets(dataset, "train").tolist() == [flags[::-1] for flags in FLAGS]
    assert dataset.train_examples[1] == (str(folder / "1.png"), "1,1")
    other = written(folder, "b.csv", "path,anger,joy", [f"{anger},{joy}" for anger, joy in FLAGS])
    for label in (None, ["anger", "joy"]):
        assert [label for _, label in labelled_rows(other, ["joy", "anger"], label=label, kind="labels")] == [
            ",".join(map(str, flags[::-1])) for flags in FLAGS
        ]
    with pytest.raises(ConfigError, match=r"expected: the model's labels: joy, anger"):
        labelled_rows(other, ["joy", "anger"], label=["anger"], kind="labels")


def test_lists_of_paddlehubs_form(folder):
    dataset = hub.dataset.load_images(as_list_file(folder), kind="labels")
    assert dataset.label_list == NAMES
    assert dataset.train_examples[1] == (str(folder / "1.png"), "joy,anger")

    class Emotions(BaseCVDataset):
        kind = "labels"

    same = Emotions(folder, train_list_file="train_list.txt", label_list=["joy", "anger"])
    reader = hub.reader.ImageClassificationReader(8, 8, dataset=same)
    assert reader.targets(same, "train").tolist() == [[1, 0], [1, 1], [0, 1], [1, 0], [0, 1]]
    with pytest.raises(DataError, match=r"train_list\.txt:2: label 'anger' is not known"):
        Emotions(folder, train_list_file="train_list.txt", label_list=["joy"])


def test_what_is_no_label_set_is_named(folder, lines):
    table = written(folder, "a.csv", "path,labels", ["joy", "anger", "joy", "joy;rage", "joy", "anger"])
    with pytest.raises(DataError, match=r"a\.csv:5: label 'rage' is not known"):
        hub.dataset.load_images(table, kind="labels", label_list=NAMES)
    flags = written(folder, "b.csv", "path,joy,anger", ["1,0", "1,2", "0,0", "0,0", "0,0", "0,0"])
    with pytest.raises(DataError, match=r"b\.csv:3: the label column 'anger' holds '2'"):
        hub.dataset.load_images(flags, kind="labels", label=["joy", "anger"])
    with pytest.raises(ConfigError, match="several are flags"):
        hub.dataset.load_images(flags, label=["joy", "anger"])
    with pytest.raises(DataError, match="is a folder, in which a picture has one label"):
        hub.dataset.load_images(folder, kind="labels")
    with pytest.raises(DataError, match=r"train\[0\]: the label is \['joy'\]") as caught:
        hub.dataset.load_images(WAYS["list"](folder))
    assert "kind='labels'" in caught.value.fix
    with pytest.raises(ConfigError, match="kind='value'"):
        hub.dataset.load_images(table, kind="value")
    hub.dataset.load_images(WAYS["names"](folder), kind="labels", label_list=[*NAMES, "fear"])
    assert any("1 of 3 labels have no training picture: fear" in line for line in lines)
