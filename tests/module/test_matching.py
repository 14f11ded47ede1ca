"""Texts as sums of their words' vectors, with the same weights side by side."""

import pytest
import torch

import transferhub as hub
from transferhub.errors import HubError
from transferhub.graph import Network
from transferhub.module import store
from transferhub.module.matching import MatchingModule

EMB = ("emb", "emb_2", "emb_3")


@pytest.fixture
def module(tmp_path):
    (tmp_path / "own.txt").write_text("a 1 10\nb 2 20\nc 3 30\n")
    store.install("simnet_bow", origin=str(tmp_path / "own.txt"))
    return hub.Module(name="simnet_bow")


def test_the_name_decides_what_is_made_of_a_file_of_vectors(module):
    assert isinstance(module, MatchingModule)
    assert module.stands_for == "own"


def test_a_text_is_the_sum_of_its_words(module):
    inputs, outputs, _ = module.context(max_seq_len=16, num_slots=2)
    assert outputs["emb"].shape == outputs["emb_2"].shape == (-1, 2)
    assert outputs["word_embs_2"].shape == (-1, 16, 2)
    network = Network([outputs["emb"], outputs["emb_2"], outputs["word_embs"]])
    made = network({inputs["text"].name: torch.tensor([[0, 2]]), inputs["text_2"].name: torch.tensor([[1, 1]])})
    assert made["emb"].tolist() == [[4, 40]]
    assert made["emb_2"].tolist() == [[4, 40]]
    assert made["word_embs"].shape == (1, 2, 2)
    assert len(network.parts) == 1


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"input_mask": torch.tensor([[1, 1, 0, 0]])},
        {"seq_len": torch.tensor([2])},
        {"seq_len": torch.tensor([[2]]), "input_mask": torch.ones(1, 4)},
    ],
)
def test_padding_adds_nothing_however_it_is_told(module, how):
    network = Network([module.context()[1]["emb"]])
    filler = 3 if not how else 2  # the last id is zero by itself
    padded = network({"word_ids": torch.tensor([[0, 1, filler, filler]]), **how})["emb"]
    assert torch.equal(padded, network({"word_ids": torch.tensor([[0, 1]])})["emb"])


@pytest.mark.parametrize("slots", [2, 3])
def test_pairs_and_triples_of_word_vectors_have_names_of_their_own(module, slots, tmp_path):
    store.install("word2vec_skipgram", origin=str(tmp_path / "own.txt"))
    inputs, outputs, _ = hub.Module(name="word2vec_skipgram").context(trainable=True, num_slots=slots)
    features = [outputs[name] for name in EMB[:slots]]
    assert len({feature.name for feature in features}) == slots
    network = Network(features)
    feeds = {inputs[name].name: torch.tensor([[slots - 2]]) for name in ("text", "text_2", "text_3")[:slots]}
    made = network(feeds)
    assert all(torch.equal(made[feature.name], made[features[0].name]) for feature in features)


def similarities(module, first, second, **more):
    return [each["similarity"] for each in module.similarity([first, second], **more)]


def test_similarity_is_the_cosine_of_the_sums(module, monkeypatch):
    monkeypatch.setattr("transferhub.text.tokenizers.jieba_is_here", lambda: False)
    found = module.similarity(data={"text_1": ["a b"], "text_2": ["c"]}, use_gpu=True)
    assert found == [{"text_1": "a b", "text_2": "c", "similarity": 1.0}], "all vectors lie on one line"
    assert similarities(module, ["a", "", "A"], ["x", "a", "b y"]) == [0.0, 0.0, 1.0]


def test_similarity_does_not_depend_on_the_batch(tmp_path):
    (tmp_path / "own.txt").write_text("店 1 0\n好 0 1\n大 1 1\n")
    store.install("simnet_bow", origin=str(tmp_path / "own.txt"))
    module, first, second = hub.Module(name="simnet_bow"), ["店", "店 好", "大"], ["好", "大", "店"]
    expected = [0.0, 1.0, 0.7071]
    assert similarities(module, first, second) == similarities(module, first, second, batch_size=2) == expected
    assert module.similarity([[], []]) == []


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"texts": ["a", "b"]},
        {"texts": [["a"], ["b"], ["c"]]},
        {"texts": [["a", "b"], ["c"]]},
        {"texts": [["a"], [None]]},
        {"data": {"text_1": ["a"]}},
        {"texts": [["a"], ["b"]], "batch_size": 0},
    ],
)
def test_similarity_of_what_is_no_pairs_is_refused(module, given):
    with pytest.raises(HubError):
        module.similarity(**given)
