"""Pairs of texts with a label, each text read by itself."""

import shutil

import numpy as np
import pytest

import transferhub as hub
from conftest import crash_at
from matching_rows import config, dataset, pairs, triples, vectors
from transferhub import atomic
from transferhub.errors import ConfigError, DataError
from transferhub.graph import Network

ROWS = [["the bed was clean", "a room"], ["soup", "the film was very dull and the plot was a plot"]]


@pytest.fixture
def rows():
    return dataset(pairs(56))


@pytest.fixture
def module(tmp_path):
    return vectors(tmp_path)


def make(module, rows, run, network="bow", **more):
    _, outputs, _ = module.context(trainable=True, max_seq_len=16, num_slots=2)
    tokenizer = hub.CustomTokenizer(module.get_vocab_path(), cut_function="whitespace")
    return hub.PointwiseTextMatchingTask(
        query_feature=outputs["emb"],
        title_feature=outputs["emb_2"],
        tokenizer=tokenizer,
        dataset=rows,
        network=network,
        config=config(run, **more),
    )


@pytest.mark.parametrize("network", ["bow", "cnn", "gru", "lstm", "dpcnn", None])
def test_pairs_are_learnt_saved_and_predicted_alone(module, rows, in_tmp, network):
    task = make(module, rows, "run", network, num_epoch=6 if network != "dpcnn" else 1)
    result = task.finetune_and_eval()
    assert list(result.dev) == ["acc", "f1", "precision", "recall", "loss"]
    assert "confusion" in (in_tmp / "run" / "report.html").read_text().lower()
    found = task.predict(ROWS)
    assert [set(record) for record in found.records()] == [{"text", "text_pair", "label", "0", "1"}] * 2
    shutil.move("run/best_model", "alone")
    shutil.rmtree(module.directory)
    opened = hub.load("alone")
    np.testing.assert_array_equal(opened.predict(ROWS).probabilities, found.probabilities)
    one_by_one = np.concatenate([opened.predict([row]).probabilities for row in ROWS])
    np.testing.assert_allclose(one_by_one, found.probabilities, atol=1e-5, err_msg="padding changes nothing")
    assert opened.evaluate(rows.test_examples)["acc"] == pytest.approx(result.test["acc"])
    header = (in_tmp / "run" / "predictions" / "dev.csv").read_text().splitlines()[0]
    assert header == "text,text_pair,label,predicted,0,1"


def test_what_goes_together_is_learnt(module, rows, in_tmp):
    rows.train_examples = pairs(200, seed=3)
    result = make(module, rows, "run", num_epoch=8).finetune_and_eval()
    assert result.dev["acc"] > 0.8


def test_a_stopped_run_ends_with_the_same_bits(module, rows, in_tmp):
    quiet = make(module, rows, "quiet", "gru", num_epoch=3).finetune_and_eval()
    crash_at(make(module, rows, "stopped", "gru", num_epoch=3), 7)
    again = make(module, rows, "stopped", "gru", num_epoch=3).finetune_and_eval()
    assert (again.dev, again.test) == (quiet.dev, quiet.test)
    names = ("step_12/model.safetensors", "step_12/optimizer.safetensors", "best_model/network.safetensors")
    assert all(atomic.sha256(in_tmp / "quiet" / n) == atomic.sha256(in_tmp / "stopped" / n) for n in names)


def test_both_texts_are_read_by_the_same_weights(module, rows, in_tmp):
    task = make(module, rows, "run")
    kinds = [type(part).__name__ for part in Network([task.feature]).parts]
    assert kinds.count("Dense") == 2, "bow's two layers, once"
    assert kinds.count("WordEmbedding") == 1


def test_the_short_door_takes_a_module_by_name(module, rows, in_tmp):
    task = hub.PointwiseTextMatchingTask(
        module="word2vec_skipgram", dataset=rows, network="bow", max_seq_len=16, config=config("run", num_epoch=1)
    )
    assert task.reader.num_slots == 2
    assert task.finetune_and_eval().steps == 4


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("network", [None, "cnn"])
def test_a_transformer_reads_both_texts(tiny, rows, in_tmp, trainable, network):
    module = hub.Module(directory=tiny)
    _, outputs, _ = module.context(trainable=trainable, max_seq_len=16, num_slots=2)
    name = "sequence_output" if network else "pooled_output"
    task = hub.PointwiseTextMatchingTask(
        outputs[name],
        outputs[f"{name}_2"],
        hub.BertTokenizer(module.get_vocab_path()),
        rows,
        network,
        config("run", num_epoch=2),
    )
    task.finetune_and_eval()
    expected = task.predict(ROWS).probabilities
    shutil.move("run/best_model", "alone")
    np.testing.assert_allclose(hub.load("alone").predict(ROWS).probabilities, expected, atol=1e-6)


def test_frozen_features_of_pairs_are_kept_and_those_of_the_network(tiny, rows, in_tmp, lines):
    def run(folder, cached):
        _, outputs, _ = hub.Module(directory=tiny).context(trainable=False, max_seq_len=16, num_slots=2)
        return hub.PointwiseTextMatchingTask(
            outputs["pooled_output"],
            outputs["pooled_output_2"],
            dataset=rows,
            config=config(folder, num_epoch=2, cache_features=cached),
        ).finetune_and_eval()

    kept, fresh = run("kept", True), run("fresh", False)
    assert any("Features of 32 rows are computed once" in line for line in lines)
    assert kept.dev["loss"] == pytest.approx(fresh.dev["loss"], abs=1e-5)


def test_titles_are_ranked_by_query(module, rows, in_tmp):
    task = make(module, rows, "run")
    chosen = hub.PointwiseTextMatchingTask(
        feature=task.feature, data_reader=task.reader, metrics_choices=["mrr", "acc"], config=config("ranked")
    )
    assert list(chosen.finetune_and_eval().dev) == ["mrr", "acc", "loss"]


def wrong(module, rows, **more):
    _, outputs, _ = module.context(trainable=True, max_seq_len=16, num_slots=2)
    given = {"query_feature": outputs["emb"], "title_feature": outputs["emb_2"], "dataset": rows, **more}
    return hub.PointwiseTextMatchingTask(**given)


def test_features_that_do_not_fit_are_refused(module, rows, tmp_path, tiny):
    _, other, _ = module.context(num_slots=2)
    inputs, three, _ = module.context(num_slots=3)
    _, encoder, _ = hub.Module(directory=tiny).context(max_seq_len=16, num_slots=2)
    pooled = {"query_feature": encoder["pooled_output"], "title_feature": encoder["pooled_output_2"]}
    for message, given in {
        "another program": {"title_feature": other["emb_2"]},
        "vectors of tokens": {**pooled, "network": "bow"},
        "title_feature=None": {"title_feature": None},
        "expected: outputs": {"query_feature": inputs["text"], "title_feature": inputs["text_2"]},
        "different shapes": {**pooled, "title_feature": encoder["sequence_output_2"]},
        "one of bow": {"network": "birnn"},
        "reads word_ids_3": {"query_feature": three["emb"], "title_feature": three["emb_3"]},
        "reads input_ids": {**pooled, "data_reader": make(module, rows, "run").reader},
        "TextMatchingReader": {"data_reader": hub.reader.LACClassifyReader(module.get_vocab_path())},
        "BertTokenizer": {"tokenizer": "bert"},
    }.items():
        with pytest.raises(ConfigError, match=message):
            wrong(module, rows, **given)


def test_rows_that_are_no_pairs_are_refused_by_their_place(module, rows, in_tmp):
    task = make(module, rows, "run", num_epoch=1)
    task.finetune_and_eval()
    for message, given in {
        r"rows\[0\].*1 text": [["a"]],
        "not several texts": ["the room"],
        "3 texts": [["a", "b", "c"]],
        r"rows\[1\]: text 2 of 2 is missing": [["a", "b"], ["a", None]],
        "not all text": [["a", 3]],
    }.items():
        with pytest.raises(DataError, match=message):
            task.predict(given)
    rows.train_examples = triples(4)
    with pytest.raises(DataError, match="a pair"):
        make(module, rows, "other").finetune_and_eval()


def test_unknown_words_only_are_counted_and_predicted(module, rows, in_tmp, lines):
    task = make(module, rows, "run", num_epoch=1)
    task.finetune_and_eval()
    found = task.predict([["xyzzy", "plugh"], ["the", "room"], ["", "room"]])
    assert np.isfinite(found.probabilities).all()
    assert any("3 of 6 texts have no word of the vocabulary" in line for line in lines)
