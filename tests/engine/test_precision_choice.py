import itertools
import json

import pytest
import torch
from torch import nn

from transferhub import paths
from transferhub.engine import precision_choice
from transferhub.engine.precision_choice import Sample, choose, gain


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))


def sample(loss=None, small=None, rows=(4, 4), steps=100, moving=("0.weight", "0.bias", "2.weight", "2.bias")):
    x = torch.randn(4, 6)

    def ours(trial):
        return trial(x.to(next(trial.parameters()).dtype)).float().sum()

    return Sample((loss or ours, small or loss or ours), rows, steps, moving)


@pytest.fixture
def clock(monkeypatch):
    """Steps that take as long as is said, with a function of the step's number for the load on the machine."""
    said = {"fp32": 1.0, "bf16": 1.0, "load": lambda number: 1.0, "steps": []}
    now, numbers = [0.0], itertools.count()

    def step(way, loss):
        name = "fp32" if way.network is way.master else "bf16"
        seconds = said[name] * said["load"](next(numbers)) * getattr(loss, "share", 1.0)
        said["steps"].append((name, getattr(loss, "share", 1.0)))
        now[0] += seconds
        return seconds

    monkeypatch.setattr(precision_choice, "_step", step)
    monkeypatch.setattr(precision_choice.time, "perf_counter", lambda: now[0])
    return said


@pytest.mark.parametrize(("fp32", "bf16", "chosen"), [(0.1, 0.05, "bf16"), (0.1, 0.09, "fp32"), (0.1, 0.2, "fp32")])
def test_bf16_must_win_by_15_percent_and_the_answer_is_kept(network, clock, fp32, bf16, chosen):
    clock.update(fp32=fp32, bf16=bf16)
    assert choose(network, sample(), {"module": "x"}) == chosen
    asked = len(clock["steps"])
    assert choose(network, sample(), {"module": "x"}) == chosen
    assert len(clock["steps"]) == asked, "measured once"
    (kept,) = json.loads(paths.tuning().read_text()).values()
    assert kept["precision"] == chosen
    assert kept["seconds_a_step"] == pytest.approx({"fp32": fp32, "bf16": bf16})
    choose(network, sample(), {"module": "y"})
    assert len(clock["steps"]) == 2 * asked


@pytest.mark.parametrize("win", [1.3, 1.02])
def test_load_that_comes_and_goes_does_not_change_the_answer(network, clock, win):
    clock.update(fp32=0.002 * win, bf16=0.002)
    answers = set()
    for start in range(40):  # the machine is three times as slow for 20 of 50 steps, wherever that begins
        clock["load"] = lambda number, start=start: 3.0 if (number + start) % 50 < 20 else 1.0
        answers.add(choose(network, sample(), {"start": start}))
    assert answers == {"bf16" if win > 1.15 else "fp32"}


def test_both_are_timed_in_turn_each_first_as_often(network, clock):
    clock.update(fp32=0.0116, bf16=0.01)  # too near to 15 % for an early end
    clock["load"] = lambda number: 1 + 0.1 * (number % 3)
    choose(network, sample(), {})
    names = [name for name, _ in clock["steps"][4:]]
    pairs = list(zip(names[::2], names[1::2], strict=True))
    assert {tuple(sorted(pair)) for pair in pairs} == {("bf16", "fp32")}
    assert abs(pairs.count(("fp32", "bf16")) - pairs.count(("bf16", "fp32"))) <= 1


@pytest.fixture
def sized(network, clock):
    """Choose for a batch of 64 rows and 16 of them; the shares of a batch that were timed after the first guess."""

    def whole(trial): ...
    def few(trial): ...

    few.share = 0.25

    def run(fp32, bf16, steps):
        clock["steps"].clear()
        clock.update(fp32=fp32, bf16=bf16)
        chosen = choose(network, sample(whole, few, (64, 16), steps), {"parameters": 7})
        guesses = 4 if fp32 < 4 * precision_choice.COLD else 2
        return chosen, [share for _, share in clock["steps"][guesses:]]

    return run


def test_small_networks_are_timed_often_on_a_batch_of_the_runs_own_size(sized, clock):
    clock["load"] = lambda number: 1 + 0.2 * (number % 7 == 0)
    _, shares = sized(0.005, 0.0043, steps=10)
    assert set(shares) == {1.0}
    assert len(shares) > 100


def test_large_ones_are_timed_on_few_rows_unless_the_run_is_long_and_then_the_answer_is_another(sized):
    _, shares = sized(1.6, 1.5, steps=10)
    assert set(shares) == {0.25}
    assert len(shares) <= 6
    assert sized(1.6, 1.5, steps=10) == ("fp32", []), "kept"
    chosen, shares = sized(1.6, 1.2, steps=10_000)
    assert (chosen, set(shares)) == ("bf16", {1.0}), "two per cent of a long run are enough for the whole batch"
    assert sized(1.6, 1.5, steps=10) == ("bf16", []), "the better answer is kept"


def test_where_memory_does_not_suffice_for_the_batch_few_rows_are_timed(network):
    def whole(trial):
        raise torch.OutOfMemoryError("out of memory")

    assert choose(network, sample(whole, sample().losses[1], (64, 16)), {}) in ("fp32", "bf16")
    (kept,) = json.loads(paths.tuning().read_text()).values()
    assert kept["pairs"] >= precision_choice.PAIRS[0]


def test_the_trial_runs_on_a_copy_in_which_moves_what_will_move(network):
    before = [p.clone() for p in network.parameters()]
    x, seen = torch.randn(4, 6), set()

    def loss(trial):
        assert trial is not network
        seen.add(tuple(name for name, p in trial.named_parameters() if p.requires_grad))
        return trial(x.to(next(trial.parameters()).dtype)).float().sum()

    choose(network, sample(loss, moving=("2.bias",)), {"module": "z"})
    assert seen == {("2.bias",)}
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, network.parameters(), strict=True))
    assert all(p.requires_grad for p in network.parameters())


def test_a_network_that_bf16_does_not_suit_is_trained_in_fp32(network, lines):
    def loss(trial):
        if next(trial.parameters()).dtype == torch.bfloat16:
            raise RuntimeError("mat1 and mat2 must have the same dtype")
        return trial(torch.randn(4, 6)).sum()

    assert choose(network, sample(loss), {"module": "own"}) == "fp32"
    assert any("does not run in bf16: mat1 and mat2" in line for line in lines)

    def broken(trial):
        raise RuntimeError("a fault of the network's own")

    with pytest.raises(RuntimeError, match="of the network's own"):
        choose(network, sample(broken), {"module": "broken"})


def test_the_gain_is_the_median_of_pairs_not_of_sums():
    assert gain([(2, 1), (2, 1), (2, 1), (1, 9), (90, 1)]) == 2
