"""The CRF against the enumeration of all paths, whatever its mask looks like."""

import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transferhub.errors import ConfigError
from transferhub.graph import Network, Program, Variable
from transferhub.graph.build import add_crf
from transferhub.graph.crf import CRF, decode, log_likelihood
from transferhub.graph.describe import describe, rebuild
from transferhub.text.tags import TagSet

MASKS = st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4)


def drawn(seed, rows, length, tags, spread=2.0):
    draw = torch.Generator().manual_seed(seed)
    numbers = [
        torch.randn(*size, generator=draw, dtype=torch.float64) for size in ((rows, length, tags), (tags + 2, tags))
    ]
    return numbers[0] * spread, numbers[1], torch.randint(tags, (rows, length), generator=draw)


def score(path, emissions, weights):
    """Of one row's tokens."""
    total = weights[-2][path[0]] + weights[-1][path[-1]]
    total += sum(emissions[place][tag] for place, tag in enumerate(path))
    return total + sum(weights[one][two] for one, two in itertools.pairwise(path))


def paths_of(emissions, weights):
    count, tags = emissions.shape
    emissions, weights = emissions.tolist(), weights.tolist()
    return {path: score(path, emissions, weights) for path in itertools.product(range(tags), repeat=count)}


@given(MASKS, st.integers(0, 99), st.integers(1, 3), st.sampled_from([1.0, 30.0]))
def test_likelihood_and_best_path_are_those_of_all_paths_enumerated(mask, seed, tags, spread):
    """Padding before and behind, gaps, and rows without a token; both ways to the partition (weights of ±30)."""
    mask = torch.tensor(mask)
    emissions, weights, gold = drawn(seed, len(mask), 5, tags)
    weights = weights * spread
    found, best = log_likelihood(emissions, gold, mask, weights), decode(emissions, mask, weights)
    for row, there in enumerate(mask):
        assert (best[row][~there] == -1).all()
        if not there.any():
            assert found[row] == 0
            continue
        paths = paths_of(emissions[row][there], weights)
        partition = np.logaddexp.reduce(list(paths.values()))
        assert float(found[row]) == pytest.approx(paths[tuple(gold[row][there].tolist())] - partition, abs=1e-9)
        assert paths[tuple(best[row][there].tolist())] == pytest.approx(max(paths.values()))


@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_the_gradient_is_right(spread):
    mask = torch.tensor([[0, 1, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]])
    emissions, weights, gold = drawn(3, 4, 5, 3)
    weights = weights * spread
    given = emissions.requires_grad_(), weights.requires_grad_()
    assert torch.autograd.gradcheck(lambda em, we: log_likelihood(em, gold, mask, we), given)


def test_float32_stays_near_float64_over_long_rows_and_extreme_emissions():
    mask = torch.ones(2, 400)
    emissions, weights, gold = drawn(5, 2, 400, 7, spread=60.0)
    exact = log_likelihood(emissions, gold, mask, weights)
    found = log_likelihood(emissions.float(), gold, mask, weights.float())
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0.05)
    assert torch.equal(decode(emissions.float(), mask, weights.float()), decode(emissions, mask, weights))


def test_weights_that_forbid_a_step_are_no_harm():
    """A step of -10,000 that emissions demand all the same: in plain probabilities nothing would be left."""
    emissions = torch.tensor([[[0.0, -300.0], [-300.0, 0.0], [0.0, -300.0]]], requires_grad=True)
    weights = torch.zeros(4, 2)
    weights[0, 1] = -1e4
    found = log_likelihood(emissions, torch.tensor([[0, 0, 0]]), torch.ones(1, 3), weights)
    assert found.item() == pytest.approx(-np.log(2), abs=1e-4)  # 000 and 110 score -300 each, the rest far less
    found.sum().backward()
    assert emissions.grad.isfinite().all()


def test_padding_may_hold_anything():
    mask = torch.tensor([[0, 1, 1, 0]])
    emissions, weights, gold = drawn(1, 1, 4, 3)
    expected = log_likelihood(emissions, gold, mask, weights)
    emissions[0, 3], gold[0, 0] = float("nan"), -100
    emissions.requires_grad_()
    found = log_likelihood(emissions, gold, mask, weights)
    assert torch.equal(found, expected)
    found.sum().backward()
    assert emissions.grad.isfinite().all()
    assert (emissions.grad[0, mask[0] == 0] == 0).all()


def test_under_bf16_it_computes_in_fp32():
    emissions, weights, gold = (value.float() if value.is_floating_point() else value for value in drawn(2, 2, 30, 4))
    emissions, mask = emissions.bfloat16(), torch.ones(2, 30)
    expected = log_likelihood(emissions.float(), gold, mask, weights)
    weights.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = log_likelihood(emissions, gold, mask, weights)
        found.sum().backward()
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    again = weights.detach().requires_grad_()
    log_likelihood(emissions, gold, mask, again).sum().backward()
    assert torch.equal(weights.grad, again.grad)


TAGS = TagSet(["O", "B-A", "I-A", "E-A", "S-A"])


@settings(max_examples=40)
@given(st.integers(0, 200), st.integers(1, 4))
def test_legal_steps_alone_give_the_best_of_the_legal_paths(seed, length):
    emissions, weights, _ = drawn(seed, 1, length, 5)
    best = tuple(decode(emissions, torch.ones(1, length), weights, torch.tensor(TAGS.legal))[0].tolist())
    counts = np.array([length])
    legal = {
        path: value
        for path, value in paths_of(emissions[0], weights).items()
        if not TAGS.chunks(np.array(path), counts).illegal
    }
    assert best in legal
    assert legal[best] == pytest.approx(max(legal.values()))


def test_where_no_path_is_legal_there_is_one_all_the_same():
    legal = torch.tensor(TagSet(["B-A", "E-A"]).legal)
    assert decode(torch.zeros(1, 1, 2), torch.ones(1, 1), torch.zeros(4, 2), legal).tolist() in ([[0]], [[1]])


def test_it_learns_steps_that_emissions_do_not_show():
    """Tags take turns; the emissions say nothing but which comes first."""
    torch.manual_seed(0)
    gold = (torch.arange(6) + torch.tensor([[0], [1]])) % 2
    emissions = torch.zeros(2, 6, 2)
    emissions[[0, 1], 0, gold[:, 0]] = 5.0
    crf, mask = CRF(2), torch.ones(2, 6)
    optimizer = torch.optim.SGD(crf.parameters(), lr=1.0)
    for _ in range(30):
        optimizer.zero_grad()
        (-crf.log_likelihood(emissions, gold, mask).mean()).backward()
        optimizer.step()
    assert torch.equal(crf.decode(emissions, mask), gold)
    assert crf.log_likelihood(emissions, gold, mask).exp().min().item() > 0.5


def test_in_a_network_it_is_rebuilt_from_json_with_equal_weights():
    program = Program()
    emissions = program.add(Variable("logits", (-1, -1, 5), "float32"))
    table = add_crf(emissions, TAGS.legal.tolist())
    (again,) = rebuild(json.loads(json.dumps(describe([table]))))
    one, two = Network([table], seed=7), Network([again], seed=7)
    fed = {"logits": torch.zeros(2, 3, 5)}
    weights = one(fed)["transitions_0"]
    assert torch.equal(weights, two(fed)["transitions_0"])
    assert weights.shape == (7, 5)
    assert [name for name in one.state_dict()] == ["parts.0.transitions", "parts.0.start", "parts.0.end"]
    assert torch.equal(two.parts[0].legal, torch.tensor(TAGS.legal))
    emitted = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 3)
    assert torch.equal(two.parts[0].decode(emitted, mask), decode(emitted, mask, weights, torch.tensor(TAGS.legal)))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"CRF of 3 tags over emissions \[1, 2, 4\]"):
        CRF(3)(torch.zeros(1, 2, 4))
    with pytest.raises(ConfigError, match=r"mask \[1, 3\]"):
        decode(torch.zeros(1, 2, 4), torch.ones(1, 3), torch.zeros(6, 4))
    with pytest.raises(ConfigError, match=r"legal \[2, 2\]"):
        CRF(2, [[True, True], [True, False]])
    with pytest.raises(ConfigError, match="0 tags"):
        CRF(0)
