"""``module.features``: what a frozen encoder computes of texts, batched by length and kept."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

import transferhub as hub
from architectures import SETTINGS, write_architecture
from conftest import reviews
from transferhub import atomic
from transferhub.errors import ConfigError, DataError
from transferhub.module.encoder import Encoder

TEXTS = [text for text, _ in reviews(50, 4)]
PAIRS = [("good room", "bad food"), ("the staff was rude", "never again"), ("a", "the film")]


@pytest.fixture
def module(tiny):
    return hub.Module(directory=tiny)


@pytest.fixture
def computed(monkeypatch):
    """How many texts go through an encoder."""
    seen, forward = [], Encoder.forward

    def counted(self, input_ids, *more, **named):
        seen.append(len(input_ids))
        return forward(self, input_ids, *more, **named)

    monkeypatch.setattr(Encoder, "forward", counted)
    return seen


def by_transformers(folder, texts, length):
    """Each text by itself, as transformers' own documents have it."""
    from transformers import AutoModel, AutoTokenizer

    from transferhub.module.encoder import quietly

    with quietly():
        model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for text in texts:
        given = (text,) if isinstance(text, str) else text
        with torch.no_grad():
            yield model(**tokenizer(*given, truncation=True, max_length=length, return_tensors="pt"))


@pytest.mark.parametrize("texts", [TEXTS, PAIRS])
def test_they_are_what_transformers_computes_of_each_text_alone(module, tiny, texts):
    sequences, pooled = module.features(texts, 8), module.features(texts, 8, output="pooled_output")
    assert pooled.shape == (len(texts), 32)
    assert pooled.dtype == sequences[0].dtype == np.float32
    for row, expected in enumerate(by_transformers(tiny, texts, 8)):
        np.testing.assert_allclose(sequences[row], expected.last_hidden_state[0], atol=1e-5)
        np.testing.assert_allclose(pooled[row], expected.pooler_output[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["roberta", "xlnet", "deberta-v2", "modernbert"])
def test_padding_on_either_side_is_left_out(kind, tmp_path):
    assert kind in SETTINGS
    folder = write_architecture(kind, tmp_path / kind)
    sequences = hub.Module(directory=folder).features(TEXTS[:20], 12)
    for row, expected in enumerate(by_transformers(folder, TEXTS[:20], 12)):
        np.testing.assert_allclose(sequences[row], expected.last_hidden_state[0], atol=5e-5)


@pytest.mark.parametrize("output", ["sequence_output", "pooled_output"])
def test_the_same_texts_again_cost_no_forward_pass(module, tiny, output, computed):
    first = module.features(TEXTS, output=output)
    assert sum(computed) <= len(TEXTS) + 4
    computed.clear()
    again = module.features(TEXTS, output=output)
    other = hub.Module(directory=tiny).features(TEXTS, output=output)
    assert sum(computed) <= 2 * (4 + 4), "a few rows, to see that they are what the network computes"
    for one, two, three in zip(first, again, other, strict=True):
        assert one.tobytes() == two.tobytes() == three.tobytes()
    module.features(TEXTS[::-1], output=output)
    assert sum(computed) > len(TEXTS), "other rows"


def test_in_bf16_they_are_others_and_kept_apart(module, computed):
    exact, rough = (module.features(TEXTS, output="pooled_output", precision=name) for name in ("fp32", "bf16"))
    assert rough.dtype == np.float32
    np.testing.assert_allclose(rough, exact, atol=0.05)
    assert not np.array_equal(rough, exact)
    computed.clear()
    again = module.features(TEXTS, output="pooled_output", precision="bf16")
    assert again.tobytes() == rough.tobytes()
    assert sum(computed) <= 8


def test_another_process_finds_them(module, tiny, home):
    first = module.features(TEXTS)
    (entry,) = (home / "cache" / "features").glob("[!.]*")
    stamp = os.stat(entry / "values-0.npy").st_mtime_ns
    code = f"import transferhub as hub; print(sum(map(len, hub.Module(directory={str(tiny)!r}).features({TEXTS!r}))))"
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert int(done.stdout.splitlines()[-1]) == sum(map(len, first))
    assert os.stat(entry / "values-0.npy").st_mtime_ns == stamp
    assert len(list((home / "cache" / "features").glob("[!.]*"))) == 1


def test_they_are_mapped_and_writing_to_them_changes_no_file(module, home):
    first = module.features(TEXTS)
    (entry,) = (home / "cache" / "features").glob("[!.]*")
    before = atomic.sha256(entry / "values-0.npy")
    torch.from_numpy(first[3]).zero_()
    assert not first[3].any()
    assert atomic.sha256(entry / "values-0.npy") == before
    assert module.features(TEXTS)[3].any()


def test_a_cache_that_was_removed_or_damaged_is_filled_with_the_same_bits(module, home, lines):
    first = [row.tobytes() for row in module.features(TEXTS)]
    (entry,) = (home / "cache" / "features").glob("[!.]*")
    content = bytearray((entry / "values-0.npy").read_bytes())
    content[200] ^= 1
    (entry / "values-0.npy").write_bytes(content)
    assert [row.tobytes() for row in module.features(TEXTS)] == first
    assert any("damaged" in line and "computed again" in line for line in lines)
    shutil.rmtree(home / "cache")
    assert [row.tobytes() for row in module.features(TEXTS)] == first


@pytest.mark.parametrize("output", ["sequence_output", "pooled_output"])
def test_above_the_cap_they_are_computed_each_time_and_that_is_said(module, home, lines, monkeypatch, output):
    kept = module.features(TEXTS, output=output)
    shutil.rmtree(home / "cache")
    monkeypatch.setenv("TRANSFERHUB_CACHE_GB", "0")
    plain = module.features(TEXTS, output=output)
    assert any("are not kept" in line and "TRANSFERHUB_CACHE_GB" in line for line in lines)
    assert not list((home / "cache").glob("features/[!.]*"))
    for one, two in zip(kept, plain, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_on_the_pooled_output_reuses_them(module, make_task, in_tmp, computed, home):
    task = make_task(checkpoint_dir="run", num_epoch=1)
    texts = [example.text_a for example in task.dataset.train_examples]
    module.features(texts, 64, output="pooled_output")
    (entry,) = (home / "cache" / "features").glob("[!.]*")
    _, outputs, _ = module.context(trainable=False, max_seq_len=64)
    hub.TextClassifierTask(
        feature=outputs["pooled_output"],
        dataset=task.dataset,
        hidden_units=[],
        max_seq_len=64,
        config=hub.RunConfig(checkpoint_dir="run", batch_size=8, precision="fp32"),
    ).finetune_and_eval()
    assert entry in list((home / "cache" / "features").glob("[!.]*"))
    assert len(list((home / "cache" / "features").glob("[!.]*"))) == 2, "dev is new, train is not"


def test_what_cannot_be_asked_for(module):
    assert module.features([]) == []
    assert module.features([], output="pooled_output").shape == (0, 32)
    for arguments, said in (
        ({"output": "emb"}, "output='emb'"),
        ({"max_seq_len": 65}, "max_seq_len=65"),
        ({"max_seq_len": 2}, "max_seq_len=2"),
        ({"precision": "fp16"}, "precision='fp16'"),
        ({"batch_size": 0}, "batch_size=0"),
    ):
        with pytest.raises(ConfigError, match=said):
            module.features(TEXTS, **arguments)
    with pytest.raises(ConfigError, match="list of texts"):
        module.features("good room")
    with pytest.raises(DataError, match="row 1 is a pair"):
        module.features(["good", ("good", "room")])
