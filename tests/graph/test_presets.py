"""1.x's networks: their sizes, padding, shared weights, and as data."""

import pytest
import torch

from transferhub import network as presets
from transferhub.errors import ConfigError
from transferhub.graph import Network, Program, Variable, needs_fixed_length
from transferhub.graph.describe import describe, rebuild

WIDTHS = {"bow": 96, "cnn": 128, "dpcnn": 128, "gru": 96, "lstm": 96, "bilstm": 96}


def sequence(program=None, name="x", length=8):
    program = program or Program()
    mask = program.variables.get("input_mask") or program.add(Variable("input_mask", (-1, length, 1), "float32"))
    return program.add(Variable(name, (-1, length, 5), "float32", mask=mask))


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_gives_one_vector_a_text_and_comes_back_from_its_description(name):
    x = sequence()
    out = presets.preset(name)(x)
    assert out.shape == (-1, WIDTHS[name])
    assert needs_fixed_length([out]) == (name == "dpcnn")
    first = Network([out], seed=1).eval()
    (again,) = rebuild(describe([out]))
    second = Network([again], seed=2).eval()
    second.load_state_dict(first.state_dict())
    feeds = {"x": torch.randn(3, 8, 5), "input_mask": torch.ones(3, 8, dtype=torch.int64)}
    made = first(feeds)[out.name]
    assert made.shape == (3, WIDTHS[name])
    assert torch.equal(second(feeds)[again.name], made)


@pytest.mark.parametrize("name", [name for name in presets.PRESETS if name != "dpcnn"])
@pytest.mark.parametrize("left", [False, True])
def test_padding_does_not_enter_a_preset(name, left):
    out = presets.preset(name)(sequence(length=-1))
    network = Network([out], seed=1).eval()
    real, filling = torch.randn(2, 4, 5), torch.randn(2, 3, 5) * 9
    ones, zeros = torch.ones(2, 4), torch.zeros(2, 3)
    padded = {
        "x": torch.cat([filling, real] if left else [real, filling], dim=1),
        "input_mask": torch.cat([zeros, ones] if left else [ones, zeros], dim=1),
    }
    torch.testing.assert_close(network(padded)[out.name], network({"x": real})[out.name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_two_texts_may_be_read_by_the_same_weights(name):
    x = sequence()
    y = sequence(x.block, "y")
    alone = len(list(Network([presets.preset(name)(x)]).parameters()))
    pair = [presets.preset(name)(text, share="tower") for text in (x, y)]
    assert len(list(Network(pair).parameters())) == alone
    apart = [presets.preset(name)(text) for text in (x, y)]
    assert len(list(Network(apart).parameters())) == 2 * alone


def test_bilstm_takes_the_state_that_has_read_everything():
    out = presets.bilstm(sequence(length=-1))
    network = Network([out], seed=1).eval()
    x = torch.randn(1, 6, 5, requires_grad=True)
    network({"x": x})[out.name].sum().backward()
    parts = x.grad.abs().sum(2)[0]
    assert (parts > 0).all()
    assert sum("lstm" in name for name, _ in network.named_parameters()) == 8


def test_an_unknown_network_is_said_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"network='blstm'(.|\n)*bow, cnn(.|\n)*did you mean"):
        presets.preset("blstm")
