import copy
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
    for master, copied in zip(network.parameters(), working.network.parameters(), strict=True):
        assert torch.equal(master.bfloat16(), copied)
        assert copied.grad is None


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


@pytest.mark.parametrize("fused", [False, True])
def test_convolutions_take_the_steps_that_they_take_in_fp32(fused):
    """A fused optimiser pairs values by their place in memory, and the copy's convolutions lie with channels last."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)).train()
    pictures, before, moved = torch.randn(16, 3, 12, 12), copy.deepcopy(made.state_dict()), {}
    for name in ("fp32", "bf16"):
        made.load_state_dict(before)
        working = precision.Working(made, name)
        optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2, weight_decay=0.0, fused=fused)
        for step in range(4):
            drawn = pictures.roll(step, dims=2).to(next(working.network.parameters()).dtype)
            (working.network(drawn).float() ** 2).mean().backward()
            if name == "bf16":
                working.collect_gradients()
            optimizer.step()
            working.forget_gradients()
            working.publish()
        moved[name] = [made[place].weight.detach() - before[f"{place}.weight"] for place in (0, 3)]
    for exact, rounded in zip(moved["fp32"], moved["bf16"], strict=True):
        assert torch.cosine_similarity(exact.flatten(), rounded.flatten(), dim=0) > 0.9


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
