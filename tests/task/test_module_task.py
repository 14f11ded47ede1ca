"""ModuleTask: networks of plain PyTorch on tensors."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import transferhub as hub
from conftest import reviews
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError, DataError, RunError


class Net(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))

    def forward(self, x):
        return self.layers(x)


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.of_one, self.of_other = nn.Linear(4, 8), nn.Linear(2, 8)

    def forward(self, one, other):
        return (self.of_one(one) * self.of_other(other)).sum(dim=1)


class Computed(Dataset):
    """Rows that are computed when they are asked for."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        return self.x[place], int(self.y[place])


class Ragged(Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, place):
        return torch.zeros(4 + place % 2), place % 3


def absolute(output, target):
    return (output - target).abs().mean()


@pytest.fixture
def rows():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(256, 4)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def config(run, **more):
    settings = {"num_epoch": 40, "batch_size": 16, "precision": "fp32", "checkpoint_dir": run, "eval_interval": 20}
    return hub.RunConfig(strategy=hub.DefaultStrategy(learning_rate=2e-2), **{**settings, **more})


@pytest.mark.parametrize(
    "form", [tuple, lambda given: Computed(*given), lambda given: TensorDataset(*map(torch.as_tensor, given))]
)
def test_a_network_learns_from_tensors_and_is_used_again(rows, tmp_path, form):
    torch.manual_seed(0)
    net, (x, y) = Net(), rows
    before = {name: values.clone() for name, values in net.state_dict().items()}
    data = [form((x[:192], y[:192])), form((x[192:224], y[192:224])), form((x[224:], y[224:]))]
    task = hub.ModuleTask(net, data, config=config(tmp_path / "run"))
    result = task.finetune_and_eval()
    assert result.test["acc"] > 0.8
    assert all(torch.equal(values, before[name]) for name, values in net.state_dict().items())
    predictions = task.predict(x[224:])
    assert np.mean(np.array(predictions.labels) == y[224:].astype(str)) == pytest.approx(result.test["acc"])
    net.load_state_dict(task.best_state_dict())
    with torch.no_grad():
        probabilities = torch.softmax(net(torch.from_numpy(x[224:])), dim=1).numpy()
    assert np.allclose(predictions.probabilities, probabilities, atol=1e-6)
    loaded = hub.load(result.best_model, classes={"Net": Net})
    assert np.array_equal(loaded.predict(x[224:]).probabilities, predictions.probabilities)
    with pytest.raises(RunError, match="needs your class"):
        hub.load(result.best_model)


def test_values_are_learnt_by_the_squared_error_and_dev_rows_are_split_off(rows, tmp_path, lines):
    x, _ = rows
    y = x[:, 0] * 2
    task = hub.ModuleTask(Net(outputs=1), (x, y), config=config(tmp_path / "run", num_epoch=30))
    result = task.finetune_and_eval()
    assert result.dev["loss"] < 0.3 * y.var()
    assert task.predict(x[:5]).to_frame().columns.tolist() == ["row", "output"]
    assert any("26 of 256 training rows split off, at random" in line for line in lines)


def test_several_inputs_and_a_loss_of_one_s_own(rows, tmp_path):
    x, _ = rows
    other = np.ones((256, 2), np.float32)
    y = x[:, 1]
    for loss in (nn.SmoothL1Loss(), nn.functional.smooth_l1_loss, absolute):
        task = hub.ModuleTask(Both(), (x, other, y), loss=loss, config=config(tmp_path / "run", overwrite=True))
        result = task.finetune_and_eval()
        assert result.dev["loss"] < 0.3
        assert task.predict((x[:4], other[:4])).labels == pytest.approx(
            np.concatenate([s.run_results[0] for s in task.predict((x[:4], other[:4]))]).tolist()
        )


def test_the_loss_of_a_row_is_asked_for():
    output, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.tensor([1.0, 2.0, 3.0])
    task = hub.ModuleTask(Net(inputs=3), (output, target), loss=nn.CrossEntropyLoss(weight=weights))
    expected = nn.functional.cross_entropy(output, target, weights, reduction="none")
    assert torch.allclose(task.losses({"output": output}, {"labels": target}), expected)


class Words(nn.Module):
    """Reads a reader's columns by their names."""

    def __init__(self):
        super().__init__()
        self.table, self.out = nn.Embedding(200, 16), nn.Linear(16, 2)

    def forward(self, input_ids, input_mask):
        mask = input_mask[..., None].float()
        return self.out((self.table(input_ids) * mask).sum(1) / mask.sum(1))


def test_texts_come_through_a_reader(tiny, tmp_path):
    dataset = BaseDataset(label_list=["negative", "positive"])
    made = [InputExample(None, text, None, label) for text, label in reviews(72, 1)]
    dataset.train_examples, dataset.dev_examples = made[:48], made[48:]
    module = hub.Module(directory=tiny)
    reader = hub.reader.ClassifyReader(module.get_vocab_path(), dataset, max_seq_len=16)
    task = hub.ModuleTask(Words(), dataset, data_reader=reader, config=config(tmp_path / "run"))
    assert task.finetune_and_eval().dev["acc"] > 0.9
    assert task.predict(["great room"]).labels == ["positive"]


def test_what_cannot_be_learnt_from_is_refused(rows, tmp_path):
    x, y = rows
    with pytest.raises(ConfigError, match=r"an nn\.Module"):
        hub.ModuleTask(Net, rows)
    with pytest.raises(DataError, match="arrays of 256, 90 rows"):
        hub.ModuleTask(Net(), (x, y[:90]))
    with pytest.raises(DataError, match="no split 'valid'"):
        hub.ModuleTask(Net(), {"train": rows, "valid": rows})
    with pytest.raises(ConfigError, match="loss='crossentropy'"):
        hub.ModuleTask(Net(), rows, loss="crossentropy")
    ragged = hub.ModuleTask(Net(), Ragged(), config=config(tmp_path / "run"))
    with pytest.raises(DataError, match="cannot be stacked"):
        ragged.finetune_and_eval()


def test_other_first_weights_are_another_run(rows, tmp_path):
    torch.manual_seed(0)
    hub.ModuleTask(Net(), rows, config=config(tmp_path / "run", num_epoch=1)).finetune_and_eval()
    with pytest.raises(RunError, match="weights"):
        hub.ModuleTask(Net(), rows, config=config(tmp_path / "run", num_epoch=1)).finetune_and_eval()


@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_tensors_are_learnt_from_in_any_precision(rows, tmp_path, precision):
    task = hub.ModuleTask(Net(), rows, config=config(tmp_path / "run", num_epoch=2, precision=precision))
    result = task.finetune_and_eval()
    assert np.isfinite(result.dev["loss"])
    assert task.best_state_dict()["layers.0.weight"].dtype == torch.float32


@pytest.mark.parametrize(("outputs", "said"), [(1, r"'output' of Net is \[-1, 1\]"), (2, r"\[-1, 2\]")])
def test_an_output_that_is_no_logit_for_each_class_is_refused_before_a_run_has_a_folder(tmp_path, rows, outputs, said):
    x, y = rows
    names = ["a", "b", "c"] if outputs > 1 else None
    config = hub.RunConfig(checkpoint_dir=tmp_path / "run", num_epoch=1)
    task = hub.ModuleTask(Net(outputs=outputs), (x, y), loss="cross_entropy", config=config, label_list=names)
    with pytest.raises(ConfigError, match=said):
        task.finetune_and_eval()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("lazy", [False, True])
def test_a_label_beyond_the_outputs_is_named_with_its_row(tmp_path, rows, lazy):
    x, y = rows
    y = np.where(np.arange(len(y)) == 5, 7, y)
    data = Computed(x, y) if lazy else (x, y)
    config = hub.RunConfig(checkpoint_dir=tmp_path / "run", num_epoch=1, batch_size=len(y))
    with pytest.raises(DataError, match=r"label 7 of row \d+, but 'output' of Net is \[-1, 3\]"):
        hub.ModuleTask(
            Net(), {"train": data, "dev": (x, rows[1])}, loss="cross_entropy", config=config
        ).finetune_and_eval()
