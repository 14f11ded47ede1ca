"""A query and two texts: which of them is nearer?"""

import shutil

import numpy as np
import pytest
import torch

import transferhub as hub
from conftest import crash_at
from matching_rows import config, dataset, pairs, triples, vectors
from transferhub import atomic
from transferhub.dataset import BaseDataset, TripleExample
from transferhub.errors import ConfigError, DataError
from transferhub.graph import Network
from transferhub.task.triple_meter import TripleMeter

ROWS = [["the bed", "a clean room was", "soup"], ["tasty", "plot", "the food"]]


@pytest.fixture
def rows():
    return dataset(triples(56))


@pytest.fixture
def module(tmp_path):
    return vectors(tmp_path)


def make(module, rows, run="run", network="bow", loss="hinge", metrics="default", **more):
    _, outputs, _ = module.context(trainable=True, max_seq_len=16, num_slots=3)
    tokenizer = hub.CustomTokenizer(module.get_vocab_path(), cut_function="whitespace")
    return hub.PairwiseTextMatchingTask(
        outputs["emb"],
        outputs["emb_2"],
        outputs["emb_3"],
        tokenizer,
        rows,
        network,
        config(run, **more),
        metrics,
        loss=loss,
    )


@pytest.mark.parametrize(("network", "loss"), [("bow", "hinge"), ("cnn", "rank"), ("gru", "hinge"), (None, "rank")])
def test_triples_are_learnt_saved_and_predicted_alone(module, rows, in_tmp, network, loss):
    task = make(module, rows, "run", network, loss)
    result = task.finetune_and_eval()
    assert list(result.dev) == ["acc", "loss"]
    found = task.predict(ROWS)
    records = found.records()
    assert list(records[0]) == ["query", "left", "right", "label", "left_similarity", "right_similarity"]
    for record in records:
        assert record["label"] == str(int(record["left_similarity"] > record["right_similarity"]))
        assert -1.0001 <= record["left_similarity"] <= 1.0001
    shutil.move("run/best_model", "alone")
    shutil.rmtree(module.directory)
    opened = hub.load("alone")
    assert opened.predict(ROWS).records() == records
    assert opened.evaluate(rows.test_examples)["loss"] == pytest.approx(result.test["loss"], abs=1e-5)
    header = (in_tmp / "run" / "predictions" / "dev.csv").read_text().splitlines()[0]
    assert header == "query,left,right,label,predicted,left_similarity,right_similarity"
    assert "confusion" in (in_tmp / "run" / "report.html").read_text().lower()


def test_which_is_nearer_is_learnt_and_a_text_is_as_near_on_either_side(module, rows, in_tmp):
    rows.train_examples = triples(200, seed=3)
    task = make(module, rows)
    assert task.finetune_and_eval().dev["acc"] > 0.8
    there, back = task.predict([ROWS[0], [ROWS[0][0], ROWS[0][2], ROWS[0][1]]]).records()
    assert there["left_similarity"] == pytest.approx(back["right_similarity"], abs=1e-6)
    assert there["label"] != back["label"]


def test_of_pairs_the_similarity_is_given(module, rows, in_tmp):
    task = make(module, rows, num_epoch=1)
    task.finetune_and_eval()
    pairs_of_rows = [row[:2] for row in ROWS]
    found = task.predict(pairs_of_rows)
    assert found.labels == pytest.approx([r["left_similarity"] for r in task.predict(ROWS).records()], abs=1e-6)
    assert list(found.records()[0]) == ["text", "text_pair", "similarity"]


def test_a_stopped_run_ends_with_the_same_bits(module, rows, in_tmp):
    quiet = make(module, rows, "quiet", num_epoch=3).finetune_and_eval()
    crash_at(make(module, rows, "stopped", num_epoch=3), 7)
    again = make(module, rows, "stopped", num_epoch=3).finetune_and_eval()
    assert (again.dev, again.test) == (quiet.dev, quiet.test)
    names = ("step_12/model.safetensors", "step_12/optimizer.safetensors", "best_model/network.safetensors")
    assert all(atomic.sha256(in_tmp / "quiet" / n) == atomic.sha256(in_tmp / "stopped" / n) for n in names)


def test_the_losses_are_those_of_their_definitions(module, rows):
    left, right = torch.tensor([[0.9], [0.2], [0.5]]), torch.tensor([[0.1], [0.25], [0.45]])

    def losses(loss):
        task = make(module, rows, loss=loss)
        outputs = dict(zip([each.name for each in task.outputs], (left, right), strict=True))
        return task.losses(outputs, {"labels": torch.tensor([1, 0, 0])})

    assert losses("hinge").tolist() == pytest.approx([0.0, 0.05, 0.15], abs=1e-6)
    rank = losses("rank")
    ahead = np.array([0.8, 0.05, -0.05])
    assert rank.tolist() == pytest.approx(np.log1p(np.exp(-ahead)).tolist(), abs=1e-6)


def test_the_weights_of_the_three_texts_are_one(module, rows):
    kinds = [type(part).__name__ for part in Network(make(module, rows).outputs).parts]
    assert kinds.count("Dense") == 2
    assert kinds.count("WordEmbedding") == 1


def test_texts_of_a_query_are_ranked_together():
    texts = [("q", "good", "bad"), ("q", "worse", "good"), ("p", "x", "y")]
    meter = TripleMeter(["acc", "mrr", "map"], ["left", "right"], [TripleExample(None, *each) for each in texts])
    outputs = {"left": torch.tensor([[0.5], [0.9], [0.3]]), "right": torch.tensor([[0.1], [0.5], [0.2]])}
    meter.update(outputs, {"labels": torch.tensor([1, 0, 1])}, np.arange(3))
    # q: worse .9, good .5, bad .1, the right one on the second place; p: on the first. One of three triples is wrong.
    assert meter.scores() == {"acc": pytest.approx(2 / 3), "mrr": pytest.approx(0.75), "map": pytest.approx(0.75)}


def test_files_of_triples_are_a_data_set_and_are_predicted(module, in_tmp):
    rows = triples(44)
    header = "query,left,right,label\n"
    lines = [f"{row.text_a},{row.text_b},{row.text_c},{row.label}\n" for row in rows]
    (in_tmp / "train.csv").write_text(header + "".join(lines[:32]))
    (in_tmp / "dev.csv").write_text(header + "".join(lines[32:]))
    task = hub.PairwiseTextMatchingTask(
        module="word2vec_skipgram",
        dataset={"train": in_tmp / "train.csv", "dev": in_tmp / "dev.csv"},
        network="bow",
        config=config("run", num_epoch=1),
        metrics_choices=["mrr", "acc"],
    )
    result = task.finetune_and_eval()
    assert list(result.dev) == ["mrr", "acc", "loss"]
    assert task.evaluate(in_tmp / "dev.csv")["acc"] == pytest.approx(result.dev["acc"])
    assert len(task.predict(in_tmp / "dev.csv").labels) == 12


def test_one_label_in_training_is_no_other_label(module, in_tmp):
    made = BaseDataset()
    made.train_examples = [row for row in triples(40) if row.label == "1"]
    made.dev_examples = triples(12)
    task = make(module, made, num_epoch=1)
    assert task.label_list == ["0", "1"]
    assert task.reader.columns("train", made).labels.tolist() == [1] * 20
    assert "acc" in task.finetune_and_eval().dev


def test_what_does_not_fit_is_refused(module, rows, in_tmp):
    _, outputs, _ = module.context(trainable=False, num_slots=3)
    features = [outputs["emb"], outputs["emb_2"], outputs["emb_3"]]
    task = hub.PairwiseTextMatchingTask
    for message, given in {
        "one of|hinge or rank": {"loss": "huber"},
        "margin": {"margin": -1},
        "metrics_choices": {"metrics_choices": ["auc"]},
        "two: right is nearer": {"label_list": ["a", "b", "c"]},
        "data set of triples": {"dataset": [1, 2]},
        "texts a row": {"data_reader": hub.reader.TextMatchingReader(module.get_vocab_path(), num_slots=2)},
    }.items():
        with pytest.raises(ConfigError, match=message):
            task(*features, **{"dataset": rows, **given})
    with pytest.raises(ConfigError, match="right_feature=None"):
        task(*features[:2], dataset=rows)
    with pytest.raises(ConfigError, match="nothing to train"):
        task(*features, dataset=rows, config=config("frozen")).finetune_and_eval()
    assert not (in_tmp / "frozen").exists()
    with pytest.raises(DataError, match="a triple"):
        task(*features, dataset=dataset(pairs(56)), network="bow", config=config("run")).finetune_and_eval()


def test_mixed_and_broken_rows_are_refused(module, rows, in_tmp):
    made = make(module, rows, num_epoch=1)
    made.finetune_and_eval()
    for given in ([["a"]], ["a"], [ROWS[0], ROWS[0][:2]], [ROWS[0][:2], ROWS[0]], [["a", None, "b"]]):
        with pytest.raises(DataError):
            made.predict(given)
    (in_tmp / "pairs.csv").write_text("query,left\na,b\n")
    with pytest.raises(DataError, match="none for right"):
        made.predict(in_tmp / "pairs.csv")
    (in_tmp / "hole.csv").write_text("query,left,right\na,b,c\na,,c\n")
    with pytest.raises(DataError, match=r"hole\.csv:3: left is empty"):
        made.predict(in_tmp / "hole.csv")
    labels = "query,left,right,label\na,b,c,near\nd,e,f,far\ng,h,i,near\nj,k,l,fra\n"
    (in_tmp / "third.csv").write_text(labels)
    with pytest.raises(
        DataError, match=r"third\.csv:5: the label 'fra' is a third one, after 'near' \(line 2\), 'far'"
    ):
        make(module, in_tmp / "third.csv", num_epoch=1)
