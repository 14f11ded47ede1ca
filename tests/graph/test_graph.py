import pytest
import torch
from torch import nn

from transferhub.graph import Network, Node, Source, Variable, derive, seeded
from transferhub.graph.depth import depths_by_blocks
from transferhub.graph.heads import FullyConnectedSource
from transferhub.graph.variable import walk_back


class Doubler(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 2.0))
        self.drop = nn.Dropout(0.5)
        self.calls = 0

    def forward(self, x, y=None):
        self.calls += 1
        return {"out": self.drop(x * self.weight), "other": x}


class DoublerSource(Source):
    role = "backbone"

    def __init__(self, trainable=True):
        self.trainable = trainable

    def build(self, seed):
        return Doubler()


def test_only_what_the_outputs_need_is_run_in_order():
    x = Variable("x", (-1, 3), "float32")
    first = Variable("first", (-1, 3), "float32", Node(DoublerSource(), {"x": x}), "out")
    second = Variable("second", (-1, 3), "float32", Node(DoublerSource(), {"x": first}), "out")
    Variable("aside", (-1, 3), "float32", Node(DoublerSource(), {"x": x}), "out")
    network = Network([second]).eval()
    assert [node.inputs["x"].name for node in walk_back([second])] == ["x", "first"]
    out = network({"x": torch.ones(2, 3)})
    assert list(out) == ["second"]
    assert torch.equal(out["second"], torch.full((2, 3), 4.0))
    assert [part.calls for part in network.parts] == [1, 1]


def test_two_nodes_of_one_source_share_its_weights():
    source = DoublerSource()
    a, b = Variable("a", (-1,), "float32"), Variable("b", (-1,), "float32")
    outputs = [Variable(f"out_{v.name}", (-1,), "float32", Node(source, {"x": v}), "out") for v in (a, b)]
    network = Network(outputs).eval()
    assert len(list(network.parameters())) == 1
    result = network({"a": torch.ones(1), "b": torch.zeros(1)})
    assert (result["out_a"].item(), result["out_b"].item()) == (2.0, 0.0)


def test_a_frozen_source_gets_no_gradient_and_stays_in_eval_mode():
    x = Variable("x", (-1, 4), "float32")
    frozen = Variable("f", (-1, 4), "float32", Node(DoublerSource(trainable=False), {"x": x}), "out")
    logits = Variable("logits", (-1, 2), "float32", Node(FullyConnectedSource(4, 2), {"feature": frozen}), "logits")
    network = Network([logits]).train()
    assert not network.parts[0].training
    assert network.parts[1].training
    network({"x": torch.ones(2, 4)})["logits"].sum().backward()
    assert network.parts[0].weight.grad is None
    described = network.described_parameters()
    assert [(p.role, p.depth, p.trainable) for p in described] == [
        ("backbone", 1, False),
        ("head", 0, True),
        ("head", 0, True),
    ]


def test_a_head_is_drawn_from_the_seed_alone():
    source = FullyConnectedSource(4, 2, hidden_units=[3])
    torch.manual_seed(5)
    first = source.build(1).state_dict()
    torch.manual_seed(6)
    second = source.build(1).state_dict()
    other = source.build(2).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["layers.1.weight"], other["layers.1.weight"])


def test_derived_seeds_differ_by_purpose_and_are_the_same_everywhere():
    assert derive(42, "dropout", 7) == 3976614188916360971  # changes of this number break every resume
    assert (
        len({derive(42, "dropout", 7), derive(42, "dropout", 8), derive(42, "step", 7), derive(43, "dropout", 7)}) == 4
    )
    assert derive(1, 23) != derive(12, 3)


def test_seeded_leaves_the_generator_as_it_was():
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with seeded(9, "x"):
        inside = torch.rand(1)
    assert torch.equal(torch.rand(2), expected)
    with seeded(9, "x"):
        assert torch.equal(torch.rand(1), inside)


def test_a_missing_input_is_a_key_error_of_the_node_that_needs_it():
    x = Variable("x", (-1,), "float32")
    network = Network([Variable("o", (-1,), "float32", Node(DoublerSource(), {"x": x}), "out")])
    with pytest.raises(TypeError, match="x"):
        network({})


def test_blocks_are_numbered_from_the_output():
    def block():
        return nn.ModuleDict({"a": nn.Linear(2, 2), "deep": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})

    body = nn.ModuleDict(
        {
            "embeddings": nn.ModuleDict({"patches": nn.Linear(2, 2)}),
            "stages": nn.ModuleList([nn.ModuleList([block(), block()]), nn.ModuleList([block()])]),
            "layernorm": nn.LayerNorm(2),
        }
    )
    depths = depths_by_blocks(nn.ModuleDict({"body": body}))
    assert depths["body.embeddings.patches.weight"] == 4
    assert {depths[f"body.stages.0.0.{rest}.bias"] for rest in ("a", "deep.0", "deep.1")} == {3}
    assert depths["body.stages.0.1.deep.1.weight"] == 2
    assert depths["body.stages.1.0.a.weight"] == 1
    assert depths["body.layernorm.weight"] == depths["body.layernorm.bias"] == 0
