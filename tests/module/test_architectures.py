"""Every encoder architecture, through both doors."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import transferhub as hub
from architectures import SETTINGS, write_architecture
from conftest import reviews
from transferhub.dataset import BaseDataset, InputExample
from transferhub.engine.kernels import speed_up
from transferhub.engine.precision import Working
from transferhub.errors import ModuleError
from transferhub.graph import Network
from transferhub.module.encoder import quietly

KINDS = list(SETTINGS)
HAS_POOLER = ("bert", "roberta", "xlm-roberta", "albert", "ernie", "mpnet")


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """Kind → the folder of a tiny checkpoint, written once."""
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = write_architecture(kind, tmp_path_factory.mktemp("architectures") / kind)
        return made[kind]

    return folder


def rows(pairs: bool) -> BaseDataset:
    dataset = BaseDataset(label_list=["negative", "positive"])
    made = [InputExample(None, text, "the room" if pairs else None, label) for text, label in reviews(40, 1)]
    dataset.train_examples, dataset.dev_examples = made[:24], made[24:]
    return dataset


def config(run):
    strategy = hub.AdamWeightDecayStrategy(learning_rate=5e-3)
    return hub.RunConfig(num_epoch=1, batch_size=8, precision="fp32", checkpoint_dir=run, strategy=strategy)


def through_the_long_door(folder, dataset, run):
    module = hub.Module(directory=folder)
    inputs, outputs, _ = module.context(trainable=True, max_seq_len=24)
    reader = hub.reader.ClassifyReader(
        dataset=dataset,
        vocab_path=module.get_vocab_path(),
        max_seq_len=24,
        sp_model_path=module.get_spm_path(),
        word_dict_path=module.get_word_dict_path(),
    )
    return hub.TextClassifierTask(
        data_reader=reader,
        feature=outputs["pooled_output"],
        feed_list=[inputs[name].name for name in ("input_ids", "position_ids", "segment_ids", "input_mask")],
        num_classes=dataset.num_labels,
        config=config(run),
    )


def through_the_short_door(folder, dataset, run):
    return hub.TextClassifierTask(module=hub.Module(directory=folder), dataset=dataset, config=config(run))


@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
@pytest.mark.parametrize("door", [through_the_long_door, through_the_short_door], ids=["long", "short"])
@pytest.mark.parametrize("kind", KINDS)
def test_trains_and_its_best_model_opens_in_transformers_with_equal_logits(folder_of, in_tmp, kind, door, pairs):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder, dataset = folder_of(kind), rows(pairs)
    before = load_file(folder / "model.safetensors")
    result = door(folder, dataset, in_tmp / "run").finetune_and_eval()
    with quietly():
        model, found = AutoModelForSequenceClassification.from_pretrained(result.best_model, output_loading_info=True)
    assert {name: values for name, values in found.items() if values} == {}, "no weight missing, none too many"
    assert model.config.id2label == {0: "negative", 1: "positive"}
    trained = load_file(f"{result.best_model}/model.safetensors")
    moved = [name for name in before for own in trained if own.endswith(name) and not trained[own].equal(before[name])]
    assert moved, "the encoder was trained"

    examples = dataset.dev_examples
    tokenizer = AutoTokenizer.from_pretrained(result.best_model)
    batch = tokenizer(
        [example.text_a for example in examples],
        [example.text_b for example in examples] if pairs else None,
        padding=True,
        return_tensors="pt",
        return_token_type_ids=kind not in ("distilbert", "modernbert", "mpnet"),
    )
    with torch.no_grad():
        theirs = torch.softmax(model.eval()(**batch).logits, dim=-1)
    ours = hub.load(result.best_model).predict(
        [(example.text_a, example.text_b) if pairs else example.text_a for example in examples]
    )
    torch.testing.assert_close(torch.from_numpy(ours.probabilities), theirs, rtol=0, atol=2e-6)


def encoder_of(module, names=("pooled_output", "sequence_output")):
    _, outputs, _ = module.context()
    return Network([outputs[name] for name in names]).eval()


@pytest.fixture
def batch():
    torch.manual_seed(1)
    ids = torch.randint(7, 47, (3, 9))
    mask = torch.ones_like(ids)
    return {"input_ids": ids, "segment_ids": torch.zeros_like(ids), "input_mask": mask}


@pytest.mark.parametrize("kind", KINDS)
def test_the_pooled_output_is_the_poolers_else_that_of_the_token_that_gathers_the_text(folder_of, batch, kind):
    from transformers import AutoModel

    network = encoder_of(hub.Module(directory=folder_of(kind)))
    with torch.no_grad(), quietly():
        ours = network(batch)
        theirs = AutoModel.from_pretrained(folder_of(kind))(batch["input_ids"])
    assert (getattr(theirs, "pooler_output", None) is not None) == (kind in HAS_POOLER)
    at = -1 if kind == "xlnet" else 0
    pooled = theirs.pooler_output if kind in HAS_POOLER else theirs.last_hidden_state[:, at]
    torch.testing.assert_close(ours["pooled_output"], pooled)
    torch.testing.assert_close(ours["sequence_output"], theirs.last_hidden_state)


@pytest.mark.parametrize("kind", KINDS)
def test_our_kernels_compute_the_same(folder_of, batch, kind):
    plain = encoder_of(hub.Module(directory=folder_of(kind)))
    with torch.no_grad():
        expected = plain(batch)["sequence_output"]
        torch.testing.assert_close(speed_up(plain)(batch)["sequence_output"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bf16_copy_computes_nearly_the_same_and_gives_gradients(folder_of, batch, kind):
    network = speed_up(encoder_of(hub.Module(directory=folder_of(kind)), ["sequence_output"]))
    with torch.no_grad():
        expected = network(batch)["sequence_output"]
    working = Working(network, "bf16")
    made = working.network(batch)["sequence_output"]
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), expected, rtol=0.1, atol=0.15)
    made.float().square().sum().backward()
    working.collect_gradients()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_depth_grows_from_the_head_over_the_layers_to_the_embeddings(folder_of, kind):
    parameters = encoder_of(hub.Module(directory=folder_of(kind))).described_parameters()
    depths = {parameter.depth for parameter in parameters}
    layers = {"albert": 1, "modernbert": 4}.get(kind, 2)  # ALBERT's layers share their weights
    deepest = [parameter.name for parameter in parameters if parameter.depth == max(depths)]
    assert max(depths) == layers + 1
    assert set(range(1, layers + 2)) <= depths
    assert all("emb" in name or "relative_attention_bias" in name for name in deepest)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "mpnet"])
def test_positions_that_nobody_feeds_are_the_models_own_and_start_at_two(folder_of, batch, kind):
    module = hub.Module(directory=folder_of(kind))
    assert module.max_position == 64
    network = encoder_of(module)
    positions = torch.arange(9).expand(3, 9)
    with torch.no_grad():
        own = network(batch)["sequence_output"]
        torch.testing.assert_close(network({**batch, "position_ids": positions + 2})["sequence_output"], own)
        assert not torch.allclose(network({**batch, "position_ids": positions})["sequence_output"], own)


def test_feeds_that_an_architecture_does_not_take_are_not_wired(folder_of, batch):
    fed = {**batch, "segment_ids": torch.ones_like(batch["input_ids"]), "position_ids": torch.arange(9).expand(3, 9)}
    for kind in ("distilbert", "roberta", "xlnet"):
        inputs, _, _ = hub.Module(directory=folder_of(kind)).context()
        assert list(inputs) == ["input_ids", "position_ids", "segment_ids", "input_mask"]
        with torch.no_grad():
            encoder_of(hub.Module(directory=folder_of(kind)))(fed)


def test_xlnet_reads_texts_of_any_length_padded_on_the_left(folder_of):
    module = hub.Module(directory=folder_of("xlnet"))
    module.context(max_seq_len=4096)
    reader = hub.reader.ClassifyReader(vocab_path=module.get_vocab_path(), max_seq_len=16)
    batch = reader.encode(["good", "good room and food"]).batch([0, 1], reader.pad)
    assert batch["input_mask"].tolist() == [[0, 0, 0, 1, 1, 1], [1] * 6]
    assert batch["segment_ids"][0].tolist() == [0, 0, 0, 0, 0, 2]
    assert batch["input_ids"][0, :3].tolist() == [5, 5, 5]


def rewrite(source, target, change):
    """Copy a module folder with other weights."""
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    weights = load_file(source / "model.safetensors")
    save_file(change(weights), target / "model.safetensors", {"format": "pt"})
    return target


def test_a_checkpoint_without_a_pooler_gives_the_first_token(folder_of, batch, tmp_path):
    def drop(weights):
        return {name: value for name, value in weights.items() if not name.startswith("pooler.")}

    made = encoder_of(hub.Module(directory=rewrite(folder_of("bert"), tmp_path / "bare", drop)))(batch)
    assert torch.equal(made["pooled_output"], made["sequence_output"][:, 0])


def test_a_checkpoint_with_a_layer_missing_is_refused(folder_of, tmp_path):
    def drop(weights):
        return {name: value for name, value in weights.items() if ".layer.1." not in name}

    folder = rewrite(folder_of("bert"), tmp_path / "cut", drop)
    with pytest.raises(ModuleError, match=r"lack 16 of the network's \d+ tensors: encoder\.layer\.1\."):
        encoder_of(hub.Module(directory=folder))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_train_from_fp32_masters(folder_of, in_tmp, dtype):
    def halve(weights):
        return {name: value.to(dtype) if value.is_floating_point() else value for name, value in weights.items()}

    folder = rewrite(folder_of("bert"), in_tmp / "half", halve)
    config_file = folder / "config.json"
    name = str(dtype).removeprefix("torch.")
    config_file.write_text(json.dumps({**json.loads(config_file.read_text()), "dtype": name}))
    result = through_the_short_door(folder, rows(False), in_tmp / "run").finetune_and_eval()
    for file in (f"{result.best_model}/model.safetensors", f"{result.checkpoint_dir}/step_3/model.safetensors"):
        assert {value.dtype for value in load_file(file).values() if value.is_floating_point()} == {torch.float32}
    assert json.loads((in_tmp / "run" / "best_model" / "config.json").read_text())["dtype"] == "float32"


@pytest.mark.parametrize("kind", ["gpt2", "llama", "t5", "bart"])
def test_a_module_of_another_family_is_refused(folder_of, tmp_path, kind):
    from transformers import AutoConfig

    folder = tmp_path / kind
    with quietly():
        AutoConfig.for_model(kind).save_pretrained(folder)
    (folder / "model.safetensors").write_bytes((folder_of("bert") / "model.safetensors").read_bytes())
    with pytest.raises(ModuleError, match=rf"'{kind}': a module of another family"):
        hub.Module(directory=folder).context()
