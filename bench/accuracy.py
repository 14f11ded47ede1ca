"""Every text task beside the Hugging Face Trainer and a floor: the same rows, epochs, rate, batch size and seeds.

    python bench/accuracy.py [--sets mrpc sst2 …] [--epochs 2] [--seeds 42 1 2] [--work DIR]

A measurement is a process of its own. Ours is the short door; the peer is transformers' Trainer with its best settings
(bf16, grouped by length, dynamic padding), scored by the same functions on the same rows; `script` is the Trainer as
the example scripts set it (fp32, any order, run_glue and run_qa pad to the longest length), for its speed over 16
steps; the floor is TF-IDF (words and their pairs, and characters for Chinese) with a linear model. The table goes to
bench/accuracy.md; measurements are kept in --work and not done again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def go_emotions(sets):
    """GoEmotions in its authors' files: text, ids of labels, id of the comment; the labels' names beside them."""
    folder = Path(os.environ["TRANSFERHUB_DATASETS"]) / "GoEmotions"
    splits = {split: folder / f"{split}.tsv" for split in ("train", "dev", "test")}
    names = (folder / "labels.txt").read_text().split()
    return sets.load(splits, text=0, label=1, kind="labels", header=False, label_list=names)


# Name → data set of `hub.dataset`, task class, main metric, rows to train on, learning rate.
SETS = {
    "mrpc": (lambda sets: sets.GLUE("MRPC"), "TextClassifierTask", "f1", 1000, 1e-4),
    "sst2": (lambda sets: sets.GLUE("SST-2"), "TextClassifierTask", "acc", 8000, 1e-4),
    "cola": (lambda sets: sets.GLUE("CoLA"), "TextClassifierTask", "matthews", 2000, 1e-4),
    "rte": (lambda sets: sets.GLUE("RTE"), "TextClassifierTask", "acc", 800, 1e-4),
    "stsb": (lambda sets: sets.GLUE("STS-B"), "RegressionTask", "spearman", 1000, 1e-4),
    "chnsenticorp": (lambda sets: sets.ChnSentiCorp(), "TextClassifierTask", "acc", 500, 1e-4),
    "lcqmc": (lambda sets: sets.LCQMC(), "TextClassifierTask", "acc", 1000, 1e-4),
    "goemotions": (go_emotions, "MultiLabelClassifierTask", "auc", 2000, 1e-4),
    "msra_ner": (lambda sets: sets.MSRA_NER(), "SequenceLabelTask", "f1", 2000, 2e-4),
    "squad": (lambda sets: sets.SQUAD(), "ReadingComprehensionTask", "f1", 300, 2e-4),
}
BATCH, SCRIPT_STEPS = 32, 16


def cut(dataset, rows, dev_rows):
    """The first rows of each split; dev rows are those of dev, or of test."""
    dataset.train_examples = dataset.train_examples[:rows]
    dev = dataset.dev_examples if len(dataset.dev_examples) else dataset.test_examples
    dataset.dev_examples, dataset.test_examples = dev[:dev_rows], []
    return dataset


def ours(options, dataset, kind, metric):
    import transferhub as hub

    strategy = hub.AdamWeightDecayStrategy(learning_rate=SETS[options.set][4])
    config = hub.RunConfig(
        num_epoch=options.epochs,
        batch_size=BATCH,
        seed=options.seed,
        strategy=strategy,
        eval_interval=1 << 30,
        checkpoint_dir="run",
    )
    names = {} if kind == "ReadingComprehensionTask" else {"metrics_choices": [metric]}
    task = getattr(hub, kind)(module="minilm", dataset=dataset, config=config, **names)
    result = task.finetune_and_eval()
    return {"score": result.dev[metric], "speed": result.examples_per_second}


def peer(options, dataset, kind, metric):
    """The Trainer, on the columns that our reader makes of the rows: both see the same tokens and windows."""
    import numpy as np
    import torch
    import transformers

    import transferhub as hub
    from transferhub.engine.evaluation import tensors
    from transferhub.module.encoder import quietly

    names = {} if kind == "ReadingComprehensionTask" else {"metrics_choices": [metric]}
    task = getattr(hub, kind)(module="minilm", dataset=dataset, **names)
    folder = task.modules[0].directory
    auto = {
        "SequenceLabelTask": transformers.AutoModelForTokenClassification,
        "ReadingComprehensionTask": transformers.AutoModelForQuestionAnswering,
    }.get(kind, transformers.AutoModelForSequenceClassification)
    transformers.set_seed(options.seed)
    labels = 1 if kind == "RegressionTask" else 2 if kind == "ReadingComprehensionTask" else len(task.label_list)
    several = kind == "MultiLabelClassifierTask"
    kept = {"problem_type": "multi_label_classification"} if several else {}
    with quietly():
        model = auto.from_pretrained(folder, num_labels=labels, **kept)
    columns = {split: task.reader.columns(split, dataset) for split in ("train", "dev")}

    class Pieces(torch.utils.data.Dataset):
        """One window, or text, a row."""

        def __init__(self, split):
            columns_of = columns[split]
            self.columns = columns_of
            count = len(columns_of.offsets) - 1
            rows = columns_of.pieces
            self.row = np.arange(count) if rows is None else np.repeat(np.arange(len(columns_of)), np.diff(rows))

        def __len__(self):
            return len(self.row)

        def __getitem__(self, piece):
            start, stop = self.columns.offsets[piece], self.columns.offsets[piece + 1]
            found = {name: np.array(values[start:stop]) for name, values in self.columns.ragged.items()}
            found.update({name: values[piece] for name, values in self.columns.by_piece.items()})
            if self.columns.labels is not None:
                found["label"] = self.columns.labels[self.row[piece]]
            return {**found, "length": int(stop - start)}

    def collate(items):
        width = task.reader.max_seq_len if script and "labels" not in items[0] else max(i["length"] for i in items)

        def padded(name, value):
            filled = np.full((len(items), width), value, np.int64)
            for place, item in enumerate(items):
                filled[place, : item["length"]] = item[name]
            return torch.from_numpy(filled)

        batch = {"input_ids": padded("input_ids", 0), "token_type_ids": padded("segment_ids", 0)}
        batch["attention_mask"] = torch.tensor([[1] * i["length"] + [0] * (width - i["length"]) for i in items])
        if "labels" in items[0]:
            batch["labels"] = padded("labels", -100)
        elif "label" in items[0]:
            kind_of = torch.float if labels == 1 or several else torch.long
            batch["labels"] = torch.tensor(np.stack([item["label"] for item in items]), dtype=kind_of)
        for end in ("start", "end"):
            if f"{end}_places" in items[0]:
                batch[f"{end}_positions"] = torch.tensor([position(item, f"{end}_places") for item in items])
        return batch

    def position(item, name):
        """The token that an answer begins or ends with; transformers learns nothing from one beyond the text."""
        found = np.flatnonzero(item["places"] == item[name])
        return int(found[0]) if len(found) else 1 << 20

    train, seconds, script = Pieces("train"), [], options.side == "script"

    class Clock(transformers.TrainerCallback):
        def on_train_begin(self, *_, **__):
            self.began = time.perf_counter()

        def on_train_end(self, *_, **__):
            seconds.append(time.perf_counter() - self.began)

    arguments = transformers.TrainingArguments(
        "peer",
        per_device_train_batch_size=BATCH,
        learning_rate=SETS[options.set][4],
        warmup_steps=0.1,
        weight_decay=0.01,
        num_train_epochs=options.epochs,
        seed=options.seed,
        use_cpu=True,
        bf16=not script,
        train_sampling_strategy="random" if script else "group_by_length",
        max_steps=SCRIPT_STEPS if script else -1,
        remove_unused_columns=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=train, data_collator=collate, callbacks=[Clock()]
    )
    trainer.train()
    if script:
        rows_seen = SCRIPT_STEPS * BATCH * len(columns["train"]) / len(train)
        return {"score": None, "speed": round(rows_seen / seconds[0], 1)}
    model.float().eval()
    meter, dev = task.meter(columns["dev"]), columns["dev"]
    outputs_of = [variable.name for variable in task.outputs]
    for start in range(0, len(dev), BATCH):
        rows = np.arange(start, min(start + BATCH, len(dev)))
        batch = tensors(dev, rows, task.padding, "cpu")
        given = {"input_ids": batch["input_ids"], "attention_mask": batch["input_mask"]}
        with torch.inference_mode():
            made = model(**given, token_type_ids=batch["segment_ids"])
        outputs = dict(
            zip(outputs_of, [value for name, value in made.items() if name.endswith("logits")], strict=False)
        )
        meter.update(outputs, batch, rows)
    speed = len(columns["train"]) * options.epochs / seconds[0]
    return {"score": meter.scores()[metric], "speed": round(speed, 1)}


def floor(options, dataset, kind, metric):
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline, make_union

    if kind not in ("TextClassifierTask", "RegressionTask", "MultiLabelClassifierTask"):
        return {"score": None, "speed": None}
    from sklearn.multiclass import OneVsRestClassifier

    from transferhub.dataset.targets import label_sets
    from transferhub.metrics.classification import ConfusionMatrix
    from transferhub.metrics.multilabel import MultiLabelScores
    from transferhub.metrics.regression import RegressionScores

    def texts(rows):
        return [row.text_a if row.text_b is None else f"{row.text_a} \n {row.text_b}" for row in rows]

    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\w+")
    characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 3))
    train, dev = dataset.train_examples, dataset.dev_examples
    if kind == "RegressionTask":
        pipeline = make_pipeline(make_union(words, characters), Ridge())
        pipeline.fit(texts(train), [float(row.label) for row in train])
        scores = RegressionScores()
        true = np.array([float(row.label) for row in dev], np.float32)
        scores.update(true, pipeline.predict(texts(dev)).astype(np.float32))
        return {"score": scores.scores([metric])[metric], "speed": None}
    logistic = LogisticRegression(C=10, max_iter=1000)
    if kind == "MultiLabelClassifierTask":
        pipeline = make_pipeline(make_union(words, characters), OneVsRestClassifier(logistic))
        pipeline.fit(texts(train), label_sets(dataset, "train"))
        scores = MultiLabelScores(dataset.get_labels())
        scores.update(label_sets(dataset, "dev"), pipeline.predict_proba(texts(dev)).astype(np.float32))
        return {"score": scores.scores([metric])[metric], "speed": None}
    pipeline = make_pipeline(make_union(words, characters), logistic)
    index = dataset.label_index
    pipeline.fit(texts(train), [index[row.label] for row in train])
    matrix = ConfusionMatrix(len(index))
    matrix.update(np.array([index[row.label] for row in dev]), pipeline.predict(texts(dev)))
    return {"score": matrix.scores([metric])[metric], "speed": None}


def measure(options):
    import transferhub as hub
    from transferhub.task.result import peak_rss_mb

    make, kind, metric, *_ = SETS[options.set]
    dataset = cut(make(hub.dataset), options.rows, options.dev_rows)
    found = {"ours": ours, "peer": peer, "script": peer, "floor": floor}[options.side](options, dataset, kind, metric)
    peak = peak_rss_mb()
    print(json.dumps({**found, "peak": peak, "rows": len(dataset.train_examples), "dev": len(dataset.dev_examples)}))


def run(options, name, side, seed, home):
    rows, rate = options.rows or SETS[name][3], SETS[name][4]
    kept = None
    if options.work is not None:
        kept = options.work / f"{name}-{side}-{seed}-{rows}-{options.dev_rows}-{rate:g}-{options.epochs}.json"
    if kept is not None and kept.is_file():
        return json.loads(kept.read_text())
    command = [sys.executable, str(HERE / "accuracy.py"), "--set", name, "--side", side, "--seed", str(seed)]
    command += [
        "--rows",
        str(rows),
        "--dev-rows",
        str(options.dev_rows),
        "--epochs",
        str(options.epochs),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFERHUB_HOME": str(home)}
    environment.setdefault("TRANSFERHUB_DATASETS", str(HERE.parents[1] / "shared" / "data"))
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr[-3000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(name, seed, side, found, flush=True)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
    return found


def spread(values, form):
    if values[0] is None:
        return "–"
    more = f" ± {format(statistics.stdev(values), form)}" if len(values) > 1 else ""
    return format(statistics.mean(values), form) + more


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--rows", type=int, help="to train on; default: by set")
    parser.add_argument("--dev-rows", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 1, 2])
    parser.add_argument("--work", type=Path, help="where measurements are kept")
    parser.add_argument("--set", help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.set:
        measure(options)
        return
    import torch
    import transformers

    lines = []
    with tempfile.TemporaryDirectory() as home:
        for name in options.sets:
            metric, found = SETS[name][2], {"ours": [], "peer": []}
            for seed in options.seeds:  # side by side, in turn
                for side in found:
                    found[side].append(run(options, name, side, seed, home))
            bottom, script = (run(options, name, side, options.seeds[0], home) for side in ("floor", "script"))
            for side, title in (("ours", "TransferHub"), ("peer", "Trainer, best settings")):
                rows = found[side]
                lines.append(
                    f"| {name if side == 'ours' else ''} | {title} | {spread([r['score'] for r in rows], '.3f')} "
                    f"| {spread([r['speed'] for r in rows], '.1f')} | {max(r['peak'] for r in rows)} |"
                )
            ratio = [a["speed"] / b["speed"] for a, b in zip(found["ours"], found["peer"], strict=True)]
            counts = f"{found['ours'][0]['rows']} / {found['ours'][0]['dev']} rows, {SETS[name][4]:g}, {metric}"
            score, faster = spread([bottom["score"]], ".3f"), spread(ratio, ".2f")
            scripts = found["ours"][0]["speed"] / script["speed"]
            lines += [
                f"| {counts} | the example script's settings | | {script['speed']:.1f} | {script['peak']} |",
                f"| | floor; times the Trainer's speed, the script's | {score} | **{faster}**, **{scripts:.2f}** | |",
            ]
    table = [
        "# Every task beside the Trainer and a floor",
        "",
        f"`python bench/accuracy.py --epochs {options.epochs}`, {time.strftime('%Y-%m-%d')}:",
        f"torch {torch.__version__}, transformers {transformers.__version__}, {os.cpu_count()} cores, seeds "
        f"{', '.join(map(str, options.seeds))}: mean ± standard deviation.",
        f"MiniLM-L6, batch {BATCH}; an English encoder, also for Chinese rows.",
        "Floor: TF-IDF and a linear model. Peak: MB of the process, evaluation included, the highest of the seeds.",
        "So few rows teach this encoder little: a score near the floor or below it says little of either side.",
        "Of stsb's numbers our head begins with the mean of the training rows, the Trainer's with 0.",
        "",
        "| rows, rate, score | | score on dev | examples/s | peak, MB |",
        "|-|-|-|-|-|",
        *lines,
    ]
    (HERE / "accuracy.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
