"""ImageClassifierTask: pictures, through both doors."""

import csv
import json
import shutil

import numpy as np
import pandas
import pytest
import timm
import torch
from PIL import Image

import transferhub as hub
from conftest import crash_at, short_of_memory
from transferhub.engine.settled import describe
from transferhub.errors import ConfigError, DataError, RunError
from transferhub.graph import Network
from transferhub.image import decode
from transferhub.reader import image_columns
from transferhub.task import finetuning
from transferhub.task.image_task import pictures_in

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}


def draw(folder, count, seed):
    """Pictures of a colour each, with noise, ``folder/COLOUR/N.png``."""
    random = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = random.normal(colour, 40, (40, 48, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    for split, count, seed in (("train", 16, 1), ("val", 6, 2), ("test", 6, 3)):
        draw(root / split, count, seed)
    return root


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A tiny network of timm's with random weights, 32 pixels."""
    folder = tmp_path_factory.mktemp("network")
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", pretrained=False, num_classes=4)
    from safetensors.torch import save_file

    save_file(model.state_dict(), folder / "model.safetensors")
    card = {
        "architecture": "test_resnet",
        "num_classes": 4,
        "pretrained_cfg": {
            **{name: model.pretrained_cfg[name] for name in ("mean", "std", "crop_pct", "interpolation", "classifier")},
            "input_size": [3, 32, 32],
            "num_classes": 4,
        },
    }
    (folder / "config.json").write_text(json.dumps(card))
    return folder


def config(run, **more):
    settings = {"num_epoch": 8, "batch_size": 8, "precision": "fp32", "eval_interval": 6, "checkpoint_dir": run}
    strategy = hub.AdamWeightDecayStrategy(learning_rate=3e-3)
    return hub.RunConfig(strategy=strategy, **{**settings, **more})


def paths(pictures, split="test"):
    return [str(path) for path in sorted((pictures / split).rglob("*.png"))]


def test_pictures_are_learnt_saved_and_opened_by_timm(pictures, network, tmp_path):
    task = hub.ImageClassifierTask(
        module=hub.Module(directory=network), dataset=pictures, config=config(tmp_path / "run")
    )
    result = task.finetune_and_eval()
    assert task.label_list == sorted(COLOURS)
    assert result.test["acc"] > 0.9
    files = paths(pictures)
    predictions = task.predict(files)
    assert predictions.records()[0].keys() == {"path", "label", *COLOURS}
    assert np.mean([label == path.split("/")[-2] for label, path in zip(predictions.labels, files, strict=True)]) == (
        pytest.approx(result.test["acc"])
    )
    # 1.x's block
    assert [batch.run_results[0].shape for batch in predictions] == [(8, 3), (8, 3), (2, 3)]
    loaded = hub.load(result.best_model)
    assert np.allclose(loaded.predict(files).probabilities, predictions.probabilities, atol=1e-6)
    assert loaded.evaluate(pictures / "test")["acc"] == pytest.approx(result.test["acc"])
    assert loaded.predict(pictures / "test").labels == predictions.labels
    model = timm.create_model(f"local-dir:{result.best_model}", pretrained=True).eval()
    batch = loaded.reader.encode(files).batch(range(len(files)))
    with torch.no_grad():
        logits = model(torch.from_numpy(batch["image"]))
    assert np.allclose(logits.softmax(dim=1).numpy(), predictions.probabilities, atol=1e-5)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What the network sees" in page
    with (tmp_path / "run" / "predictions" / "test.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["label"] for row in written] == [path.split("/")[-2] for path in files]
    assert [row["predicted"] for row in written] == predictions.labels


def test_the_documents_door(pictures, network, tmp_path):
    module = hub.Module(directory=network)
    inputs, outputs, _ = module.context(trainable=True)
    dataset = hub.dataset.load_images(pictures)
    reader = hub.reader.ImageClassificationReader(
        image_width=module.get_expected_image_width(),
        image_height=module.get_expected_image_height(),
        images_mean=module.get_pretrained_images_mean(),
        images_std=module.get_pretrained_images_std(),
        dataset=dataset,
    )
    task = hub.ImageClassifierTask(
        data_reader=reader,
        feed_list=[inputs["image"].name],
        feature=outputs["feature_map"],
        num_classes=dataset.num_labels,
        config=config(tmp_path / "run"),
    )
    assert task.finetune_and_eval().test["acc"] > 0.9


def test_bf16_learns_as_well(pictures, network, tmp_path):
    losses = {"fp32": [], "bf16": []}
    for name, found in losses.items():
        task = hub.ImageClassifierTask(
            module=hub.Module(directory=network), dataset=pictures, config=config(tmp_path / name, precision=name)
        )
        task.add_hook("run_step", "loss", lambda task, states, found=found: found.append(states[0].run_loss))
        assert task.finetune_and_eval().test["acc"] > 0.9
    np.testing.assert_allclose(losses["bf16"][:24], losses["fp32"][:24], atol=0.03)


def test_a_frozen_network_sees_each_picture_once(pictures, network, tmp_path, monkeypatch):
    module = hub.Module(directory=network)
    task = hub.ImageClassifierTask(
        module=module, dataset=pictures, freeze=True, augment="none", config=config(tmp_path / "run", num_epoch=3)
    )
    seen = []
    from transferhub.module.image import ImageNetwork

    forward = ImageNetwork.forward
    monkeypatch.setattr(ImageNetwork, "forward", lambda self, image: (seen.append(len(image)), forward(self, image))[1])
    task.finetune_and_eval()
    # Train and dev once each for the features, a few rows to try them; the end's evaluation of both splits.
    assert sum(seen) < 3 * (48 + 18)
    other = hub.ImageClassifierTask(
        module=module,
        dataset=pictures,
        freeze=True,
        augment="none",
        config=config(tmp_path / "other", num_epoch=3, cache_features=False),
    )
    other.finetune_and_eval()
    first, second = (torch_file(tmp_path / run) for run in ("run", "other"))
    assert first.keys() == second.keys()
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)


@pytest.mark.parametrize("library", [timm, torch])
def test_features_of_another_version_are_others(network, monkeypatch, library):
    feature = hub.Module(directory=network).context(trainable=False)[1]["feature_map"]
    parts = Network([feature])
    here = describe(parts, parts.split([0]), "cpu")
    assert describe(parts, parts.split([0]), "cpu") == here
    monkeypatch.setattr(library, "__version__", "99.0")
    assert describe(parts, parts.split([0]), "cpu") != here


def test_augmentation_of_what_a_frozen_network_sees_is_said_with_its_price(pictures, network, lines):
    module = hub.Module(directory=network)
    for options, said in (({"freeze": True}, True), ({"freeze": True, "augment": "none"}, False), ({}, False)):
        lines.clear()
        hub.ImageClassifierTask(module=module, dataset=pictures, **options)
        assert any("in every epoch, for augment=light" in line and "--augment none" in line for line in lines) is said


def torch_file(run):
    from safetensors.torch import load_file

    return load_file(run / "best_model" / "model.safetensors")


def test_augmented_runs_that_were_stopped_end_with_the_same_bits(pictures, network, tmp_path):
    def task(run, **more):
        options = {"module": hub.Module(directory=network), "dataset": pictures, "augment": "standard"}
        return hub.ImageClassifierTask(**options, config=config(run, num_epoch=3, **more))

    whole = task(tmp_path / "whole").finetune_and_eval()

    def stop(task, states):
        if task.current_step == 9:
            raise RuntimeError("the power is gone")

    stopped = task(tmp_path / "parts", save_ckpt_interval=4)
    stopped.add_hook("run_step", "stop", stop)
    with pytest.raises(RuntimeError, match="power"):
        stopped.finetune_and_eval()
    again = task(tmp_path / "parts", save_ckpt_interval=4).finetune_and_eval()
    assert again.dev == whole.dev
    first, second = torch_file(tmp_path / "whole"), torch_file(tmp_path / "parts")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_augmentation_is_another_run_and_the_message_names_it(pictures, network, tmp_path):
    def task(augment):
        options = {"module": hub.Module(directory=network), "dataset": pictures, "augment": augment}
        return hub.ImageClassifierTask(**options, config=config(tmp_path / "run", num_epoch=1))

    crash_at(task("light"), 3)
    with pytest.raises(RunError, match=r"reader: .*augment=light .* there, .*augment=strong .* now"):
        task("strong").finetune_and_eval()
    assert task("light").finetune_and_eval().steps == 6


def test_one_reader_serves_tasks_on_several_modules(pictures, network, tmp_path):
    reader = hub.reader.ImageClassificationReader(32, 32, hub.dataset.load_images(pictures))
    modules = [hub.Module(directory=network), hub.Module("fractal-mini")]
    tasks = [
        hub.ImageClassifierTask(feature=module.context()[1]["feature_map"], data_reader=reader) for module in modules
    ]
    assert [task.reader.process.mean for task in tasks] == [module.preprocess.mean for module in modules]
    assert len({task.reader.process.mean for task in tasks}) == 2
    assert reader.process.mean == (0.0, 0.0, 0.0)


def test_where_batches_are_computed_in_parts_each_picture_is_still_prepared_once(
    pictures, network, tmp_path, monkeypatch
):
    read, plain = [], image_columns.ImageColumns._prepare

    def count(self, rows, places, images, wholes):
        read.extend((self.epoch, row) for row in rows[list(places)].tolist())
        return plain(self, rows, places, images, wholes)

    task = hub.ImageClassifierTask(
        module=hub.Module(directory=network), dataset=pictures, augment="light", config=config(tmp_path / "run")
    )
    short_of_memory(task, most_rows=2)
    monkeypatch.setattr(image_columns.ImageColumns, "_prepare", count)
    task.finetune_and_eval()
    trained = [each for each in read if each[0] == 2]
    assert len(trained) == len(set(trained)) == 48, "the first step finds out what fits; from then on, each once"


def test_the_head_moves_faster_where_it_is_asked_to(pictures, network):
    task = hub.ImageClassifierTask(module=hub.Module(directory=network), dataset=pictures, head_rate=10)
    scales = {p.role: p.lr_scale for p in task.build_network().described_parameters()}
    assert scales == {"backbone": 1.0, "head": 10.0}


def test_hidden_layers_are_saved_as_a_network_of_one_s_own(pictures, network, tmp_path):
    module = hub.Module(directory=network)
    run = config(tmp_path / "run", num_epoch=1)
    task = hub.ImageClassifierTask(module=module, dataset=pictures, hidden_units=[16], dropout=0.2, config=run)
    result = task.finetune_and_eval()
    files = paths(pictures)
    found = hub.load(result.best_model).predict(files)
    assert np.allclose(found.probabilities, task.predict(files).probabilities, atol=1e-6)


def test_the_precision_is_chosen_for_the_size_of_the_pictures(pictures, network, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(finetuning, "choose", lambda network, sample, shape: asked.append(shape) or "fp32")
    for size in (32, 48):
        reader = hub.reader.ImageClassificationReader(size, size, hub.dataset.load_images(pictures))
        _, outputs, _ = hub.Module(directory=network).context()
        run = config(tmp_path / str(size), precision="auto", num_epoch=1)
        hub.ImageClassifierTask(outputs["feature_map"], data_reader=reader, config=run).finetune_and_eval()
    assert [shape["sizes"]["image"] for shape in asked] == [[3, 32, 32], [3, 48, 48]]


def test_what_is_wrong_is_said(pictures, network, tiny, tmp_path):
    with pytest.raises(ConfigError, match="is no image network"):
        hub.ImageClassifierTask(module=hub.Module(directory=tiny), dataset=pictures)
    module = hub.Module(directory=network)
    with pytest.raises(ConfigError, match="num_classes=5, but the data set has 3 labels"):
        hub.ImageClassifierTask(module=module, dataset=pictures, num_classes=5)
    task = hub.ImageClassifierTask(module=module, dataset=pictures, config=config(tmp_path / "none"))
    with pytest.raises(RunError, match="no trained model"):
        task.predict(paths(pictures))
    task = hub.ImageClassifierTask(module=module, dataset=pictures, config=config(tmp_path / "run", num_epoch=1))
    task.finetune_and_eval()
    with pytest.raises(DataError, match="does not exist"):
        task.predict(tmp_path / "nowhere")
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"text\.jpg"):
        task.predict([tmp_path / "text.jpg"])


def test_a_size_that_the_network_does_not_take_is_refused(pictures, tmp_path):
    """timm's and transformers' own words are an AssertionError and a ValueError in the first step."""
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    vit = transformers.ViTForImageClassification(transformers.ViTConfig(image_size=32, patch_size=8, **small))
    vit.save_pretrained(tmp_path / "vit")
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "vit")
    timms = hub.Module("timm:vit_tiny_patch16_224", pretrained=False)
    for own, module in ((224, timms), (32, hub.Module(directory=tmp_path / "vit"))):
        outputs = module.context()[1]

        def task(size, feature=outputs["feature_map"]):
            reader = hub.reader.ImageClassificationReader(size, size, hub.dataset.load_images(pictures))
            return hub.ImageClassifierTask(feature=feature, data_reader=reader)

        with pytest.raises(ConfigError, match="does not take pictures of 64 × 64 pixels") as caught:
            task(64)
        assert caught.value.expected == f"{own} × {own}, as it was pretrained"
        assert f"image_width={own}, image_height={own}" in caught.value.fix
        assert task(own).reader.process.width == own


def test_more_labels_than_five_have_a_top_five(network, tmp_path):
    draw_of = np.random.default_rng(0)
    for label in range(7):
        (tmp_path / "set" / f"label-{label}").mkdir(parents=True)
        for number in range(4):
            pixels = draw_of.integers(0, 255, (32, 32, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / f"label-{label}" / f"{number}.png")
    folder = tmp_path / "set"
    run = config(tmp_path / "run", num_epoch=1)
    task = hub.ImageClassifierTask(
        module=hub.Module(directory=network),
        dataset={"train": folder, "dev": folder},
        metrics_choices=["top_5", "acc"],
        config=run,
    )
    result = task.finetune_and_eval()
    ranks = (-np.asarray(hub.load(result.best_model).predict(folder).probabilities)).argsort(axis=1)[:, :5]
    labels = np.repeat(np.arange(7), 4)
    assert result.dev["top_5"] == pytest.approx((ranks == labels[:, None]).any(axis=1).mean())
    assert "top_5 on dev" in (tmp_path / "run" / "report.html").read_text()


def test_of_a_folder_the_same_files_are_predicted_that_are_trained_on(pictures, tmp_path, lines):
    folder = tmp_path / "set"
    draw(folder, 2, seed=3)
    (folder / "red" / "._0.png").write_bytes(b"Mac's")
    (folder / "red" / ".hidden").mkdir()
    shutil.copy(folder / "red" / "0.png", folder / "red" / ".hidden")
    (folder / "red" / "notes.txt").write_text("x")
    (folder / "red" / "deeper.png").mkdir()
    shutil.copy(folder / "red" / "0.png", folder / "red" / "deeper.png" / "A.PNG")
    (folder / "linked").symlink_to(pictures / "test" / "blue")
    found = pictures_in(folder)
    assert found == sorted(path for path, _ in hub.dataset.load_images(folder).train_examples)
    assert len(found) == 6 + 1 + 6
    assert any("1 files that are no pictures" in line for line in lines)
    (folder / "red" / "again").symlink_to(folder)
    for read in (pictures_in, hub.dataset.load_images):
        with pytest.raises(DataError, match="again is a link to a folder that it lies in"):
            read(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no pictures"):
        pictures_in(tmp_path / "empty")


def test_pictures_themselves_are_predicted_as_their_files_are(pictures, network, tmp_path):
    module = hub.Module(directory=network)
    task = hub.ImageClassifierTask(module=module, dataset=pictures, config=config(tmp_path / "run", num_epoch=1))
    best = hub.load(task.finetune_and_eval().best_model)
    draw_of, files = np.random.default_rng(5), []
    for number, size in enumerate([(31, 90), (200, 33), (1, 1), (64, 64)]):
        image = Image.fromarray(draw_of.integers(0, 255, (*size, 3), np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 0 else 1  # the first one lies on its side
        image.save(tmp_path / f"{number}.png", exif=exif)
        files.append(str(tmp_path / f"{number}.png"))
    wanted = best.predict(files)
    opened = [Image.open(file) for file in files]
    assert np.array_equal(best.predict(opened).probabilities, wanted.probabilities)
    assert [record["path"] for record in best.predict(opened).records()] == files
    arrays = [np.asarray(decode(file)) for file in files]
    for given in (arrays, (array for array in arrays), [files[0], opened[1], arrays[2], [files[3]]], opened * 40):
        found = best.predict(given).probabilities
        assert np.allclose(found, np.tile(wanted.probabilities, (len(found) // 4, 1)), atol=1e-6)
    alone = best.predict(arrays[1])
    assert np.allclose(alone.probabilities, wanted.probabilities[1:2], atol=1e-6)
    assert alone.records()[0]["path"] == "picture 0"
    assert np.allclose(best.predict(opened[1]).probabilities, wanted.probabilities[1:2], atol=1e-6)
    assert len(best.predict(np.zeros((3, 8, 9, 3), np.uint8)).labels) == 3
    assert best.predict([]).labels == []
    for frame in ({"path": files}, {"note": [1, 2, 3, 4], "Image": files}):
        found = best.predict(pandas.DataFrame(frame, index=[9, 8, 7, 6]))
        assert [record["path"] for record in found.records()] == files
        assert np.array_equal(found.probabilities, wanted.probabilities)
    with pytest.raises(DataError, match="cannot tell which column is the path: there are 'a', 'b'") as caught:
        best.predict(pandas.DataFrame({"a": files, "b": files}))
    assert caught.value.fix == 'predict(list(frame["COLUMN"]))'
    palette = opened[3].convert("P")
    assert best.predict([palette]).labels == best.predict([palette.convert("RGB")]).labels
    for wrong, said in (
        (arrays[0] / 255, r"row 0: float64 \[90, 31, 3\]"),
        ([files[0], arrays[3].transpose(2, 0, 1)], r"row 1: uint8 \[3, 64, 64\]"),
        ({"a": 1}, "cannot be predicted"),
        (7, "7 cannot be predicted"),
        ([7], "row 0: 7"),
        ([np.zeros((0, 4, 3), np.uint8)], r"row 0: uint8 \[0, 4, 3\]"),
    ):
        with pytest.raises(DataError, match=said):
            best.predict(wrong)
    (tmp_path / "half.png").write_bytes((tmp_path / "3.png").read_bytes()[:2000])
    with Image.open(tmp_path / "half.png") as half, pytest.raises(DataError, match=r"half\.png is damaged"):
        best.predict([half])
