"""Image networks of transformers: preparation, features, fine-tuned weights that open there, what is refused."""

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import transferhub as hub
from conftest import read_json
from transferhub.errors import ConfigError, ModuleError
from transferhub.graph import Network
from transferhub.image.preprocess import stacked
from transferhub.module.transformers_image import TransformersImageModule

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
KINDS = {
    "vit": ("ViTConfig", {**SMALL, "image_size": 32, "patch_size": 8}, "ViTImageProcessor"),
    "deit": ("DeiTConfig", {**SMALL, "image_size": 28, "patch_size": 7}, "DeiTImageProcessor"),
    "dinov2": ("Dinov2Config", {**SMALL, "image_size": 42, "patch_size": 7}, "BitImageProcessor"),
    "convnext": ("ConvNextConfig", {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]}, "ConvNextImageProcessor"),
    "resnet": (
        "ResNetConfig",
        {"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 2], "layer_type": "basic"},
        "ConvNextImageProcessor",
    ),
    "swin": (
        "SwinConfig",
        {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4},
        "ViTImageProcessor",
    ),
    "mobilenet_v2": ("MobileNetV2Config", {"depth_multiplier": 0.1}, "MobileNetV2ImageProcessor"),
}
SIZES = {
    "ViTImageProcessor": {"size": {"height": 32, "width": 32}},
    "DeiTImageProcessor": {"size": {"height": 32, "width": 32}, "crop_size": {"height": 28, "width": 28}},
    "BitImageProcessor": {"size": {"shortest_edge": 37}, "crop_size": {"height": 28, "width": 28}},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 32}, "crop_pct": 0.875},
    "MobileNetV2ImageProcessor": {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}},
}
LABELS = ["ant", "bee", "wasp", "fly"]


def saved(folder, kind):
    """What transformers pushes to the hub: configuration, weights with four classes, image processor."""
    name, sizes, processor = KINDS[kind]
    config = getattr(transformers, name)(**sizes, id2label=dict(enumerate(LABELS)), architectures=[])
    torch.manual_seed(1)
    model = transformers.AutoModelForImageClassification.from_config(config).eval()
    for part in model.modules():  # statistics as training leaves them
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    model.save_pretrained(folder)
    getattr(transformers, processor)(**SIZES[processor]).save_pretrained(folder)
    return model


def noise(folder, count=3):
    """Pictures of other shapes than a network's, smooth ones: how resizing rounds then matters little."""
    draw, paths = np.random.default_rng(0), []
    for number in range(count):
        small = Image.fromarray(draw.integers(0, 255, (6, 8, 3), np.uint8))
        small.resize([(100, 50), (50, 50), (50, 100)][number], Image.Resampling.BICUBIC).save(folder / f"{number}.png")
        paths.append(str(folder / f"{number}.png"))
    return paths


def logits_of(folder, images):
    model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model, model(pixel_values=torch.from_numpy(images)).logits


@pytest.mark.parametrize("kind", KINDS)
def test_the_feature_is_what_the_architectures_classifier_stands_on(kind, tmp_path):
    model = saved(tmp_path / "net", kind)
    module = hub.Module(directory=tmp_path / "net")
    assert isinstance(module, TransformersImageModule)
    paths = noise(tmp_path)
    seen = stacked(module.preprocess, [module.preprocess.seen(module.preprocess.whole(path)) for path in paths])
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path / "net")
    theirs = processor([Image.open(path) for path in paths], return_tensors="pt")["pixel_values"]
    assert seen.shape == theirs.shape
    assert np.abs(seen - theirs.numpy()).max() < 3.1 / 255 / min(module.preprocess.std)
    assert np.abs(seen - theirs.numpy()).mean() < 0.5 / 255 / min(module.preprocess.std)
    image = torch.from_numpy(seen)
    network = Network(list(module.context()[1].values())).eval()
    made = network({"image": image})
    for name, variable in module.context()[1].items():
        assert variable.shape == (-1, *made[name].shape[1:])
    with torch.no_grad():
        expected = model(pixel_values=image).logits
        classifier = [part for part in model.modules() if isinstance(part, torch.nn.Linear)][-1]
        torch.testing.assert_close(classifier(made["feature_map"]), expected)
    found = module.classification(paths, top_k=4)
    shares = expected.softmax(dim=1).tolist()
    assert [list(each) for each in found] == [
        [LABELS[place] for place in sorted(range(4), key=lambda place, row=row: -row[place])] for row in shares
    ]
    assert [each[LABELS[0]] for each in found] == pytest.approx([row[0] for row in shares], abs=1e-5)
    depths = [each.depth for each in Network([module.context()[1]["feature_map"]]).described_parameters()]
    assert sorted(set(depths)) == list(range(max(depths) + 1))
    assert depths[0] == max(depths) >= 3
    assert depths[-1] == 0


@pytest.mark.parametrize(("kind", "precision"), [("vit", "bf16"), ("convnext", "fp32"), ("resnet", "bf16")])
def test_a_fine_tuned_network_opens_with_transformers_with_equal_logits(kind, precision, tmp_path):
    saved(tmp_path / "net", kind)
    for label, colour in (("green", (40, 180, 60)), ("red", (200, 50, 40))):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (40, 36), (*colour[:2], colour[2] + number)).save(
                tmp_path / "set" / label / f"{number}.png"
            )
    strategy = hub.AdamWeightDecayStrategy(learning_rate=1e-3)
    given = {"num_epoch": 2, "batch_size": 4, "precision": precision, "checkpoint_dir": tmp_path / "run"}
    task = hub.ImageClassifierTask(
        module=hub.Module(directory=tmp_path / "net"),
        dataset=tmp_path / "set",
        config=hub.RunConfig(strategy=strategy, **given),
    )
    result = task.finetune_and_eval()
    paths = noise(tmp_path)
    predictions = task.predict(paths)
    images = task.reader.encode(paths).batch(range(3))["image"]
    model, logits = logits_of(result.best_model, images)
    assert np.allclose(logits.softmax(dim=1).numpy(), predictions.probabilities, atol=1e-5)
    assert model.config.id2label == {0: "green", 1: "red"}
    assert model.config.problem_type == "single_label_classification"
    assert transformers.AutoImageProcessor.from_pretrained(result.best_model).size
    loaded = hub.load(result.best_model)
    assert np.allclose(loaded.predict(paths).probabilities, predictions.probabilities, atol=1e-6)
    again = hub.Module(directory=result.best_model)
    assert again.source_labels == ["green", "red"]
    frozen = hub.ImageClassifierTask(
        module=again,
        dataset=tmp_path / "set",
        freeze=True,
        hidden_units=[8],
        config=hub.RunConfig(strategy=strategy, **{**given, "checkpoint_dir": tmp_path / "own"}),
    )
    own = frozen.finetune_and_eval()
    assert np.allclose(hub.load(own.best_model).predict(paths).probabilities, frozen.predict(paths).probabilities)
    assert not (tmp_path / "own" / "best_model" / "model.safetensors").exists(), "two layers are no classifier of its"


def test_label_sets_are_said_in_the_saved_configuration(tmp_path):
    saved(tmp_path / "net", "vit")
    module = hub.Module(directory=tmp_path / "net")
    network = Network([module.context()[1]["feature_map"]]).eval()
    head = torch.nn.Linear(16, 3)
    (tmp_path / "out").mkdir()
    module.save_fine_tuned(tmp_path / "out", network.parts[0], head, ["a", "b", "c"], "multi_label_classification")
    assert read_json(tmp_path / "out" / "config.json")["problem_type"] == "multi_label_classification"
    images = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    feature = network({"image": torch.from_numpy(images)})["feature_map"]
    torch.testing.assert_close(logits_of(tmp_path / "out", images)[1], head(feature))


def test_random_weights_are_drawn_from_the_seed(tmp_path):
    saved(tmp_path / "net", "vit")
    module = hub.Module(directory=tmp_path / "net", pretrained=False)
    feature = module.context()[1]["feature_map"]
    image = torch.randn(1, 3, 32, 32)
    made = [Network([feature], seed=seed).eval()({"image": image})["feature_map"] for seed in (0, 0, 1)]
    torch.testing.assert_close(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert module.fingerprint() != hub.Module(directory=tmp_path / "net").fingerprint()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ViTImageProcessor", {"do_rescale": False, "do_normalize": False}),
        ("ViTImageProcessor", {"resample": 3, "rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1]}),
        ("EfficientNetImageProcessor", {"size": {"height": 33, "width": 31}, "rescale_offset": True}),
        ("EfficientNetImageProcessor", {"size": {"height": 32, "width": 32}, "include_top": False, "resample": 0}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
        ("LevitImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}),
        ("MobileViTImageProcessor", {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}),
    ],
)
def test_pictures_are_prepared_as_the_image_processor_does(name, changes, tmp_path):
    saved(tmp_path / "net", "resnet")
    processor = getattr(transformers, name)(**changes)
    processor.save_pretrained(tmp_path / "net")
    process = hub.Module(directory=tmp_path / "net").preprocess
    path = noise(tmp_path, 1)[0]
    seen = stacked(process, [process.seen(process.whole(path))])
    theirs = processor(Image.open(path), return_tensors="pt")["pixel_values"].numpy()
    assert seen.shape == theirs.shape
    assert np.abs(seen - theirs).mean() < 0.6 / 255 / min(process.std)


def test_what_cannot_be_an_image_module_is_refused(tmp_path, tiny):
    saved(tmp_path / "net", "vit")
    with pytest.raises(ConfigError, match=r"net gives feature_map, body_feats; TextClassifierTask needs pooled_output"):
        hub.TextClassifierTask(module=hub.Module(directory=tmp_path / "net"))
    (tmp_path / "net" / "preprocessor_config.json").unlink()
    with pytest.raises(ModuleError, match="how pictures are prepared is not known"):
        hub.Module(directory=tmp_path / "net").context()
    config = transformers.CLIPConfig(
        text_config={**SMALL, "vocab_size": 20}, vision_config={**SMALL, "image_size": 32, "patch_size": 8}
    )
    transformers.CLIPModel(config).save_pretrained(tmp_path / "clip")
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(tmp_path / "clip")
    with pytest.raises(ModuleError, match="CLIPForImageClassification has no image network of its own"):
        hub.Module(directory=tmp_path / "clip").context()
    saved(tmp_path / "net", "vit")
    processor = transformers.BitImageProcessor(size={"shortest_edge": 20}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path / "net")
    with pytest.raises(ModuleError, match=r"a crop of \(32, 32\) from \(20, 20\)"):
        hub.Module(directory=tmp_path / "net").context()


def test_weights_that_lack_some_are_refused(tmp_path):
    saved(tmp_path / "net", "vit")
    deeper = {**read_json(tmp_path / "net" / "config.json"), "num_hidden_layers": 3}
    (tmp_path / "net" / "config.json").write_text(json.dumps(deeper))
    with pytest.raises(ModuleError, match=r"lack \d+ of the network's"):
        Network([hub.Module(directory=tmp_path / "net").context()[1]["feature_map"]])
