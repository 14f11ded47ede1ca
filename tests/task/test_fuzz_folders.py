"""Damaged folders of modules, best models and runs end in a result or a HubError, never in a traceback."""

import random
import shutil

import pytest

import transferhub as hub
from conftest import crash_at
from mutations import mutate
from transferhub.errors import HubError
from transferhub.graph import Network
from transferhub.reader import ClassifyReader

ROUNDS = 170  # of each kind of folder


def survivors(source, target, use):
    """Damage one file of a copy of `source`, use it, and count how it ended."""
    draw, ends = random.Random(source.name), {"result": 0, "HubError": 0}
    names = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.suffix != ".lock")
    for number in range(ROUNDS):
        copy = target / f"{source.name}_{number}"
        shutil.copytree(source, copy)
        name = draw.choice(names)
        kind = mutate(copy / name, draw)
        try:
            use(copy)
            ends["result"] += 1
        except HubError:
            ends["HubError"] += 1
        except Exception as error:
            pytest.fail(f"{name}, {kind} (round {number}): {type(error).__name__}: {error}")
        shutil.rmtree(copy)
    return ends


@pytest.mark.filterwarnings("ignore::UserWarning")  # of libraries that are shown damaged files
def test_damaged_module_folders(tiny, tmp_path):
    def use(folder):
        module = hub.Module(directory=folder)
        _, outputs, _ = module.context(max_seq_len=16)
        reader = ClassifyReader(vocab_path=module.get_vocab_path(), max_seq_len=16)
        batch = reader.encode(["the room was good"])
        Network([outputs["pooled_output"]])
        assert len(batch) == 1

    ends = survivors(tiny, tmp_path, use)
    assert ends["result"] > 10
    assert ends["HubError"] > 30


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_best_models(make_task, in_tmp):
    best = in_tmp / make_task(checkpoint_dir="run", num_epoch=1).finetune_and_eval().best_model

    def use(folder):
        predictions = hub.load(folder).predict(["good room", "bad food"])
        assert len(predictions.labels) == 2

    ends = survivors(best, in_tmp, use)
    assert ends["result"] > 10
    assert ends["HubError"] > 30


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_runs(make_task, in_tmp):
    crash_at(make_task(checkpoint_dir="run", num_epoch=1, save_ckpt_interval=3), 7)
    shutil.rmtree(in_tmp / "run" / "visualization")

    def use(folder):
        result = make_task(checkpoint_dir=folder, num_epoch=1, save_ckpt_interval=3).finetune_and_eval()
        assert result.steps == 8

    ends = survivors(in_tmp / "run", in_tmp, use)
    assert ends["result"] > 50
