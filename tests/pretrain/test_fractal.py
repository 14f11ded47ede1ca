"""Pretraining on fractals: a run that goes on, a folder that is installed, weights under torchvision's names."""

import json
import re
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

import transferhub as hub
from conftest import read_json
from transferhub import cache
from transferhub.commands import main
from transferhub.errors import ConfigError, ModuleError
from transferhub.pretrain import fractal
from transferhub.pretrain.fractal import FractalTask, network_at_random, pretrain, usual_config
from transferhub.pretrain.installable import is_torchvisions, write_module


def small(output, epochs=2, **more):
    config = usual_config(num_epoch=epochs, batch_size=8, precision="fp32", **more)
    return pretrain("test_resnet", output, classes=4, each=4, size=32, config=config)


def hub_command(*arguments):
    """The exit code of ``hub``."""
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, arguments)))
    return stopped.value.code


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return small(tmp_path_factory.mktemp("fractal"))


def test_a_run_stopped_after_a_step_ends_with_the_bits_of_one_that_was_not(made, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(task):
        if task.current_step == 2:
            raise Stopped

    original = FractalTask.__init__

    def hooked(self, *given, **named):
        original(self, *given, **named)
        self.add_hook("save_ckpt_interval_event", "stop", stop)

    with monkeypatch.context() as patch:
        patch.setattr(FractalTask, "__init__", hooked)
        with pytest.raises(Stopped):
            small(tmp_path, save_ckpt_interval=2)
    assert not (tmp_path / "module").exists()
    again = small(tmp_path, save_ckpt_interval=2)
    assert again.run.steps == made.run.steps == 4
    whole, resumed = (load_file(f"{each.module}/model.safetensors") for each in (made, again))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_the_result_is_installed_and_gives_features(made, capsys):
    assert hub_command("install", "my-fractal", "--from", made.module) == 0
    module = hub.Module("my-fractal")
    assert (module.get_expected_image_width(), module.get_expected_image_height()) == (32, 32)
    network = timm.create_model(f"local-dir:{made.module}", pretrained=True).eval()
    image = torch.randn(2, 3, 32, 32)
    _, outputs, _ = module.context()
    from transferhub.graph import Network

    found = Network([outputs["feature_map"]], seed=0).eval()({"image": image})["feature_map"]
    torch.testing.assert_close(found, network(image))
    with pytest.raises(ModuleError, match="without classes"):
        _ = module.source_labels


def test_the_cache_may_be_deleted_before_the_module_is_written(made, tmp_path, monkeypatch):
    def cleared(*given):
        assert cache.clear() > 0
        return write_module(*given)

    monkeypatch.setattr(fractal, "write_module", cleared)
    again = small(tmp_path)
    assert read_json(Path(again.module) / "config.json") == read_json(Path(made.module) / "config.json")
    assert hub.Module(directory=again.module).shapes["feature_map"][0] == -1


def test_the_card_says_the_recipe(made):
    with open(f"{made.module}/README.md", encoding="utf-8") as file:
        card = file.read()
    for said in ("test_resnet", "32 × 32", "4 iterated function systems", "apache-2.0", f"{made.accuracy:.4f}"):
        assert said in card
    assert f"{made.parameters:,}" in card
    assert made.pictures == 32


def test_another_recipe_in_the_same_folder_is_refused(made, tmp_path):
    shutil.copytree(f"{made.module}/../run", tmp_path / "run")
    with pytest.raises(hub.errors.HubError, match="num_epoch"):
        small(tmp_path, epochs=3)


def test_a_saved_model_of_a_run_is_an_ordinary_classifier(made, tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "red.png")
    found = hub.load(made.run.best_model).predict([str(tmp_path / "red.png")])
    assert found.labels[0] in {"0", "1", "2", "3"}


def test_torchvisions_names_are_those_of_timms_resnet18():
    state = timm.create_model("resnet18", num_classes=5).state_dict()
    assert is_torchvisions("resnet18", state, 5)
    assert not is_torchvisions("resnet18", state, 6)
    assert not is_torchvisions("test_resnet", state, 5)


def test_the_command_writes_a_state_dict_that_opens_safely(tmp_path, capsys):
    from torchvision.models import resnet18

    flags = ["--classes", "3", "--each", "2", "--size", "16", "--num-epoch", "1", "--batch-size", "6", "--json"]
    given = ("--network", "resnet18", "--precision", "fp32", "--output", tmp_path)
    assert hub_command("pretrain", "fractal", *given, *flags) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    state = torch.load(said["state_dict"], weights_only=True)
    resnet18(num_classes=3).load_state_dict(state)
    assert said["pictures"] == 6


def test_arguments_of_the_network_make_it_narrower():
    wide, narrow = (network_at_random("resnet18", 32, given) for given in (None, {"channels": [8, 16, 24, 32]}))
    assert wide.shapes["feature_map"] == (-1, 512)
    assert narrow.shapes["feature_map"] == (-1, 32)
    with pytest.raises(ModuleError, match="cannot build"):
        _ = network_at_random("resnet18", 32, {"nonsense": 1}).shapes


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--network-args", "[1]"], "network-args"),
        (["--size", "4"], "size=4"),
        (["--classes", "1"], "classes"),
        (["--network", "resnet1"], "resnet1"),
        (["--network", "vit_tiny_patch16_224", "--size", "32"], "224 does not take pictures of 32 × 32"),
    ],
)
def test_bad_flags_are_named(flags, said, tmp_path, capsys):
    assert hub_command("pretrain", "fractal", "--network", "test_resnet", "--output", tmp_path, *flags) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_said_of_a_fixed_size_helps():
    with pytest.raises(ConfigError) as caught:
        network_at_random("vit_tiny_patch16_224", 32, {"depth": 1})
    assert caught.value.fix.startswith("--size 224; or")
    (given,) = re.findall("--network-args '(.+)'", caught.value.fix)
    for size, arguments in ((224, None), (32, json.loads(given))):
        assert network_at_random("vit_tiny_patch16_224", size, arguments).shapes["feature_map"] == (-1, 192)


def test_a_size_below_the_least_is_refused():
    with pytest.raises(ConfigError, match="size=4"):
        network_at_random("test_resnet", 4)


def test_the_built_in_network_opens_without_a_network_connection_and_gives_features():
    module = hub.Module("fractal-mini")
    _, outputs, _ = module.context()
    side, width = module.get_expected_image_width(), outputs["feature_map"].shape[1]
    image = torch.randn(3, 3, side, side)
    from transferhub.graph import Network

    features = Network([outputs["feature_map"]], seed=0).eval()({"image": image})["feature_map"]
    assert features.shape == (3, width)
    assert features.std(dim=0).min() >= 0
    random = hub.Module("fractal-mini", pretrained=False)
    untrained = Network([random.context()[1]["feature_map"]], seed=0).eval()({"image": image})["feature_map"]
    assert not torch.equal(features, untrained)
    weights = module.directory / "model.safetensors"
    assert weights.stat().st_size <= 8_000_000
    state = load_file(weights)
    assert all(value.dtype in (torch.float32, torch.int64) for value in state.values())
    assert sum(value.numel() for name, value in state.items() if "running" not in name) < 2_000_000


def test_the_built_in_network_tells_fractals_of_new_systems_apart_better_than_at_random():
    """The nearest mean of five pictures, on systems that no seed of pretraining drew."""
    import numpy as np

    from transferhub.graph import Network
    from transferhub.pretrain.fractals import FractalReader, Fractals

    def score(pretrained):
        module = hub.Module("fractal-mini", pretrained=pretrained)
        columns = FractalReader(Fractals(20, 8, seed=977), module.preprocess).columns("train")
        network = Network([module.context()[1]["feature_map"]], seed=0).eval()
        with torch.no_grad():
            image = torch.from_numpy(columns.batch(np.arange(160))["image"])
            features = torch.nn.functional.normalize(network({"image": image})["feature_map"]).reshape(8, 20, -1)
        near = features[5:].reshape(60, -1) @ features[:5].mean(dim=0).T
        return (near.argmax(dim=1) == torch.arange(20).repeat(3)).float().mean().item()

    assert score(True) > score(False) + 0.2
