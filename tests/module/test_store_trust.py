"""Folders that others wrote, and installed files that were damaged."""

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import transferhub as hub
from transferhub import paths
from transferhub.errors import ModuleError
from transferhub.module import store
from transferhub.module.transformer import EncoderSource


class Evil:
    """A pickle that would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def folder(tiny, tmp_path):
    return shutil.copytree(tiny, tmp_path / "theirs")


def pickled(folder, name="pytorch_model.bin", change=lambda tensors: tensors):
    torch.save(change(load_file(folder / "model.safetensors")), folder / name)
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "weights.pkl", "model.pth"])
def test_weights_in_a_pickle_are_refused_by_name_and_converted_when_allowed(folder, tiny, name):
    pickled(folder, name)
    (folder / "run.py").write_text("raise SystemExit")
    for ask in (lambda: hub.Module(directory=folder), lambda: store.install("mine", origin=str(folder))):
        with pytest.raises(ModuleError, match=rf"{name}(?s:.)*hub install NAME --from {folder} --allow-pickle {name}"):
            ask()
    installed = store.install("mine", origin=str(folder), allow=[name])
    assert name not in [path.name for path in installed.folder.iterdir()]
    converted, wanted = load_file(installed.folder / "model.safetensors"), load_file(tiny / "model.safetensors")
    assert converted.keys() == wanted.keys()
    assert all(torch.equal(converted[key], wanted[key]) for key in wanted)
    assert hub.Module(name="mine").context()


def test_training_leftovers_are_not_taken_for_weights(folder):
    pickled(folder)
    torch.save({}, folder / "training_args.bin")
    with pytest.raises(ModuleError, match=r"a pickle, pytorch_model.bin:"):
        hub.Module(directory=folder)


def test_tied_weights_and_views_are_written_once_and_whole(folder):
    def tie(tensors):
        words = tensors["embeddings.word_embeddings.weight"]
        return {**tensors, "decoder.weight": words, "part": words[:3], "other": words.reshape(-1), "turned": words.T}

    tensors = load_file(folder / "model.safetensors")
    pickled(folder, change=tie)
    converted = load_file(
        store.install("mine", origin=str(folder), allow=["pytorch_model.bin"]).folder / "model.safetensors"
    )
    assert "decoder.weight" not in converted
    wanted = tie(tensors)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in converted.items())
    assert set(wanted) - set(converted) == {"decoder.weight"}


def test_a_pickle_that_would_run_code_is_refused_and_does_not(folder, tmp_path):
    pickled(folder, change=lambda tensors: {**tensors, "evil": Evil(tmp_path / "ran")})
    with pytest.raises(ModuleError, match=r"pytorch_model.bin was refused(?s:.)*none of its code was run"):
        store.install("mine", origin=str(folder), allow=["pytorch_model.bin"])
    assert not (tmp_path / "ran").exists()
    assert not (paths.modules() / "mine").exists()


@pytest.mark.parametrize("value", [b"", b"\x80", b"not a pickle at all", pickle.dumps(["no", "names"])])
def test_a_pickle_that_is_none_or_holds_no_tensors_is_said(folder, value):
    pickled(folder)
    (folder / "pytorch_model.bin").write_bytes(value)
    with pytest.raises(ModuleError, match=r"pytorch_model\.bin"):
        store.install("mine", origin=str(folder), allow=["pytorch_model.bin"])


def test_a_training_checkpoint_is_told_from_a_networks_weights(folder):
    pickled(folder, change=lambda tensors: {"state_dict": tensors, "epoch": 3})
    with pytest.raises(ModuleError, match=r"holds a dict under 'state_dict'(?s:.)*save the network's state_dict"):
        store.install("mine", origin=str(folder), allow=["pytorch_model.bin"])


def test_a_pickle_that_is_allowed_but_not_there_is_said(folder):
    pickled(folder)
    with pytest.raises(ModuleError, match=r"has no file model.bin(?s:.)*pytorch_model.bin"):
        store.install("mine", origin=str(folder), allow=["model.bin"])


def test_weights_of_other_libraries_are_said(folder):
    (folder / "model.safetensors").rename(folder / "tf_model.h5")
    with pytest.raises(ModuleError, match=r"no weights that are read here, only tf_model.h5"):
        hub.Module(directory=folder)
    (folder / "config.json").unlink()
    (folder / "model.pdparams").write_bytes(b"x")
    with pytest.raises(ModuleError, match=r"no config.json(?s:.)*weights of PaddlePaddle are not read"):
        hub.Module(directory=folder)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "config.json is damaged"),
        ('{"model_type": "bert"', "config.json is damaged"),
        ("[1]", "holds a list"),
        ("{}", "names no model_type"),
        ('{"model_type": 3}', "names no model_type"),
        ("[" * 100_000, "config.json is damaged"),
        ("\x00\xff", "config.json is damaged"),
    ],
)
def test_a_damaged_configuration_is_said(folder, config, said):
    (folder / "config.json").write_bytes(config.encode("latin-1"))
    for ask in (lambda: hub.Module(directory=folder), lambda: store.install("mine", origin=str(folder))):
        with pytest.raises(ModuleError, match=said):
            ask()


@pytest.mark.parametrize("keep", [0, 4, 100, 20_000, -1])
def test_truncated_weights_are_said(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    for ask in (lambda: hub.Module(directory=folder), lambda: store.install("mine", origin=str(folder))):
        with pytest.raises(ModuleError, match=r"model.safetensors is damaged(?s:.)*fix:"):
            ask()
    assert hub.Module(directory=folder, pretrained=False).context(), "weights that are not read need not be there"


def sharded(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    half = len(names) // 2
    shards = {
        "model-00001-of-00002.safetensors": names[:half],
        "model-00002-of-00002.safetensors": names[half:],
    }
    for shard, inside in shards.items():
        save_file({name: tensors[name] for name in inside}, folder / shard, metadata={"format": "pt"})
    weight_map = {name: shard for shard, inside in shards.items() for name in inside}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return tensors


def test_sharded_weights_are_taken_whole(folder):
    tensors = sharded(folder)
    (folder / "pytorch_model.bin.index.json").write_text("{}")
    installed = store.install("mine", origin=str(folder))
    assert not (installed.folder / "pytorch_model.bin.index.json").exists()
    state = EncoderSource(hub.Module(name="mine"), trainable=True).build(0).state_dict()
    assert all(torch.equal(state[f"network.{name}"], tensor) for name, tensor in tensors.items())
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModuleError, match=r"not there: model-00002-of-00002.safetensors"):
        hub.Module(directory=folder)


def test_installed_files_of_another_size_are_found_at_open_and_replaced_by_install(tiny, folder):
    installed = store.install("mine", origin=str(folder))
    weights = installed.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ModuleError, match=rf"mine is damaged: \S*model.safetensors(?s:.)*install mine --from {folder}"):
        hub.Module(name="mine")
    store.install("mine", origin=str(folder))
    assert hub.Module(name="mine").context()


@pytest.mark.parametrize("record", [b"", b"[]", b'{"surprise": 1}'])
def test_a_damaged_record_is_said_and_hides_no_other_module(tiny, record):
    installed = store.install("mine", origin=str(tiny))
    (installed.folder / "module.json").write_bytes(record)
    with pytest.raises(ModuleError, match="mine is damaged"):
        hub.Module(name="mine")
    assert "minilm" in [module.name for module in store.installed()]
    store.install("mine", origin=str(tiny))
    assert hub.Module(name="mine").context()


def words(folder, value):
    (folder / "spm_cased_simp_sampled.model").write_bytes(b"spm")
    (folder / "dict.wordseg.pickle").write_bytes(value)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", [dict, set, list, tuple, frozenset])
def test_the_word_dictionary_of_ernie_tiny_is_converted_when_allowed(folder, protocol, kind):
    value = {"中国": 7, "北京": 5, "a\tb": 1} if kind is dict else kind(["中国", "北京", "a\tb"])
    words(folder, pickle.dumps(value, protocol))
    for ask in (lambda: hub.Module(directory=folder), lambda: store.install("ernie_tiny", origin=str(folder))):
        with pytest.raises(ModuleError, match=r"--allow-pickle dict.wordseg.pickle"):
            ask()
    installed = store.install("ernie_tiny", origin=str(folder), allow=["dict.wordseg.pickle"])
    here = {path.name for path in installed.folder.iterdir()}
    assert {"spm_cased_simp_sampled.model", "dict.wordseg.txt"} <= here
    assert "dict.wordseg.pickle" not in here
    lines = (installed.folder / "dict.wordseg.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(lines) == (["中国\t7", "北京\t5"] if kind is dict else ["中国", "北京"])


def test_a_word_dictionary_as_text_is_taken_as_it_is(folder):
    words(folder, b"never opened")
    (folder / "dict.wordseg.txt").write_text("中国\t7\n北京\n", encoding="utf-8")
    installed = store.install("ernie_tiny", origin=str(folder))
    assert (installed.folder / "dict.wordseg.txt").read_text(encoding="utf-8") == "中国\t7\n北京\n"


def test_weights_and_word_dictionary_may_both_be_allowed(folder):
    pickled(folder)
    words(folder, pickle.dumps({"中国": 7}))
    installed = store.install("ernie_tiny", origin=str(folder), allow=["pytorch_model.bin", "dict.wordseg.pickle"])
    assert (installed.folder / "dict.wordseg.txt").is_file()
    assert (installed.folder / "model.safetensors").is_file()


def test_a_word_dictionary_that_would_run_code_is_refused_and_does_not(folder, tmp_path):
    words(folder, pickle.dumps({"中国": Evil(tmp_path / "ran")}))
    with pytest.raises(ModuleError, match=r"it asks for \w+.open(?s:.)*none of its code was run"):
        store.install("ernie_tiny", origin=str(folder), allow=["dict.wordseg.pickle"])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value", [b"", b"garbage", pickle.dumps(3), pickle.dumps([1, 2]), pickle.dumps(b"x"), pickle.dumps(eval)]
)
def test_a_word_dictionary_of_something_else_is_said(folder, value):
    words(folder, value)
    with pytest.raises(ModuleError, match=r"dict\.wordseg\.pickle"):
        store.install("ernie_tiny", origin=str(folder), allow=["dict.wordseg.pickle"])
