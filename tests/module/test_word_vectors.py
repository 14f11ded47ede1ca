"""Word vectors as modules: installed from a file, read by several texts."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import transferhub as hub
from transferhub import paths
from transferhub.commands.app import app
from transferhub.errors import ConfigError, DataError, ModuleError
from transferhub.graph import Network
from transferhub.module import store
from transferhub.module.word_vectors import WordVectorsModule

WORDS = ["the", "room", "good", "bad"]
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3) + 1


@pytest.fixture
def vectors(tmp_path):
    rows = zip(WORDS, VECTORS.tolist(), strict=True)
    text = "".join(word + " " + " ".join(map(str, row)) + "\n" for word, row in rows)
    (tmp_path / "vectors").mkdir()
    path = tmp_path / "vectors" / "own.3d.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def module(vectors):
    store.install("word2vec_skipgram", origin=str(vectors))
    return hub.Module(name="word2vec_skipgram")


@pytest.mark.parametrize("folder", [False, True])
def test_a_file_or_its_folder_is_installed_under_a_name_of_the_catalogue(folder, vectors):
    installed = store.install("word2vec_skipgram", origin=str(vectors.parent if folder else vectors))
    assert (installed.family, installed.stands_for) == ("word_vectors", "own.3d")
    files = sorted(each.name for each in installed.folder.iterdir())
    assert files == ["config.json", "manifest.json", "module.json", "vectors.npy", "vocab.txt"]
    module = hub.Module(name="word2vec_skipgram")
    assert isinstance(module, WordVectorsModule)
    assert module.words == [*WORDS, "<pad>"]
    assert module.dim == 3
    assert not [each for each in paths.downloads().iterdir() if each.is_dir()], "nothing is left on the way"


def test_the_command_installs_a_file_and_shows_it(vectors):
    run = CliRunner().invoke(app, ["install", "my-words", "--from", str(vectors)])
    assert run.exit_code == 0, run.output
    assert "stands for own.3d" in run.output
    assert "my-words" in CliRunner().invoke(app, ["list"]).output
    assert CliRunner().invoke(app, ["show", "my-words", "--verify"]).exit_code == 0


def test_a_file_is_installed_under_its_own_name(vectors):
    assert store.install(str(vectors)).name == "own.3d"
    assert hub.Module(name="own.3d").words == [*WORDS, "<pad>"]


def test_of_several_files_in_a_folder_the_one_of_the_name_is_taken(vectors):
    (vectors.parent / "glove.6B.50d.txt").write_text("one 1 2\ntwo 3 4\n")
    (vectors.parent / "README.txt").write_text("Prose about vectors.\n")
    assert store.install("glove.6B.50d", origin=str(vectors.parent)).family == "word_vectors"
    assert hub.Module(name="glove.6B.50d").dim == 2
    with pytest.raises(ModuleError, match=r"2 files of word vectors: glove\.6B\.50d\.txt, own\.3d\.txt"):
        store.install("word2vec_skipgram", origin=str(vectors.parent))


def test_a_wrong_file_is_refused_with_its_line_and_installs_nothing(vectors):
    with open(vectors, "a", encoding="utf-8") as file:
        file.write("ragged 1 2\n")
    with pytest.raises(ModuleError, match=r"own\.3d\.txt:5: 2 numbers"):
        store.install("word2vec_skipgram", origin=str(vectors))
    assert store.find("word2vec_skipgram") is None


def test_a_name_without_files_says_how_to_bring_them():
    with pytest.raises(ModuleError, match=r"hub install glove\.6B\.100d --from"):
        hub.Module(name="glove.6B.100d")


def test_a_file_that_is_not_installed_says_how_to(vectors):
    with pytest.raises(ModuleError, match="hub install NAME --from"):
        hub.Module(name=str(vectors))


def test_a_folder_that_was_installed_opens_anywhere_and_a_damaged_one_is_said(module, tmp_path):
    there = store.download("word2vec_skipgram", tmp_path / "there").folder
    assert hub.Module(directory=there).fingerprint() == module.fingerprint()
    (there / "vocab.txt").write_text("one\n")
    with pytest.raises(ModuleError, match=r"5 rows, vocab\.txt 1 words"):
        hub.Module(directory=there)
    (there / "vocab.txt").unlink()
    with pytest.raises(ModuleError, match=r"has no vocab\.txt"):
        hub.Module(directory=there)


def test_an_installed_name_can_be_the_source_of_another(module):
    store.install("simnet_bow", origin="word2vec_skipgram")
    assert hub.Module(name="simnet_bow").stands_for == "own.3d"


def test_both_versions_names_are_on_the_dictionaries(module):
    inputs, outputs, program = module.context(trainable=True, max_seq_len=7, num_slots=3)
    for end in ("", "_2", "_3"):
        assert inputs[f"word_ids{end}"] is inputs[f"text{end}"]
        assert outputs[f"word_embs{end}"] is outputs[f"emb{end}"]
        assert outputs[f"emb{end}"].shape == (-1, 7, 3)
        assert inputs[f"text{end}"].shape == (-1, 7)
        assert outputs[f"emb{end}"].block is program
    assert module.context()[1]["emb"].shape == (-1, 128, 3)
    assert "emb_2" not in module.context()[1]


def test_ids_become_vectors_and_the_last_id_is_zero(module):
    _, outputs, _ = module.context()
    network = Network([outputs["word_embs"]])
    got = network({"word_ids": torch.tensor([[1, 3, 4]])})["word_embs"]
    assert torch.equal(got[0], torch.tensor([VECTORS[1].tolist(), VECTORS[3].tolist(), [0, 0, 0]]))


def test_texts_share_the_vectors_and_networks_do_not(module):
    _, outputs, _ = module.context(trainable=True, num_slots=2)
    network = Network([outputs["emb"], outputs["emb_2"]])
    assert len(network.parts) == 1
    feeds = {"word_ids": torch.tensor([[0]]), "word_ids_2": torch.tensor([[0]])}
    made = network(feeds)
    assert torch.equal(made["word_embs"], made["word_embs_2"])
    other = Network([outputs["emb"]])
    with torch.no_grad():
        network.parts[0].embedding.weight.fill_(5)
    assert other({"word_ids": torch.tensor([[0]])})["word_embs"].tolist() == [[VECTORS[0].tolist()]]
    assert np.load(module.directory / "vectors.npy")[0].tolist() == VECTORS[0].tolist()


def test_frozen_vectors_have_no_gradient_and_trained_ones_leave_the_padding_alone(module):
    frozen = Network([module.context()[1]["emb"]])
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    trained = Network([module.context(trainable=True)[1]["emb"]])
    trained({"word_ids": torch.tensor([[0, 4]])})["word_embs"].sum().backward()
    (weight,) = trained.parameters()
    assert weight.grad is not None
    assert weight.grad[0].tolist() == [1, 1, 1]
    assert not weight.grad[4].any()
    (described,) = trained.described_parameters()
    assert (described.role, described.trainable) == ("backbone", True)


def test_random_vectors_are_a_function_of_the_seed(module):
    random = hub.Module(name="word2vec_skipgram", pretrained=False)
    first, again, other = (Network([random.context()[1]["emb"]], seed) for seed in (1, 1, 2))
    weights = [next(network.parameters()) for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not weights[0][-1].any()
    assert random.fingerprint() != module.fingerprint()


def test_an_id_beyond_the_vocabulary_is_said(module):
    network = Network([module.context()[1]["emb"]])
    with pytest.raises(DataError, match=r"word id 9 in an embedding of 5 words\n  expected: 0 to 4"):
        network({"word_ids": torch.tensor([[0, 9]])})


@pytest.mark.parametrize("wrong", [{"num_slots": 4}, {"num_slots": 0}, {"max_seq_len": 0}])
def test_a_context_that_cannot_be_is_refused(module, wrong):
    with pytest.raises(ConfigError):
        module.context(**wrong)


def test_another_vocabulary_takes_the_vectors_and_unknown_words_are_counted(module, lines):
    found = module.vectors_for(["bad", "nothing", "the", "nor this"])
    assert torch.equal(found[[0, 2]], torch.from_numpy(VECTORS[[3, 0]]))
    assert not found[[1, 3]].any()
    assert lines[-1].endswith("There are 2 oov words.")
    lines.clear()
    module.vectors_for(["bad"])
    assert not lines
    assert module.get_vocab_path() == str(module.directory / "vocab.txt")
