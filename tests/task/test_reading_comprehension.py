"""ReadingComprehensionTask from files to answers."""

import csv
import json
import random
from collections import OrderedDict

import pytest
import torch

import transferhub as hub
from architectures import SETTINGS, write_architecture
from conftest import BAD, GOOD, WORDS, crash_at
from transferhub import atomic
from transferhub.dataset import InputExample, ReadingExample
from transferhub.engine.evaluation import tensors
from transferhub.errors import ConfigError, DataError
from transferhub.module.encoder import quietly
from transferhub.task import saved_model

QUESTION = "what was good ?"
PLAIN = [word for word in WORDS if word not in GOOD and word not in BAD]


def paragraphs(count, seed, impossible=0.0):
    """Passages with one good word among plain ones: the answer is that word and the one behind it."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        words = draw.choices(PLAIN, k=draw.randint(6, 30))
        at, none = draw.randrange(len(words) - 1), draw.random() < impossible
        words[at] = draw.choice(BAD if none else GOOD)
        context, start = " ".join(words), len(" ".join([*words[:at], ""]))
        answers = [] if none else [{"text": " ".join(words[at : at + 2]), "answer_start": start}]
        row = {"id": f"{seed}-{number}", "question": QUESTION, "answers": answers}
        made.append({"context": context, "qas": [{**row, **({"is_impossible": none} if impossible else {})}]})
    return made


def write_squad(path, *made):
    path.write_text(json.dumps({"data": [{"title": "T", "paragraphs": list(made)}]}), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path):
    return {
        name: write_squad(tmp_path / f"{name}.json", *paragraphs(count, seed))
        for name, count, seed in (("train", 96, 1), ("dev", 24, 2), ("test", 16, 3))
    }


@pytest.fixture
def make_reading(tiny, files):
    """Build a short-door task on the tiny encoder; keyword arguments of the task, and ``config`` of the run."""

    def make(config=None, module=tiny, **options):
        settings = {"num_epoch": 1, "batch_size": 12, "precision": "fp32", "eval_interval": 4, **(config or {})}
        settings.setdefault("strategy", hub.AdamWeightDecayStrategy(learning_rate=1e-2))
        dataset = options.pop("dataset", files)
        dataset = hub.dataset.load(dataset, kind="answers") if isinstance(dataset, dict) else dataset
        config = hub.RunConfig(**settings)
        options = {"max_seq_len": 24, "doc_stride": 8, **options}
        return hub.ReadingComprehensionTask(
            module=hub.Module(directory=module), dataset=dataset, config=config, **options
        )

    return make


def test_it_learns_answers_and_gives_them_from_a_new_process(make_reading, files, in_tmp, lines):
    task = make_reading({"num_epoch": 6, "checkpoint_dir": "run", "eval_interval": 12})
    result = task.finetune_and_eval()
    assert list(result.dev) == ["exact_match", "f1", "loss"]
    assert result.dev["f1"] > 60, "a guess has about 10"
    assert any("scores by SQuAD 1.1's definition" in line for line in lines)
    assert any("rows in " in line and "windows" in line for line in lines)

    loaded = hub.load("run")
    scores = loaded.evaluate(files["test"])
    assert scores == pytest.approx(result.test)
    predictions = loaded.predict(files["test"])
    rows = [entry for entry in json.loads(files["test"].read_text())["data"][0]["paragraphs"]]
    assert predictions.labels == [found.best.text for found in predictions.answers]
    for row, record, found in zip(rows, predictions.records(), predictions.answers, strict=True):
        assert record["id"] == row["qas"][0]["id"]
        assert record["context"][record["start"] : record["stop"]] == record["answer"]
        assert sum(answer.probability for answer in found.n_best) == pytest.approx(1)
    right = [row["qas"][0]["answers"][0]["text"] for row in rows]
    exact = sum(text == wanted for text, wanted in zip(predictions.labels, right, strict=True))
    assert 100 * exact / len(rows) == pytest.approx(scores["exact_match"])

    with open("run/predictions/test.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["id", "question", "context", "answer", "predicted", "start", "stop", "probability"]
    assert [row["predicted"] for row in table] == predictions.labels
    assert [row["answer"] for row in table] == right
    page = (in_tmp / "run" / "report.html").read_text()
    assert "exact_match on dev" in page
    wrong = next((row for row in table if row["predicted"] != row["answer"]), None)
    assert wrong is None or QUESTION in page

    predictions.write("answers.json", n_best="n_best.json")
    assert list(json.loads((in_tmp / "answers.json").read_text()).values()) == predictions.labels
    n_best = json.loads((in_tmp / "n_best.json").read_text())["3-0"]
    assert n_best[0]["text"] == predictions.labels[0]
    assert len({answer["text"] for answer in n_best}) == len(n_best) <= 20
    with pytest.raises(DataError, match="every question has an answer"):
        predictions.write("answers.json", null_odds="odds.json")


def test_every_form_of_a_question_is_answered_alike(make_reading, in_tmp):
    task = make_reading({"checkpoint_dir": "run"})
    task.finetune_and_eval()
    context = "the room was 😀 good soup , \u202bשלום\u202c ｆｏｏｄ"
    forms = [
        (QUESTION, context),
        {"question": QUESTION, "context": context},
        InputExample(0, QUESTION, context),
        ReadingExample("7", QUESTION, context, [("soup", 22)]),
    ]
    predictions = task.predict(forms)
    assert len(set(predictions.labels)) == 1
    assert all(task.predict(form).labels == predictions.labels[:1] for form in forms[:2])
    best = predictions.answers[0].best
    assert context[best.start : best.stop] == best.text != ""
    assert task.predict(forms[:1], return_result=True) == OrderedDict([("0", best.text)])
    with pytest.raises(DataError, match="two questions have the id '0'"):
        task.predict([forms[2], forms[2]], return_result=True)
    (in_tmp / "q.csv").write_text(f"question,context\n{QUESTION},the good soup\n")
    assert task.predict("q.csv").records()[0]["context"] == "the good soup"
    assert task.predict([(QUESTION, "")]).labels == [""]
    assert task.predict([]) == []
    assert task.predict([(QUESTION, "very " * 2000)]).labels[0].startswith("very")
    no_questions = ["a text"], [("", context)], [{"context": context}], [(QUESTION, None)], [("a", "b", "c")]
    for wrong in (*no_questions, "a text", 5):
        with pytest.raises(DataError):
            task.predict(wrong)


def test_impossible_questions(make_reading, tmp_path, in_tmp):
    made = {name: paragraphs(count, seed, 0.5) for name, count, seed in (("train", 96, 1), ("dev", 24, 2))}
    files = {name: write_squad(tmp_path / f"{name}2.json", *rows) for name, rows in made.items()}
    task = make_reading({"num_epoch": 5, "checkpoint_dir": "run", "eval_interval": 50}, dataset=files)
    result = task.finetune_and_eval()
    assert task.sub_task.name == "squad2.0"
    assert next(iter(result.dev)) == "exact"
    assert result.dev["total"] == result.dev["HasAns_total"] + result.dev["NoAns_total"] == 24
    assert result.dev["NoAns_exact"] > 60
    loaded = hub.load("run")
    predictions = loaded.predict(files["dev"])
    assert "" in predictions.labels
    for found in predictions.answers:
        assert (found.best.text == "") == (found.null_score_diff > 0)
    predictions.write("a.json", null_odds="odds.json")
    odds = json.loads((in_tmp / "odds.json").read_text())
    assert odds["2-0"] == predictions.answers[0].null_score_diff
    always = make_reading({"checkpoint_dir": "run"}, dataset=files, null_score_diff_threshold=1e9)
    assert "" not in always.predict(files["dev"]).labels


@pytest.mark.parametrize("kind", list(SETTINGS))
def test_the_head_is_the_architectures_own(kind, tmp_path_factory, make_reading, tmp_path):
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    folder = write_architecture(kind, tmp_path_factory.mktemp("module") / kind)
    task = make_reading(module=folder, max_seq_len=40)
    network = task.build_network(3).eval()
    saved_model.write_model(task, network, tmp_path, {})
    with quietly():
        model, found = AutoModelForQuestionAnswering.from_pretrained(tmp_path, output_loading_info=True)
    assert {name: values for name, values in found.items() if values} == {}, "no weight missing, none too many"
    rows = [("was it good ?", "the soup was good and the film was dull"), ("what room ?", "a clean bed")]
    batch = tensors(task.reader.encode(rows), [0, 1], task.padding, "cpu")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    asked = tokenizer(
        *map(list, zip(*rows, strict=True)),
        padding=True,
        return_tensors="pt",
        return_token_type_ids=kind not in ("distilbert", "modernbert", "mpnet", "roberta", "xlm-roberta"),
    )
    with torch.no_grad():
        ours, theirs = network(batch), model.eval()(**asked)
    width = asked["input_ids"].shape[1]  # ours may be padded further
    torch.testing.assert_close(batch["input_ids"][:, :width], asked["input_ids"])
    seen = batch["input_mask"].bool()
    for name in ("start_logits", "end_logits"):
        torch.testing.assert_close(ours[name][seen], theirs[name][seen[:, :width]], rtol=0, atol=2e-6)


def test_hidden_layers_are_a_head_of_ours_that_is_loaded_again(make_reading, files, in_tmp):
    task = make_reading({"checkpoint_dir": "run"}, hidden_units=[16], metrics_choices=["f1"], n_best_size=3)
    result = task.finetune_and_eval()
    assert list(result.dev) == ["f1", "loss"]
    loaded = hub.load("run")
    assert (loaded.hidden_units, loaded.n_best_size, loaded.metrics_choices) == ([16], 3, ["f1"])
    assert loaded.evaluate(files["test"]) == pytest.approx(result.test)
    assert max(len(found.n_best) for found in loaded.predict(files["test"]).answers) == 3
    f1 = result.dev["f1"]
    assert f"<b>{f1:.4g}</b>f1 on dev" in (in_tmp / "run" / "report.html").read_text(), "in percent already"


@pytest.mark.parametrize("moment", [1, 5])
def test_a_run_that_was_stopped_ends_with_the_same_bits(make_reading, in_tmp, moment):
    def run(folder, crash=None):
        task = make_reading({"checkpoint_dir": folder, "save_ckpt_interval": 3, "log_interval": 2})
        return task.finetune_and_eval() if crash is None else crash_at(task, crash)

    quiet = run("quiet")
    run("stopped", moment)
    stopped = run("stopped")
    assert (stopped.dev, stopped.test) == (quiet.dev, quiet.test)
    for name in ("best_model/model.safetensors", f"step_{quiet.steps}/optimizer.safetensors"):
        assert atomic.sha256(in_tmp / "stopped" / name) == atomic.sha256(in_tmp / "quiet" / name)


def test_the_long_door_as_the_documents_have_it(tiny, files, in_tmp):
    dataset = hub.dataset.load(files, kind="answers")
    module = hub.Module(directory=tiny)
    inputs, outputs, _ = module.context(trainable=True, max_seq_len=48)
    reader = hub.reader.ReadingComprehensionReader(
        dataset=dataset, vocab_path=module.get_vocab_path(), max_seq_length=48
    )
    feed_list = [inputs[name].name for name in ("input_ids", "position_ids", "segment_ids", "input_mask")]
    options = {"feature": outputs["sequence_output"], "feed_list": feed_list, "data_reader": reader}
    task = hub.ReadingComprehensionTask(
        **options, sub_task="squad", config=hub.RunConfig(checkpoint_dir="run", num_epoch=1, precision="fp32")
    )
    assert set(task.finetune_and_eval().dev) == {"exact_match", "f1", "loss"}
    assert task.has_architecture_head
    with pytest.raises(ConfigError, match="one vector a token"):
        hub.ReadingComprehensionTask(**{**options, "feature": outputs["pooled_output"]})
    other = hub.reader.ClassifyReader(vocab_path=module.get_vocab_path())
    with pytest.raises(ConfigError, match="a ReadingComprehensionReader"):
        hub.ReadingComprehensionTask(**{**options, "data_reader": other})
    for wrong in ({"sub_task": "squad3"}, {"n_best_size": 0}, {"max_answer_length": 1.5}, {"metrics_choices": "acc"}):
        with pytest.raises(ConfigError):
            hub.ReadingComprehensionTask(**options, **wrong)


def test_questions_from_which_nothing_can_be_learnt_are_left_out_of_training_and_said(make_reading, tmp_path, lines):
    made = paragraphs(12, 1)
    made[3]["qas"][0]["answers"] = [{"text": "not there", "answer_start": 2}]
    made[5]["qas"][0]["answers"][0]["answer_start"] += 3  # found near its place
    dataset = hub.dataset.load(write_squad(tmp_path / "t.json", *made), kind="answers")
    dev = hub.dataset.load(write_squad(tmp_path / "d.json", *made[:5]), kind="answers").train_examples
    dataset.dev_examples = dev
    task = make_reading(dataset=dataset)
    assert len(task.rows().train_examples) == 11
    assert len(task.rows().dev_examples) == 5, "evaluation counts them"
    assert task.rows() is task.rows()
    assert any("1 of 12 training questions have no answer in their passage and are left out" in line for line in lines)
    dataset.train_examples = [ReadingExample(0, "q", "c", [])]
    with pytest.raises(DataError, match="none of 1 training rows"):
        task.rows()


def test_several_right_answers_the_best_counts(make_reading, tmp_path, in_tmp):
    made = paragraphs(16, 1)
    for entry in made:
        words = entry["context"].split()
        entry["qas"][0]["answers"] += [{"text": word, "answer_start": entry["context"].find(word)} for word in words]
    files = {name: write_squad(tmp_path / f"{name}.json", *made) for name in ("train", "dev")}
    task = make_reading({"checkpoint_dir": "run", "num_epoch": 1}, dataset=files, max_answer_length=1)
    assert task.finetune_and_eval().dev["exact_match"] == 100.0, "each word is a right answer"


def test_without_answers_a_file_is_predicted_and_not_evaluated(make_reading, tmp_path, in_tmp):
    task = make_reading({"checkpoint_dir": "run"})
    task.finetune_and_eval()
    entry = {"context": "the good soup", "qas": [{"id": "a", "question": QUESTION}]}
    path = write_squad(tmp_path / "asked.json", entry)
    assert list(task.predict(path).by_id()) == ["a"]
    with pytest.raises(DataError, match=r"asked\.json: question a: no answers"):
        task.evaluate(path)
