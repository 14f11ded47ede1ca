"""Ten times the rows do not take ten times the memory, from the file to the first batch."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys
from types import SimpleNamespace
from tokenizers import Tokenizer, models, pre_tokenizers
import transferhub as hub
from transferhub.dataset.examples import fingerprint
from transferhub.reader import classify_reader

words = [f"word{number}" for number in range(500)]
backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(["[UNK]", *words])}, "[UNK]"))
backend.pre_tokenizer = pre_tokenizers.Whitespace()
classify_reader.tokenizer_for = lambda *_: SimpleNamespace(
    backend_tokenizer=backend, get_vocab=backend.get_vocab, truncation_side="right", padding_side="right",
    pad_token_id=0,
    pad_token_type_id=0, num_special_tokens_to_add=lambda pair: 0,
)  # without transformers, whose import alone is several seconds
dataset = hub.dataset.load(sys.argv[1])
reader = classify_reader.ClassifyReader("vocab.txt", dataset, max_seq_len=32)
dataset = dataset.with_dev(seed=1)
fingerprint(dataset.train_examples)
train, dev = reader.columns("train", dataset), reader.columns("dev", dataset)
batch = train.batch(range(32), reader.pad)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"peak": peak, "rows": [len(train), len(dev)], "first": batch["input_ids"][0].tolist()}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted otherwise")
def test_ten_times_the_rows_take_little_more_memory(tmp_path):
    measured = {}
    for rows in (20_000, 200_000):
        path = tmp_path / f"{rows}.csv"
        with open(path, "w") as file:
            file.write("text,label\n")
            for row in range(rows):
                words = " ".join(f"word{(row * 7 + place * row) % 500}" for place in range(12))
                file.write(f'"{words}",{row % 2}\n')
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True, env=os.environ
        )
        measured[rows] = json.loads(done.stdout)
    assert measured[200_000]["rows"] == [180_000, 20_000]
    assert measured[200_000]["first"][0] == 1, "the first row's first word, word0"
    more = measured[200_000]["peak"] - measured[20_000]["peak"]
    assert more < 45, f"{more:.0f} MB for 180,000 more rows; lists of their token ids alone take 85"
