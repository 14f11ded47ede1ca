"""Picture data sets: PaddleHub's lists, folders, tables, frames; every fault has a name."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import transferhub as hub
from transferhub.dataset.base_cv_dataset import BaseCVDataset, ImageClassificationDataset
from transferhub.dataset.picture_folders import labelled_rows
from transferhub.dataset.picture_tables import paths_in
from transferhub.dataset.pictures import Pictures, fingerprint, paths_of
from transferhub.errors import ConfigError, DataError
from transferhub.image import decode

COLOURS = {"ants": (200, 30, 30), "bees": (30, 30, 200), "wasps": (30, 200, 30)}


def picture(path: Path, colour=(1, 2, 3), mark=0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.new("RGB", (12, 10), colour)
    made.putpixel((0, 0), (mark % 256, mark // 256, 7))
    made.save(path)
    return path


@pytest.fixture
def folders(tmp_path):
    """train/ and val/ of two labels, no two pictures alike."""
    number = 0
    for split, count in (("train", 6), ("val", 2)):
        for label in ("ants", "bees"):
            for place in range(count):
                number += 1
                picture(tmp_path / split / label / f"{place:02}.png", COLOURS[label], number)
    return tmp_path


@pytest.fixture
def lists(folders):
    """PaddleHub's list files for the pictures of `folders`, one of which has spaces in its name."""
    (folders / "train/ants/00.png").rename(folders / "train/ants/an ant  1.png")
    for name, split in (("train", "train"), ("validate", "val"), ("test", "val")):
        rows = []
        for number, label in enumerate(("ants", "bees")):
            rows += [f"{split}/{label}/{file.name} {number}" for file in sorted((folders / split / label).iterdir())]
        (folders / f"{name}_list.txt").write_text("\n".join(rows) + "\n\n", encoding="utf-8")
    (folders / "label_list.txt").write_text("ants\nbees\n", encoding="utf-8")
    (folders / "predict_list.txt").write_text("val/ants/00.png\ntrain/ants/an ant  1.png\n", encoding="utf-8")
    return folders


def from_lists(folder, **changes):
    names = {
        "train_list_file": "train_list.txt",
        "validate_list_file": "validate_list.txt",
        "test_list_file": "test_list.txt",
        "label_list_file": "label_list.txt",
        **changes,
    }
    return BaseCVDataset(base_path=folder, **{name: value for name, value in names.items() if value})


@pytest.mark.parametrize("predict", ["predict_file", "predict_list_file"])
def test_lists_are_read_as_paddlehub_has_them(lists, predict):
    dataset = from_lists(lists, **{predict: "predict_list.txt"})
    assert dataset.get_labels() == ["ants", "bees"]
    assert dataset.num_labels == 2
    assert dataset.label_dict() == {0: "ants", 1: "bees"}
    assert len(dataset.train_examples) == 12
    assert dataset.train_examples[5] == (str(lists / "train/ants/an ant  1.png"), 0)
    assert dataset.train_examples[-1] == (str(lists / "train/bees/05.png"), 1)
    assert list(dataset.dev_examples) == list(dataset.get_examples("val"))
    assert [label for _, label in dataset.predict_examples] == [None, None]
    assert [os.path.basename(path) for path, _ in dataset.predict_examples] == ["00.png", "an ant  1.png"]
    assert dataset.label_ids("train").tolist() == [0] * 6 + [1] * 6
    assert dataset.train_examples.where(3) == f"{lists / 'train_list.txt'}:4"


def test_label_list_goes_before_the_file_and_names_may_stand_in_the_lists(lists, lines):
    rows = (lists / "train_list.txt").read_text(encoding="utf-8")
    (lists / "train_list.txt").write_text(rows.replace(" 0\n", " ants\n"), encoding="utf-8")
    dataset = from_lists(lists, label_list=["ants", "bees"])
    assert dataset.label_ids("train").tolist() == [0] * 6 + [1] * 6
    assert any("label_list_file label_list.txt is not looked at" in line for line in lines)


def test_without_names_the_ids_are_the_names(lists):
    dataset = from_lists(lists, label_list_file=None)
    assert dataset.label_list == ["0", "1"]


def test_the_form_of_paddlehub_1_4_sets_attributes(lists):
    class Demo(ImageClassificationDataset):
        def __init__(self):
            super().__init__()
            self.base_path = str(lists)
            self.train_list_file = "train_list.txt"
            self.validate_list_file = "validate_list.txt"
            self.test_list_file = "test_list.txt"
            self.num_labels = 2

    dataset = Demo()
    assert dataset.num_labels == 2
    assert len(dataset.train_examples) == 12
    assert dataset.predict_examples == []
    assert len(dataset.get_test_examples()) == 4

    class Empty(ImageClassificationDataset):
        def __init__(self):
            super().__init__()

    with pytest.raises(ConfigError, match="Empty without lists"):
        _ = Empty().train_examples
    with pytest.raises(AttributeError):
        _ = dataset.nothing


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("val/ants/00.png 7", r"train_list\.txt:2: label '7' is not known"),
        ("val/ants/00.png -1", r"train_list\.txt:2: label '-1' is not known"),
        ("val/ants/00.png wasps", r"train_list\.txt:2: label 'wasps' is not known"),
        ("val/ants/gone.png 0", r"train_list\.txt:2: there is no picture .*gone\.png"),
        ("val/ants/00.png", r"train_list\.txt:2: .* has no label"),
        ("val/ants 0", r"train_list\.txt:2: there is no picture"),
        ("caf\xe9.png 0", r"train_list\.txt: not UTF-8 at line 2"),
    ],
)
def test_a_wrong_line_of_a_list_is_named(lists, line, said):
    (lists / "train_list.txt").write_bytes(b"val/ants/01.png 0\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(DataError, match=said):
        from_lists(lists)


def test_lists_that_are_not_there_or_empty(lists):
    with pytest.raises(DataError, match="there is no file"):
        from_lists(lists, train_list_file="other.txt")
    with pytest.raises(DataError, match="there is no label file"):
        from_lists(lists, label_list_file="other.txt")
    (lists / "train_list.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="lists no pictures"):
        from_lists(lists)
    with pytest.raises(ConfigError, match="without lists"):
        BaseCVDataset(base_path=lists)
    with pytest.raises(ConfigError, match="predict_file"):
        from_lists(lists, predict_file="a", predict_list_file="b")


def test_a_folder_with_splits(folders):
    dataset = hub.dataset.load_images(folders)
    assert dataset.label_list == ["ants", "bees"]
    assert (len(dataset.train_examples), len(dataset.dev_examples), len(dataset.test_examples)) == (12, 4, 0)
    assert dataset.train_examples[0] == (str(folders / "train/ants/00.png"), 0)
    assert [label for _, label in dataset.dev_examples] == [0, 0, 1, 1]
    assert hub.dataset.load_images(folders / "train", folders / "val").dev_examples == dataset.dev_examples
    mapped = hub.dataset.load_images({"train": folders / "train", "validation": folders / "val"})
    assert mapped.dev_examples == dataset.dev_examples


def test_a_folder_with_paddlehubs_lists_is_read_by_them(lists, lines):
    dataset = hub.dataset.load_images(lists)
    assert len(dataset.test_examples) == 4
    assert any("read by its lists train_list.txt" in line for line in lines)


def test_one_folder_is_split_by_us_the_same_share_of_each_label_and_always_alike(tmp_path):
    for label in ("ants", "bees"):
        for place in range(20):
            picture(tmp_path / label / f"{place}.png", COLOURS[label], place)
    picture(tmp_path / "ants" / "deeper" / "one.png", COLOURS["ants"], 99)
    dataset = hub.dataset.load_images(tmp_path, test_part=0.25, seed=3)
    assert len(dataset.train_examples) + len(dataset.test_examples) == 41
    assert np.bincount(dataset.label_ids("test")).tolist() == [5, 5]
    whole = dataset.with_dev(1)
    assert len(whole.dev_examples) == 3
    everything = [*whole.train_examples, *whole.dev_examples, *whole.test_examples]
    assert len({path for path, _ in everything}) == 41
    again = hub.dataset.load_images(tmp_path, test_part=0.25, seed=3)
    assert again.test_examples == dataset.test_examples
    assert hub.dataset.load_images(tmp_path, test_part=0.25, seed=4).test_examples != dataset.test_examples


def test_tables_and_frames_of_paths(folders):
    rows = [(f"train/{label}/{place:02}.png", label) for label in ("bees", "ants") for place in range(6)]
    with_header = folders / "rows.csv"
    with_header.write_text("image,label\n" + "".join(f"{a},{b}\n" for a, b in rows), encoding="utf-8")
    bare = folders / "bare.tsv"
    bare.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    frame = pd.DataFrame({"kind": [b for _, b in rows], "where": [a for a, _ in rows]})
    expected = [(str(folders / a), ["ants", "bees"].index(b)) for a, b in rows]
    for given, settings in (
        (with_header, {}),
        (bare, {}),
        (frame, {"path": "where", "label": "kind", "base_path": folders}),
        (rows, {"base_path": folders}),
    ):
        dataset = hub.dataset.load_images(given, **settings)
        assert dataset.label_list == ["ants", "bees"]
        assert list(dataset.train_examples) == expected
    assert hub.dataset.load_images(with_header).train_examples.where(1) == f"{with_header}:3"


def test_of_two_columns_one_is_the_paths_and_the_other_the_labels(folders):
    rows = "".join(f"train/{label}/00.png,{label}\n" for label in ("ants", "bees"))
    for header in ("image,breed", "id,label"):
        (folders / "rows.csv").write_text(f"{header}\n{rows}", encoding="utf-8")
        found = hub.dataset.load_images(folders / "rows.csv").train_examples
        assert [(path[-11:], label) for path, label in found] == [("ants/00.png", 0), ("bees/00.png", 1)]
    (folders / "rows.csv").write_text(f"id,breed\n{rows}", encoding="utf-8")
    with pytest.raises(DataError, match="cannot tell which column is the label"):
        hub.dataset.load_images(folders / "rows.csv")


def test_rows_to_evaluate_are_the_models_labels_whatever_the_order_of_their_own(lists, lines):
    own = hub.dataset.load_images(lists)
    names = own.label_list[::-1]
    for turned in (labelled_rows(lists, names), hub.dataset.load_images(lists, label_list=names).test_examples):
        said = [(path, names[label]) for path, label in turned]
        assert said == [(path, own.label_list[label]) for path, label in own.test_examples]
    assert any("of its splits test is looked at: 4 pictures" in line for line in lines)
    with pytest.raises(DataError, match="is not known"):
        labelled_rows(lists, ["ants", "wasps"])
    (lists / "label_list.txt").unlink()
    assert labelled_rows(lists, names) == own.test_examples, "ids without names are the model's own"


def test_rows_to_evaluate_are_those_that_were_not_trained_on(folders):
    assert (
        labelled_rows(folders, ["bees", "ants"])
        == hub.dataset.load_images(test=folders / "val", label_list=["bees", "ants"]).test_examples
    )
    assert len(labelled_rows(folders / "train", ["ants", "bees"])) == 12


def test_a_split_that_is_named_goes_before_the_folders_own(folders, tmp_path):
    other = picture(tmp_path / "other/bees/1.png", COLOURS["bees"], 5).parents[1]
    dataset = hub.dataset.load_images(folders, test=other)
    assert [len(dataset.get_examples(split)) for split in ("train", "dev", "test")] == [12, 4, 1]
    assert dataset.label_list == ["ants", "bees"]
    assert len(hub.dataset.load_images(folders, other).dev_examples) == 1


def test_a_split_that_is_named_goes_before_the_lists_own(lists, tmp_path):
    other = picture(tmp_path / "other/bees/1.png", COLOURS["bees"], 5).parents[1]
    dataset = hub.dataset.load_images(lists, test=other)
    assert [len(dataset.get_examples(split)) for split in ("train", "dev", "test")] == [12, 4, 1]
    assert dataset.test_examples[0] == (str(other / "bees/1.png"), 1)


def test_columns_of_what_has_none_are_refused(lists, folders):
    for read in (
        lambda: hub.dataset.load_images(lists, path="a"),
        lambda: labelled_rows(lists, ["ants", "bees"], label="b"),
        lambda: labelled_rows(folders / "train", ["ants", "bees"], "a"),
        lambda: paths_in(lists / "predict_list.txt", "a"),
    ):
        with pytest.raises(ConfigError, match=r"which has no columns\n.*\n.*leave it out \(--text-column"):
            read()


def test_paths_to_predict_from_tables_and_lists(folders):
    expected = [str(folders / "train/bees/00.png"), str(folders / "train/ants/01.png")]
    names = ["train/bees/00.png", "train/ants/01.png"]
    for name, content in (
        ("a.csv", "path,note\n" + "".join(f"{each},x\n" for each in names)),
        ("b.csv", "image\n" + "".join(f"{each}\n" for each in names)),
        ("c.tsv", "".join(f"{each}\tx\n" for each in names)),
        ("d.txt", "\n".join(names) + "\n"),
        ("e.txt", "".join(f"{each} 1\n" for each in names)),
    ):
        (folders / name).write_text(content, encoding="utf-8")
        assert paths_in(folders / name) == expected, name
    (folders / "a.csv").write_text("x,path\n1,train/bees/gone.png\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.csv:2: there is no picture .*gone\.png"):
        paths_in(folders / "a.csv")


def test_faults_of_tables_are_named(folders):
    table = folders / "rows.csv"
    table.write_text("image,label\ntrain/ants/00.png,a\ntrain/ants/gone.png,b\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.csv:3: there is no picture .*gone\.png"):
        hub.dataset.load_images(table)
    with pytest.raises(DataError, match="no column 'picture'"):
        hub.dataset.load_images(table, path="picture")
    table.write_text("a,b,label\ntrain/ants/00.png,1,a\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot tell which column is the path"):
        hub.dataset.load_images(table)
    with pytest.raises(DataError, match=r"00\.png is a picture"):
        hub.dataset.load_images(folders / "train/ants/00.png")
    (folders / "pictures.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"pictures\.zip is an archive\n.*unpack it"):
        hub.dataset.load_images(folders / "pictures.zip")
    with pytest.raises(ConfigError, match=r"path='a' with the folder .*, which has no columns"):
        hub.dataset.load_images(folders, path="a")
    lone = folders / "lone.txt"
    lone.write_text("train/ants/00.png 0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"lone\.txt has one column\n.*a tab"):
        hub.dataset.load_images(lone)
    with pytest.raises(DataError, match="'x'"):
        hub.dataset.load_images([("x",)])
    with pytest.raises(DataError, match="int 5"):
        hub.dataset.load_images(5)
    with pytest.raises(DataError, match="there is no file"):
        hub.dataset.load_images(folders / "nowhere")
    with pytest.raises(DataError, match="there is no split 'tset'"):
        hub.dataset.load_images({"train": folders / "train", "tset": folders / "val"})


@pytest.mark.parametrize(
    ("missing", "said"),
    [(None, "missing"), (float("nan"), "missing"), (pd.NA, "missing"), (pd.NaT, "missing"), ("", "empty")],
)
def test_a_label_that_is_missing_is_no_class(folders, missing, said):
    paths = [str(folders / f"train/{label}/00.png") for label in ("ants", "bees")]
    with pytest.raises(DataError, match=rf"DataFrame\.iloc\[1\]: the label is {said}\n.*fill it in"):
        hub.dataset.load_images(pd.DataFrame({"path": paths, "label": ["ants", missing]}))
    with pytest.raises(DataError, match=rf"test\[0\]: the label is {said}"):
        hub.dataset.load_images(folders, test=[(paths[0], missing), (paths[1], "bees")])
    (folders / "rows.csv").write_text(f"path,label\n{paths[0]},ants\n{paths[1]},\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.csv:3: the label is empty"):
        hub.dataset.load_images(folders / "rows.csv")


def test_a_table_without_rows_and_lines_that_are_none(folders, lines):
    table = folders / "rows.csv"
    table.write_text("path,label\n", encoding="utf-8")
    for given, said in ((table, r"rows\.csv"), (pd.DataFrame({"path": [], "label": []}), "DataFrame"), ([], "train")):
        with pytest.raises(DataError, match=f"{said} has no rows"):
            hub.dataset.load_images(given)
    with pytest.raises(DataError, match=r"rows\.csv has no rows"):
        hub.dataset.load_images(folders, test=table)
    table.write_text("path,label\ntrain/ants/00.png,ants\n\n\ntrain/bees/00.png,bees\n", encoding="utf-8")
    assert len(hub.dataset.load_images(table).train_examples) == len(paths_in(table)) == 2
    assert sum("2 blank lines (the first is line 3) are no rows" in line for line in lines) == 2


def test_labels_that_look_alike_are_kept_and_said_as_of_texts(folders, lines):
    table = folders / "rows.csv"
    rows = [f"train/ants/0{number}.png,{label}\n" for number, label in enumerate(["ant", " ant", "Bee", "bee"])]
    table.write_text("path,label\n" + "".join(rows), encoding="utf-8")
    assert hub.dataset.load_images(table).num_labels == 4
    said = [line for line in lines if "labels that differ only by case, spaces or form" in line]
    assert ["'ant' (1 rows), ' ant' (1 rows)" in said[0], "'Bee' (1 rows), 'bee' (1 rows)" in said[1]] == [True, True]


def test_rows_of_a_frame_are_named_by_their_place_and_numbers_are_one_label_however_they_are_written(folders):
    paths = [str(folders / f"train/{label}/00.png") for label in ("ants", "bees")]
    frame = pd.DataFrame({"path": paths, "label": ["ants", "bees"]})
    with pytest.raises(DataError, match=r"DataFrame\.iloc\[0\]: label 'ants' of .*00\.png is not known"):
        hub.dataset.load_images(frame, label_list=["bees"])
    rows = hub.dataset.load_images(frame).train_examples
    assert rows.take([1]).where(0) == rows.relabelled(np.array([1, 0])).where(1) == "DataFrame.iloc[1]"
    dataset = hub.dataset.load_images([(paths[0], 1.0), (paths[1], np.int64(2)), (paths[0], "1")])
    assert dataset.label_list == ["1", "2"]


def test_folders_in_which_nothing_can_be_learnt(tmp_path, folders, lines):
    with pytest.raises(DataError, match="holds no label folders with pictures, but 6 files"):
        hub.dataset.load_images(folders / "train" / "ants")
    (folders / "train" / "wasps").mkdir()
    (folders / "train" / "ants" / "notes.txt").write_text("x", encoding="utf-8")
    dataset = hub.dataset.load_images(folders)
    assert dataset.label_list == ["ants", "bees"]
    assert any("no pictures in the label folders wasps" in line for line in lines)
    assert any("1 files that are no pictures" in line for line in lines)
    picture(folders / "val" / "wasps" / "0.png")
    with pytest.raises(DataError, match=r"label 'wasps' of wasps/0\.png is not known"):
        hub.dataset.load_images(folders)
    named = hub.dataset.load_images(folders, label_list=["wasps", "bees", "ants"])
    assert [label for _, label in named.dev_examples] == [2, 2, 1, 1, 0]
    assert any("1 of 3 labels have no training picture: wasps" in line for line in lines)
    with pytest.raises(DataError, match="every picture has the label 'only'"):
        hub.dataset.load_images([(str(folders / "train/ants/00.png"), "only")])


def of_folders(root, *names):
    """A picture in each folder, no two alike; their names in the order given."""
    for number, name in enumerate(names):
        picture(root / name / "0.png", mark=1000 + number)
    return root


def rows_of(dataset):
    return {
        split: [(os.path.relpath(path, dataset.base_path), dataset.label_list[label]) for path, label in rows]
        for split in ("train", "dev", "test")
        if len(rows := dataset.get_examples(split))
    }


@pytest.mark.parametrize(
    "names",
    [("val/ants", "val/bees", "test/ants"), ("val", "test"), ("train2017", "val2017"), ("train_1", "eval")],
)
def test_splits_without_train_are_no_labels(tmp_path, names):
    folder = of_folders(tmp_path / "splits", *names)
    with pytest.raises(DataError, match=r"(?s)splits without train/\n.*if these are labels"):
        hub.dataset.load_images(folder)
    tops = sorted({name.split("/")[0] for name in names})
    for as_labels in ({"train": {"train": folder}}, {"train": folder, "label_list": tops}):  # the ways that are said
        assert hub.dataset.load_images(**as_labels).label_list == tops


def test_an_evaluation_looks_at_splits_without_train(tmp_path):
    folder = of_folders(tmp_path, "val/ants", "test/ants", "test/bees")
    assert labelled_rows(folder, ["bees", "ants"]) == [
        (str(folder / "test/ants/0.png"), 1),
        (str(folder / "test/bees/0.png"), 0),
    ]
    (folder / "test").rename(tmp_path / "predict")
    assert [label for _, label in labelled_rows(folder, ["bees", "ants"])] == [1]


def test_folders_beside_splits_are_named(tmp_path, lines):
    folder = of_folders(tmp_path, "train/ants", "train/bees", "val/ants", "eval/bees")
    picture(folder / "loose.png", mark=5)
    picture(folder / "train" / "loose.png", mark=6)
    dataset = hub.dataset.load_images(folder)
    assert rows_of(dataset)["dev"] == [("val/ants/0.png", "ants")]
    assert any("eval/, loose.png beside train/, val/: no splits, left out" in line for line in lines)
    assert any("1 pictures lie in no label folder and are left out" in line for line in lines)
    lines.clear()
    assert len(hub.dataset.load_images(folder, folder / "eval").dev_examples) == 1, "the way that is said"


@pytest.mark.parametrize("name", ["train", "test"])
def test_a_label_that_is_called_as_a_split(tmp_path, lines, name):
    folder = of_folders(tmp_path / "vehicles", "plane", name, "car")
    wanted = {"train": [(f"{label}/0.png", label) for label in sorted(["plane", name, "car"])]}
    assert rows_of(hub.dataset.load_images(folder)) == wanted
    assert any(f"{name}/ is taken for a label, as car/, plane/" in line for line in lines)
    lines.clear()
    for said in ({"train": {"train": folder}}, {"train": folder, "label_list": sorted(["plane", name, "car"])}):
        dataset = hub.dataset.load_images(**said)
        dataset.base_path = str(folder)
        assert rows_of(dataset) == wanted
    assert not any("is taken for a label" in line for line in lines)
    assert [label for _, label in labelled_rows(folder, ["car", "plane", name])] == [0, 1, 2]
    of_folders(folder, f"{name}/deeper")
    if name == "test":
        with pytest.raises(DataError, match="test/, car/, plane/: splits without train/"):
            hub.dataset.load_images(folder)
    else:
        with pytest.raises(DataError, match="every picture has the label 'deeper'"):
            hub.dataset.load_images(folder)
        assert any("car/, plane/ beside train/: no splits, left out" in line for line in lines)


def test_pictures_without_labels_in_splits_are_not_told_apart_by_these(tmp_path):
    with pytest.raises(DataError, match=r"(test|train) holds no label folders"):
        hub.dataset.load_images(of_folders(tmp_path / "a", "train", "test"))
    with pytest.raises(DataError, match=r"(test|train) holds no label folders"):
        hub.dataset.load_images(of_folders(tmp_path / "b", "train", "test1"))


def test_the_same_picture_in_two_splits_is_named(folders, lines):
    twin = folders / "val/bees/again.png"
    twin.write_bytes((folders / "train/bees/03.png").read_bytes())
    hub.dataset.load_images(folders)
    (warning,) = (line for line in lines if "are in train too" in line)
    assert "1 pictures of dev" in warning
    assert f"{twin} = {folders / 'train/bees/03.png'}" in warning


def test_the_same_picture_on_both_sides_of_our_own_split_is_named_once(tmp_path, lines):
    for label in ("ants", "bees"):
        for place in range(10):
            picture(tmp_path / label / f"{place}.png", COLOURS[label])  # all of a label alike
    dataset = hub.dataset.load_images(tmp_path, test_part=0.2)
    assert not [line for line in lines if "of dev are in" in line]
    assert [line for line in lines if "4 pictures of test are in train too" in line]
    held = dataset.with_dev(3)
    dataset.with_dev(3)
    assert len([line for line in lines if "2 pictures of dev are in train too" in line]) == 1
    assert len([line for line in lines if "2 pictures of dev are in test too" in line]) == 1
    assert [len(held.get_examples(split)) for split in ("train", "dev", "test")] == [14, 2, 4]


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_a_label_that_our_own_split_takes_from_the_training_rows_is_named(tmp_path, lines, kind):
    rows = [(str(picture(tmp_path / "0.png")), "ant"), (str(picture(tmp_path / "1.png", mark=1)), "bee")]
    dataset = hub.dataset.load_images(rows, kind=kind)
    held = dataset.with_dev(3)
    (lost,) = {"ant", "bee"} - {dataset.label_list[row] if kind == "classes" else row for _, row in held.train_examples}
    assert any(f"1 of 2 labels have no training picture left, they went to dev: {lost}" in line for line in lines)
    lines.clear()
    named = hub.dataset.load_images(rows, label_list=["ant", "bee", "wasp"], kind=kind)
    assert any("1 of 3 labels have no training picture: wasp" in line for line in lines)
    named.with_dev(3)
    assert any(f"1 of 3 labels have no training picture left, they went to dev: {lost}" in line for line in lines)


def test_empty_and_truncated_pictures_are_named_and_left_out_where_that_is_asked(folders, lines):
    (folders / "train/ants/01.png").write_bytes(b"")
    whole = (folders / "train/bees/02.png").read_bytes()
    (folders / "train/bees/02.png").write_bytes(whole[: len(whole) // 2])
    (folders / "val/bees/00.png").write_text("a text", encoding="utf-8")
    refused = hub.dataset.load_images(folders)
    assert len(refused.train_examples) == 12
    assert any("1 of 12 pictures of train are empty files" in line and "01.png" in line for line in lines)
    kept = hub.dataset.load_images(folders, broken="skip")
    assert (len(kept.train_examples), len(kept.dev_examples)) == (10, 3)
    assert any("2 of 12 pictures of train cannot be read and are left out" in line for line in lines)
    assert not {"train/ants/01.png", "train/bees/02.png"} & set(map(str, paths_of(kept.train_examples)))
    with pytest.raises(ConfigError, match="broken='no'"):
        hub.dataset.load_images(folders, broken="no")
    with pytest.raises(ConfigError, match="test_part=2"):
        hub.dataset.load_images(folders, test_part=2)


def test_rows_are_assignable_as_lists(folders):
    dataset = hub.dataset.load_images(folders)
    dataset.train_examples = [dataset.train_examples[row] for row in (0, 7, 8)]
    assert dataset.label_ids("train").tolist() == [0, 1, 1]
    dataset.dev_examples = [("a.png", "bees"), ("b.png", np.int64(0)), ["c.png", "1"]]
    assert dataset.label_ids("dev").tolist() == [1, 0, 1]
    for wrong in ("c.png", ("c.png", None), ("c.png", 2), ("c.png", "wasps"), ("c.png", True)):
        dataset.dev_examples = [("a.png", 0), wrong]
        with pytest.raises(DataError, match=r"dev_examples\[1\]"):
            dataset.label_ids("dev")
    with pytest.raises(DataError, match="row 0"):
        paths_of([3])


def test_another_order_of_the_same_labels_is_another_numbering_of_the_same_rows(folders):
    dataset = hub.dataset.load_images(folders)
    dataset.test_examples = [(path, label) for path, label in dataset.dev_examples]
    turned = dataset.relabelled(["bees", "wasps", "ants"])
    assert [label for _, label in turned.dev_examples] == [2, 2, 0, 0]
    assert turned.label_ids("test").tolist() == [2, 2, 0, 0]
    assert dataset.label_list == ["ants", "bees"]
    with pytest.raises(DataError, match="label 'ants' is not known"):
        dataset.relabelled(["bees"])


def test_rows_to_predict_have_no_labels_to_renumber(folders):
    dataset = hub.dataset.load_images(folders)
    dataset.predict_examples = ["a.png", ("b.png", None)]
    assert dataset.relabelled(["bees", "ants"]).predict_examples == ["a.png", ("b.png", None)]
    for wrong in (None, 7):
        dataset.dev_examples = [("a.png", wrong)]
        with pytest.raises(DataError, match=r"dev_examples\[0\]"):
            dataset.relabelled(["bees", "ants"])


def test_a_fingerprint_knows_names_sizes_and_labels_and_not_the_place(folders, tmp_path_factory):
    import shutil

    dataset = hub.dataset.load_images(folders)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(folders, elsewhere)
    assert hub.dataset.load_images(elsewhere).fingerprint("train") == dataset.fingerprint("train")
    other = dataset.train_examples.relabelled(np.array([1, 0], np.int32))
    assert fingerprint(other) != dataset.fingerprint("train")
    picture(elsewhere / "train/ants/00.png", (9, 9, 9)).write_bytes(b"other")
    assert hub.dataset.load_images(elsewhere).fingerprint("train") != dataset.fingerprint("train")
    (elsewhere / "train/ants/00.png").unlink()
    with pytest.raises(DataError, match="there is no picture"):
        fingerprint(Pictures.of(str(elsewhere), [b"train/ants/00.png"], [0], "x"))


def test_names_that_are_not_text_are_paths_all_the_same(tmp_path):
    odd = os.fsencode(tmp_path) + b"/ants/caf\xe9.png"
    picture(tmp_path / "ants" / "a.png")
    os.rename(os.fsencode(tmp_path / "ants" / "a.png"), odd)
    picture(tmp_path / "bees" / "b.png", mark=2)
    dataset = hub.dataset.load_images(tmp_path)
    assert os.fsencode(dataset.train_examples[0][0]) == odd
    assert decode(dataset.train_examples[0][0]).size == (12, 10)
    assert len(dataset.fingerprint("train")) == 64


def test_a_large_folder_costs_its_index_only(tmp_path):
    for label in range(10):
        (tmp_path / str(label)).mkdir()
        for place in range(500):
            (tmp_path / str(label) / f"{place}.jpg").touch()
    started = time.perf_counter()
    dataset = hub.dataset.load_images(tmp_path)
    assert time.perf_counter() - started < 2  # 0.03 measured
    assert len(dataset.train_examples) == 5000
    paths = paths_of(dataset.train_examples)
    assert not isinstance(paths, list), "paths are made when they are looked at"
    assert list(paths[498:501]) == [paths[498], paths[499], str(tmp_path / "1" / "0.jpg")]
    assert dataset.label_list == [str(label) for label in range(10)]


def test_paddlehubs_sets_are_found_under_their_names(real_data):
    real_data("flower_photos")
    flowers = hub.dataset.Flowers()
    assert flowers.num_labels == 5
    assert len(flowers.train_examples) == 300
    assert os.path.isfile(flowers.test_examples[0][0])
    assert hub.dataset.DogCatDataset is hub.dataset.DogCat
    assert hub.dataset.DogCat().num_labels == 2


@pytest.mark.parametrize("name", ["Flowers", "DogCat", "StanfordDogs", "Indoor67", "Food101"])
def test_a_set_that_is_not_there_says_so(name, monkeypatch, tmp_path):
    monkeypatch.setenv("TRANSFERHUB_DATASETS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError, match=f"the data set {name} is not downloaded"):
        getattr(hub.dataset, name)()


def rows_in(folders):
    return [(str(path), path.parent.name) for path in sorted((folders / "train").rglob("*.png"))]


def test_an_empty_list_or_frame_is_no_split_and_an_empty_file_is_an_error(folders):
    rows = rows_in(folders)
    frame = pd.DataFrame(rows, columns=["path", "label"])
    for loaded in (
        hub.dataset.load_images(rows, dev=[], test=[]),
        hub.dataset.load_images({"train": rows, "dev": []}),
        hub.dataset.load_images(frame, test=frame[:0]),
    ):
        assert [len(loaded.get_examples(split)) for split in ("train", "dev", "test")] == [12, 0, 0]
    (folders / "none.csv").write_text("path,label\n")
    with pytest.raises(DataError, match=r"none\.csv has no rows"):
        hub.dataset.load_images(rows, test=folders / "none.csv")
    with pytest.raises(DataError, match="has no rows"):
        hub.dataset.load_images([], test=rows)


@pytest.mark.parametrize(
    ("label_list", "written", "named"),
    [
        ([0.0, 1.0], [1.0, 0.0], ["0", "1"]),
        ([0.0, 1.5], [1.5, 0.0], ["0", "1.5"]),
        (None, list(pd.cut([1, 5], [0, 3, 9])), ["(0, 3]", "(3, 9]"]),
        (
            None,
            [pd.Timestamp("2026-01-02"), pd.Timestamp("2026-01-01")],
            ["2026-01-01 00:00:00", "2026-01-02 00:00:00"],
        ),
    ],
)
def test_numbers_intervals_and_dates_are_labels(folders, label_list, written, named):
    frame = pd.DataFrame({"path": [path for path, _ in rows_in(folders)], "label": written * 6})
    loaded = hub.dataset.load_images(frame, label_list=label_list)
    assert loaded.label_list == named
    assert sorted(loaded.label_ids("train")) == [0] * 6 + [1] * 6


@pytest.mark.parametrize("rubbish", ["__MACOSX", "@eaDir"])
def test_rubbish_beside_the_pictures_of_a_label_called_test_makes_it_no_split(tmp_path, rubbish):
    for label in ("test", "control"):
        for number in range(2):
            picture(tmp_path / label / f"{number}.png", mark=number)
    (tmp_path / "test" / rubbish).mkdir()
    assert hub.dataset.load_images(tmp_path).label_list == ["control", "test"]
