"""Every layer: what it computes, and that padding on either side changes nothing."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from transferhub import layers
from transferhub.errors import ConfigError, DataError
from transferhub.graph import Network, Program, Variable, mask_of, needs_fixed_length
from transferhub.graph.convolution import ConvPool
from transferhub.graph.pooling import POOLS, pooled
from transferhub.graph.recurrent import ProjectedGRU, Recurrent, is_one_stretch, reading_order
from transferhub.strategy import AdamWeightDecayStrategy
from transferhub.strategy.plan import Steps

WIDTH = 6


def sequence(name="x", length=-1, width=WIDTH):
    program = Program()
    mask = program.add(Variable("input_mask", (-1, length, 1), "float32"))
    return program.add(Variable(name, (-1, length, width), "float32", mask=mask))


LAYERS = {
    "fc": lambda x: layers.fc(x, 4, act="tanh"),
    "gru": lambda x: layers.gru(x, 4),
    "gru backward": lambda x: layers.gru(x, 4, is_reverse=True),
    "lstm": lambda x: layers.lstm(x, 4),
    "lstm backward": lambda x: layers.lstm(x, 4, is_reverse=True),
    "bilstm": lambda x: layers.bilstm(x, 4),
    "projected_gru": lambda x: layers.projected_gru(x, 2),
    "projected_gru backward": lambda x: layers.projected_gru(x, 2, is_reverse=True),
    "conv": lambda x: layers.conv_pool(x, 4, 3, pool=None),
    "concat": lambda x: layers.concat([x, layers.tanh(x)], axis=1),
    "dropout": lambda x: layers.dropout(x, 0.3),
    "softmax": layers.softmax,
    "gelu": layers.gelu,
    **{f"pool {how}": lambda x, how=how: layers.sequence_pool(x, how) for how in POOLS},
    "max_over_time": layers.max_over_time,
    **{f"conv {window} {how}": lambda x, window=window, how=how: layers.conv_pool(x, 4, window, "relu", how)
       for window, how in ((2, "max"), (3, "average"), (5, "max"), (4, "last"))},
    "several": lambda x: layers.fc(layers.max_over_time(layers.conv_pool(layers.bilstm(x, 3), 5, 3, pool=None)), 2),
}  # fmt: skip
NETWORKS = {}


def network_of(name):
    if name not in NETWORKS:
        out = LAYERS[name](sequence())
        NETWORKS[name] = out, Network([out], seed=3).eval()
    return NETWORKS[name]


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=12)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    more=st.integers(0, 5),
    left=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_padding_changes_nothing_at_real_places(name, lengths, more, left, seed):
    out, network = network_of(name)
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randn(length, WIDTH, generator=generator) for length in lengths]
    longest = max(lengths) + more
    values = torch.randn(len(rows), longest, WIDTH, generator=generator) * 9  # padding is not zero
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), longest) if left else slice(0, len(row))
        values[number, place], mask[number, place] = row, 1
    with torch.no_grad():
        together = network({"x": values, "input_mask": mask})[out.name]
        for number, row in enumerate(rows):
            for feeds in ({"x": row[None]}, {"x": row[None], "input_mask": torch.ones(1, len(row), dtype=torch.int64)}):
                alone = network(feeds)[out.name][0]
                same = together[number][mask[number] == 1] if len(out.shape) == 3 else together[number]
                torch.testing.assert_close(same, alone, atol=1e-5, rtol=1e-5)
                assert alone.shape[-1] == out.shape[-1]


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_runs_and_learns_in_bf16(name):
    out, network = LAYERS[name](sequence()), None
    network = Network([out], seed=3).train().to(torch.bfloat16)
    x = torch.randn(2, 4, WIDTH, dtype=torch.bfloat16, requires_grad=True)
    made = network({"x": x, "input_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])})[out.name]
    assert made.dtype == torch.bfloat16
    made.float().square().sum().backward()
    grads = [parameter.grad for parameter in network.parameters()] + [x.grad]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in grads)


@pytest.mark.parametrize("name", LAYERS)
def test_no_gradient_reaches_padding(name):
    out, network = network_of(name)
    x = torch.randn(2, 5, WIDTH, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 0]])
    made = network({"x": x, "input_mask": mask})[out.name]
    (made[mask == 1] if len(out.shape) == 3 else made).square().sum().backward()
    assert (x.grad[1][[0, 1, 4]] == 0).all()


def test_pools_by_hand():
    x = sequence(width=2)
    values = torch.tensor([[[1.0, -5.0], [3.0, -7.0], [2.0, -6.0], [100.0, 100.0]]])
    expected = {
        "max": [3, -5], "sum": [6, -18], "average": [2, -6], "last": [2, -6], "first": [1, -5],
        "sqrt": [6 / 3**0.5, -18 / 3**0.5],
    }  # fmt: skip
    for how, numbers in expected.items():
        out = layers.sequence_pool(x, how)
        made = Network([out])({"x": values, "input_mask": torch.tensor([[1, 1, 1, 0]])})[out.name]
        torch.testing.assert_close(made, torch.tensor([numbers], dtype=torch.float32))
        empty = Network([out])({"x": values, "input_mask": torch.zeros(1, 4, dtype=torch.int64)})[out.name]
        assert empty.tolist() == [[0, 0]], how


@pytest.mark.parametrize(("kind", "torchs"), [("gru", nn.GRU), ("lstm", nn.LSTM)])
def test_recurrent_layers_are_torchs_own(kind, torchs):
    ours, theirs = Recurrent(kind, 5, 3, "both"), torchs(5, 3, batch_first=True, bidirectional=True)
    theirs.load_state_dict(
        {f"{name}{'_reverse' * (way[0] == 'b')}": values for way, layer in ours.ways.items()
         for name, values in layer.state_dict().items()}
    )  # fmt: skip
    x, lengths = torch.randn(3, 7, 5), [7, 4, 1]
    mask = torch.tensor([[1] * length + [0] * (7 - length) for length in lengths])
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True)
    expected = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)[0]
    torch.testing.assert_close(ours(x, mask)["out"], expected)


def test_the_projected_gru_is_its_formula():
    layer = ProjectedGRU(2)
    nn.init.normal_(layer.bias)
    x = torch.randn(1, 2, 6)
    h = torch.zeros(1, 2)
    for place in range(2):
        given = x[:, place] + layer.bias
        u = torch.sigmoid(given[:, :2] + h @ layer.gates.weight[:2].T)
        r = torch.sigmoid(given[:, 2:4] + h @ layer.gates.weight[2:].T)
        c = torch.tanh(given[:, 4:] + (r * h) @ layer.candidate.weight.T)
        h = (1 - u) * h + u * c
    torch.testing.assert_close(layer(x)["out"][:, -1], h)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_reading_at_once_is_reading_in_order(kind, direction, left):
    torch.manual_seed(0)
    layer, values = Recurrent(kind, 5, 4, direction), torch.randn(4, 7, 5, requires_grad=True)
    mask = (torch.arange(7) < torch.tensor([7, 4, 1, 0])[:, None]).long()
    mask = mask.flip(1) if left else mask
    assert is_one_stretch(mask)
    assert not is_one_stretch(torch.tensor([[1, 1, 0], [1, 0, 1]]))
    moved, found = [values, *layer.parameters()], []
    ordered = [layer._read(each, values, mask, name.startswith("b")) for name, each in layer.ways.items()]
    for states in (layer(values, mask)["out"], torch.cat(ordered, dim=2) * (mask != 0).unsqueeze(2)):
        weights = torch.linspace(-1, 1, states.numel()).view(states.shape)
        found.append([states, *torch.autograd.grad((states * weights).sum(), moved)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("act", [None, "relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_the_highest_windows_gradients_are_those_of_the_plain_way(window, act):
    torch.manual_seed(window)
    layer, values = ConvPool(6, 4, window, act), torch.randn(5, 9, 6, requires_grad=True)
    torch.nn.init.normal_(layer.conv.bias)
    mask = torch.ones(5, 9, dtype=torch.long)
    mask[0, 4:], mask[1, :3], mask[2, 2:7], mask[3] = 0, 0, 0, 0

    def plain(values):
        around = torch.nn.functional.pad((values * mask.unsqueeze(2)).transpose(1, 2), layer._around)
        made = layer.conv(around).transpose(1, 2)
        return pooled(made if act is None else getattr(torch, act)(made), mask, "max")

    moved, found = [values, *layer.parameters()], []
    for highest in (layer(values, mask)["out"], plain(values)):
        weights = torch.linspace(-1, 1, highest.numel()).view(highest.shape)
        found.append([highest, *torch.autograd.grad((highest * weights).sum(), moved)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(layer(values, mask)["out"], found[0][0].detach(), atol=1e-6, rtol=0)


def test_reading_order_puts_real_places_first():
    mask = torch.tensor([[0, 1, 0, 1, 1]])
    assert reading_order(mask, False)[0, :3].tolist() == [1, 3, 4]
    assert reading_order(mask, True)[0, :3].tolist() == [4, 3, 1]


def test_an_embedding_reads_ids_and_knows_their_mask():
    ids = Program().add(Variable("text_2", (-1, 7, 1), "int64"))
    out = layers.embedding(ids, [5, 3], padding_idx=0, weight=torch.arange(15.0).view(5, 3).numpy())
    assert out.shape == (-1, 7, 3)
    assert mask_of(out).name == "input_mask_2"
    assert mask_of(out) is mask_of(ids)
    network = Network([out])
    assert network({"text_2": torch.tensor([[4, 0]])})[out.name].tolist() == [[[12, 13, 14], [0, 1, 2]]]
    with pytest.raises(DataError, match=r"id 5 in row 1 of a batch, place 0: beyond the embedding of 5 rows"):
        network({"text_2": torch.tensor([[4], [5]])})
    with pytest.raises(DataError, match="id -1"):
        network({"text_2": torch.tensor([[-1]])})


def test_word_ids_as_1x_declared_them_have_no_known_length():
    assert layers.embedding(Variable("word_ids", (-1, 1), "int64"), [5, 3]).shape == (-1, -1, 3)


def test_the_initializer_and_the_padding_row_are_kept():
    ids = Program().add(Variable("word_ids", (-1, -1), "int64"))
    out = layers.embedding(ids, [500, 4], padding_idx=2, initializer={"kind": "uniform", "low": -0.1, "high": 0.1})
    table = Network([out], seed=1).parts[0].table.weight
    assert table[2].abs().max() == 0
    assert 0.09 < table.abs().max() <= 0.1
    with pytest.raises(ConfigError, match="uniform"):
        Network([layers.embedding(ids, [5, 4], initializer={"kind": "unifrom"})])


def test_weights_are_drawn_from_seed_and_name_and_shared_when_asked():
    x = sequence()
    first, second = (layers.fc(x, 3, name=name) for name in ("a", "b"))
    shared = [layers.fc(x, 3, share="w") for _ in range(2)]
    network = Network([first, second, *shared], seed=5)
    assert len(network.parts) == 3
    weights = [part.linear.weight for part in network.parts]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], Network([first], seed=5).parts[0].linear.weight)
    assert not torch.equal(weights[0], Network([first], seed=6).parts[0].linear.weight)
    with pytest.raises(ConfigError, match="share weights and differ"):
        layers.fc(x, 4, share="w")


def test_lr_scale_and_trainable_reach_the_plan():
    x = sequence()
    fast = layers.fc(x, 3, lr_scale=30, name="fast")
    still = layers.fc(fast, 3, trainable=False)
    parameters = Network([layers.fc(still, 2)]).described_parameters()
    assert [(p.lr_scale, p.trainable) for p in parameters] == [(30, True)] * 2 + [(1, False)] * 2 + [(1, True)] * 2
    plan = AdamWeightDecayStrategy(learning_rate=1e-3).plan(parameters, Steps(10, 10))
    peaks = {name: group.peak for group in plan.groups for name in group.parameters}
    assert peaks["parts.0.linear.weight"] == pytest.approx(0.03)
    assert peaks["parts.2.linear.weight"] == pytest.approx(0.001)
    assert "x30" in str(plan)


def test_flattening_the_length_makes_a_network_of_fixed_length():
    x = sequence(length=4)
    flat = layers.fc(x, 2, num_flatten_dims=1)
    assert flat.shape == (-1, 2)
    assert needs_fixed_length([layers.tanh(flat)])
    assert not needs_fixed_length([layers.max_over_time(layers.fc(x, 2))])
    network = Network([flat])
    assert network({"x": torch.zeros(3, 4, WIDTH)})[flat.name].shape == (3, 2)
    with pytest.raises(ConfigError, match="24 numbers a row"):
        network({"x": torch.zeros(3, 5, WIDTH)})


def test_a_map_of_features_is_flattened_without_a_fixed_length():
    out = layers.fc(Variable("feature_map", (-1, 3, 2, 2), "float32"), 5)
    assert Network([out])({"feature_map": torch.zeros(2, 3, 2, 2)})[out.name].shape == (2, 5)
    assert not needs_fixed_length([out])


def ids():
    return Variable("word_ids", (-1, -1), "int64")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: layers.fc(ids(), 2), "word_ids .* holds ids"),
        (lambda: layers.fc("pooled_output", 2), "'pooled_output'"),
        (lambda: layers.fc(sequence(), 0), "size=0"),
        (lambda: layers.fc(sequence(), 2, num_flatten_dims=1), "not known"),
        (lambda: layers.fc(sequence(), 2, num_flatten_dims=3), "num_flatten_dims=3"),
        (lambda: layers.fc(sequence(), 2, act="rellu"), "did you mean 'relu'"),
        (lambda: layers.embedding(sequence(), [2, 3]), r"expected: ids"),
        (lambda: layers.embedding(ids(), [2, 3, 4]), "size"),
        (lambda: layers.embedding(ids(), [2, 3], weight=torch.zeros(3, 2)), r"weight \[3, 2\]"),
        (lambda: layers.embedding(ids(), [2, 3], padding_idx=2), "padding_idx=2"),
        (lambda: layers.gru(layers.max_over_time(sequence()), 2), r"sequence_pool_0 \[-1, 6\]"),
        (lambda: layers.projected_gru(sequence(), 5), "15 numbers a token"),
        (lambda: layers.sequence_pool(sequence(), "maximum"), "max, sum"),
        (lambda: layers.dropout(sequence(), 1.5), "p=1.5"),
        (lambda: layers.concat([]), "nothing"),
        (lambda: layers.concat([x := sequence(), layers.max_over_time(x)]), "all vectors"),
        (lambda: layers.concat([sequence()], axis=0), "axis=0"),
        (lambda: layers.fc(sequence(), 2, lr_scale=-1), "lr_scale=-1"),
        (lambda: layers.concat([sequence("a"), sequence("b")]), r"'b' is of another program .* than 'a'"),
        (lambda: [layers.fc(x, 2, name="same") for x in [sequence()] for _ in "ab"], "'same'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(wrong, said):
    with pytest.raises(ConfigError, match=said):
        wrong()


def test_sequences_of_two_texts_are_not_joined_token_by_token():
    program = Program()
    texts = [program.add(Variable(name, (-1, -1), "int64")) for name in ("text", "text_2")]
    with pytest.raises(ConfigError, match="input_mask, input_mask_2"):
        layers.concat([layers.embedding(text, [5, 3]) for text in texts])


def test_layers_are_plain_data():
    program = sequence()
    for make in LAYERS.values():
        described = make(program).node.source.description()
        assert json.loads(json.dumps(described)) == described
