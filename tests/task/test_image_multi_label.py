"""MultiLabelImageClassifierTask: any number of labels a picture."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.metrics import f1_score, roc_auc_score

import transferhub as hub
from conftest import read_json
from transferhub.errors import ConfigError

NAMES = ["blue", "green", "red"]  # which colours a picture has


def draw(folder, count, seed):
    """Pictures with dots of some colours, and a table of them."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    lines = ["path,colours"]
    for number in range(count):
        flags = random.integers(0, 2, 3)
        pixels = random.integers(0, 60, (32, 32, 3))
        for place, channel in enumerate((2, 1, 0)):
            if flags[place]:
                pixels[:, :, channel] += 150
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        names = [name for name, flag in zip(NAMES, flags, strict=True) if flag]
        lines.append(f"{folder.name}/{number}.png,{';'.join(names)}")
    table = folder.parent / f"{folder.name}.csv"
    table.write_text("\n".join(lines))
    return table


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    sizes = {"train": 48, "dev": 16, "test": 16}
    return {split: draw(root / split, count, seed) for seed, (split, count) in enumerate(sizes.items())}


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=4)
    timm.models.save_for_hf(network, folder, model_args={}, safe_serialization=True)
    return folder


def config(run, **more):
    strategy = hub.AdamWeightDecayStrategy(learning_rate=3e-3)
    given = {"num_epoch": 6, "batch_size": 8, "precision": "fp32", "eval_interval": 12, "checkpoint_dir": run}
    return hub.RunConfig(strategy=strategy, **{**given, **more})


def test_labels_are_learnt_saved_and_opened_by_timm(tables, module, tmp_path):
    dataset = hub.dataset.load_images(tables, kind="labels", label="colours")
    task = hub.MultiLabelImageClassifierTask(
        module=hub.Module(directory=module), dataset=dataset, augment="none", config=config(tmp_path / "run")
    )
    assert task.label_list == NAMES
    result = task.finetune_and_eval()
    assert list(result.test) == ["auc", "f1_micro", "f1_macro", "loss"]
    assert result.test["auc"] > 0.9
    files = [path for path, _ in dataset.test_examples]
    true = task.reader.targets(dataset, "test")
    predictions = task.predict(files)
    assert roc_auc_score(true, predictions.probabilities) == pytest.approx(result.test["auc"])
    decided = np.array([[int(name in found) for name in NAMES] for found in predictions.labels])
    assert f1_score(true, decided, average="micro") == pytest.approx(result.test["f1_micro"])
    assert [pair.shape for pair in predictions[0].run_results] == [(8, 2)] * 3
    assert predictions.records()[0].keys() == {"path", "labels", *NAMES}
    assert task.predict(files[:1], return_result=True) == [dict(zip(NAMES, decided[0].tolist(), strict=True))]
    saved = read_json(tmp_path / "run" / "best_model" / "task.json")
    assert list(saved["thresholds"]) == NAMES
    loaded = hub.load(result.best_model)
    assert type(loaded) is hub.MultiLabelImageClassifierTask
    assert loaded.predict(files).labels == predictions.labels
    scores = loaded.evaluate(loaded.rows_of_file(tables["test"], labelled=True, columns={"label": "colours"}))
    assert scores["auc"] == pytest.approx(result.test["auc"])
    assert scores["f1_micro"] == pytest.approx(result.test["f1_micro"])
    model = timm.create_model(f"local-dir:{result.best_model}", pretrained=True).eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(loaded.reader.encode(files).batch(range(16))["image"]))
    assert np.allclose(torch.sigmoid(logits).numpy(), predictions.probabilities, atol=1e-5)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Labels on dev" in page
    assert "What the network sees" in page
    written = (tmp_path / "run" / "predictions" / "test.csv").read_text().splitlines()
    assert written[0] == "path,labels,predicted,blue,green,red"
    sets = [";".join(name for name, flag in zip(NAMES, row, strict=True) if flag) for row in true]
    assert [line.split(",")[1] for line in written[1:]] == sets
    assert [set(line.split(",")[2].split(";")) - {""} for line in written[1:]] == [set(p) for p in predictions.labels]


def test_flags_in_columns_of_their_own_are_written_as_names(tables, module, tmp_path):
    rows = [line.rpartition(",") for line in tables["train"].read_text().splitlines()[1:]]
    flags = [",".join(str(int(name in names)) for name in NAMES) for _, _, names in rows]
    table = tables["train"].parent / "flags.csv"
    table.write_text("\n".join([f"path,{','.join(NAMES)}", *(f"{r[0]},{f}" for r, f in zip(rows, flags, strict=True))]))
    dataset = hub.dataset.load_images({"train": table, "dev": table}, kind="labels", label=NAMES)
    run = config(tmp_path / "run", num_epoch=1)
    hub.MultiLabelImageClassifierTask(
        module=hub.Module(directory=module), dataset=dataset, config=run
    ).finetune_and_eval()
    written = (tmp_path / "run" / "predictions" / "dev.csv").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in written] == [names for _, _, names in rows]


def test_the_loss_is_the_mean_over_labels(tables, module):
    dataset = hub.dataset.load_images(tables, kind="labels", label="colours")
    task = hub.MultiLabelImageClassifierTask(module=hub.Module(directory=module), dataset=dataset)
    logits, true = torch.randn(4, 3), torch.randint(0, 2, (4, 3), dtype=torch.uint8)
    p = torch.sigmoid(logits)
    by_hand = -(true * p.log() + (1 - true.float()) * (1 - p).log()).mean(dim=1)
    for losses in (task.losses, task.evaluation_losses):
        assert torch.allclose(losses({"logits": logits}, {"labels": true}), by_hand, atol=1e-6)


def test_each_task_refuses_the_others_rows_and_names_it(tables, module):
    given = hub.Module(directory=module)
    sets = hub.dataset.load_images(tables, kind="labels", label="colours")
    with pytest.raises(ConfigError, match="have label sets") as caught:
        hub.ImageClassifierTask(module=given, dataset=sets)
    assert "hub.MultiLabelImageClassifierTask" in caught.value.fix
    single = hub.dataset.load_images([(path, place % 2) for place, (path, _) in enumerate(sets.train_examples)])
    with pytest.raises(ConfigError, match="have one label a picture") as caught:
        hub.MultiLabelImageClassifierTask(module=given, dataset=single)
    assert "hub.ImageClassifierTask" in caught.value.fix
    with pytest.raises(ConfigError, match="num_classes=5, but the data set has 3 labels"):
        hub.MultiLabelImageClassifierTask(module=given, dataset=sets, num_classes=5)
