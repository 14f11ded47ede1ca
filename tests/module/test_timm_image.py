"""Image networks of timm's: sizes, features, depths, weights from folders, source labels, saved for timm."""

import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import transferhub as hub
from transferhub import cache
from transferhub.errors import ConfigError, DataError, ModuleError
from transferhub.graph import Network
from transferhub.graph.network import train_what_moves
from transferhub.module import store
from transferhub.module.files import json_object
from transferhub.module.image import ImageModule, ImageNetwork
from transferhub.module.timm_files import configuration
from transferhub.task.saved_network import read_network, write_network


def network_of(module, output="feature_map", trainable=True, seed=0):
    return Network([module.context(trainable=trainable)[1][output]], seed=seed)


@pytest.fixture
def weights():
    torch.manual_seed(3)
    return timm.create_model("test_resnet", num_classes=7).eval()


@pytest.fixture
def folder(tmp_path, weights):
    """What timm pushes to the hub: config.json and model.safetensors."""
    timm.models.save_for_hf(weights, tmp_path / "saved", model_args={}, safe_serialization=True)
    return tmp_path / "saved"


def pictures(module, count=2):
    torch.manual_seed(0)
    return torch.randn(count, 3, module.get_expected_image_height(), module.get_expected_image_width())


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "mobilenetv3_small_050", "test_nfnet"])
def test_any_network_of_timm_without_weights_and_without_a_network_connection(name):
    module = hub.Module(name=f"timm:{name}", pretrained=False)
    assert isinstance(module, ImageModule)
    inputs, outputs, program = module.context(trainable=True)
    size = timm.models.get_pretrained_cfg(name).input_size[1]
    assert inputs["image"].shape == (-1, 3, size, size)
    assert (module.get_expected_image_width(), module.get_expected_image_height()) == (size, size)
    assert len(module.get_pretrained_images_mean()) == len(module.get_pretrained_images_std()) == 3
    assert outputs["feature_map"].block is program
    image = pictures(module)
    networks = [Network(list(outputs.values()), seed=seed).eval() for seed in (0, 0, 1)]
    made = [network({"image": image}) for network in networks]
    for output in ("feature_map", "body_feats"):
        assert outputs[output].shape == (-1, *made[0][output].shape[1:])
        torch.testing.assert_close(made[0][output], made[1][output])
    assert not torch.equal(made[0]["feature_map"], made[2]["feature_map"])


def test_the_feature_is_what_timms_classifier_stands_on(folder, weights):
    module = hub.Module(directory=folder)
    image = pictures(module)
    feature = network_of(module).eval()({"image": image})["feature_map"]
    expected = weights.forward_head(weights.forward_features(image), pre_logits=True)
    torch.testing.assert_close(feature, expected)
    torch.testing.assert_close(weights.get_classifier()(feature), weights(image))
    assert module.fingerprint() != hub.Module(directory=folder, pretrained=False).fingerprint()


def test_a_name_of_paddlehubs_has_its_own_sizes():
    module = hub.Module(name="nasnet_imagenet", pretrained=False)
    assert module.get_expected_image_width() == module.get_expected_image_height() == 331
    assert module.get_pretrained_images_mean() == [0.5, 0.5, 0.5]
    assert module.preprocess.crop_pct == 0.911
    assert module.context()[1]["feature_map"].shape == (-1, 4032)
    unknown = hub.Module(name="resnet_v2_152_imagenet", pretrained=False)
    assert unknown.config["architecture"] == "resnetv2_152"
    with pytest.raises(ModuleError, match="no public copy"):
        hub.Module(name="resnet_v2_152_imagenet")


def test_names_that_timm_does_not_have():
    with pytest.raises(ModuleError, match="has no network 'resnet19'") as caught:
        hub.Module(name="timm:resnet19", pretrained=False)
    assert "did you mean" in caught.value.fix
    with pytest.raises(ModuleError, match=r"has no network 'resnet18\.nobody'"):
        hub.Module(name="timm:resnet18.nobody", pretrained=False)
    with pytest.raises(ModuleError, match="timm has no weights of 'resnetv2_152'"):
        hub.Module(name="timm:resnetv2_152")


def test_a_folder_is_installed_under_a_name(folder):
    installed = store.install("resnet_v2_50_imagenet", origin=str(folder))
    assert (installed.family, installed.stands_for) == ("image", "saved")
    module = hub.Module(name="resnet_v2_50_imagenet")
    assert module.config["architecture"] == "test_resnet"
    assert module.fingerprint() == hub.Module(directory=folder).fingerprint()


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_weights_that_lie_alone_get_the_configuration_of_their_name(tmp_path, kind):
    torch.manual_seed(1)
    weights = timm.create_model("resnet18", num_classes=1000)
    path = tmp_path / f"resnet18.{kind}"
    if kind == "pth":
        torch.save(weights.state_dict(), path)
        with pytest.raises(ModuleError, match="are a pickle"):
            store.install("resnet18", origin=str(tmp_path))
        store.install("resnet18", origin=str(tmp_path), allow=[path.name])
    else:
        save_file(weights.state_dict(), path)
        store.install("resnet18", origin=str(path))
    module = hub.Module(name="resnet18")
    assert module.config == configuration("resnet18")
    image = torch.zeros(1, 3, 64, 64)
    feature = network_of(module).eval()({"image": image})["feature_map"]
    torch.testing.assert_close(weights.eval().fc(feature), weights(image))


def test_weights_of_another_network_and_damaged_ones_are_refused(folder, tmp_path):
    state = timm.create_model("resnet10t", num_classes=3).state_dict()
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ModuleError, match=r"lack .* tensors|cannot be read"):
        network_of(hub.Module(directory=folder))
    (folder / "model.safetensors").write_bytes(b"x" * 40)
    with pytest.raises(ModuleError, match="damaged"):
        hub.Module(directory=folder)
    (folder / "config.json").write_text('{"architecture": "nothing"}', encoding="utf-8")
    with pytest.raises(ModuleError, match="has no network 'nothing'"):
        hub.Module(directory=folder, pretrained=False).context()
    (folder / "config.json").write_text('{"num_classes": 3}', encoding="utf-8")
    with pytest.raises(ModuleError, match="names no model_type"):
        hub.Module(directory=folder, pretrained=False)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "mobilenetv3_small_050", "test_convnext", "test_mambaout"])
def test_depths_follow_the_layers_from_the_last_to_the_first(name):
    module = hub.Module(name=f"timm:{name}", pretrained=False)
    network = network_of(module)
    parameters = network.described_parameters()
    assert {each.role for each in parameters} == {"backbone"}
    depths = [each.depth for each in parameters]
    assert sorted(set(depths)) == list(range(max(depths) + 1))
    assert max(depths) >= 3
    assert parameters[0].depth == max(depths)
    first, last = parameters[0].name, parameters[-1].name
    assert {each.name: each.depth for each in parameters}[last] < {each.name: each.depth for each in parameters}[first]


def test_frozen_statistics_stay(folder):
    network = network_of(hub.Module(directory=folder), trainable=False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    train_what_moves(network)
    network({"image": torch.randn(4, 3, 32, 32)})
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_source_labels_are_named(folder, tmp_path):
    module = hub.Module(directory=folder)
    rng = np.random.default_rng(0)
    shown = [rng.integers(0, 255, (50, 70, 3), np.uint8) for _ in range(3)]
    paths = []
    for place, each in enumerate(shown):
        Image.fromarray(each).save(tmp_path / f"{place}.png")
        paths.append(tmp_path / f"{place}.png")
    found = module.classification(paths=paths, batch_size=2, top_k=3)
    assert [len(each) for each in found] == [3, 3, 3]
    assert all(list(each.values()) == sorted(each.values(), reverse=True) for each in found)
    assert module.classification(str(paths[0]), top_k=3) == module.classification(paths[:1], top_k=3)
    everything = module.classification(paths=paths[:1], top_k=99)[0]
    assert set(everything) == {str(number) for number in range(7)}
    assert sum(everything.values()) == pytest.approx(1)
    blue_first = module.classification(images=[each[..., ::-1] for each in shown], top_k=3)
    for one, other in zip(found, blue_first, strict=True):
        assert one == pytest.approx(other)
    with pytest.raises(ConfigError, match="of 0 pictures"):
        module.classification()
    with pytest.raises(DataError, match=r"images\[0\]: float64"):
        module.classification(images=[np.zeros((3, 3, 3))])
    with pytest.raises(DataError, match="there is no picture"):
        module.classification(paths=["gone.jpg"])
    imagenet = hub.Module(name="timm:resnet10t", pretrained=False).source_labels
    assert (len(imagenet), imagenet[0], imagenet[281]) == (1000, "tench, Tinca tinca", "tabby, tabby cat")
    assert (imagenet[134], imagenet[517], len(set(imagenet))) == ("crane (134)", "crane (517)", 1000)


def test_classes_of_one_name_keep_their_probabilities(weights, tmp_path):
    timm.models.save_for_hf(weights, tmp_path / "net", model_args={}, safe_serialization=True)
    card = json_object(tmp_path / "net" / "config.json")
    card["pretrained_cfg"]["label_names"] = ["crane", "b", "crane", "crane", "b", "f", "g"]
    (tmp_path / "net" / "config.json").write_text(json.dumps(card))
    module = hub.Module(directory=tmp_path / "net")
    assert module.source_labels == ["crane (0)", "b (1)", "crane (2)", "crane (3)", "b (4)", "f", "g"]
    (found,) = module.classification(images=[Image.new("RGB", (40, 40), "red")], top_k=7)
    assert len(found) == 7
    assert sum(found.values()) == pytest.approx(1)


def test_a_network_on_the_feature_is_rebuilt_from_json(tmp_path):
    module = hub.Module(name="timm:test_resnet", pretrained=False)
    feature = hub.layers.fc(module.context()[1]["feature_map"], 3)
    network = Network([feature]).eval()
    write_network([feature], tmp_path)
    again = Network(read_network(tmp_path)).eval()
    again.load_state_dict(network.state_dict())
    image = pictures(module)
    torch.testing.assert_close(*(next(iter(each({"image": image}).values())) for each in (network, again)))


def test_the_cache_may_be_deleted_while_a_network_without_weights_is_in_use(tmp_path):
    module = hub.Module(name="timm:test_resnet", pretrained=False)
    before = hub.Module(name="timm:test_resnet", pretrained=False).fingerprint()
    feature = hub.layers.fc(module.context()[1]["feature_map"], 3)
    cache.clear()
    assert not module.directory.exists()
    assert module.fingerprint() == before
    write_network([feature], tmp_path)
    assert read_network(tmp_path)[0].shape == feature.shape
    opened = hub.Module(name="timm:test_resnet", pretrained=False)
    cache.clear()
    network_of(opened)  # nothing was asked of it before


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "mobilenetv3_small_050", "test_convnext"])
def test_a_fine_tuned_network_opens_with_timm_with_equal_logits(name, tmp_path):
    module = hub.Module(name=f"timm:{name}", pretrained=False)
    network = network_of(module).eval()
    backbone = network.parts[0]
    assert isinstance(backbone, ImageNetwork)
    image = pictures(module)
    feature = network({"image": image})["feature_map"]
    head = torch.nn.Linear(feature.shape[1], 3)
    module.save_fine_tuned(tmp_path, backbone, head, ["a", "b", "c"])
    theirs = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    torch.testing.assert_close(theirs(image), head(feature))
    assert json_object(tmp_path / "config.json")["label_names"] == ["a", "b", "c"]
    ours = hub.Module(directory=tmp_path)
    assert ours.source_labels == ["a", "b", "c"]
    torch.testing.assert_close(network_of(ours).eval()({"image": image})["feature_map"], feature)


def test_a_reader_takes_the_modules_preprocessing():
    module = hub.Module(name="timm:test_resnet", pretrained=False)
    reader = hub.reader.ImageClassificationReader(module=module)
    assert reader.process == module.preprocess
    assert reader.process.crop_mode == "center"
