import weakref

import pytest
import torch
from torch import nn

import transferhub as hub
from transferhub.engine import precision, training


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))


def test_fp32_works_on_the_master_itself(network):
    assert precision.Working(network, "fp32").network is network


def test_bf16_gradients_reach_fp32_masters_and_values_come_back(network):
    working = precision.Working(network, "bf16")
    assert {p.dtype for p in working.network.parameters()} == {torch.bfloat16}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    x = torch.randn(4, 6)
    for _ in range(2):
        working.network(x.bfloat16()).float().sum().backward()
        working.collect_gradients()
        assert {p.grad.dtype for p in network.parameters()} == {torch.float32}
        optimizer.step()
        working.forget_gradients()
        working.publish()
    for master, copy in zip(network.parameters(), working.network.parameters(), strict=True):
        assert torch.equal(master.bfloat16(), copy)
        assert copy.grad is None


def test_small_updates_are_not_lost_in_bf16(network):
    working = precision.Working(network, "bf16")
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    before = network[2].bias.detach().clone()
    for _ in range(100):  # each step is far below what bf16 can add to a value of this size
        working.network(torch.ones(1, 6).bfloat16()).float().sum().backward()
        working.collect_gradients()
        optimizer.step()
        working.forget_gradients()
        working.publish()
    torch.testing.assert_close(network[2].bias, before - 1e-3, rtol=1e-4, atol=1e-7)


def test_the_working_copy_is_gone_when_the_best_model_is_scored(tmp_path, monkeypatch):
    copies, alive = [], []

    def working(master, name):
        made = precision.Working(master, name)
        copies.append(weakref.ref(made.network))
        return made

    monkeypatch.setattr(training, "Working", working)
    config = hub.RunConfig(num_epoch=1, batch_size=8, precision="bf16", checkpoint_dir=tmp_path / "run")
    task = hub.ModuleTask(nn.Linear(6, 2), (torch.randn(40, 6), torch.arange(40) % 2), config=config)
    task.add_hook("eval_start", "look", lambda task: alive.append(copies[0]() is not None))
    assert task.finetune_and_eval().precision == "bf16"
    assert alive == [False]
