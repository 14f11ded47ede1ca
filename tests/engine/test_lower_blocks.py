"""What an encoder's frozen lower blocks give is computed once, and training on it is training on the whole encoder."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import transferhub as hub
from architectures import SETTINGS, write_architecture
from conftest import crash_at, read_json
from transferhub import atomic
from transferhub.engine.evaluation import stream, tensors
from transferhub.engine.features import FeatureColumns
from transferhub.engine.frozen import FrozenFeatures
from transferhub.engine.kernels import speed_up
from transferhub.engine.lower_blocks import Stretch, blocks_frozen_until, stretches
from transferhub.engine.settled import describe
from transferhub.graph import stack as stacks
from transferhub.strategy import Steps
from transferhub.strategy.compose import NEVER

# ALBERT's layers are one block; DeBERTa's norm of relative positions moves; XLNet drops out before its frozen blocks.
REFUSED = {"albert", "deberta-v2", "xlnet"}
FREEZE = {"learning_rate": 0.05, "optimizer_name": "sgd", "freeze": 2}


@pytest.fixture
def task_of(tiny, review_files):
    """Build a task on a tiny encoder; keyword arguments go to RunConfig."""

    def make(module=tiny, long_text="truncate", **config):
        settings = {"num_epoch": 3, "batch_size": 8, "precision": "fp32", "eval_interval": 6, **config}
        settings.setdefault("strategy", hub.AdamWeightDecayStrategy(**FREEZE))
        return hub.TextClassifierTask(
            module=hub.Module(directory=module),
            dataset=hub.dataset.load(review_files["train"], review_files["dev"], review_files["test"]),
            max_seq_len=16 if long_text == "truncate" else 6,
            long_text=long_text,
            config=hub.RunConfig(**settings),
        )

    return make


def run(task, at=None):
    """Run a task and say for each step of which number of blocks it reads; at step `at` it dies."""
    used = []

    def see(task, _):
        columns = task.training._train
        kept = columns._features._kept if isinstance(columns, FeatureColumns) else []
        used.append(kept[0].settled.name.removeprefix("parts.0 below block ") if kept else "")

    task.add_hook("run_step", "see", see)
    if at is None:
        task.finetune_and_eval()
    else:
        crash_at(task, at)
    return used


def last(folder):
    return max(folder.glob("step_*"), key=lambda path: int(path.name.partition("_")[2]))


def bits(folder):
    return [atomic.sha256(last(folder) / name) for name in ("model.safetensors", "optimizer.safetensors")]


def curves(folder):
    entries = json.loads((last(folder) / "state.json").read_text())["curves"]
    return [(entry["split"], entry["step"], entry["loss"]) for entry in entries]


def entries(home):
    return sorted((home / "cache" / "features").glob("[!.]*"))


def assert_same_run(one, other, but="nothing"):
    for here, there in zip(curves(one), curves(other), strict=True):
        assert here[:2] == there[:2]
        assert here[2] == pytest.approx(there[2], abs=1e-5)
    weights = [load_file(last(folder) / "model.safetensors") for folder in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    for name in (name for name in weights[0] if but not in name):
        value = weights[0][name]
        torch.testing.assert_close(value, weights[1][name], atol=1e-5, rtol=1e-5)


def frozen_features(task, in_epoch=2, epochs=4):
    network = speed_up(task.build_network())
    plan = task.config.strategy.plan(network.described_parameters(), Steps(epochs * in_epoch, in_epoch))
    return network, FrozenFeatures(network, plan, in_epoch, task.reader.pad, "cpu", None)


@pytest.mark.parametrize("kind", SETTINGS)
def test_of_every_architecture_the_cut_network_computes_the_same_or_is_not_cut(kind, task_of, tmp_path, home):
    task = task_of(write_architecture(kind, tmp_path / kind))
    network, features = frozen_features(task)
    columns, pad = task.reader.columns("train"), task.reader.pad
    there = features.of(columns, 0)
    assert isinstance(there, FeatureColumns) == (kind not in REFUSED)
    plain = list(stream(network, columns, pad, 7, "cpu"))
    for one, other in zip(plain, stream(network, there, pad, 7, "cpu"), strict=True):
        torch.testing.assert_close(other[2]["logits"], one[2]["logits"], atol=1e-5, rtol=1e-5)
    if kind not in REFUSED:
        ((name, below),) = there.settled(np.arange(3), tensors(columns, np.arange(3), pad, "cpu")).items()
        assert name == "parts.0 below block 1"
        assert below.hidden.shape[2] == 32


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_network_that_reads_backwards_and_is_padded_on_the_left_is_cut_where_it_drops_nothing(
    blocks, task_of, tmp_path, home
):
    folder = write_architecture("xlnet", tmp_path / "xlnet")
    settings = read_json(folder / "config.json")
    (folder / "config.json").write_text(json.dumps({**settings, "dropout": 0.0}))
    task = task_of(folder, strategy=hub.AdamWeightDecayStrategy(**{**FREEZE, "freeze": 1 + blocks}))
    network, features = frozen_features(task)
    columns, pad = task.reader.columns("train"), task.reader.pad
    assert pad.left
    there = features.of(columns, 0)
    assert isinstance(there, FeatureColumns)
    plain = list(stream(network, columns, pad, 7, "cpu"))
    for one, other in zip(plain, stream(network, there, pad, 7, "cpu"), strict=True):
        torch.testing.assert_close(other[2]["logits"], one[2]["logits"], atol=1e-5, rtol=1e-5)


def test_the_lower_blocks_do_not_run_on_what_is_kept(task_of, home):
    task = task_of()
    network, features = frozen_features(task)
    there = features.of(task.reader.columns("train"), 0)
    ran = []
    for place, block in enumerate(network.parts[0].network.encoder.layer):
        block.intermediate.register_forward_hook(lambda *_, place=place: ran.append(place))
    for _ in stream(network, there, task.reader.pad, 64, "cpu"):
        pass
    assert ran == [1]


@pytest.mark.parametrize("long_text", ["truncate", "window"])
def test_training_above_kept_blocks_is_training_on_the_whole_encoder(long_text, task_of, in_tmp, home, lines):
    settings = {"save_ckpt_interval": 24, "long_text": long_text}
    assert run(task_of(checkpoint_dir="kept", **settings)) == ["1"] * 24
    assert len(entries(home)) == 2, "train and dev"
    assert run(task_of(checkpoint_dir="plain", cache_features=False, **settings)) == [""] * 24
    assert len(entries(home)) == 2
    said = [read_json(in_tmp / name / "run.json") for name in ("kept", "plain")]
    assert [(each["cached_features"], each["cached_blocks"]) for each in said] == [(False, True), (False, False)]
    assert_same_run(in_tmp / "kept", in_tmp / "plain")
    assert not [line for line in lines if "WARNING" in line]


def test_so_it_is_with_adam(task_of, in_tmp, home):
    strategy = hub.AdamWeightDecayStrategy(learning_rate=1e-4, freeze=2)
    run(task_of(checkpoint_dir="kept", strategy=strategy, save_ckpt_interval=24))
    run(task_of(checkpoint_dir="plain", strategy=strategy, save_ckpt_interval=24, cache_features=False))
    # What a softmax does not depend on has rounding for a gradient, and Adam makes full steps of it.
    assert_same_run(in_tmp / "kept", in_tmp / "plain", but="key.bias")


def unfreezing(**settings):
    return hub.ULMFiTStrategy(learning_rate=0.02, optimizer_name="sgd", frz_blocks=5, **settings)


def test_while_blocks_thaw_the_number_is_kept_that_saves_most(task_of, in_tmp, home):
    settings = {"num_epoch": 5, "strategy": unfreezing(), "save_ckpt_interval": 8}
    used = run(task_of(checkpoint_dir="kept", **settings))
    assert used == ["everything"] * 8 + ["1"] * 16 + [""] * 16
    run(task_of(checkpoint_dir="plain", cache_features=False, **settings))
    assert_same_run(in_tmp / "kept", in_tmp / "plain")


def test_where_it_is_asked_for_the_cut_moves_down_with_each_block(task_of, in_tmp, home):
    settings = {"num_epoch": 5, "strategy": unfreezing(), "save_ckpt_interval": 8}
    used = run(task_of(checkpoint_dir="kept", cache_features=True, **settings))
    assert used == ["everything"] * 8 + ["2"] * 8 + ["1"] * 8 + [""] * 16
    run(task_of(checkpoint_dir="plain", cache_features=False, **settings))
    assert_same_run(in_tmp / "kept", in_tmp / "plain")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("strategy", ["freeze", "unfreezing"])
def test_a_run_ends_with_the_same_bits_wherever_it_stopped_and_whatever_became_of_its_cache(
    strategy, precision, task_of, in_tmp, home
):
    chosen = unfreezing() if strategy == "unfreezing" else hub.AdamWeightDecayStrategy(**FREEZE)
    settings = {"num_epoch": 4, "strategy": chosen, "precision": precision, "save_ckpt_interval": 3}
    run(task_of(checkpoint_dir="quiet", **settings))
    for moment in (5, 13, 26):
        shutil.rmtree(home / "cache")
        run(task_of(checkpoint_dir="stopped", **settings), at=moment)
    run(task_of(checkpoint_dir="stopped", **settings))
    assert bits(in_tmp / "stopped") == bits(in_tmp / "quiet")
    assert curves(in_tmp / "stopped") == curves(in_tmp / "quiet")


def test_a_refill_is_the_same_bits_even_after_the_upper_blocks_moved(task_of, in_tmp, home):
    run(task_of(checkpoint_dir="run", save_ckpt_interval=3), at=9)
    before = {entry.name: atomic.sha256(entry / "values-0.npy") for entry in entries(home)}
    shutil.rmtree(home / "cache")
    run(task_of(checkpoint_dir="run", save_ckpt_interval=3))
    assert {entry.name: atomic.sha256(entry / "values-0.npy") for entry in entries(home)} == before


def test_without_room_nothing_is_kept(task_of, in_tmp, home, lines, monkeypatch):
    monkeypatch.setenv("TRANSFERHUB_CACHE_GB", "0.000001")
    assert run(task_of(checkpoint_dir="run")) == [""] * 24
    assert any("computed in each epoch" in line for line in lines)
    assert entries(home) == []


def test_a_network_that_computes_something_else_when_cut_is_not_cut_and_that_is_said_once(
    task_of, in_tmp, home, lines, monkeypatch
):
    turned = stacks._turned
    monkeypatch.setattr(stacks, "_turned", lambda hidden, stack: turned(hidden, stack).roll(1, dims=-1))
    assert run(task_of(checkpoint_dir="run")) == [""] * 24
    assert sum("does not compute the same" in line for line in lines) == 1
    assert entries(home) == []


def test_blocks_that_read_something_that_moves_move_with_it_and_that_is_said(task_of, tmp_path, lines):
    _, features = frozen_features(task_of(write_architecture("deberta-v2", tmp_path / "deberta")))
    assert features._cut(0) == []
    assert any("move with what they read: network.encoder.LayerNorm.bias" in line for line in lines)


def test_the_key_depends_on_the_lower_blocks_alone(task_of):
    def digest(change=None):
        network = task_of().build_network()
        if change:
            dict(network.named_parameters())[f"parts.0.network.{change}.weight"].data[0, 0] += 1e-3
        return describe(network, network.split([], {0: 1}), "cpu")

    plain = digest()
    assert digest("encoder.layer.1.attention.self.query") == digest("pooler.dense") == plain
    assert len({plain, digest("encoder.layer.0.attention.self.query"), digest("embeddings.word_embeddings")}) == 3


def test_a_trial_leaves_the_network_as_it_was(task_of):
    network = task_of().build_network().train()
    next(network.parts[0].parameters()).requires_grad_(False)
    before = [(p.requires_grad, p.grad) for p in network.parameters()], [m.training for m in network.modules()]
    stack = network.stack_of(0)
    assert stack is not None
    assert stack.path == "network.encoder.layer"
    assert stack.reads[0] < stack.reads[1]
    assert not any("pooler" in name for name in stack.reads[1])
    after = [(p.requires_grad, p.grad) for p in network.parameters()], [m.training for m in network.modules()]
    assert after == before
    assert not any("forward" in vars(module) for module in network.modules())


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (hub.AdamWeightDecayStrategy(freeze=0), []),
        (hub.AdamWeightDecayStrategy(freeze=1), [0, 0]),
        (hub.AdamWeightDecayStrategy(freeze=2), [NEVER, 0]),
        (hub.AdamWeightDecayStrategy(freeze=3), [NEVER, NEVER]),
        (hub.AdamWeightDecayStrategy(freeze=2, head_first=0.5), [NEVER, 20]),
        (unfreezing(), [24, 16]),
    ],
    ids=str,
)
def test_until_when_blocks_stay_still(strategy, expected, task_of):
    network = task_of().build_network()
    assert blocks_frozen_until(network, strategy.plan(network.described_parameters(), Steps(40, 8)), 0) == expected


@pytest.mark.parametrize(
    ("until", "first", "least", "expected"),
    [
        ([], 0, 10, []),
        ([0, 0, 0], 0, 10, []),
        ([NEVER, NEVER, 0], 0, 10, [Stretch(0, 60, 2)]),
        ([NEVER, NEVER, 30], 30, 10, [Stretch(30, 60, 2)]),  # behind what head_first settled
        ([NEVER] * 2, 60, 10, []),  # the whole is settled to the end
        ([20, 20, 10, 10, 10], 0, 10, [Stretch(0, 20, 2)]),  # an epoch alone saves nothing
        ([40, 40, 30, 30, 20, 20], 0, 10, [Stretch(0, 30, 4)]),  # 4 × 20 > 2 × 30, 6 × 10
        ([20, 10], 0, 0, [Stretch(0, 10, 2), Stretch(10, 20, 1)]),
        ([10], 5, 10, []),
    ],
)
def test_how_many_blocks_are_kept_when(until, first, least, expected):
    assert stretches(until, first, 60, least) == expected
