import csv
import itertools
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import transferhub as hub
from conftest import BAD, GOOD, crash_at, read_json
from transferhub import atomic
from transferhub.dataset import InputExample
from transferhub.errors import ConfigError, DataError, RunError
from transferhub.module.encoder import quietly

# Words that begin a chunk, words that go on with one; all others are outside.
CHUNKS = {"THING": (("room", "food", "film"), ("app", "shop")), "QUALITY": (GOOD, BAD)}
OTHERS = ("again", "and", "but", "with", "staff", "bed", "soup", "plot", "screen", "price")
TAGS = ["B-QUALITY", "I-QUALITY", "B-THING", "I-THING", "O"]


def tagged(count, seed, length=9):
    """Sentences of chunks and other words."""
    draw = random.Random(seed)
    for _ in range(count):
        words, tags = [], []
        while len(words) < draw.randint(3, length):
            kind = draw.choice([*CHUNKS, None])
            begin, inside = CHUNKS.get(kind, (OTHERS, ()))
            more = draw.randint(0, 2) if kind else 0
            words += [draw.choice(begin), *(draw.choice(inside) for _ in range(more))]
            tags += ["O"] if kind is None else [f"B-{kind}", *[f"I-{kind}"] * more]
        yield words, tags


def write(path, rows):
    lines = ("\x02".join(words) + "\t" + "\x02".join(tags) + "\n" for words, tags in rows)
    path.write_text("text_a\tlabel\n" + "".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path):
    sizes = {"train": (96, 1), "dev": (32, 2), "test": (32, 3)}
    return {name: write(tmp_path / f"{name}.tsv", tagged(*size)) for name, size in sizes.items()}


@pytest.fixture
def make_tagger(tiny, files):
    def make(max_seq_len=24, hidden_units=None, add_crf=False, rate=1e-2, metrics="default", **config):
        settings = {"num_epoch": 4, "batch_size": 8, "precision": "fp32", "eval_interval": 12, "log_interval": 6}
        strategy = hub.AdamWeightDecayStrategy(learning_rate=rate)
        return hub.SequenceLabelTask(
            module=hub.Module(directory=tiny),
            dataset=hub.dataset.load(files["train"], files["dev"], files["test"], kind="tags"),
            max_seq_len=max_seq_len,
            hidden_units=hidden_units,
            add_crf=add_crf,
            metrics_choices=metrics,
            config=hub.RunConfig(**{**settings, "strategy": strategy, **config}),
        )

    return make


@pytest.fixture(params=[False, True], ids=["fc", "crf"])
def trained(request, make_tagger, in_tmp):
    task = make_tagger(add_crf=request.param, checkpoint_dir="run")
    return task, task.finetune_and_eval()


def test_it_learns_is_saved_and_opens_in_transformers(trained, in_tmp, files, lines):
    from transformers import AutoModelForTokenClassification

    task, result = trained
    assert set(result.test) == {"f1", "precision", "recall", "loss"}
    assert result.test["f1"] > 0.9
    loaded = hub.load("run/best_model")
    sentences = [words for words, _ in tagged(5, 9)]
    here, there = task.predict(sentences), loaded.predict(sentences)
    assert here.labels == there.labels
    assert [len(tags) for tags in here.labels] == [len(words) for words in sentences]
    assert all(np.array_equal(*pair) for pair in zip(here.probabilities, there.probabilities, strict=True))
    assert loaded.evaluate(files["test"]) == pytest.approx(result.test, abs=1e-6)

    with quietly():
        model = AutoModelForTokenClassification.from_pretrained(in_tmp / "run" / "best_model")
    assert model.config.id2label == dict(enumerate(TAGS))
    batch = task.reader.encode(sentences).batch(range(5), task.reader.pad)
    feeds = {name: torch.from_numpy(values) for name, values in batch.items()}
    with torch.inference_mode():
        ours = loaded.best_network()(feeds)
        theirs = model(feeds["input_ids"], attention_mask=feeds["input_mask"]).logits
    torch.testing.assert_close(ours["logits"], theirs, rtol=0, atol=1e-5)
    beside = in_tmp / "run" / "best_model" / "beside.safetensors"
    assert beside.is_file() == task.add_crf
    if task.add_crf:
        saved = {name.rpartition(".")[2]: value for name, value in load_file(beside).items()}
        table = torch.cat([saved["transitions"], saved["start"][None], saved["end"][None]])
        torch.testing.assert_close(ours["transitions_0"], table)


def test_predictions_have_spans_probabilities_and_1xs_results(trained, in_tmp):
    task, _ = trained
    text = "staff  room shop and good"
    rows = [text, "room", "", "the\x02film"]
    found = task.predict(rows)
    assert found.labels[0] == ["O", "B-THING", "I-THING", "O", "B-QUALITY"]
    assert [(span.type, span.text, text[span.start : span.stop]) for span in found.spans[0]] == [
        ("THING", "room shop", "room shop"),
        ("QUALITY", "good", "good"),
    ]
    assert (found.spans[0][0].word_start, found.spans[0][0].word_stop) == (1, 3)
    assert found.labels[2] == []
    assert found.records()[3] == {"text": "the film", "tags": found.labels[3], "spans": found.spans[3]}
    assert all(0.2 < values.min() <= values.max() <= 1 for values in found.probabilities if len(values))
    assert task.predict([[text], ["room"]], return_result=True) == found.labels[:2]
    ids, lengths = found[0].run_results
    assert ids.shape == (4 * 24, 1)
    assert lengths.tolist() == [7, 3, 2, 4]
    first = [TAGS[tag] for tag in ids[: lengths[0], 0]]
    assert first == ["O", *found.labels[0], "O"]
    assert set(ids[7:24, 0]) == {4}
    assert task.predict([]).labels == []
    assert task.predict(["room"], label_list=["a", "b", "c", "d", "e"]).labels == [["c"]]


def test_the_run_writes_predictions_types_and_the_worst_sentences(make_tagger, in_tmp, lines):
    make_tagger(num_epoch=1, rate=3e-3, checkpoint_dir="run").finetune_and_eval()
    with open(in_tmp / "run" / "predictions" / "test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 32
    assert list(rows[0]) == ["text", "tags", "predicted", "spans"]
    assert all(len(row["text"].split()) == len(row["predicted"].split()) == len(row["tags"].split()) for row in rows)
    page = (in_tmp / "run" / "report.html").read_text()
    assert "Types on dev" in page
    assert "<td>THING</td>" in page
    assert "test.tsv" not in page.split("Worst mistakes on dev")[1].split("Settings")[0]
    assert "dev.tsv:" in page
    assert any(line.startswith("[    INFO] - dev: THING f1=") for line in lines)
    notes = read_json(in_tmp / "run" / "run.json")["result"]["notes"]
    assert notes[0] == "texts to predict are cut into words between white space"


def test_windows_change_neither_rows_nor_learning(make_tagger, in_tmp):
    task = make_tagger(max_seq_len=8, add_crf=True, checkpoint_dir="run")
    result = task.finetune_and_eval()
    assert result.test["f1"] > 0.85
    long = [word for words, _ in tagged(40, 5) for word in words]
    tags = task.predict([long]).labels[0]
    assert len(tags) == len(long) > 150
    legal = task._tags.legal_steps
    ids = [TAGS.index(tag) for tag in tags]
    assert all(legal[first, second] for first, second in itertools.pairwise(ids)), "over windows' borders too"


def test_the_loss_is_the_mean_over_words_and_no_window_counts_twice(make_tagger):
    words, tags = ["room", "awful", "xyz"], ["B-THING", "I-QUALITY", "O"]
    for crf in (False, True):
        task = make_tagger(max_seq_len=6, add_crf=crf)
        network = task.build_network().eval()
        rows = [InputExample(None, words * 6, None, tags * 6), InputExample(None, words, None, tags)]
        data = hub.dataset.load(rows, kind="tags", label_list=TAGS)
        columns = task.reader.columns("train", data, keep=False)

        def loss(chosen, task=task, network=network, columns=columns):
            batch = columns.batch(chosen, task.reader.pad)
            feeds = {name: torch.from_numpy(values) for name, values in batch.items()}
            with torch.no_grad():
                return feeds, (outputs := network(feeds)), task.losses(outputs, feeds)

        feeds, outputs, losses = loss([0, 1])
        torch.testing.assert_close(losses, torch.cat([loss([0])[2], loss([1])[2]]))
        if not crf:
            own = (feeds["words"] >= 0) & (feeds["row_of"] == 0)[:, None]
            assert int(own.sum()) == 6 * len(words)
            expected = torch.nn.functional.cross_entropy(outputs["logits"][own], feeds["labels"][own])
            torch.testing.assert_close(losses[0], expected)


def test_probabilities_with_a_crf_are_its_marginals():
    from transferhub.task.tagging import best_tags, probabilities

    torch.manual_seed(0)
    logits, table = torch.randn(1, 5, 3), torch.randn(5, 3)
    batch = {"words": torch.tensor([[-1, 0, -1, 1, 2]]), "row_of": torch.tensor([0])}
    tags, _ = best_tags(logits, table, batch)
    emissions, weights = logits[0, [1, 3, 4]], {}
    for path in itertools.product(range(3), repeat=3):
        steps = sum(table[a, b] for a, b in itertools.pairwise(path))
        score = sum(emissions[at, tag] for at, tag in enumerate(path)) + steps + table[3, path[0]] + table[4, path[-1]]
        weights[path] = torch.exp(score)
    best = max(weights, key=weights.__getitem__)
    assert tags[0].tolist() == list(best)
    total = sum(weights.values())
    expected = [sum(w for path, w in weights.items() if path[at] == best[at]) / total for at in range(3)]
    torch.testing.assert_close(probabilities(logits, table, batch, tags)[0], torch.stack(expected))


@pytest.mark.parametrize("add_crf", [False, True])
def test_a_stopped_run_ends_with_the_same_bits(make_tagger, in_tmp, add_crf):
    def made(folder):
        return make_tagger(add_crf=add_crf, num_epoch=2, checkpoint_dir=folder, save_ckpt_interval=5)

    quiet = made("quiet").finetune_and_eval()
    crash_at(made("stopped"), 13)
    stopped = made("stopped").finetune_and_eval()
    assert (stopped.dev, stopped.test) == (quiet.dev, quiet.test)
    names = ["best_model/model.safetensors", "step_24/model.safetensors", "step_24/optimizer.safetensors"]
    for name in names + ["best_model/beside.safetensors"] * add_crf:
        assert atomic.sha256(in_tmp / "stopped" / name) == atomic.sha256(in_tmp / "quiet" / name)


def test_a_head_of_ones_own_and_settled_features(make_tagger, in_tmp, tiny, files):
    task = make_tagger(hidden_units=[16], add_crf=True, num_epoch=1, checkpoint_dir="run")
    task.finetune_and_eval()
    assert hub.load("run").predict(["good room"]).labels == task.predict(["good room"]).labels
    module = hub.Module(directory=tiny)
    inputs, outputs, _ = module.context(trainable=False, max_seq_len=16)
    reader = hub.reader.SequenceLabelReader(
        dataset=hub.dataset.load(files["train"], files["dev"], kind="tags"),
        vocab_path=module.get_vocab_path(),
        max_seq_len=16,
    )
    frozen = hub.SequenceLabelTask(
        data_reader=reader,
        feature=outputs["sequence_output"],
        feed_list=[inputs[name].name for name in ("input_ids", "position_ids", "segment_ids", "input_mask")],
        max_seq_len=16,
        num_classes=5,
        config=hub.RunConfig(num_epoch=2, batch_size=16, checkpoint_dir="frozen", precision="fp32"),
    )
    assert frozen.finetune_and_eval().steps == 12
    assert read_json(in_tmp / "frozen" / "run.json")["cached_features"] is True


def test_tags_that_mark_no_chunks_are_scored_by_word(tiny, in_tmp):
    kinds = {"room": "NN", "good": "JJ", "was": "VB"}
    rows = [InputExample(None, list(kinds), None, list(kinds.values())) for _ in range(8)]
    task = hub.SequenceLabelTask(
        module=hub.Module(directory=tiny),
        dataset=hub.dataset.load(rows, rows, kind="tags"),
        add_crf=True,
        config=hub.RunConfig(num_epoch=1, batch_size=4, checkpoint_dir="run", precision="fp32"),
    )
    assert task.label_list == ["JJ", "NN", "VB"]
    assert set(task.finetune_and_eval().dev) == {"acc", "loss"}
    assert set(task.predict(["room was good"]).records()[0]) == {"text", "tags"}
    with pytest.raises(ConfigError, match="f1_chunks"):
        hub.SequenceLabelTask(module=hub.Module(directory=tiny), dataset=task.dataset, metrics_choices="f1_chunks")


def test_files_to_predict_and_evaluate_in_all_forms(trained, in_tmp, tmp_path):
    task, _ = trained
    conll = tmp_path / "new.txt"
    conll.write_text("room B-THING\nshop I-THING\n\ngood B-QUALITY\nstaff O\n")
    lines = tmp_path / "lines.txt"
    lines.write_text("room shop\ngood staff\n")
    listed = tmp_path / "rows.jsonl"
    listed.write_text('{"tokens": ["room", "shop"]}\n{"tokens": ["good", "staff"]}\n')
    assert task.predict(listed).labels == task.predict(conll).labels
    assert task.predict(conll).labels == task.predict(lines).labels == task.predict(["room shop", "good staff"]).labels
    assert task.evaluate(conll)["f1"] == 1.0
    assert task.evaluate([InputExample(None, "room shop", None, "B-THING I-THING")])["f1"] == 1.0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([InputExample(None, "room shop", None, "B-THING")], "2 tokens, 1 tags"),
        ([InputExample(None, "room", None, "B-PLACE")], "'B-PLACE'"),
        ([InputExample(None, "room", "shop", "O")], "is a pair"),
        ([InputExample(None, "room")], "no tags"),
    ],
)
def test_rows_that_cannot_be_evaluated_are_named(trained, rows, said):
    with pytest.raises(DataError, match=said):
        trained[0].evaluate(rows)
    with pytest.raises(DataError, match="is a pair"):
        trained[0].predict([("room", "shop")])


def test_what_cannot_be_a_tagger_is_refused(make_tagger, tiny, files):
    module = hub.Module(directory=tiny)
    inputs, outputs, _ = module.context(max_seq_len=16)
    data = hub.dataset.load(files["train"], kind="tags")
    with pytest.raises(ConfigError, match="one vector a token"):
        hub.SequenceLabelTask(feature=outputs["pooled_output"], dataset=data)
    classify = hub.reader.ClassifyReader(vocab_path=module.get_vocab_path(), max_seq_len=16)
    with pytest.raises(ConfigError, match="a SequenceLabelReader"):
        hub.SequenceLabelTask(feature=outputs["sequence_output"], data_reader=classify)
    reader = hub.reader.SequenceLabelReader(vocab_path=module.get_vocab_path(), max_seq_len=16, dataset=data)
    with pytest.raises(ConfigError, match="the reader's is 16"):
        hub.SequenceLabelTask(outputs["sequence_output"], 12, 5, data_reader=reader)
    with pytest.raises(ConfigError, match="num_classes=3"):
        hub.SequenceLabelTask(outputs["sequence_output"], 16, 3, data_reader=reader)
    with pytest.raises(ConfigError, match="there is no 'matthews'"):
        make_tagger(metrics="matthews")
    with pytest.raises(ConfigError, match="functions"):
        make_tagger(metrics=np.mean)
    names = list(inputs)
    assert hub.SequenceLabelTask(outputs["sequence_output"], 16, 5, names, reader).reader is reader


def test_a_description_without_its_crf_is_refused(trained, in_tmp):
    path = in_tmp / "run" / "best_model" / "task.json"
    path.write_text(path.read_text().replace('"add_crf"', '"crf"'))
    with pytest.raises(RunError, match=r"damaged|add_crf"):
        hub.load("run")
