import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import transferhub as hub
from transferhub import atomic
from transferhub.dataset import BaseDataset, InputExample
from transferhub.errors import ConfigError, DataError, ModuleError, RunError
from transferhub.module.encoder import quietly

SENTENCES = ["the room was good and tasty", "awful slow food", "not bad"]


@pytest.fixture
def trained(make_task, in_tmp):
    task = make_task(checkpoint_dir="run", num_epoch=6, metrics=("acc", "f1"))
    return task, task.finetune_and_eval()


def test_the_short_door_trains_evaluates_saves_and_reports(trained, in_tmp):
    _, result = trained
    assert result.steps == 48
    assert result.dev["acc"] > 0.8
    assert result.test["acc"] > 0.8
    assert set(result.test) == {"acc", "f1", "loss"}
    run = in_tmp / "run"
    assert {path.name for path in run.iterdir()} >= {
        "run.json",
        "best_model",
        "step_48",
        "visualization",
        "predictions",
        "report.html",
    }
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    assert not [path for path in run.rglob("*") if path.suffix in (".pkl", ".pt", ".pth", ".bin")]
    with open(run / "predictions" / "test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert sum(row["label"] == row["predicted"] for row in rows) / 24 == pytest.approx(result.test["acc"])


def test_in_a_new_process_nothing_is_retyped(trained, in_tmp):
    task, _ = trained
    here = task.predict(SENTENCES)
    code = (
        "import json, sys, transferhub as hub; p = hub.load('run/best_model').predict(json.loads(sys.argv[1]));"
        "print(json.dumps([p.labels, p.probabilities.tolist()]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, json.dumps(SENTENCES)], capture_output=True, text=True, check=True
    ).stdout
    labels, probabilities = json.loads(printed)
    assert labels == here.labels
    np.testing.assert_allclose(probabilities, here.probabilities, atol=1e-6)


def test_transformers_opens_the_best_model_with_equal_logits_and_names(trained, in_tmp):
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    task, _ = trained
    with quietly():
        model = AutoModelForSequenceClassification.from_pretrained(in_tmp / "run" / "best_model")
        tokenizer = AutoTokenizer.from_pretrained(in_tmp / "run" / "best_model")
        encoder = AutoModel.from_pretrained(in_tmp / "run" / "best_model")
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert model.dtype == torch.float32
    batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        theirs = model(**batch).logits
        assert encoder(**batch).last_hidden_state.shape[-1] == 32
    columns = task.reader.encode(SENTENCES).batch([0, 1, 2], task.reader.pad)
    with torch.inference_mode():
        ours = task.best_network()({name: torch.from_numpy(values) for name, values in columns.items()})["logits"]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_predict_takes_all_forms_keeps_order_and_repeats(trained, in_tmp, tmp_path):
    task, _ = trained
    rows = SENTENCES * 7
    given = [[text] for text in rows]
    first = task.predict(data=given)
    assert given == [[text] for text in rows], "a caller's list is not changed"
    assert [len(state.run_results[0]) for state in first] == [8, 8, 5]
    assert np.allclose(first.probabilities.sum(axis=1), 1, atol=1e-5)
    assert first.labels == [first.labels[place % 3] for place in range(21)]
    assert task.predict(rows).labels == first.labels == task.predict([(text,) for text in rows]).labels
    assert task.predict(SENTENCES[0]).labels == first.labels[:1]
    assert task.predict(SENTENCES, return_result=True) == first.labels[:3]
    assert task.predict([]).labels == []
    loop = [np.argmax(state.run_results[0], axis=1).tolist() for state in first]
    assert [["negative", "positive"][index] for batch in loop for index in batch] == first.labels
    frame = first.to_frame()
    assert list(frame.columns) == ["text", "label", "negative", "positive"]
    assert len(frame) == 21
    path = tmp_path / "new.csv"
    path.write_text("id,text\n" + "".join(f"{n},{text}\n" for n, text in enumerate(SENTENCES)))
    assert task.predict(path).labels == first.labels[:3]
    with pytest.raises(DataError, match="row 1"):
        task.predict(["good", 3])


def test_evaluate_scores_a_file_and_names_an_unknown_label(trained, review_files, tmp_path):
    task, result = trained
    scores = hub.load("run").evaluate(review_files["test"])
    assert scores == pytest.approx(result.test, abs=1e-6)
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\ngood,positive\nbad,negativ\n")
    with pytest.raises(DataError, match=r"bad\.csv:3: label 'negativ' is not known"):
        task.evaluate(bad)


def test_the_log_lines_are_the_documents(make_task, in_tmp, lines):
    make_task(checkpoint_dir="run", num_epoch=1, log_interval=2).finetune_and_eval()
    text = "\n".join(lines)
    assert re.search(r"\[   TRAIN\] - step 2 / 8: loss=\d\.\d{5} acc=\d\.\d{5} \[step/sec: [\d.]+\]", text)
    numbered = [re.sub(r"\d+\.\d+", "N", line) for line in lines if "best model saved" not in line]
    assert numbered[numbered.index("[   TRAIN] - step 8 / 8: loss=N acc=N [step/sec: N]") + 1 :] == [
        "[    INFO] - Evaluation on dev dataset start",
        "[    EVAL] - [dev dataset evaluation result] loss=N acc=N [step/sec: N]",
        "[    INFO] - Load the best model from run/best_model",
        "[    INFO] - Evaluation on test dataset start",
        "[    EVAL] - [test dataset evaluation result] loss=N acc=N [step/sec: N]",
        "[    INFO] - Saving model checkpoint to run/step_8",
        "[    INFO] - TransferHub finetune finished.",
    ]


def long_door(tiny, dataset, **changes):
    module = hub.Module(directory=tiny)
    reader = hub.reader.ClassifyReader(
        dataset=dataset,
        vocab_path=module.get_vocab_path(),
        max_seq_len=32,
        sp_model_path=module.get_spm_path(),
        word_dict_path=module.get_word_dict_path(),
    )
    strategy = hub.AdamWeightDecayStrategy(
        learning_rate=5e-3, weight_decay=0.01, warmup_proportion=0.1, lr_scheduler="linear_decay"
    )
    config = hub.RunConfig(use_cuda=False, num_epoch=2, batch_size=8, strategy=strategy, precision="fp32")
    inputs, outputs, _ = module.context(trainable=True, max_seq_len=32)
    feed_list = [inputs[name].name for name in ("input_ids", "position_ids", "segment_ids", "input_mask")]
    arguments = {
        "data_reader": reader,
        "feature": outputs["pooled_output"],
        "feed_list": feed_list,
        "num_classes": dataset.num_labels,
        "metrics_choices": ["acc"],
        "config": config,
        **changes,
    }
    return hub.TextClassifierTask(**arguments)


def test_both_doors_are_one_network_and_one_run(tiny, make_task, review_files, in_tmp):
    dataset = hub.dataset.load(review_files["train"], review_files["dev"], review_files["test"])
    long, short = long_door(tiny, dataset), make_task()
    assert str(long.plan()) == str(short.plan())
    one, two = long.build_network().state_dict(), short.build_network().state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_positional_arguments_of_1_6_are_understood(tiny, review_files):
    dataset = hub.dataset.load(review_files["train"])
    module = hub.Module(directory=tiny)
    _, outputs, _ = module.context()
    reader = hub.reader.ClassifyReader(module.get_vocab_path(), dataset, max_seq_len=32)
    task = hub.TextClassifierTask(outputs["pooled_output"], 2, list(reader.feed_names), reader)
    assert (task.num_classes, task.reader, task.feed_list) == (2, reader, list(reader.feed_names))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_classes": 3}, "num_classes=3, but the data set has 2 labels"),
        ({"num_classes": "2"}, "num_classes='2'"),
        ({"metrics_choices": []}, "metrics_choices is empty"),
        ({"feed_list": ["input_ids", "mask"]}, r"feed_list=\['input_ids', 'mask'\]"),
        ({"metrics_choices": ["accuracy"]}, "no 'accuracy'"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(tiny, review_files, changes, said):
    with pytest.raises(ConfigError, match=said):
        long_door(tiny, hub.dataset.load(review_files["train"]), **changes)


def test_a_reader_longer_than_the_module_is_refused(tiny, review_files):
    module = hub.Module(directory=tiny)
    _, outputs, _ = module.context()
    reader = hub.reader.ClassifyReader(
        module.get_vocab_path(), hub.dataset.load(review_files["train"]), max_seq_len=512
    )
    with pytest.raises(ConfigError, match="max_seq_len=512 is more than"):
        hub.TextClassifierTask(feature=outputs["pooled_output"], data_reader=reader)


def test_a_task_needs_a_network():
    with pytest.raises(ConfigError, match="without a network"):
        hub.TextClassifierTask(num_classes=2)
    with pytest.raises(ConfigError, match="or its name or path"):
        hub.TextClassifierTask(module=5)
    with pytest.raises(DataError, match="a path, a DataFrame"):
        hub.TextClassifierTask(dataset=[1])


def test_hidden_units_give_a_head_of_our_own_that_loads_too(tiny, review_files, in_tmp):
    dataset = hub.dataset.load(review_files["train"], review_files["dev"])
    config = hub.RunConfig(checkpoint_dir="run", precision="fp32", batch_size=16, num_epoch=1)
    task = hub.TextClassifierTask(module=hub.Module(directory=tiny), dataset=dataset, hidden_units=[16], config=config)
    task.finetune_and_eval()
    expected = task.predict(SENTENCES).probabilities
    np.testing.assert_allclose(hub.load("run/best_model").predict(SENTENCES).probabilities, expected, atol=1e-6)


def test_a_frozen_encoder_is_bit_equal_at_the_end(tiny, review_files, in_tmp):
    module = hub.Module(directory=tiny)
    _, outputs, _ = module.context(trainable=False)
    dataset = hub.dataset.load(review_files["train"], review_files["dev"])
    reader = hub.reader.ClassifyReader(module.get_vocab_path(), dataset, max_seq_len=32)
    config = hub.RunConfig(
        checkpoint_dir="run", precision="fp32", batch_size=16, strategy=hub.DefaultFinetuneStrategy(1e-2)
    )
    task = hub.TextClassifierTask(feature=outputs["pooled_output"], data_reader=reader, config=config)
    before = {name: value.clone() for name, value in task.build_network().state_dict().items()}
    assert "frozen" in str(task.plan())
    task.finetune_and_eval()
    after = task.best_network().state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"parts.1.model.classifier.weight", "parts.1.model.classifier.bias"}


def test_without_a_trained_model_nothing_is_predicted(make_task, in_tmp):
    with pytest.raises(RunError, match=r"no trained model(?s:.)*finetune_and_eval"):
        make_task().predict(["good"])
    with pytest.raises(RunError, match="no trained model"):
        make_task(checkpoint_dir="nowhere").predict(["good"])
    with pytest.raises(RunError, match="does not exist"):
        hub.load("nowhere")
    with pytest.raises(RunError, match="holds no trained model"):
        hub.load(in_tmp)
    assert [path.name for path in in_tmp.iterdir() if path.suffix != ".csv"] == []


def test_a_new_script_predicts_from_a_runs_folder(trained, make_task):
    task, _ = trained
    again = make_task(checkpoint_dir="run", batch_size=5, num_epoch=99)
    assert again.predict(SENTENCES).labels == task.predict(SENTENCES).labels


def test_what_cannot_be_built_overwrites_nothing(trained, tiny, review_files, in_tmp):
    broken = in_tmp / "broken"
    broken.mkdir()
    for path in tiny.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    tensors = load_file(broken / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"] = tensors["embeddings.word_embeddings.weight"][:, :5].clone()
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    config = hub.RunConfig(checkpoint_dir="run", overwrite=True, precision="fp32")
    task = hub.TextClassifierTask(module=broken, dataset=review_files["train"], config=config)
    with pytest.raises(ModuleError, match="cannot be read"):
        task.finetune_and_eval()
    assert hub.load("run").predict(["good"]).labels


def test_a_damaged_model_is_refused(trained, in_tmp):
    weights = in_tmp / "run" / "best_model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RunError, match=r"model\.safetensors has other bytes"):
        hub.load("run/best_model")
    content[-5] ^= 1
    weights.write_bytes(content)
    (in_tmp / "run" / "best_model" / "task.json").write_text("{")
    with pytest.raises(RunError, match=r"task\.json has 1 bytes"):
        hub.load("run")


def test_an_unknown_label_in_dev_stops_before_anything_is_written(tiny, review_files, in_tmp):
    review_files["dev"].write_text("text,label\ngood,positive\nbad,meh\n")
    with pytest.raises(DataError, match=r"dev\.csv:3: label 'meh' is not known"):
        hub.dataset.load(review_files["train"], review_files["dev"])
    assert not list(in_tmp.glob("ckpt_*"))


def test_without_dev_rows_a_tenth_is_split_off_and_said(tiny, review_files, in_tmp, lines):
    task = hub.TextClassifierTask(
        module=hub.Module(directory=tiny),
        dataset=str(review_files["train"]),
        config=hub.RunConfig(precision="fp32", batch_size=16, checkpoint_dir="run"),
    )
    result = task.finetune_and_eval()
    assert any("6 of 64 training rows split off, the same share of each label" in line for line in lines)
    assert result.test is None
    assert result.steps == 4


def test_evaluating_from_a_hook_changes_nothing(make_task, in_tmp):
    for name in ("quiet", "watched"):
        task = make_task(checkpoint_dir=name, num_epoch=1)
        if name == "watched":
            task.add_hook("run_step", "look", lambda task, states: task.eval("dev", load_best_model=False))
            task.add_hook("run_step", "say", lambda task, states: task.predict(["good"], load_best_model=False))
        task.finetune_and_eval()
    assert atomic.sha256(in_tmp / "quiet/step_8/model.safetensors") == atomic.sha256(
        in_tmp / "watched/step_8/model.safetensors"
    )


def test_a_task_may_be_planned_and_trained_twice(make_task, in_tmp):
    task = make_task(checkpoint_dir="run", num_epoch=1)
    printed = str(task.plan())
    first = task.finetune_and_eval()
    assert str(task.plan()) == printed
    assert task.finetune_and_eval() == first
    again = make_task(checkpoint_dir="other", num_epoch=1)
    again.build_network(7)
    assert again.finetune_and_eval().dev == first.dev


def test_a_loaded_task_is_not_trained_but_its_folder_is_a_module(trained, review_files, in_tmp):
    with pytest.raises(ConfigError, match="for predicting and evaluating"):
        hub.load("run").finetune_and_eval()
    dataset = hub.dataset.load(review_files["train"], review_files["dev"])
    config = hub.RunConfig(checkpoint_dir="more", precision="fp32", batch_size=16)
    hub.TextClassifierTask(module="run/best_model", dataset=dataset, config=config).finetune_and_eval()
    assert hub.load("more").predict(["good"]).labels[0] in ("negative", "positive")


def test_rows_of_another_form_than_the_training_rows_are_refused(trained, tmp_path):
    task, _ = trained
    path = tmp_path / "with_answer.csv"
    path.write_text("text,answer\ngood,bad\n")
    assert hub.load("run").predict(path).labels == task.predict(["good"]).labels
    with pytest.raises(DataError, match="these rows are pairs, the model was trained on texts"):
        task.predict([("good", "bad")])
    with pytest.raises(DataError, match="no rows to evaluate"):
        task.evaluate([])
    for names in (["a", "b", "c"], {0: "a", 1: "b"}):
        with pytest.raises(ConfigError, match="2 names, in the labels' order"):
            task.predict(["good"], label_list=names)
    for data in (5, {"text": "good"}, [InputExample(0, None)]):
        with pytest.raises(DataError):
            task.predict(data)
    assert task.predict("I deleted my readme.txt").labels == task.predict(iter(["I deleted my readme.txt"])).labels
    with pytest.raises(DataError, match="there is no file"):
        task.predict("none.csv")
    assert task.best_score == pytest.approx(task.eval("dev").run_scores["acc"])
    assert task.current_step == 48


@pytest.mark.parametrize("feature", ["sequence_output", "everything", 3])
def test_a_feature_that_is_no_vector_is_refused(tiny, review_files, feature):
    module = hub.Module(directory=tiny)
    _, outputs, _ = module.context()
    given = outputs.get(feature, feature) if isinstance(feature, str) else feature
    with pytest.raises(ConfigError, match="one vector a text"):
        hub.TextClassifierTask(feature=given, module=module, dataset=hub.dataset.load(review_files["train"]))


def test_a_label_called_text_keeps_the_text(tiny, tmp_path, in_tmp):
    path = tmp_path / "r.csv"
    path.write_text("text,label\n" + "good,text\nbad,label\n" * 8)
    config = hub.RunConfig(checkpoint_dir="run", precision="fp32", batch_size=8)
    task = hub.TextClassifierTask(module=hub.Module(directory=tiny), dataset=path, config=config)
    task.finetune_and_eval()
    record = task.predict(["good"]).records()[0]
    assert (record["text"], record["label"] in ("text", "label")) == ("good", True)
    assert {"p(text)", "p(label)"} <= record.keys()


def test_hooks_see_the_run(make_task, in_tmp):
    task, seen = make_task(checkpoint_dir="run", num_epoch=1), []
    task.add_hook(
        "run_step_event", "count", lambda task, states: seen.append((task.current_step, states[0].run_examples))
    )
    task.add_hook("finetune_end_event", "end", lambda task, states: seen.append(states[0].run_step))
    assert task.best_score == -999
    task.finetune_and_eval()
    assert seen == [*((step, 8) for step in range(1, 9)), 8]
    assert "count" in task.hooks_info()["run_step"]


def test_rows_assigned_to_a_data_set_are_what_is_trained_on(tiny, in_tmp):
    dataset = BaseDataset(label_list=["0", "1"])
    dataset.train_examples = [InputExample(n, "good" if n % 2 else "bad", None, str(n % 2)) for n in range(20)]
    dataset.dev_examples = dataset.train_examples[:4]
    task = long_door(tiny, dataset)
    dataset.train_examples = dataset.train_examples[:16]
    assert task.max_train_steps == 4
    assert task.finetune_and_eval().steps == 4


def test_a_loss_that_is_not_finite_names_step_and_rows(make_task, in_tmp):
    task = make_task(checkpoint_dir="run", save_ckpt_interval=2)
    plain = task.losses

    def spoiled(outputs, batch):
        losses = plain(outputs, batch)
        if task.training is not None and task.current_step == 5:
            losses = losses + torch.tensor([float("nan")] + [0.0] * (len(losses) - 1))
        return losses

    task.losses = spoiled
    with pytest.raises(
        RunError, match=r"not finite at step 6 / 16, on .*train\.csv:\d+(?s:.)*last good checkpoint is run/step_4"
    ):
        task.finetune_and_eval()
    assert atomic.damage(in_tmp / "run" / "step_4") is None


def test_pairs_are_trained_as_two_segments(tiny, tmp_path, in_tmp):
    path = tmp_path / "pairs.tsv"
    rows = [("the room", "good food", "same"), ("a film", "slow app", "other")] * 12
    path.write_text("sentence1\tsentence2\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows))
    config = hub.RunConfig(precision="fp32", batch_size=8, checkpoint_dir="run")
    task = hub.TextClassifierTask(module=hub.Module(directory=tiny), dataset=path, config=config)
    task.finetune_and_eval()
    predictions = task.predict([("the room", "good food"), ["a film", "slow app"]])
    assert list(predictions.to_frame().columns) == ["text", "text_pair", "label", "other", "same"]


def test_label_list_orders_the_labels_of_rows_that_have_them_in_no_order(tiny, review_files, in_tmp):
    order = ["positive", "negative"]
    config = hub.RunConfig(
        num_epoch=6,
        batch_size=8,
        precision="fp32",
        checkpoint_dir="run",
        strategy=hub.AdamWeightDecayStrategy(learning_rate=5e-3),
    )
    dataset = hub.dataset.load(review_files["train"], review_files["dev"])
    task = hub.TextClassifierTask(module=hub.Module(directory=tiny), dataset=dataset, label_list=order, config=config)
    assert task.finetune_and_eval().dev["acc"] > 0.9
    assert task.label_list == order
    assert dataset.label_list == ["negative", "positive"], "it is the caller's"
    assert task.predict(["great lovely room", "awful terrible room"]).labels == order
    assert task.evaluate(review_files["dev"])["acc"] > 0.9


def test_label_list_that_does_not_fit_the_data_set_is_refused(tiny, review_files):
    module = hub.Module(directory=tiny)
    rows = hub.dataset.load(review_files["train"])
    with pytest.raises(ConfigError, match="the data set has the label 'negative' too") as caught:
        hub.TextClassifierTask(module=module, dataset=rows, label_list=["negativ", "positive"])
    assert "did you mean 'negativ'" in str(caught.value)
    renamed = hub.TextClassifierTask(module=module, dataset=rows, label_list=["no", "yes"])
    assert renamed.label_list == ["no", "yes"]
