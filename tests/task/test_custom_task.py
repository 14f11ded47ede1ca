"""Tasks of one's own: subclasses of BaseTask, as 1.x's users write them and as plain PyTorch."""

import dataclasses
from collections import OrderedDict

import numpy as np
import pytest
import torch

import transferhub as hub
from conftest import reviews
from transferhub import fluid
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError

TEXTS = ["the room was great", "awful food", "a dull film and a rude staff"]


@pytest.fixture
def dataset():
    made = BaseDataset(label_list=["negative", "positive"])
    rows = [InputExample(None, text, None, label) for text, label in reviews(56, 1)]
    made.train_examples, made.dev_examples, made.test_examples = rows[:32], rows[32:44], rows[44:]
    return made


@pytest.fixture
def parts(tiny, dataset, tmp_path):
    """Makes what 1.x's scripts hand to a task: reader, feature, feeds, config."""

    def make(**more):
        return {**_parts(tiny, dataset, tmp_path / "run"), **more}

    return make


def _parts(tiny, dataset, run):
    module = hub.Module(directory=tiny)
    inputs, outputs, program = module.context(trainable=True, max_seq_len=16)
    reader = hub.reader.ClassifyReader(dataset=dataset, vocab_path=module.get_vocab_path(), max_seq_len=16)
    feeds = [inputs[name].name for name in ("input_ids", "position_ids", "segment_ids", "input_mask")]
    config = hub.RunConfig(
        num_epoch=6,
        batch_size=8,
        precision="fp32",
        eval_interval=8,
        log_interval=2,
        checkpoint_dir=run,
        strategy=hub.AdamWeightDecayStrategy(learning_rate=5e-3),
    )
    return {
        "feature": hub.layers.max_over_time(outputs["sequence_output"]),
        "main_program": program,
        "data_reader": reader,
        "feed_list": feeds,
        "config": config,
    }


class OfLayers(hub.BaseTask):
    """A classifier as 1.x's documents write one."""

    def __init__(self, feature, num_classes=2, **options):
        super().__init__(**options)
        self.feature, self.num_classes = feature, num_classes

    def _build_net(self):
        hidden = fluid.layers.fc(self.feature, size=8, act="tanh")
        return [fluid.layers.fc(hidden, size=self.num_classes, act="softmax", name="answer")]

    def _add_label(self):
        return [fluid.layers.data(name="label", dtype="int64", shape=[1])]

    def _add_loss(self):
        return fluid.layers.mean(x=fluid.layers.cross_entropy(input=self.outputs[0], label=self.labels[0]))

    def _add_metrics(self):
        return [fluid.layers.accuracy(input=self.outputs[0], label=self.labels[0])]


def by_hand(self, run_states):
    """1.x's own way to sum up, as its demos have it."""
    loss_sum = acc_sum = run_examples = run_step = 0
    for state in run_states:
        run_examples += state.run_examples
        run_step += state.run_step
        loss_sum += np.mean(state.run_results[-1]) * state.run_examples
        acc_sum += np.mean(state.run_results[0]) * state.run_examples
    return OrderedDict(my_acc=acc_sum / run_examples), loss_sum / run_examples, run_step


def test_a_task_of_layers_learns_saves_and_predicts(parts):
    task = OfLayers(metrics_choices=["acc"], **parts())
    result = task.finetune_and_eval()
    assert list(result.dev) == ["acc", "loss"]
    assert result.dev["acc"] > 0.8
    predictions = task.predict(TEXTS)
    probabilities = np.concatenate([state.run_results[0] for state in predictions])
    assert probabilities.shape == (3, 2)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    # Its class is not needed to predict; with it the split scores as before.
    loaded = hub.load(result.best_model)
    again = np.concatenate([state.run_results[0] for state in loaded.predict(TEXTS)])
    assert np.array_equal(again, probabilities)
    known = hub.load(result.best_model, classes={"OfLayers": OfLayers})
    scores = known.evaluate(task.dataset.test_examples)
    assert scores["acc"] == pytest.approx(result.test["acc"], abs=1e-6)
    assert scores["loss"] == pytest.approx(result.test["loss"], abs=1e-5)


def test_the_loss_of_variables_is_that_of_torch(parts):
    task = OfLayers(**parts())
    probabilities = torch.softmax(torch.randn(5, 2), dim=1)
    labels = torch.tensor([0, 1, 1, 0, 1])
    losses = task.losses({"answer": probabilities}, {"labels": labels})
    expected = torch.nn.functional.nll_loss(probabilities.log(), labels, reduction="none")
    assert torch.allclose(losses, expected, atol=1e-6)
    accuracy, _ = task._metrics_of({"answer": probabilities}, {"labels": labels})
    assert accuracy.tolist() == (probabilities.argmax(1) == labels).float().tolist()


def test_metrics_may_be_summed_up_as_in_1x(parts, monkeypatch):
    monkeypatch.setattr(OfLayers, "_calculate_metrics", by_hand)
    task = OfLayers(**parts())
    result = task.finetune_and_eval()
    assert list(result.dev) == ["my_acc", "loss"]
    assert result.dev["my_acc"] > 0.8


def test_without_metrics_the_lowest_loss_is_the_best(parts, monkeypatch):
    monkeypatch.delattr(OfLayers, "_add_metrics")
    task = OfLayers(**parts())
    result = task.finetune_and_eval()
    assert list(result.dev) == ["loss"]
    assert task.best_score == pytest.approx(-result.dev["loss"], abs=1e-6)


def test_hooks_and_what_predict_returns_may_be_changed(parts):
    seen = []

    class Telling(OfLayers):
        def _postprocessing(self, run_states):
            return [int(np.argmax(row)) for state in run_states for row in state.run_results[0]]

    task = Telling(**parts())
    task.add_hook("log_interval_event", "mine", lambda task, states: seen.append((task.current_step, states[0])))
    task.finetune_and_eval()
    assert [step for step, _ in seen] == list(range(2, 25, 2))
    assert set(task.predict(TEXTS, return_result=True)) <= {0, 1}


class OfTensors(hub.BaseTask):
    """A loss of plain PyTorch on outputs of layers."""

    def __init__(self, feature, **options):
        super().__init__(**options)
        self.feature = feature

    def _build_net(self):
        return [hub.layers.fc(self.feature, 1, act="sigmoid", name="score")]

    def losses(self, outputs, batch):
        return (outputs["score"][:, 0] - batch["labels"].float()) ** 2


def test_a_task_of_tensors_learns(parts):
    task = OfTensors(**parts())
    result = task.finetune_and_eval()
    assert result.dev["loss"] < 0.2
    answers = task.predict(TEXTS).labels
    assert len(answers) == 3
    assert answers[0] > answers[1]


def test_a_subclass_of_a_task_of_ours_may_have_its_own_loss(parts):
    class Harder(hub.TextClassifierTask):
        def _add_loss(self):
            return fluid.layers.softmax_with_cross_entropy(self.outputs[0], self.labels[0])

    def options():
        return {name: value for name, value in parts().items() if name != "main_program"}

    logits, labels = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    plain = hub.TextClassifierTask(num_classes=2, **options()).losses({"logits": logits}, {"labels": labels})
    assert torch.allclose(
        Harder(num_classes=2, **options()).losses({"logits": logits}, {"labels": labels}), plain, atol=1e-6
    )


def test_a_run_that_was_stopped_ends_with_the_same_bits(parts, tmp_path):
    whole = OfLayers(metrics_choices=["acc"], **parts()).finetune_and_eval()

    def stop(task, states):
        if task.current_step == 9:
            raise RuntimeError("the power is gone")

    config = dataclasses.replace(parts()["config"], checkpoint_dir=tmp_path / "other", save_ckpt_interval=3)
    stopped = OfLayers(metrics_choices=["acc"], **parts(config=config))
    stopped.add_hook("run_step", "stop", stop)
    with pytest.raises(RuntimeError, match="power"):
        stopped.finetune_and_eval()
    again = OfLayers(metrics_choices=["acc"], **parts(config=config)).finetune_and_eval()
    assert again.dev == whole.dev
    assert again.test == whole.test


def test_what_is_missing_is_named(parts):
    class Nothing(hub.BaseTask):
        pass

    without = {name: value for name, value in parts().items() if name != "feature"}
    with pytest.raises(ConfigError, match="Nothing has no network"):
        Nothing(**without).finetune_and_eval()

    class Lossless(OfTensors):
        losses = hub.BaseTask.losses

    with pytest.raises(ConfigError, match="Lossless has no loss"):
        Lossless(**parts()).finetune_and_eval()
    with pytest.raises(ConfigError, match="data_reader=None"):
        hub.BaseTask()

    class Hidden(OfLayers):
        def _add_loss(self):
            late = fluid.layers.fc(self.feature, size=2, act="softmax")
            return fluid.layers.cross_entropy(late, self.labels[0])

    with pytest.raises(ConfigError, match="layers with weights that are not below an output"):
        Hidden(**parts()).finetune_and_eval()
    assert not without["config"].checkpoint_dir.exists()
    with pytest.raises(ConfigError, match="_add_metrics gives 1"):
        OfLayers(metrics_choices=["a", "b"], **parts()).finetune_and_eval()
