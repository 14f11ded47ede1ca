"""Networks of one's own under TextClassifierTask: the same engine, folder, resume, report and predict."""

import shutil

import numpy as np
import pytest
import torch
from torch import nn

import transferhub as hub
from conftest import WORDS, crash_at, reviews
from transferhub import atomic, fluid
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError, HubError, RunError
from transferhub.fluid.framework import switch_main_program
from transferhub.module.elmo import write_random

TEXTS = ["the room was great", "awful food", "a dull film and a rude staff", "great"]


class Net(nn.Module):
    """The document's network: all of a text's vectors in one row, one linear layer."""

    def __init__(self, length=16, width=32):
        super().__init__()
        self.fc1 = nn.Linear(length * width, 8)

    def forward(self, x):
        return torch.relu(self.fc1(x.flatten(1)))


@pytest.fixture
def dataset():
    made = BaseDataset(label_list=["negative", "positive"])
    rows = [InputExample(None, text, None, label) for text, label in reviews(56, 1)]
    made.train_examples, made.dev_examples, made.test_examples = rows[:32], rows[32:44], rows[44:]
    return made


@pytest.fixture
def elmo(tmp_path):
    return hub.Module(directory=write_random(tmp_path / "elmo", WORDS, dim=16))


@pytest.fixture
def vectors(tmp_path):
    draw = np.random.default_rng(0)
    rows = [" ".join([word, *(f"{value:.4f}" for value in draw.normal(size=12))]) for word in WORDS]
    (tmp_path / "vectors.txt").write_text("\n".join(rows) + "\n")
    from transferhub.module import store

    store.install("word2vec_skipgram", origin=str(tmp_path / "vectors.txt"))
    return hub.Module(name="word2vec_skipgram")


def config(run, **more):
    settings = {"num_epoch": 4, "batch_size": 8, "precision": "fp32", "checkpoint_dir": run, "eval_interval": 8}
    strategy = hub.AdamWeightDecayStrategy(learning_rate=1e-2)
    return hub.RunConfig(strategy=strategy, save_ckpt_interval=5, **{**settings, **more})


def words_reader(module, dataset):
    return hub.reader.LACClassifyReader(
        dataset=dataset, vocab_path=module.get_vocab_path(), cut="whitespace", max_len=16
    )


def elmo_and_gru(elmo, dataset, run):
    """The document's: ELMo beside an embedding that moves thirty times as fast, a GRU, the maximum over time."""
    inputs, outputs, program = elmo.context(trainable=True)
    switch_main_program(program)
    word_embedding = fluid.layers.embedding(
        input=inputs["word_ids"],
        size=[len(WORDS) + 2, 8],
        param_attr=fluid.ParamAttr(learning_rate=30, initializer=fluid.initializer.Uniform(low=-0.1, high=0.1)),
    )
    joined = fluid.layers.concat(input=[outputs["elmo_embed"], word_embedding], axis=1)
    projected = fluid.layers.fc(input=joined, size=24 * 3)
    hidden = fluid.layers.dynamic_gru(input=projected, size=24)
    feature = fluid.layers.sequence_pool(input=hidden, pool_type="max")
    return hub.TextClassifierTask(
        data_reader=words_reader(elmo, dataset),
        feature=feature,
        feed_list=[inputs["word_ids"].name],
        num_classes=2,
        config=config(run, num_epoch=3),
    )


def test_elmo_beside_an_embedding_under_a_gru_trains_resumes_and_opens_alone(elmo, dataset, in_tmp):
    quiet = elmo_and_gru(elmo, dataset, "quiet")
    assert any("x30" in line for line in str(quiet.plan()).splitlines())
    result = quiet.finetune_and_eval()
    assert result.dev["acc"] >= 0.5
    assert list(in_tmp.glob("quiet/vdllog/*tfevents*")), "where document 001 looks"
    crash_at(elmo_and_gru(elmo, dataset, "stopped"), 7)
    elmo_and_gru(elmo, dataset, "stopped").finetune_and_eval()
    names = ("step_12/model.safetensors", "step_12/optimizer.safetensors", "best_model/network.safetensors")
    assert all(atomic.sha256(in_tmp / "quiet" / n) == atomic.sha256(in_tmp / "stopped" / n) for n in names)
    expected = quiet.predict(TEXTS).probabilities
    shutil.move("quiet/best_model", "alone")
    shutil.rmtree(elmo.directory)
    np.testing.assert_array_equal(hub.load("alone").predict(TEXTS).probabilities, expected)


@pytest.mark.parametrize("network", ["bow", "cnn", "dpcnn", "gru", "lstm", "bilstm"])
def test_preset_networks_over_word_vectors(vectors, dataset, in_tmp, network):
    _, outputs, _ = vectors.context(trainable=False, max_seq_len=16)
    task = hub.TextClassifierTask(
        data_reader=words_reader(vectors, dataset),
        token_feature=outputs["word_embs"],
        network=network,
        num_classes=2,
        config=config("run"),
    )
    losses = []
    task.add_hook("log_interval", "losses", lambda task, states: losses.append(states[0].run_loss))
    result = task.finetune_and_eval()
    assert result.dev["acc"] >= 0.5
    expected = task.predict(TEXTS).probabilities
    opened = hub.load(result.best_model)
    np.testing.assert_allclose(opened.predict(TEXTS).probabilities, expected, atol=1e-6)
    one_by_one = np.concatenate([opened.predict([text]).probabilities for text in TEXTS])
    np.testing.assert_allclose(one_by_one, expected, atol=1e-5, err_msg="padding changes nothing")


def own_net(tiny, dataset, run, **more):
    module = hub.Module(directory=tiny)
    _, outputs, _ = module.context(trainable=False, max_seq_len=16)
    feature = hub.apply(Net(), outputs["sequence_output"])
    reader = hub.reader.ClassifyReader(dataset=dataset, vocab_path=module.get_vocab_path(), max_seq_len=16)
    return hub.TextClassifierTask(data_reader=reader, feature=feature, num_classes=2, config=config(run, **more))


def test_a_module_of_ones_own_over_a_frozen_encoder_reads_rows_of_one_length(tiny, dataset, in_tmp):
    torch.manual_seed(0)
    task = own_net(tiny, dataset, "run")
    assert task.padding.length == 16
    assert "frozen" in str(task.plan())
    result = task.finetune_and_eval()
    expected = task.predict(TEXTS).probabilities
    with pytest.raises(RunError, match="Net"):
        hub.load(result.best_model)
    opened = hub.load(result.best_model, classes={"Net": Net})
    np.testing.assert_array_equal(opened.predict(TEXTS).probabilities, expected)
    with pytest.raises(HubError):
        hub.load(result.best_model, classes={"Net": lambda: nn.Linear(3, 3)}).predict(TEXTS)


def test_layers_over_a_transformer_that_moves(tiny, dataset, in_tmp):
    module = hub.Module(directory=tiny)
    _, outputs, _ = module.context(max_seq_len=16)
    pooled = hub.layers.max_over_time(hub.layers.bilstm(outputs["sequence_output"], 8))
    reader = hub.reader.ClassifyReader(dataset=dataset, vocab_path=module.get_vocab_path(), max_seq_len=16)
    task = hub.TextClassifierTask(data_reader=reader, feature=pooled, hidden_units=[8], config=config("run"))
    result = task.finetune_and_eval()
    expected = task.predict(TEXTS).probabilities
    shutil.move("run/best_model", "alone")
    np.testing.assert_array_equal(hub.load("alone").predict(TEXTS).probabilities, expected)
    assert result.dev["acc"] >= 0.5
    assert (in_tmp / "run" / "report.html").is_file()


def test_another_network_in_the_same_folder_is_refused(tiny, dataset, in_tmp):
    module = hub.Module(directory=tiny)
    reader = hub.reader.ClassifyReader(dataset=dataset, vocab_path=module.get_vocab_path(), max_seq_len=16)

    def run(size):
        _, outputs, _ = module.context(max_seq_len=16)
        feature = hub.layers.sequence_pool(hub.layers.gru(outputs["sequence_output"], size), "max")
        task = hub.TextClassifierTask(data_reader=reader, feature=feature, config=config("run", num_epoch=1))
        return task.finetune_and_eval()

    run(8)
    with pytest.raises(RunError, match=r"belongs to a run with other settings(?s:.)*network"):
        run(12)


def test_a_preset_needs_vectors_of_tokens_and_a_feature_stands_alone(tiny, dataset):
    module = hub.Module(directory=tiny)
    _, outputs, _ = module.context(max_seq_len=16)
    tokens = outputs["sequence_output"]
    for wrong in (
        {"token_feature": tokens},
        {"network": "bow"},
        {"token_feature": tokens, "network": "bow", "feature": outputs["pooled_output"]},
        {"token_feature": tokens, "network": "birnn"},
        {"token_feature": outputs["pooled_output"], "network": "bow"},
    ):
        with pytest.raises(ConfigError):
            hub.TextClassifierTask(
                data_reader=hub.reader.ClassifyReader(dataset=dataset, vocab_path=module.get_vocab_path()), **wrong
            )
