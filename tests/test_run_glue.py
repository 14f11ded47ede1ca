import csv
import json
import math
import os
import random
import re
import runpy
import signal
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import stats
from sklearn import metrics
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, TrainerState

import transferhub
from conftest import BAD, GOOD, WORDS, read_json
from transferhub import atomic
from transferhub.commands import main
from transferhub.errors import ConfigError, DataError, RunError
from transferhub.glue import outputs
from transferhub.glue import run as glue_run

LISTING = (
    *("added_tokens.json", "pytorch_model.bin", "training_args.bin", "config.json", "special_tokens_map.json"),
    *("vocab.txt", "eval_results.txt", "tokenizer_config.json", "model.safetensors", "trainer_state.json"),
)


def sentences(count, seed):
    """Sentences and whether a good word is in them."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        words = [draw.choice(GOOD if number % 2 else BAD), *draw.sample(WORDS[:9], draw.randint(1, 5))]
        draw.shuffle(words)
        rows.append((" ".join(words), number % 2))
    return rows


def write(path, header, rows, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(map(str, cells)) for cells in ([header] if header else []) + rows]
    path.write_text("\n".join(lines) + end, encoding="utf-8")


@pytest.fixture
def glue_dir(tmp_path, monkeypatch):
    """Some of GLUE's folders as GLUE has them, and the document's SST-2, which ends in a blank line."""
    root = tmp_path / "glue_data"
    for split, count, seed in (("train", 40, 1), ("dev", 18, 2)):
        rows = sentences(count, seed)
        mrpc = [(label, 1, 2, text, text if label else "the " + text) for text, label in rows]
        write(root / "MRPC" / f"{split}.tsv", ("\ufeffQuality", "#1 ID", "#2 ID", "#1 String", "#2 String"), mrpc)
        plenty = sentences(96, seed) if split == "train" else rows
        write(root / "SST-2" / f"{split}.tsv", ("sentence", "label"), plenty, "\n\n")
        stsb = [(n, "g", "f", "y", 1, "x", "y", text, "good", 4.5 * label) for n, (text, label) in enumerate(rows)]
        write(root / "STS-B" / f"{split}.tsv", (*"abcdefg", "sentence1", "sentence2", "score"), stsb)
        names = ("neutral", "contradiction", "entailment")
        mnli = [("1",) * 8 + (text, "food", "x", names[n % 3]) for n, (text, _) in enumerate(rows)]
        for name in ("train",) if split == "train" else ("dev_matched", "dev_mismatched"):
            write(root / "MNLI" / f"{name}.tsv", (*"abcdefgh", "s1", "s2", "l1", "gold_label"), mnli)
        write(root / "CoLA" / f"{split}.tsv", None, [("gj04", label, "", text) for text, label in rows])
    texts = [text for text, _ in sentences(7, 3)]
    write(root / "MRPC" / "test.tsv", tuple("abcde"), [(n, 1, 2, text, "food") for n, text in enumerate(texts)])
    monkeypatch.setenv("DATA_DIR", str(root))
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture
def glue(tiny, glue_dir):
    def run(*more, model=tiny, output="out"):
        words = ["--model_name_or_path", model, "--output_dir", output, "--max_seq_length", 32, *more]
        glue_run.main([str(word) for word in words])
        return glue_dir.parent / output

    return run


LEARN = ("--do_train", "--do_eval", "--learning_rate", "5e-3")


def logits(folder, rows):
    """What transformers' own class says of rows, one by one."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert not model.training
    with torch.no_grad():
        return np.array(
            [model(**tokenizer(*row, truncation=True, max_length=32, return_tensors="pt")).logits[0] for row in rows]
        )


def cells(path, header=True):
    with open(path, encoding="utf-8-sig") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    return rows[1:] if header else rows


def test_the_documents_command_leaves_what_the_document_lists_and_transformers_says_the_same(glue, glue_dir, lines):
    out = glue("--task_name", "mrpc", *LEARN, "--do_predict", "--save_steps", 4, "--max_predict_samples", 5)
    assert all((out / name).is_file() for name in LISTING)
    said = "\n".join(lines)
    for line in (
        r"\*{5} Running training \*{5}\n.*Num examples = 40\n",
        r"\*{5} Running evaluation \*{5}\n.*Num examples = 18\n.*Batch size = 8\n",
        r"\*{5} Eval results \*{5}\n.*acc = [\d.]+\n.*acc_and_f1 = [\d.]+\n.*f1 = [\d.]+",
    ):
        assert re.search(line, said), line

    dev = cells(glue_dir / "MRPC" / "dev.tsv")
    predicted = logits(out, [row[3:5] for row in dev]).argmax(-1)
    labels = [int(row[0]) for row in dev]
    acc, f1 = metrics.accuracy_score(labels, predicted), metrics.f1_score(labels, predicted)
    text = (out / "eval_results.txt").read_text()
    scores = {name: float(value) for name, value in re.findall(r"^(\S+) = (\S+)$", text, re.M)}
    assert scores == pytest.approx({"acc": acc, "f1": f1, "acc_and_f1": (acc + f1) / 2})
    assert list(scores) == sorted(scores)
    library = read_json(out / "eval_results.json")
    assert library["eval_accuracy"] == pytest.approx(acc)
    assert library["eval_combined_score"] == pytest.approx((acc + f1) / 2)
    assert library["eval_samples"] == 18
    train = read_json(out / "train_results.json")
    assert (train["train_samples"], train["epoch"]) == (40, 3.0)
    assert read_json(out / "all_results.json") == {**library, **train}

    texts = [row[3:5] for row in cells(glue_dir / "MRPC" / "test.tsv")][:5]
    names = [("not_equivalent", "equivalent")[place] for place in logits(out, texts).argmax(-1)]
    assert cells(out / "predict_results_mrpc.txt") == [[str(n), name] for n, name in enumerate(names)]
    assert [path.name for path in sorted(out.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))] == [
        f"checkpoint-{step}" for step in (4, 8, 12, 15)
    ]
    np.testing.assert_array_equal(logits(out / "checkpoint-15", texts), logits(out, texts))
    assert not np.array_equal(logits(out / "checkpoint-4", texts), logits(out, texts))


def test_both_bin_files_open_with_torchs_own_default(glue):
    out = glue("--task_name", "mrpc", "--do_train", "--num_train_epochs", 1, "--weight_decay", 0.01)
    weights, whole = torch.load(out / "pytorch_model.bin"), load_file(out / "model.safetensors")
    assert weights.keys() == whole.keys()
    assert all(torch.equal(weights[name], whole[name]) for name in whole)
    options = torch.load(out / "training_args.bin")
    assert (options["per_device_train_batch_size"], options["num_train_epochs"], options["weight_decay"]) == (
        8,
        1,
        0.01,
    )
    assert not (out / "eval_results.txt").exists()  # --do_eval was not asked for


def test_the_trainers_state_is_in_the_librarys_keys(glue):
    out = glue("--task_name", "sst2", *LEARN, "--logging_steps", 12, "--eval_strategy", "epoch")
    state = TrainerState.load_from_json(str(out / "trainer_state.json"))
    assert (state.global_step, state.max_steps, state.num_train_epochs, state.epoch) == (36, 36, 3, 3.0)
    trained = [entry for entry in state.log_history if "loss" in entry]
    assert [entry["step"] for entry in trained] == [12, 24, 36]
    assert state.log_history[-1]["train_loss"] == pytest.approx(np.mean([entry["loss"] for entry in trained]))
    assert [entry["step"] for entry in state.log_history if "eval_acc" in entry] == [12, 24, 36]


def test_the_documents_sst2_is_learnt_and_opens_again(glue, glue_dir):
    out = glue("--task_name", "SST-2", "--do_train", "--do_eval", "--learning_rate", 2e-3, "--num_train_epochs", 6)
    assert read_json(out / "eval_results.json")["eval_accuracy"] > 0.8
    model = transferhub.load(out)
    rows = cells(glue_dir / "SST-2" / "dev.tsv")
    expected = [("negative", "positive")[place] for place in logits(out, [row[:1] for row in rows]).argmax(-1)]
    assert model.predict([row[0] for row in rows]).labels == expected


def test_cola_and_stsb_are_scored_as_glue_scores_them(glue, glue_dir, tiny):
    out = glue("--task_name", "cola", *LEARN, output="cola")
    rows = cells(glue_dir / "CoLA" / "dev.tsv", header=False)
    labels, predicted = [int(row[1]) for row in rows], logits(out, [row[3:4] for row in rows]).argmax(-1)
    assert read_json(out / "eval_results.json")["eval_matthews_correlation"] == pytest.approx(
        metrics.matthews_corrcoef(labels, predicted)
    )
    assert (out / "eval_results.txt").read_text().startswith("mcc = ")

    config = AutoConfig.from_pretrained(tiny, num_labels=1, initializer_range=0.5)  # its values are well apart
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(glue_dir.parent / "wide")
    AutoTokenizer.from_pretrained(tiny).save_pretrained(glue_dir.parent / "wide")
    out = glue("--task_name", "stsb", "--do_eval", model=glue_dir.parent / "wide", output="stsb")
    rows = cells(glue_dir / "STS-B" / "dev.tsv")
    values, true = logits(glue_dir.parent / "wide", [row[7:9] for row in rows])[:, 0], [float(row[9]) for row in rows]
    pearson, spearman = stats.pearsonr(values, true).statistic, stats.spearmanr(values, true).statistic
    library = read_json(out / "eval_results.json")
    assert library["eval_pearson"] == pytest.approx(pearson, abs=1e-5)
    assert library["eval_spearmanr"] == pytest.approx(spearman, abs=1e-5)
    assert library["eval_combined_score"] == pytest.approx((pearson + spearman) / 2, abs=1e-5)
    assert re.findall(r"^\w+", (out / "eval_results.txt").read_text(), re.M) == ["corr", "pearson", "spearmanr"]
    out = glue("--task_name", "stsb", "--do_train", "--max_steps", 1, output="trained")
    assert read_json(out / "config.json")["problem_type"] == "regression"


def test_mnli_is_scored_on_both_of_its_dev_sets(glue):
    out = glue("--task_name", "mnli", *LEARN, "--max_eval_samples", 12)
    library = read_json(out / "eval_results.json")
    assert library["eval_accuracy"] == library["eval_accuracy_mm"]  # the same rows here
    assert library["eval_samples_mm"] == 12
    assert re.findall(r"^\S+", (out / "eval_results.txt").read_text(), re.M) == ["mnli-mm/acc", "mnli/acc"]
    assert read_json(out / "config.json")["id2label"] == {"0": "entailment", "1": "neutral", "2": "contradiction"}


@pytest.mark.parametrize("ending", ["csv", "tsv", "json"])
def test_files_of_ones_own(glue, glue_dir, ending):
    def put(name, rows, labelled=True):
        path = glue_dir.parent / f"{name}.{ending}"
        header = ("sentence1", "sentence2", "label")[: 3 if labelled else 2]
        if ending == "json":
            path.write_text("".join(json.dumps(dict(zip(header, row, strict=False))) + "\n" for row in rows))
        else:
            with open(path, "w", newline="") as file:
                csv.writer(file, delimiter="\t" if ending == "tsv" else ",").writerows([header, *rows])
        return path

    kinds = ("bad", "fine")
    made = {
        name: [(text, "food", kinds[y]) for text, y in sentences(*size)]
        for name, size in (("train", (24, 1)), ("dev", (10, 2)))
    }
    train, dev = (put(name, rows) for name, rows in made.items())
    test = put("test", [row[:2] for row in made["dev"]], labelled=False)
    out = glue("--train_file", train, "--validation_file", dev, "--test_file", test, *LEARN, "--do_predict")
    predicted = [kinds[place] for place in logits(out, [row[:2] for row in made["dev"]]).argmax(-1)]
    right = np.mean([row[2] == kind for row, kind in zip(made["dev"], predicted, strict=True)])
    assert read_json(out / "eval_results.json")["eval_accuracy"] == pytest.approx(right)
    assert [row[1] for row in cells(out / "predict_results_None.txt")] == predicted


def test_numbers_as_labels_are_learnt_as_numbers(glue, glue_dir):
    files = []
    for name, count in (("train", 20), ("dev", 8)):
        path = glue_dir.parent / f"{name}.csv"
        rows = [f"{text},{label + 0.5}" for text, label in sentences(count, 1)]
        path.write_text("\n".join(["text,label", *rows]) + "\n")
        files.append(path)
    out = glue("--train_file", files[0], "--validation_file", files[1], "--test_file", files[1], *LEARN, "--do_predict")
    values = logits(out, [(text,) for text, _ in sentences(8, 1)])[:, 0]
    true = np.array([label + 0.5 for _, label in sentences(8, 1)])
    assert read_json(out / "eval_results.json")["eval_mse"] == pytest.approx(np.mean((values - true) ** 2), rel=1e-4)
    assert [row[1] for row in cells(out / "predict_results_None.txt")] == [f"{value:3.3f}" for value in values]


def test_a_stopped_run_goes_on_with_the_same_command_and_ends_with_the_same_bits(glue, monkeypatch):
    command = ("--task_name", "mrpc", *LEARN, "--save_steps", 4)
    quiet = glue(*command, output="quiet")
    with monkeypatch.context() as patched:
        write_checkpoint = outputs.write_checkpoint

        def stopping(task, arguments, progress):
            write_checkpoint(task, arguments, progress)
            if progress["step"] == 8:
                os.kill(os.getpid(), signal.SIGTERM)

        patched.setattr(outputs, "write_checkpoint", stopping)
        with pytest.raises(SystemExit) as stopped:
            glue(*command)
    assert stopped.value.code == 0
    out = quiet.parent / "out"
    assert not (out / "config.json").exists()
    steps = []

    def counting(task, arguments, progress):
        steps.append(progress["step"])
        write_checkpoint(task, arguments, progress)

    monkeypatch.setattr(outputs, "write_checkpoint", counting)
    glue(*command)
    assert steps == [12, 15]
    for name in ("model.safetensors", "checkpoint-8/model.safetensors", "checkpoint-15/model.safetensors"):
        assert atomic.sha256(out / name) == atomic.sha256(quiet / name), name
    glue(*command)  # finished: nothing is trained, everything is there again
    assert steps == [12, 15]
    assert atomic.sha256(out / "model.safetensors") == atomic.sha256(quiet / "model.safetensors")


def test_the_last_weights_are_the_model_unless_the_best_are_asked_for(glue):
    plain = glue("--task_name", "mrpc", *LEARN, output="plain")
    evaluated = glue("--task_name", "mrpc", *LEARN, "--eval_strategy", "steps", "--eval_steps", 4, output="evaluated")
    assert atomic.sha256(plain / "model.safetensors") == atomic.sha256(evaluated / "model.safetensors")
    best = glue(
        *("--task_name", "mrpc", *LEARN, "--eval_strategy", "steps", "--eval_steps", 1),
        *("--load_best_model_at_end", "--metric_for_best_model", "f1"),
        output="best",
    )
    kept = read_json(best / "run" / "best_model" / "best.json")
    state = read_json(best / "trainer_state.json")["log_history"]
    assert kept["scores"]["f1"] == max(entry["eval_f1"] for entry in state if "eval_f1" in entry)
    assert read_json(best / "eval_results.json")["eval_f1"] == pytest.approx(kept["scores"]["f1"])
    one, other = (load_file(path / "model.safetensors") for path in (best, best / "run" / "best_model"))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_fine_tuned_folder_is_scored_and_trained_on_with_its_own_head(glue, glue_dir, lines):
    first = glue("--task_name", "sst2", *LEARN, output="first")
    again = glue("--task_name", "sst2", "--do_eval", model=first, output="again")
    scores = [read_json(folder / "eval_results.json") for folder in (first, again)]
    assert scores[0]["eval_loss"] == pytest.approx(scores[1]["eval_loss"], abs=1e-6)
    assert "epoch" not in scores[1]
    assert not (again / "model.safetensors").exists()

    glue("--task_name", "sst2", "--do_train", "--max_steps", 1, "--learning_rate", 1e-9, model=first, output="further")
    assert any("was fine-tuned with is trained on" in line for line in lines)
    row = [("good food",)]
    np.testing.assert_allclose(logits(first, row), logits(glue_dir.parent / "further", row), atol=1e-5)

    with pytest.raises(ConfigError, match=r"2 labels \(negative, positive\), the rows have 3"):
        glue("--task_name", "mnli", *LEARN, model=first, output="three")
    three = glue("--task_name", "mnli", *LEARN, "--ignore_mismatched_sizes", model=first, output="three")
    assert logits(three, row).shape == (1, 3)


def test_a_model_of_transformers_keeps_its_order_of_labels(glue, glue_dir, tiny):
    names = ("positive", "negative")  # the other way round than GLUE's
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny, id2label=dict(enumerate(names)), label2id={name: place for place, name in enumerate(names)}
    )
    folder = glue_dir.parent / "theirs"
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    out = glue("--task_name", "sst2", "--do_eval", model=folder)
    rows = cells(glue_dir / "SST-2" / "dev.tsv")
    predicted = logits(folder, [row[:1] for row in rows]).argmax(-1)
    right = np.mean(
        [names[place] == ("negative", "positive")[int(row[1])] for place, row in zip(predicted, rows, strict=True)]
    )
    assert read_json(out / "eval_results.json")["eval_accuracy"] == pytest.approx(right)


def test_steps_rate_and_samples_are_those_of_the_flags(glue):
    out = glue(
        "--task_name",
        "mrpc",
        "--do_train",
        "--max_train_samples",
        20,
        "--num_train_epochs",
        1.5,
        "--logging_steps",
        1,
        "--warmup_steps",
        2,
        "--save_total_limit",
        1,
        "--save_steps",
        2,
        "--learning_rate",
        1e-3,
    )
    state = read_json(out / "trainer_state.json")
    total = math.ceil(1.5 * 3)
    assert (state["global_step"], state["max_steps"]) == (total, total)
    rates = [entry["learning_rate"] for entry in state["log_history"] if "loss" in entry]
    assert rates == pytest.approx([0, 0.5e-3, 1e-3, 1e-3 * 2 / 3, 1e-3 / 3])
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-5"]


def test_a_folder_in_use_is_refused_and_overwriting_removes_only_what_is_ours(glue, glue_dir):
    out = glue_dir.parent / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="already exists and is not empty") as refused:
        glue("--task_name", "mrpc", *LEARN)
    assert "--overwrite_output_dir" in str(refused.value)
    glue("--task_name", "mrpc", *LEARN, "--overwrite_output_dir", "--save_steps", 10)
    with pytest.raises(RunError, match="other settings") as refused:
        glue("--task_name", "mrpc", *LEARN, "--seed", 1)
    assert "--overwrite_output_dir" in str(refused.value)
    glue("--task_name", "mrpc", "--do_train", "--seed", 1, "--overwrite_output_dir")
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-15"]
    assert not (out / "eval_results.txt").exists()  # of the run before
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        (("--task_name", "mrcp", *LEARN), ConfigError, "did you mean 'mrpc'?"),
        (("--task_name", "rte", *LEARN), DataError, "has no RTE/"),
        (("--task_name", "sst2", "--do_predict"), DataError, "test.tsv"),
        (("--task_name", "mrpc", "--data_dir", "nowhere", *LEARN), DataError, "--data_dir nowhere does not exist"),
        (("--task_name", "mrpc"), ConfigError, "--do_train, --do_eval or --do_predict"),
        (LEARN, ConfigError, "--do_train without --task_name and --train_file"),
        (("--train_file", "a.csv", "--validation_file", "b.json", *LEARN), ConfigError, "files of one kind: .csv"),
        (("--train_file", "a.csv", "--validation_file", "b.csv", "--do_predict", *LEARN), ConfigError, "--test_file"),
        (("--train_file", "a.parquet", *LEARN), ConfigError, "a file that ends in"),
        (("--task_name", "mrpc", *LEARN, "--lr_scheduler_type", "polynomial"), ConfigError, "one of linear"),
        (("--task_name", "mrpc", *LEARN, "--load_best_model_at_end"), ConfigError, "--eval_strategy steps or epoch"),
        (("--task_name", "mrpc", *LEARN, "--metric_for_best_model", "loss"), ConfigError, "one of accuracy"),
        (("--task_name", "mrpc", *LEARN, "--warmup_steps", 15), ConfigError, "fewer than the run's 15 steps"),
        (("--task_name", "mrpc", *LEARN, "--eval_strategy", "often"), ConfigError, "one of no, steps, epoch"),
    ],
)
def test_what_does_not_fit_is_refused(glue, glue_dir, more, kind, said):
    with pytest.raises(kind) as refused:
        glue(*more)
    assert said in str(refused.value)
    assert not (glue_dir.parent / "out").exists()


def test_missing_data_name_the_ways_to_bring_them(glue, monkeypatch):
    monkeypatch.delenv("DATA_DIR")
    with pytest.raises(DataError) as refused:
        glue("--task_name", "rte", *LEARN)
    for way in ("RTE.zip", "--data_dir", "DATA_DIR", "TRANSFERHUB_DATASETS", "--train_file"):
        assert way in str(refused.value)


def test_columns_and_labels_that_do_not_fit_are_named(glue, glue_dir):
    folder = glue_dir.parent
    for name, content in (
        ("train", "text,label\ngood food,a\nbad food,b\nfun film,a\ndull film,b\n"),
        ("other", "review,label\ngood food,a\nbad food,b\n"),
        ("unseen", "text,label\ngood food,a\nbad food,c\n"),
        ("none", "text,number\ngood food,1\nbad food,2\n"),
    ):
        (folder / f"{name}.csv").write_text(content)
    for train, dev, said in (
        ("train", "other", "the same columns in both"),
        ("train", "unseen", "unseen.csv:3: label 'c' is not known"),
        ("none", "train", "call the label's column 'label'"),
    ):
        with pytest.raises(DataError) as refused:
            glue("--train_file", folder / f"{train}.csv", "--validation_file", folder / f"{dev}.csv", *LEARN)
        assert said in str(refused.value)


def test_the_task_s_own_folder_will_do_as_data_dir(glue, glue_dir, monkeypatch):
    monkeypatch.delenv("DATA_DIR")
    out = glue("--task_name", "mrpc", "--data_dir", glue_dir / "MRPC", "--do_train", "--max_steps", 1)
    assert read_json(out / "train_results.json")["train_samples"] == 40


def test_both_doors_lead_there(glue_dir, tiny, monkeypatch, capsys):
    words = ["--model-name-or-path", str(tiny), "--output_dir", "out", "--task_name", "mrpc", "--do_train"]
    with pytest.raises(SystemExit) as stopped:
        main(["glue", *words, "--max_steps", "1"])
    assert not stopped.value.code
    assert (glue_dir.parent / "out" / "model.safetensors").is_file()
    monkeypatch.setattr(sys, "argv", ["run_glue", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("transferhub.run_glue", run_name="__main__")
    assert "--per_device_train_batch_size" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["glue", *words, "--task_name", "mrcp"])
    assert stopped.value.code == 2
    assert "did you mean 'mrpc'" in capsys.readouterr().err
