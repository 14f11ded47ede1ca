import json

import pytest
import torch

import transferhub as hub
from transferhub import paths
from transferhub.errors import ConfigError, ModuleError
from transferhub.graph import Network, Node, Variable
from transferhub.module import store
from transferhub.module.architecture_head import ArchitectureHeadSource
from transferhub.module.encoder import quietly
from transferhub.module.transformer import TransformerModule


def test_minilm_works_without_a_network():
    module = hub.Module(name="minilm")
    assert isinstance(module, TransformerModule)
    assert module.config.hidden_size == 384
    assert "minilm" in [installed.name for installed in store.installed()]


def test_a_name_installed_from_another_module_stands_for_it(tiny, lines):
    installed = store.install("ernie", origin=str(tiny))
    assert installed.stands_for == "module"
    assert installed.folder == paths.modules() / "ernie"
    module = hub.Module(name="ernie")
    assert module.stands_for == "module"
    assert module.config.hidden_size == 32
    assert any("ernie stands for module" in line for line in lines)
    assert store.uninstall("ernie") == installed.folder
    assert not installed.folder.exists()


def test_an_installed_name_means_the_module_not_a_folder_of_that_name(tiny, in_tmp):
    (in_tmp / "mine").mkdir()
    store.install("mine", origin=str(tiny))
    assert hub.Module(name="mine").directory == paths.modules() / "mine"


def test_the_vocabulary_is_written_where_the_tokenizer_has_none(tiny):
    source = paths.home() / "source"
    source.mkdir(parents=True)
    for path in tiny.iterdir():
        if path.name != "vocab.txt":
            (source / path.name).write_bytes(path.read_bytes())
    store.install("mine", origin=str(source))
    vocabulary = (paths.modules() / "mine" / "vocab.txt").read_text().splitlines()
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_an_unknown_name_suggests_a_near_one_and_what_works_now():
    with pytest.raises(ModuleError, match=r"no module called 'minilmm'(?s:.)*did you mean 'minilm'.*now: fractal-mini"):
        hub.Module(name="minilmm")


def test_a_known_name_that_cannot_be_fetched_lists_the_ways_in():
    with pytest.raises(ModuleError, match=r"ernie is not on this machine(?s:.)*--from DIR\|MODULE(?s:.)*minilm"):
        hub.Module(name="ernie")
    assert not (paths.modules() / "ernie").exists()


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../x", "hf:../x"])
def test_a_name_that_is_no_name_is_refused_and_removes_nothing(tiny, name):
    store.install("ernie", origin=str(tiny))
    for change in (lambda: store.install(name, origin=str(tiny)), lambda: store.uninstall(name)):
        with pytest.raises(ModuleError, match="cannot be a module's name"):
            change()
    assert (paths.modules() / "ernie" / "config.json").is_file()


def test_code_that_comes_with_a_model_is_never_run(tiny, tmp_path):
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    auto = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "evil", "auto_map": auto}))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModuleError, match="code that comes with a model is never run"):
        hub.Module(directory=tmp_path).context()
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_is_not_there_is_said():
    with pytest.raises(ModuleError, match="there is no folder nowhere/model"):
        hub.Module(name="nowhere/model")


def test_install_from_something_that_is_not_there():
    with pytest.raises(ModuleError, match="cannot install ernie from 'zh-mini'"):
        store.install("ernie", origin="zh-mini")


def test_a_folder_without_weights_is_no_module(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModuleError, match="pickled weights"):
        store.install("mine", origin=str(tmp_path))
    with pytest.raises(ModuleError, match="holds no module"):
        hub.Module(directory=tmp_path / "..")


def test_context_describes_inputs_and_outputs_and_reads_no_weight(tiny, monkeypatch):
    module = hub.Module(directory=tiny)
    monkeypatch.setattr("transformers.AutoModel.from_pretrained", None)
    inputs, outputs, program = module.context(trainable=True, max_seq_len=48)
    assert list(inputs) == ["input_ids", "position_ids", "segment_ids", "input_mask"]
    assert inputs["input_ids"].shape == (-1, 48, 1)
    assert outputs["pooled_output"].shape == (-1, 32)
    assert outputs["sequence_output"].shape == (-1, 48, 32)
    assert outputs["pooled_output"].block.program is program
    inputs, outputs, _ = module.context(num_slots=2)
    assert "input_ids_2" in inputs
    assert "pooled_output_2" in outputs


@pytest.mark.parametrize("length", [0, 65])
def test_a_length_that_the_module_cannot_read_is_refused(tiny, length):
    with pytest.raises(ConfigError, match=f"max_seq_len={length}(?s:.)*1 to 64"):
        hub.Module(directory=tiny).context(max_seq_len=length)


def network_of(module, auto_class="AutoModelForSequenceClassification", seed=1):
    _, outputs, _ = module.context()
    everything = Variable("everything", (), "object", outputs["pooled_output"].node, "everything")
    head = ArchitectureHeadSource(module, auto_class, ["bad", "good"])
    return Network([Variable("logits", (-1, 2), "float32", Node(head, {"everything": everything}), "logits")], seed)


def test_encoder_and_head_give_the_logits_of_the_whole_architecture(tiny, tmp_path):
    from transformers import AutoModelForSequenceClassification

    network = network_of(hub.Module(directory=tiny)).eval()
    ids = torch.randint(5, 50, (3, 7))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    encoder, head = network.parts
    with quietly(), head.joined(encoder) as whole:
        whole.save_pretrained(tmp_path)
        reopened = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    ours = network({"input_ids": ids, "input_mask": mask})["logits"]
    assert torch.equal(ours, reopened(ids, attention_mask=mask).logits)
    assert reopened.config.id2label == {0: "bad", 1: "good"}


def test_the_head_is_drawn_from_the_seed_and_the_encoder_is_read(tiny):
    module = hub.Module(directory=tiny)
    one, same, other = (network_of(module, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    differ = {name for name in one if not torch.equal(one[name], other[name])}
    assert differ == {"parts.1.model.classifier.weight"}


def test_pretrained_false_is_the_same_architecture_at_random(tiny):
    fresh = network_of(hub.Module(directory=tiny, pretrained=False))
    read = network_of(hub.Module(directory=tiny))
    assert fresh.state_dict().keys() == read.state_dict().keys()
    name = "parts.0.network.encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(fresh.state_dict()[name], read.state_dict()[name])
    assert hub.Module(directory=tiny).fingerprint() != hub.Module(directory=tiny, pretrained=False).fingerprint()


def test_depth_grows_from_the_head_to_the_embeddings(tiny):
    depth = {p.name: p.depth for p in network_of(hub.Module(directory=tiny)).described_parameters()}
    assert depth["parts.1.model.classifier.weight"] == 0
    assert depth["parts.0.network.pooler.dense.weight"] == 1
    assert depth["parts.0.network.encoder.layer.1.output.dense.weight"] == 2
    assert depth["parts.0.network.encoder.layer.0.output.dense.weight"] == 3
    assert depth["parts.0.network.embeddings.word_embeddings.weight"] == 4


def test_half_precision_files_give_fp32_weights(tiny, tmp_path):
    from transformers import AutoModel

    with quietly():
        AutoModel.from_pretrained(tiny, dtype=torch.bfloat16).save_pretrained(tmp_path)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    network = network_of(hub.Module(directory=tmp_path))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
