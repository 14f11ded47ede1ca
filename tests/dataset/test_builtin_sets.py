"""Every built-in text set from files written as `sets.toml` says, and from the real ones where they are."""

from pathlib import Path

import numpy as np
import pytest

import transferhub as hub
from transferhub.dataset import InputExample, TripleExample, store, targets
from transferhub.dataset.base_nlp_dataset import MRCDataset, MultiLabelDataset, SeqLabelingDataset
from transferhub.dataset.builtin import cards
from transferhub.dataset.builtin_sets import GLUE, NAMES, triples
from transferhub.dataset.kinds import KINDS
from transferhub.errors import ConfigError, DataError

SQUAD = '{"data": [{"title": "t", "paragraphs": [{"context": "a b", "qas": [%s]}]}]}'
QUESTION = '{"id": "%d", "question": "q", "answers": [{"text": "b", "answer_start": 2}]}'
ROLES = {"text": "text %d", "pair": "second %d", "third": "third %d"}


def made(folder, card, rows=4):
    """The files of a card with `rows` rows each, written by what the card says."""
    mark = {"tab": "\t", "csv": ","}.get(card.separator, card.separator)
    folder.mkdir(parents=True)
    if card.labels_file:
        (folder / card.labels_file).write_text("O\nB-X\n", encoding="utf-8")
    for phase, file in card.files.items():
        if card.kind == "answers":
            text = SQUAD % ", ".join(QUESTION % number for number in range(rows))
            (folder / file).write_text(text, encoding="utf-8")
            continue
        columns = card.predict if phase == "predict" else card.columns
        places = [place for given in columns.values() for place in (given if isinstance(given, list) else [given])]
        width = 11 if min(places) < 0 else 1 + max(places)
        lines = [mark.join(f"name{column}" for column in range(width))] if card.has_header(phase) else []
        for number in range(rows):
            cells = [str(number)] * width
            for role, given in columns.items():
                for place in given if isinstance(given, list) else [given]:
                    cells[place] = value(card, role, number)
            lines.append(mark.join(cells))
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def value(card, role, number):
    if role != "label":
        return f"我\x02{number}" if card.kind == "tags" else ROLES[role] % number
    return {
        "classes": (card.labels or [""])[number % len(card.labels or [""])],
        "labels": str(number % 2),
        "value": f"{number}.5",
        "tags": f"{(card.labels or ['O'])[0]}\x02O",
    }[card.kind]


def build(name):
    if name in GLUE.names:
        return hub.dataset.GLUE(name)
    return hub.dataset.SQUAD(True) if name == "SQUAD2" else getattr(hub.dataset, name)()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERHUB_DATASETS", str(tmp_path / "sets"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "sets"


@pytest.mark.parametrize("name", sorted(cards()))
def test_each_set_is_read_as_its_card_says(root, name):
    card = cards()[name]
    made(root / card.folder.format(language="zh"), card)  # files of XNLI are named below
    for file in (root / "XNLI-lan" / "zh").glob("{language}*"):
        file.rename(file.with_name(file.name.format(language="zh")))
    dataset = build(name)
    assert dataset.kind == card.kind
    assert dataset.kind in KINDS
    assert {phase for phase in ("train", "dev", "test", "predict") if dataset.get_examples(phase)} == {*card.files}
    for phase in card.files:
        rows = dataset.get_examples(phase)
        assert len(rows) == 4
        assert (rows[3].label is None) == (phase == "predict")
        if card.kind == "tags":
            assert rows[3].text_a == "我\x023"
        elif card.kind != "answers":
            assert rows[3].text_a == "text 3"
            assert rows[3].text_b == ("second 3" if "pair" in card.columns else None)
            assert isinstance(rows[3], TripleExample) == ("third" in card.columns)
    if card.labels:
        assert dataset.label_list == card.labels
    if card.kind == "classes":
        assert dataset.label_ids("train").tolist() == [number % dataset.num_labels for number in range(4)]
    if card.kind == "labels":
        assert targets.label_sets(dataset, "dev").tolist() == [[number % 2] * 6 for number in range(4)]
    if card.kind == "value":
        assert targets.values(dataset, "dev").tolist() == [0.5, 1.5, 2.5, 3.5]
    assert dataset.metric
    assert dataset.licence
    assert dataset.citation


@pytest.mark.parametrize("name", sorted(cards()))
def test_a_set_that_is_nowhere_is_named(root, name):
    with pytest.raises(DataError, match=r"is not downloaded(?s:.)*put its folder") as caught:
        build(name)
    assert (cards()[name].variant_of or name).split("_")[0].lower() in str(caught.value).lower()


def test_a_folder_without_its_training_file_is_not_downloaded(root):
    (root / "bq").mkdir(parents=True)
    with pytest.raises(DataError, match=r"BQ is not downloaded: .*bq has no train\.txt"):
        hub.dataset.BQ()


def test_files_that_are_not_there_are_said(root, lines):
    (root / "bq").mkdir(parents=True)
    (root / "bq" / "train.txt").write_text("a\tb\t1\nc\td\t0\n", encoding="utf-8")
    assert len(hub.dataset.BQ().train_examples) == 2
    assert any("dev.txt, test.txt is not in" in line for line in lines)


@pytest.mark.parametrize("big", [False, True])
def test_damaged_rows_are_counted_and_left_out(root, lines, monkeypatch, big):
    if big:
        monkeypatch.setattr(store, "BIG", 0)
    (root / "lcqmc").mkdir(parents=True)
    text = 'text_a\ttext_b\tlabel\na "x\tb\t1\nonly one\n\nc\td\t7\ne\tf\tg\t1\ng\th\t0\n'
    for name in ("train", "dev", "test"):
        (root / "lcqmc" / f"{name}.tsv").write_text(text, encoding="utf-8")
    for _ in range(2):
        lines.clear()
        rows = hub.dataset.LCQMC().train_examples
        assert list(rows) == [InputExample(0, 'a "x', "b", "1"), InputExample(0, "g", "h", "0")]
        assert rows.where(1).endswith("train.tsv:7")
        (said,) = [line for line in lines if "[Discard Incorrect Data]" in line and "train.tsv: 3 rows" in line]
        assert "train.tsv:3: 1 columns; " in said
        assert "train.tsv:5: label '7' is not known" in said


def test_a_file_of_damaged_rows_only_is_an_error(root):
    (root / "bq").mkdir(parents=True)
    (root / "bq" / "train.txt").write_text("a,b,1\nc,d,0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.txt:1: 1 columns(?s:.)*BQ's columns"):
        hub.dataset.BQ()
    (root / "bq" / "train.txt").write_text("a\tb\t3\nc\td\t4\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"none of 2 rows can be used: .*label '3' is not known"):
        hub.dataset.BQ()


def test_names_that_are_no_set_are_refused(root):
    with pytest.raises(ConfigError, match=r"GLUE has no 'SST2'(?s:.)*did you mean 'SST-2'"):
        hub.dataset.GLUE("SST2")
    with pytest.raises(ConfigError, match="no language 'ja'"):
        hub.dataset.XNLI("ja")
    with pytest.raises(AttributeError, match=r"has no attribute 'MSRA_NRE'; did you mean 'MSRA_NER'"):
        _ = hub.dataset.MSRA_NRE
    assert {*NAMES, "load"} <= {*dir(hub.dataset)}


def test_the_classes_of_a_kind_are_1xs():
    assert issubclass(hub.dataset.MSRA_NER, SeqLabelingDataset)
    assert issubclass(hub.dataset.Toxic, MultiLabelDataset)
    assert issubclass(hub.dataset.DRCD, MRCDataset)
    assert "Liu et al." in hub.dataset.BQ.__doc__ or "Chen et al." in hub.dataset.BQ.__doc__


def test_triples_have_one_text_that_fits_on_either_side(lines):
    rows = [
        InputExample(place, query, text, label)
        for place, (query, text, label) in enumerate(
            [("q", "a", "1"), ("q", "b", "0"), ("q", "c", "0"), ("r", "d", "1"), ("s", "e", "0"), ("s", "f", "1")]
        )
    ]
    assert triples(rows, "here") == [
        TripleExample(0, "q", "a", "b", "1"),
        TripleExample(0, "q", "c", "a", "0"),
        TripleExample(0, "s", "f", "e", "1"),
    ]
    assert any("here: 3 triples of 2 queries; 1 queries have texts of one label only" in line for line in lines)


COUNTS = {
    "LCQMC": ("lcqmc", 8802, 1500, 1500),
    "BQ": ("bq", 10000, 1500, 1500),
    "XNLI": ("XNLI-lan/zh", 9600, 2490, 5010),
    "TNews": ("tnews", 7837, 1500, 1500),
    "IFLYTEK": ("iflytek", 3024, 1200, 1500),
    "MSRA_NER": ("msra_ner", 10000, 1500, 1500),
    "Toxic": ("toxic", 308, 25, 60),
    "DRCD": ("drcd", 2004, 3524, 1489),
    "SQUAD": ("squad_data", 1500, 1105, 0),
    "SQUAD2": ("squad_data", 2000, 1000, 0),
    "CoLA": ("glue_data/CoLA", 8551, 1043, 0),
    "MRPC": ("glue_data/MRPC", 3667, 408, 0),
    "STS-B": ("glue_data/STS-B", 5749, 1500, 0),
    "RTE": ("glue_data/RTE", 2490, 277, 0),
    "QNLI": ("glue_data/QNLI", 4463, 1000, 0),
    "QQP": ("glue_data/QQP", 9, 9, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_real_sets_have_their_counts_and_no_damaged_row(real_data, lines, name):
    folder, *counts = COUNTS[name]
    real_data(folder)
    dataset = build(name)
    assert [len(dataset.get_examples(phase)) for phase in ("train", "dev", "test")] == counts
    assert not [line for line in lines if "Discard" in line]
    if dataset.kind == "classes":
        assert set(dataset.label_ids("train")) == set(range(dataset.num_labels))
    if dataset.kind == "tags":
        rows = [targets.tags(row, dataset.label_index, "here") for row in dataset.dev_examples]
        assert all(len(tokens) == len(ids) for tokens, ids in rows)
    if dataset.kind == "value":
        values = targets.values(dataset, "train")
        assert (values.min(), values.max()) == (0, 5)
        assert values.dtype == np.float32
    if dataset.kind == "answers":
        assert all(row.trainable for row in dataset.train_examples)


def test_the_documents_table_has_every_set_with_its_folder_and_licence():
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    for card in cards().values():
        folder = card.folder.format(language="zh")
        assert any(
            f"| {card.summary} | `{folder}` |" in line and line.endswith(f"{', '.join(card.metric)} | {card.licence} |")
            for line in page.splitlines()
        ), card.name
