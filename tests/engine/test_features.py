"""What a frozen encoder gives is computed once, and training on it is training on the encoder itself."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import transferhub as hub
from architectures import SETTINGS, write_architecture
from conftest import crash_at, read_json, reviews
from transferhub import atomic
from transferhub.engine.evaluation import stream, tensors
from transferhub.engine.features import FeatureColumns, Features, packed_copy
from transferhub.engine.frozen import FrozenFeatures
from transferhub.engine.kernels import PackedLinear, speed_up
from transferhub.engine.settled import describe, frozen_until, what_is_read
from transferhub.errors import ConfigError, RunError
from transferhub.graph import Network, Node, Source, Variable
from transferhub.graph.forms import forms_of
from transferhub.reader import ClassifyReader, Padding
from transferhub.strategy import Steps

LAST = "step_24/model.safetensors"


@pytest.fixture
def frozen_task(tiny, review_files):
    """Build a task on a frozen tiny encoder; keyword arguments go to RunConfig."""

    def make(module=tiny, hidden_units=None, trainable=False, long_text="truncate", **config):
        settings = {"num_epoch": 3, "batch_size": 8, "precision": "fp32", "eval_interval": 6, **config}
        settings.setdefault("strategy", hub.AdamWeightDecayStrategy(learning_rate=5e-2))
        _, outputs, _ = hub.Module(directory=module).context(trainable=trainable, max_seq_len=16)
        return hub.TextClassifierTask(
            feature=outputs["pooled_output"],
            dataset=hub.dataset.load(review_files["train"], review_files["dev"], review_files["test"]),
            hidden_units=hidden_units,
            max_seq_len=16 if long_text == "truncate" else 6,
            long_text=long_text,
            config=hub.RunConfig(**settings),
        )

    return make


def run(task, at=None, do=None):
    """Run a task; at step `at` call `do`, or die where there is none."""
    if at is not None and do is None:
        return crash_at(task, at)

    def act(task, _):
        if task.current_step == at:
            do()

    task.add_hook("run_step", "act", act)
    return task.finetune_and_eval()


def bits(folder):
    return [atomic.sha256(folder / name) for name in (LAST, "step_24/optimizer.safetensors")]


def curves(folder):
    return [(e["split"], e["step"], e["loss"], e["scores"]) for e in read_json(folder / "step_24/state.json")["curves"]]


def entries(home):
    return sorted((home / "cache" / "features").glob("[!.]*"))


@pytest.mark.parametrize("kind", SETTINGS)
def test_of_every_architecture_only_what_its_own_head_reads_is_kept(kind, frozen_task, tmp_path):
    task = frozen_task(write_architecture(kind, tmp_path / kind))
    network = speed_up(task.build_network()).eval()
    columns, pad = task.reader.columns("train"), task.reader.pad
    cut = network.split([0])
    assert [each.name for each in cut] == ["everything"]
    (kept,) = what_is_read(network, cut, columns, pad, "cpu")
    pooled = {"bert", "albert", "ernie"}
    expected = "pooler_output" if kind in pooled else "last token" if kind == "xlnet" else "first token"
    assert kept.form.name == expected
    assert not kept.by_token
    features = Features(network, [kept], columns, pad, "cpu", "digest")
    assert features.open()
    there = FeatureColumns(columns, features, torch.float32)
    for plain, read in zip(stream(network, columns, pad, 7, "cpu"), stream(network, there, pad, 7, "cpu"), strict=True):
        torch.testing.assert_close(read[2]["logits"], plain[2]["logits"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", SETTINGS)
def test_packed_weights_compute_the_same_and_change_no_network(kind, frozen_task, tmp_path):
    task = frozen_task(write_architecture(kind, tmp_path / kind))
    network = speed_up(task.build_network()).eval()
    batch = tensors(task.reader.columns("train"), np.arange(8), task.reader.pad, "cpu")
    names = [each.name for each in network.split([0])]
    before = [type(module) for module in network.modules()]
    packed = packed_copy(network, names)
    assert [type(module) for module in network.modules()] == before
    assert any(isinstance(module, PackedLinear) for module in packed.modules())
    assert {id(p) for p in packed.parameters()} == {id(p) for p in network.parameters()}
    with torch.inference_mode():
        for name in names:
            found, wanted = (each.compute(batch, [name])[name] for each in (packed, network))
            for form in forms_of(network.parts[0], "everything", wanted):
                real = batch["input_mask"].bool()
                one, other = form.keep(found), form.keep(wanted)
                where = real if one.dim() == 3 else slice(None)
                torch.testing.assert_close(one[where], other[where], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("hidden_units", [None, [8]])
def test_training_on_features_is_training_on_the_encoder(hidden_units, frozen_task, in_tmp, home, lines):
    kept = run(frozen_task(hidden_units=hidden_units, checkpoint_dir="kept", save_ckpt_interval=24))
    assert len(entries(home)) == 2, "train and dev"
    plain = run(
        frozen_task(hidden_units=hidden_units, checkpoint_dir="plain", save_ckpt_interval=24, cache_features=False)
    )
    assert len(entries(home)) == 2
    assert [read_json(in_tmp / name / "run.json")["cached_features"] for name in ("kept", "plain")] == [True, False]
    for one, other in zip(curves(in_tmp / "kept"), curves(in_tmp / "plain"), strict=True):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], abs=1e-5)
    weights = [load_file(in_tmp / name / LAST) for name in ("kept", "plain")]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], atol=1e-4, rtol=1e-4)
    assert kept.test["loss"] == pytest.approx(plain.test["loss"], abs=1e-4)
    assert not [line for line in lines if "WARNING" in line]


def test_the_encoder_runs_once_for_each_row_however_many_epochs_runs_and_searches(frozen_task, in_tmp, monkeypatch):
    from transferhub.module.encoder import Encoder

    seen, forward = [], Encoder.forward

    def counted(self, input_ids, *more, **named):
        seen.append(len(input_ids))
        return forward(self, input_ids, *more, **named)

    monkeypatch.setattr(Encoder, "forward", counted)
    during = []
    for number, rate in enumerate((5e-2, 1e-2)):
        strategy = hub.AdamWeightDecayStrategy(learning_rate=rate)
        task = frozen_task(checkpoint_dir=f"run{number}", num_epoch=5, strategy=strategy)
        seen.clear()
        task.add_hook("finetune_end", "count", lambda *_: None)
        task.add_hook("run_step", "count", lambda task, _: during.append(sum(seen)))
        run(task)
        during.append(sum(seen))
    first, second = during[: len(during) // 2], during[len(during) // 2 :]
    few = 2 * 4  # rows that forms are tried on
    assert first[0] <= 64 + few + 4
    assert first[-2] <= 64 + 24 + few
    assert second[-2] <= 2 * few + 8, "nothing but the trial rows and those that are compared"


def test_every_row_of_a_sequence_is_kept_without_padding(tiny, home):
    network, reader, columns = sequence_network(tiny, MaskedMean)
    (kept,) = what_is_read(network, network.split([0]), columns, reader.pad, "cpu")
    features = Features(network, [kept], columns, reader.pad, "cpu", "digest")
    assert kept.by_token
    assert features.open()
    assert features.mapped().shape == (columns.offsets[-1], 32)
    assert isinstance(features.mapped().base, np.memmap)
    assert features.bytes == 4 * 32 * columns.offsets[-1]
    there = FeatureColumns(columns, features, torch.float32)
    for plain, read in zip(
        stream(network, columns, reader.pad, 5, "cpu"), stream(network, there, reader.pad, 5, "cpu"), strict=True
    ):
        torch.testing.assert_close(read[2]["logits"], plain[2]["logits"], atol=1e-5, rtol=1e-5)


class MaskedMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 2)
        nn.init.zeros_(self.linear.weight)  # with such a head all forms look alike, if it is tried as it is

    def forward(self, sequence, mask):
        mask = mask[..., None].float()
        return {"logits": self.linear((sequence * mask).sum(1) / mask.sum(1))}


class ReadsPadding(MaskedMean):
    def forward(self, sequence, mask):
        return {"logits": self.linear(sequence.mean(dim=1))}


class MadeHere(Source):
    def __init__(self, kind):
        self.kind = kind

    def build(self, seed):
        return self.kind()


def sequence_network(tiny, head):
    inputs, outputs, _ = hub.Module(directory=tiny).context(trainable=False, max_seq_len=16)
    node = Node(MadeHere(head), {"sequence": outputs["sequence_output"], "mask": inputs["input_mask"]})
    network = Network([Variable("logits", (-1, 2), "float32", node, "logits")]).eval()
    reader = ClassifyReader(vocab_path=tiny / "vocab.txt", max_seq_len=16)
    return network, reader, reader.encode([text for text, _ in reviews(30, 1)])


def test_a_head_that_reads_padding_is_left_alone(tiny):
    network, reader, columns = sequence_network(tiny, ReadsPadding)
    assert what_is_read(network, network.split([0]), columns, reader.pad, "cpu") is None


def test_where_each_row_has_one_size_padding_may_be_read(tiny, home, monkeypatch):
    network, reader, columns = sequence_network(tiny, ReadsPadding)
    batch = type(columns).batch
    monkeypatch.setattr(type(columns), "batch", lambda self, rows, pad, length=16: batch(self, rows, pad, length))
    (kept,) = what_is_read(network, network.split([0]), columns, reader.pad, "cpu")
    assert (kept.shape, kept.by_token) == ((16, 32), False)
    features = Features(network, [kept], columns, reader.pad, "cpu", "digest")
    assert features.open()
    there = FeatureColumns(columns, features, torch.float32)
    for plain, read in zip(
        stream(network, columns, reader.pad, 5, "cpu"), stream(network, there, reader.pad, 5, "cpu"), strict=True
    ):
        torch.testing.assert_close(read[2]["logits"], plain[2]["logits"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("wiped", ["before", "between", "both", "never"])
def test_a_run_ends_with_the_same_bits_whether_its_cache_is_there_or_not(wiped, precision, frozen_task, in_tmp, home):
    run(frozen_task(checkpoint_dir="quiet", save_ckpt_interval=3, precision=precision))
    if wiped in ("before", "both"):
        shutil.rmtree(home / "cache")
    run(frozen_task(checkpoint_dir="stopped", save_ckpt_interval=3, precision=precision), at=11)
    if wiped in ("between", "both"):
        shutil.rmtree(home / "cache")
    run(frozen_task(checkpoint_dir="stopped", save_ckpt_interval=3, precision=precision))
    assert bits(in_tmp / "stopped") == bits(in_tmp / "quiet")
    assert curves(in_tmp / "stopped") == curves(in_tmp / "quiet")


def flip(path):
    content = bytearray(path.read_bytes())
    content[-9] ^= 64
    path.write_bytes(content)


DAMAGE = {
    "flip": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("fault", DAMAGE)
@pytest.mark.parametrize("when", ["while it runs", "between two starts"])
def test_damage_is_said_and_changes_no_bit(fault, when, frozen_task, in_tmp, home, lines):
    run(frozen_task(checkpoint_dir="quiet", save_ckpt_interval=3))

    def damage():
        for entry in entries(home):
            DAMAGE[fault](entry / "values-0.npy")

    lines.clear()
    if when == "while it runs":
        run(frozen_task(checkpoint_dir="other", save_ckpt_interval=3), at=5, do=damage)
    else:
        run(frozen_task(checkpoint_dir="other", save_ckpt_interval=3), at=5)
        damage()
        lines.clear()
        run(frozen_task(checkpoint_dir="other", save_ckpt_interval=3))
    assert bits(in_tmp / "other") == bits(in_tmp / "quiet")
    said = [line for line in lines if "WARNING" in line]
    assert any("computed again" in line or "were removed" in line for line in said)


def test_a_refill_is_the_same_bits(frozen_task, in_tmp, home):
    run(frozen_task(checkpoint_dir="a"))
    before = {entry.name: atomic.sha256(entry / "values-0.npy") for entry in entries(home)}
    shutil.rmtree(home / "cache")
    run(frozen_task(checkpoint_dir="b", batch_size=5))
    assert {entry.name: atomic.sha256(entry / "values-0.npy") for entry in entries(home)} == before


def test_values_that_this_network_does_not_compute_are_not_used(frozen_task, in_tmp, home, lines):
    run(frozen_task(checkpoint_dir="quiet", save_ckpt_interval=24))
    for entry in entries(home):
        values = np.load(entry / "values-0.npy")
        with atomic.whole_folder(entry) as part:
            np.save(part / "values-0.npy", values + 1)
    run(frozen_task(checkpoint_dir="other", save_ckpt_interval=24))
    assert any("not what this network computes" in line for line in lines)
    assert bits(in_tmp / "other") == bits(in_tmp / "quiet")


def test_above_the_cap_nothing_is_kept_and_a_run_stays_with_what_it_began(
    frozen_task, in_tmp, home, lines, monkeypatch
):
    monkeypatch.setenv("TRANSFERHUB_CACHE_GB", "0.000001")
    run(frozen_task(checkpoint_dir="quiet", save_ckpt_interval=3))
    assert any("computed in each epoch" in line and "TRANSFERHUB_CACHE_GB" in line for line in lines)
    run(frozen_task(checkpoint_dir="stopped", save_ckpt_interval=3), at=11)
    monkeypatch.delenv("TRANSFERHUB_CACHE_GB")
    run(frozen_task(checkpoint_dir="stopped", save_ckpt_interval=3))
    assert bits(in_tmp / "stopped") == bits(in_tmp / "quiet")
    assert entries(home) == []


def test_a_full_disk_is_said_and_the_run_goes_on(frozen_task, in_tmp, home, lines, monkeypatch):
    class Usage:
        free = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage)
    assert run(frozen_task(checkpoint_dir="run")).dev
    assert any("computed in each epoch" in line and "free" in line for line in lines)
    assert entries(home) == []


def test_a_disk_that_fills_up_while_features_are_written(frozen_task, in_tmp, home, lines, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transferhub.engine.features._Writer.write", full)
    assert run(frozen_task(checkpoint_dir="run")).dev
    assert any("are not kept" in line for line in lines)
    assert entries(home) == []


def test_features_last_as_long_as_the_plan_keeps_the_encoder_still(frozen_task, in_tmp, home):
    strategy = hub.AdamWeightDecayStrategy(learning_rate=1e-3, head_first=0.5)
    kept = frozen_task(trainable=True, strategy=strategy, checkpoint_dir="kept", save_ckpt_interval=3)
    used = []
    kept.add_hook("run_step", "see", lambda task, _: used.append(isinstance(task.training._train, FeatureColumns)))
    run(kept)
    assert used == [True] * 12 + [False] * 12
    again = {"trainable": True, "strategy": strategy, "save_ckpt_interval": 3}
    run(frozen_task(checkpoint_dir="plain", cache_features=False, **again))
    for one, other in zip(curves(in_tmp / "kept"), curves(in_tmp / "plain"), strict=True):
        assert one[2] == pytest.approx(other[2], abs=1e-4)
    for moment in (10, 13):
        run(frozen_task(checkpoint_dir="stopped", **again), at=moment)
        shutil.rmtree(home / "cache")
    run(frozen_task(checkpoint_dir="stopped", **again))
    assert bits(in_tmp / "stopped") == bits(in_tmp / "kept")


def test_less_than_an_epoch_is_not_worth_it_unless_asked_for(frozen_task, in_tmp, home):
    strategy = hub.AdamWeightDecayStrategy(learning_rate=1e-3, head_first=0.2)
    run(frozen_task(trainable=True, strategy=strategy, checkpoint_dir="a"))
    assert entries(home) == []
    run(frozen_task(trainable=True, strategy=strategy, checkpoint_dir="b", cache_features=True))
    assert len(entries(home)) == 1, "at the first evaluation all moves"


def test_windows_of_long_texts_are_pieces(frozen_task, in_tmp, home):
    kept = run(frozen_task(long_text="window", checkpoint_dir="kept"))
    assert len(entries(home)) == 2
    plain = run(frozen_task(long_text="window", checkpoint_dir="plain", cache_features=False))
    assert kept.test["loss"] == pytest.approx(plain.test["loss"], abs=1e-4)


def test_the_key_depends_on_rows_weights_and_architecture(tiny, frozen_task):
    def digest(change=lambda network: None):
        network = frozen_task().build_network()
        change(network)
        return describe(network, network.split([0]), "cpu")

    plain = digest()
    assert digest() == plain

    def weights(network):
        next(network.parts[0].parameters()).data[0, 0] += 1e-3

    def heads(network):
        network.parts[0].network.config.num_attention_heads = 2

    def head(network):
        next(network.parts[1].parameters()).data += 1

    assert len({digest(weights), digest(heads), plain}) == 3
    assert digest(head) == plain
    reader = ClassifyReader(vocab_path=tiny / "vocab.txt", max_seq_len=16)
    texts = ["good room", "bad food"]
    labelled = reader.encode(texts)
    labelled.labels = np.array([0, 1])
    assert reader.encode(texts).digest == labelled.digest != reader.encode(texts[::-1]).digest


def test_which_parts_are_settled_and_until_when(frozen_task):
    for trainable, strategy, expected in (
        (False, hub.AdamWeightDecayStrategy(), {0: 1 << 62, 1: 0}),
        (True, hub.AdamWeightDecayStrategy(), {0: 0, 1: 0}),
        (True, hub.AdamWeightDecayStrategy(head_first=0.5), {0: 12, 1: 0}),
        (True, hub.AdamWeightDecayStrategy(freeze=1), {0: 0, 1: 0}),
        (True, hub.ULMFiTStrategy(), {0: 8, 1: 0}),
    ):
        network = frozen_task(trainable=trainable).build_network()
        plan = strategy.plan(network.described_parameters(), Steps(24, 8))
        assert frozen_until(network, plan) == expected, strategy


def test_a_table_that_ids_are_looked_up_in_is_not_kept(tmp_path):
    words, run_of = hub.layers.data("word_ids"), {}
    for name, frozen in (("table", lambda x: x), ("recurrent", lambda x: hub.layers.gru(x, 4, trainable=False))):
        below = hub.layers.embedding(words, [7, 4], trainable=False)
        network = Network([hub.layers.fc(hub.layers.max_over_time(frozen(below)), 2)])
        plan = hub.DefaultStrategy().plan(network.described_parameters(), Steps(4, 2))
        features = FrozenFeatures(network, plan, 2, Padding({"word_ids": 6}), "cpu", None)
        run_of[name] = [each.output for each in features._cut(0)]
    assert run_of == {"table": [], "recurrent": ["out"]}


def test_nothing_is_settled_where_adapters_move(frozen_task, in_tmp, home):
    run(frozen_task(trainable=True, strategy=hub.LoRAStrategy(learning_rate=1e-2), checkpoint_dir="run", num_epoch=1))
    assert entries(home) == []


def test_another_choice_is_another_run(frozen_task, in_tmp):
    run(frozen_task(checkpoint_dir="run"), at=5)
    with pytest.raises(RunError, match="cache_features"):
        run(frozen_task(checkpoint_dir="run", cache_features=False))
    with pytest.raises(ConfigError, match="cache_features='no'"):
        hub.RunConfig(cache_features="no")
