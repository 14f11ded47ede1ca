"""Tasks whose meters keep numbers of each row: stopped within a log window, they end with the same bits."""

import numpy as np
import pytest
import torch
from torch import nn

import transferhub as hub
from conftest import crash_at, read_json, reviews
from transferhub import atomic
from transferhub.dataset import BaseDataset, InputExample

NAMES = ["clean", "good", "rude"]


def texts(kind, label):
    made = BaseDataset(label_list=NAMES if kind == "labels" else [])
    made.kind = kind
    made.train_examples, made.dev_examples = (
        [InputExample(None, text, None, label(text)) for text, _ in reviews(count, seed)]
        for count, seed in ((64, 1), (24, 2))
    )
    return made


def multi_label(tiny, config):
    rows = texts("labels", lambda text: [int(name in text.split()) for name in NAMES])
    return hub.MultiLabelClassifierTask(module=hub.Module(directory=tiny), dataset=rows, config=config)


def regression(tiny, config):
    rows = texts("value", lambda text: 100.0 * len(text.split()))
    return hub.RegressionTask(module=hub.Module(directory=tiny), dataset=rows, config=config)


def tensors(tiny, config):
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    torch.manual_seed(0)
    return hub.ModuleTask(nn.Linear(4, 2), (x, (x[:, 0] > 0).astype(np.int64)), config=config)


def convolutions(tiny, config):
    """A network whose weights lie with channels last."""
    x = np.random.default_rng(0).normal(size=(64, 3, 8, 8)).astype(np.float32)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 2))
    rows = (x, (x[:, 0].mean((1, 2)) > 0).astype(np.int64))
    return hub.ModuleTask(network.to(memory_format=torch.channels_last), rows, config=config)


@pytest.mark.parametrize("make", [multi_label, regression, tensors, convolutions])
def test_a_run_that_was_stopped_ends_with_the_same_bits_and_log(make, tiny, in_tmp):
    def made(folder):
        config = hub.RunConfig(
            num_epoch=2,
            batch_size=8,
            precision="fp32",
            eval_interval=6,
            log_interval=4,
            save_ckpt_interval=5,
            checkpoint_dir=folder,
            strategy=hub.AdamWeightDecayStrategy(learning_rate=5e-3),
        )
        return make(tiny, config)

    quiet = made("quiet").finetune_and_eval()
    crash_at(made("stopped"), 11)
    assert made("stopped").finetune_and_eval().dev == quiet.dev
    last = f"step_{quiet.steps}"
    weights = sorted(path.name for path in (in_tmp / "quiet" / "best_model").glob("*.safetensors"))
    assert weights
    best = [f"best_model/{name}" for name in (*weights, "task.json")]
    for name in (*best, f"{last}/model.safetensors", f"{last}/optimizer.safetensors"):
        assert atomic.sha256(in_tmp / "stopped" / name) == atomic.sha256(in_tmp / "quiet" / name), name
    curves = [read_json(in_tmp / folder / last / "state.json")["curves"] for folder in ("stopped", "quiet")]
    assert curves[0] == curves[1]
