"""Rows and vectors for tests of matching: texts that are about the same thing, and texts that are not."""

import random

import numpy as np

import transferhub as hub
from conftest import WORDS
from transferhub.dataset import BaseDataset, InputExample, TripleExample
from transferhub.module import store

TOPICS = [("bed", "room", "clean"), ("soup", "food", "tasty"), ("plot", "film", "dull"), ("screen", "app", "fast")]
FILLERS = ("the", "was", "very", "a", "and")


def text(topic, draw):
    """Two words of the topic and some of none."""
    words = [*draw.sample(topic, 2), *draw.sample(FILLERS, draw.randint(1, 4))]
    draw.shuffle(words)
    return " ".join(words)


def pairs(count, seed=0):
    """Pairs of one topic, labelled 1, and of two, labelled 0, in turn."""
    draw, rows = random.Random(seed), []
    for place in range(count):
        topic, other = draw.sample(TOPICS, 2)
        title = text(topic if place % 2 else other, draw)
        rows.append(InputExample(None, text(topic, draw), title, str(place % 2)))
    return rows


def triples(count, seed=0):
    """A query, a text of its topic and one of another; the fitting one is right (0) and left (1) in turn."""
    draw, rows = random.Random(seed), []
    for place in range(count):
        topic, other = draw.sample(TOPICS, 2)
        query, both = text(topic, draw), [text(other, draw), text(topic, draw)]
        left = place % 2
        rows.append(TripleExample(None, query, both[left], both[1 - left], str(left)))
    return rows


def dataset(rows):
    """Splits of 32, 12 and 12 rows."""
    made = BaseDataset(label_list=["0", "1"])
    made.train_examples, made.dev_examples, made.test_examples = rows[:32], rows[32:44], rows[44:56]
    return made


def vectors(folder, name="word2vec_skipgram", dim=12):
    """A module of random word vectors."""
    draw = np.random.default_rng(0)
    lines = [" ".join([word, *(f"{value:.4f}" for value in draw.normal(size=dim))]) for word in WORDS]
    (folder / "vectors.txt").write_text("\n".join(lines) + "\n")
    store.install(name, origin=str(folder / "vectors.txt"))
    return hub.Module(name=name)


def config(run, **more):
    settings = {"num_epoch": 6, "batch_size": 8, "precision": "fp32", "checkpoint_dir": run, "eval_interval": 8}
    strategy = hub.AdamWeightDecayStrategy(learning_rate=1e-2)
    return hub.RunConfig(strategy=strategy, save_ckpt_interval=5, **{**settings, **more})
