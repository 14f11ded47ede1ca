"""Networks of the user's own as nodes, and any network as JSON and back."""

import json

import pytest
import torch
from torch import nn

from transferhub import layers
from transferhub.errors import ConfigError, RunError
from transferhub.graph import Network, Node, Program, Source, Variable, needs_fixed_length
from transferhub.graph.applied import apply
from transferhub.graph.checks import check_logits, check_output
from transferhub.graph.describe import describe, rebuild


class Net(nn.Module):
    """The document's: the length is part of the features."""

    def __init__(self, length=5, width=4):
        super().__init__()
        self.size = length * width
        self.fc1 = nn.Linear(self.size, 2)

    def forward(self, x):
        return self.fc1(x.view(-1, self.size))


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.linear.bias.requires_grad_(False)

    def forward(self, x, mask):
        return {"tokens": self.linear(x), "mean": (x * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)}


class Looks(nn.Module):
    """Cannot be run on the meta device."""

    def forward(self, x):
        return x[:, :2, 0] if x.abs().sum().item() >= 0 else x


class EncoderLike(Source):
    role = "backbone"

    def build(self, seed):
        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Embedding.from_pretrained(torch.arange(40.0).view(10, 4))

            def forward(self, input_ids, input_mask=None):
                return {"sequence_output": self.table(input_ids)}

        return Encoder()


def context(width=4, length=5):
    program, source = Program(), EncoderLike()
    ids = program.add(Variable("input_ids", (-1, length, 1), "int64"))
    mask = program.add(Variable("input_mask", (-1, length, 1), "float32"))
    node = Node(source, {"input_ids": ids, "input_mask": mask})
    out = program.add(Variable("sequence_output", (-1, length, width), "float32", node, "sequence_output"))
    return {"input_ids": ids, "input_mask": mask}, {"sequence_output": out}, program


FEEDS = {"input_ids": torch.tensor([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0]]),
         "input_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])}  # fmt: skip


def test_the_documents_net_stands_on_a_sequence_at_one_length():
    _, outputs, _ = context()
    net = Net()
    out = apply(net, outputs["sequence_output"], lr_scale=3)
    assert (out.shape, out.dtype, needs_fixed_length([out])) == ((-1, 2), "float32", True)
    network = Network([out])
    expected = net(torch.arange(40.0).view(10, 4)[FEEDS["input_ids"]])
    assert torch.equal(network(FEEDS)[out.name], expected)
    assert {p.lr_scale for p in network.described_parameters() if p.role == "head"} == {3}


def test_a_flattened_sequence_has_the_size_of_its_full_length():
    program = Program()
    mask = program.add(Variable("input_mask", (-1, 6, 1), "float32"))
    known = program.add(Variable("x", (-1, 6, 4), "float32", mask=mask))
    assert apply(nn.Flatten(), known).shape == (-1, 24)
    assert apply(nn.Flatten(), known, fixed_length=False).shape == (-1, -1)


def test_each_network_trains_its_own_copy_and_weights_go_in_and_out():
    _, outputs, _ = context()
    net = Net()
    out = apply(net, outputs["sequence_output"])
    first, second = Network([out]), Network([out])
    with torch.no_grad():
        first.parts[1].module.fc1.bias.fill_(7)
    assert not torch.equal(second.parts[1].module.fc1.bias, first.parts[1].module.fc1.bias)
    assert net.fc1.bias.abs().max() < 7
    net.load_state_dict(first.parts[1].module.state_dict())
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(FEEDS)[out.name], Network([out])(FEEDS)[out.name])


def test_a_module_with_the_mask_runs_on_any_length_and_gives_several_outputs():
    inputs, outputs, _ = context()
    made = apply(Masked(), outputs["sequence_output"], inputs["input_mask"], name="m")
    assert {name: variable.shape for name, variable in made.items()} == {"tokens": (-1, 5, 3), "mean": (-1, 4)}
    assert made["tokens"].mask is inputs["input_mask"]
    assert not needs_fixed_length(made.values())
    network = Network(list(made.values()))
    assert set(network(FEEDS)) == {"m_tokens", "m_mean"}
    moving = {p.name: p.trainable for p in network.described_parameters()}
    assert moving["parts.1.module.linear.weight"]
    assert not moving["parts.1.module.linear.bias"], "what the user froze stays frozen"


def test_a_module_that_reads_padding_is_of_fixed_length_unless_it_says_otherwise():
    _, outputs, _ = context()
    x = outputs["sequence_output"]
    states = apply(nn.LSTM(4, 3, batch_first=True), x)
    assert [state.shape for state in states] == [(-1, 5, 3), (1, -1, 3), (1, -1, 3)]
    assert needs_fixed_length(states)
    assert not needs_fixed_length([apply(nn.Linear(4, 3), x, fixed_length=False)])
    assert not needs_fixed_length([apply(nn.Linear(4, 3), layers.max_over_time(x))])


def test_a_module_that_looks_at_numbers_is_tried_for_real_or_its_shape_is_asked_for():
    x = Variable("x", (-1, 5, 4), "float32")
    assert apply(Looks(), x).shape == (-1, 2)

    class Fails(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError("on purpose")

    with pytest.raises(
        ConfigError, match=r"Fails failed on a trial with x \[-1, 5, 4\].*on purpose(.|\n)*output_shape"
    ):
        apply(Fails(), x)
    assert apply(Fails(), x, output_shape=[-1, 9]).shape == (-1, 9)


def test_a_trial_changes_nothing():
    norm = nn.BatchNorm1d(4).train()
    before = {name: values.clone() for name, values in norm.state_dict().items()}
    state = torch.get_rng_state()
    assert apply(norm, Variable("v", (-1, 4), "float32")).shape == (-1, 4)
    assert norm.training
    assert all(torch.equal(values, before[name]) for name, values in norm.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_the_same_module_twice_shares_its_weights():
    program = Program()
    inputs = [program.add(Variable(name, (-1, 4), "float32")) for name in ("v", "w")]
    net = nn.Linear(4, 2)
    outs = [apply(net, variable) for variable in inputs]
    assert len(Network(outs).parts) == 1
    with pytest.raises(ConfigError, match="applied twice"):
        apply(net, inputs[0], lr_scale=2)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: apply(Net, Variable("x", (-1, 4), "float32")), r"Net\(\) instead of Net"),
        (lambda: apply(Net()), "Variables after the module"),
        (lambda: apply(Net(), context()[1]["sequence_output"], context()[1]["sequence_output"]), "another program"),
    ],
)
def test_wrong_arguments_are_said(wrong, said):
    with pytest.raises(ConfigError, match=said):
        wrong()


def test_a_network_that_gives_no_classes_is_refused_with_both_shapes_and_its_name():
    _, outputs, _ = context()
    check_output(layers.fc(layers.max_over_time(outputs["sequence_output"]), 3, name="logits"), 3)
    for variable, said in (
        (outputs["sequence_output"], r"'sequence_output' is \[-1, 5, 4\](.|\n)*\[-1, 3\](.|\n)*max_over_time"),
        (layers.max_over_time(outputs["sequence_output"], name="pool"), r"'pool' is \[-1, 4\](.|\n)*size=3"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            check_output(variable, 3)
    check_logits(torch.zeros(2, 3), "logits", 2, 3)
    with pytest.raises(ConfigError, match=r"'logits' is \[4, 3\] for a batch of 2"):
        check_logits(torch.zeros(4, 3), "logits", 2, 3)


def network_of_all(inputs, outputs, program):
    """A network with every kind of layer, shared weights, an input of its own and a class of the user's."""
    x = layers.concat([outputs["sequence_output"], layers.embedding(inputs["input_ids"], [10, 3], lr_scale=30)], axis=1)
    x = layers.bilstm(layers.fc(x, 4, act="relu"), 3)
    x = layers.projected_gru(layers.fc(x, 6), 2)
    twice = [layers.fc(layers.gru(x, 2), 3, share="both") for _ in range(2)]
    pooled = [layers.sequence_pool(twice[0], "sqrt"), layers.conv_pool(twice[1], 3, 2, "tanh")]
    own = apply(Net(5, 2), x, trainable=False)
    masked = apply(Masked(), outputs["sequence_output"], inputs["input_mask"])
    together = layers.concat([*pooled, own, masked["mean"], layers.gelu(layers.dropout(own, 0.1))])
    return [layers.fc(together, 2, name="logits"), layers.tanh(own)]


def test_a_network_is_the_same_after_json():
    inputs, outputs, program = context()
    made = network_of_all(inputs, outputs, program)
    described = json.loads(json.dumps(describe(made)))
    _, _, new_program = context()
    again = rebuild(described, new_program, classes={"Net": Net(5, 2), "Masked": Masked})
    assert describe(again) == described
    assert all(variable.block is new_program for variable in again)
    assert needs_fixed_length(again)
    first, second = Network(made, seed=1).eval(), Network(again, seed=2).eval()
    shape = {name: values.shape for name, values in first.state_dict().items()}
    assert {name: values.shape for name, values in second.state_dict().items()} == shape
    second.load_state_dict(first.state_dict())
    for name, values in first(FEEDS).items():
        assert torch.equal(second(FEEDS)[name], values)
    traits = [[(p.name, p.lr_scale, p.trainable, p.depth) for p in n.described_parameters()] for n in (first, second)]
    assert traits[0] == traits[1]


def test_a_network_without_a_module_makes_its_own_inputs():
    made = layers.fc(layers.max_over_time(layers.embedding(Variable("word_ids", (-1, -1), "int64"), [9, 3])), 2)
    (again,) = rebuild(describe([made]))
    network = Network([again])
    feeds = {"word_ids": torch.tensor([[1, 2]]), "input_mask": torch.tensor([[1, 0]])}
    network.load_state_dict(Network([made]).state_dict())
    assert network(feeds)[again.name].shape == (1, 2)


def described_net():
    _, outputs, _ = context()
    return describe([apply(Net(), outputs["sequence_output"])])


def test_the_users_class_must_be_given_and_is_never_imported():
    with pytest.raises(RunError, match=rf"needs your class {__name__}:Net(.|\n)*classes="):
        rebuild(described_net(), context()[2])
    with pytest.raises(RunError, match=r"Net is another network(.|\n)*fc1.weight is \[2, 12\], saved \[2, 20\]"):
        rebuild(described_net(), context()[2], classes={"Net": lambda: Net(3, 4)})
    with pytest.raises(RunError, match=r"Net\(\) failed: TypeError"):
        rebuild(described_net(), context()[2], classes={"Net": lambda needed: None})
    described = described_net()
    described["sources"][0]["class"] = "antigravity:Net"
    with pytest.raises(RunError, match="antigravity:Net"):
        rebuild(described, context()[2], classes={"Other": Net})
    import sys

    assert "antigravity" not in sys.modules


def test_the_module_must_be_given_and_be_the_one():
    with pytest.raises(RunError, match=r"'sequence_output' \[-1, 5, 4\] of a module"):
        rebuild(described_net(), classes={"Net": Net})
    with pytest.raises(RunError, match=r"the module gives \[-1, 5, 8\]"):
        rebuild(described_net(), context(width=8)[2], classes={"Net": Net})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: said.pop("nodes"),
        lambda said: said["sources"][0].update(kind="os.system"),
        lambda said: said["sources"].clear(),
        lambda said: said["nodes"][0]["inputs"].update(x0="nothing"),
        lambda said: said.update(outputs=["nothing"]),
        lambda said: said.update(known=[]),
    ],
)
def test_a_damaged_description_is_an_error_that_says_so(spoil):
    said = described_net()
    spoil(said)
    with pytest.raises(RunError):
        rebuild(said, context()[2], classes={"Net": Net})
