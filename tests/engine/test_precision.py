import json

import pytest
import torch
from torch import nn

from transferhub import paths
from transferhub.engine import precision


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


@pytest.mark.parametrize(("fp32", "bf16", "chosen"), [(1.0, 0.5, "bf16"), (1.0, 0.9, "fp32"), (1.0, 2.0, "fp32")])
def test_bf16_must_win_by_15_percent_and_the_answer_is_kept(network, monkeypatch, fp32, bf16, chosen):
    asked = []

    def timed(network, loss):
        asked.append(network)
        return {"fp32": fp32, "bf16": bf16}

    monkeypatch.setattr(precision, "_time", timed)
    assert precision.choose(network, None, {"module": "x"}) == chosen
    assert precision.choose(network, None, {"module": "x"}) == chosen
    assert asked == [network], "measured once"
    (kept,) = json.loads(paths.tuning().read_text()).values()
    assert kept["precision"] == chosen
    precision.choose(network, None, {"module": "y"})
    assert len(asked) == 2


def test_the_trial_runs_on_a_copy(network):
    before = [p.clone() for p in network.parameters()]
    x = torch.randn(4, 6)

    def loss(trial):
        assert trial is not network
        return trial(x.to(next(trial.parameters()).dtype)).float().sum()

    precision.choose(network, loss, {"module": "z"})
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, network.parameters(), strict=True))


def test_a_network_that_bf16_does_not_suit_is_trained_in_fp32(network, lines):
    def loss(trial):
        if next(trial.parameters()).dtype == torch.bfloat16:
            raise RuntimeError("mat1 and mat2 must have the same dtype")
        return trial(torch.randn(4, 6)).sum()

    assert precision.choose(network, loss, {"module": "own"}) == "fp32"
    assert any("does not run in bf16: mat1 and mat2" in line for line in lines)
