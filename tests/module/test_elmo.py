"""ELMo over words: both directions, padding, mixed layers, the folder."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import transferhub as hub
from transferhub.errors import ConfigError, DataError, ModuleError
from transferhub.graph import Network
from transferhub.module import store
from transferhub.module.elmo import Elmo, ElmoConfig, ElmoModule, save, write_random

WORDS = ["the", "room", "good", "bad", "very"]
PAD = 6


@pytest.fixture(params=[4, 6])
def folder(request, tmp_path):
    return write_random(tmp_path / "elmo", WORDS, dim=4, hidden=request.param)


@pytest.fixture
def network(folder):
    return Network([hub.Module(directory=folder).context()[1]["elmo_embed"]]).eval()


def test_a_folder_is_installed_under_the_name_and_opens_as_this_family(folder):
    installed = store.install("elmo", origin=str(folder))
    assert installed.family == "elmo"
    module = hub.Module(name="elmo")
    assert isinstance(module, ElmoModule)
    assert Path(module.get_vocab_path()).read_text(encoding="utf-8").split() == ["<unk>", *WORDS, "<pad>"]
    inputs, outputs, program = module.context(trainable=True)
    assert inputs["word_ids"] is inputs["text"]
    assert outputs["elmo_embed"].shape == (-1, -1, 8)
    assert outputs["elmo_embed"].block is program
    assert module.fingerprint() == hub.Module(directory=folder).fingerprint()


@pytest.mark.parametrize("mask", [True, False])
def test_padding_does_not_change_the_words(network, mask):
    rows = [[1, 2, 3, 4, 5], [3, 1], [5]]
    alone = [network({"word_ids": torch.tensor([row])})["elmo_embed"][0] for row in rows]
    padded = torch.full((3, 9), PAD)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = torch.tensor(row)
    feeds = {"word_ids": padded}
    if mask:
        feeds["input_mask"] = (padded != PAD).long()
        feeds["word_ids"] = torch.where(padded == PAD, 2, padded)  # whatever stands there
    together = network(feeds)["elmo_embed"]
    for place, row in enumerate(rows):
        torch.testing.assert_close(together[place, : len(row)], alone[place])
        assert not together[place, len(row) :].any()


def test_each_direction_knows_only_its_side(folder):
    elmo = Network([hub.Module(directory=folder).context()[1]["elmo_embed"]]).eval().parts[0]
    one, other = (elmo.layers(torch.tensor([row])) for row in ([1, 2, 3, 4], [1, 2, 5, 4]))
    for below, (first, second) in enumerate(zip(one[1:], other[1:], strict=True)):
        assert torch.equal(first[:, :2, :4], second[:, :2, :4]), f"layer {below}, onwards: before the change"
        assert not torch.equal(first[:, 3, :4], second[:, 3, :4])
        assert torch.equal(first[:, 3, 4:], second[:, 3, 4:]), f"layer {below}, backwards: after the change"
        assert not torch.equal(first[:, 1, 4:], second[:, 1, 4:])


def test_it_is_torchs_own_bidirectional_lstm_where_nothing_is_padded():
    config = ElmoConfig(7, dim=4, hidden=4, layers=1)
    elmo = Elmo(config).eval()
    both = nn.LSTM(4, 4, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for name, parameter in both.named_parameters():
            side = elmo.backwards if name.endswith("_reverse") else elmo.forwards
            parameter.copy_(dict(side[0].lstm.named_parameters())[name.removesuffix("_reverse")])
    ids = torch.tensor([[1, 2, 3], [4, 5, 0]])
    torch.testing.assert_close(elmo.layers(ids)[1], both(elmo.embedding(ids))[0])


def test_layers_are_mixed_by_softmax_normalised_weights_and_gamma(network):
    elmo, ids = network.parts[0], torch.tensor([[1, 2, 3]])
    layers = elmo.layers(ids)
    assert torch.equal(layers[0], torch.cat([elmo.embedding(ids)] * 2, dim=-1))
    torch.testing.assert_close(network({"word_ids": ids})["elmo_embed"], sum(layers) / 3)
    with torch.no_grad():
        elmo.weights.copy_(torch.tensor([0.0, 50.0, 0.0]))
        elmo.gamma.fill_(2)
    torch.testing.assert_close(network({"word_ids": ids})["elmo_embed"], 2 * layers[1])


def test_all_of_it_is_trained_or_none_and_its_depths_follow_the_layers(folder):
    module = hub.Module(directory=folder)
    network = Network([module.context(trainable=True)[1]["elmo_embed"]])
    network({"word_ids": torch.tensor([[1, 2, PAD]])})["elmo_embed"].pow(2).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    depths = {p.name.removeprefix("parts.0."): p.depth for p in network.described_parameters()}
    assert depths["gamma"] == depths["weights"] == 0
    assert depths["forwards.1.lstm.weight_ih_l0"] == depths["backwards.1.lstm.bias_hh_l0"] == 1
    assert depths["forwards.0.lstm.weight_ih_l0"] == 2
    assert depths["embedding.weight"] == 3
    frozen = Network([module.context(trainable=False)[1]["elmo_embed"]])
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_weights_are_those_of_the_folder_or_random_by_seed(folder):
    module, other = hub.Module(directory=folder), hub.Module(directory=folder, pretrained=False)
    first, again = (Network([module.context()[1]["elmo_embed"]], seed).state_dict() for seed in (1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    drawn, redrawn, next_ = (Network([other.context()[1]["elmo_embed"]], seed).state_dict() for seed in (1, 1, 2))
    name = "parts.0.embedding.weight"
    assert torch.equal(drawn[name], redrawn[name])
    assert not torch.equal(drawn[name], next_[name])
    assert not torch.equal(drawn[name], first[name])
    assert module.fingerprint() != other.fingerprint()


def test_what_is_wrong_with_a_folder_is_said(folder):
    module = hub.Module(directory=folder)
    with pytest.raises(ConfigError, match="num_slots=2"):
        module.context(num_slots=2)
    with pytest.raises(DataError, match="word id 7 in an embedding of 7 words"):
        Network([module.context()[1]["elmo_embed"]])({"word_ids": torch.tensor([[7]])})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "layers": 3}))
    with pytest.raises(ModuleError, match="cannot be read"):
        Network([hub.Module(directory=folder).context()[1]["elmo_embed"]])
    for wrong in ({"dim": 0}, {"dim": "4"}, {"hidden": 2}):
        (folder / "config.json").write_text(json.dumps({**config, **wrong}))
        with pytest.raises(ModuleError, match="sizes of an ELMo"):
            hub.Module(directory=folder).context()
    (folder / "config.json").write_text(json.dumps({"model_type": "elmo_words"}))
    with pytest.raises(ModuleError, match="is not of an ELMo"):
        hub.Module(directory=folder).context()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("one\n<pad>\n")
    with pytest.raises(ModuleError, match=r"vocab\.txt has 2 words, config\.json says 7"):
        hub.Module(directory=folder).context()


def test_a_vocabulary_that_does_not_fit_is_not_written(tmp_path):
    config = ElmoConfig(3, 4, 4)
    for words in (["a", "b"], ["a", "a", "<pad>"], ["a", "b\n", "<pad>"]):
        with pytest.raises(ModuleError, match="different words"):
            save(tmp_path / "none", Elmo(config), config, words)
    assert not (tmp_path / "none").exists()
