"""What birnn.py and textcnn.py share: the flags, reviews from folders, the words of the training rows, their vectors.

``--data`` is a folder as IMDB's: ``train/pos/*.txt train/neg/*.txt test/pos/*.txt test/neg/*.txt``. ``--glove`` holds
``glove.6B.50d.txt`` and the like.
"""

import argparse
from collections import Counter
from pathlib import Path

import transferhub as hub
from transferhub.text.vocab import GloVe, Vocab


def arguments(description, learning_rate):
    """The command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--glove", type=Path, required=True, help="folder of glove.6B.*d.txt")
    parser.add_argument("--glove_dim", type=int, default=100)
    parser.add_argument("--num_epoch", type=int, default=5)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--learning_rate", type=float, default=learning_rate)
    parser.add_argument("--max_len", type=int, default=500, help="words of a review that are read")
    parser.add_argument("--min_freq", type=int, default=5, help="words that occur less often are unknown")
    parser.add_argument("--checkpoint_dir", type=Path, required=True)
    return parser


def read(options):
    """The rows, a reader of them, and a vector a word, zeros for words without one: ``[words, dim]``."""
    dataset = hub.dataset.load(options.data)
    counter = Counter(word for row in dataset.train_examples for word in row.text_a.lower().split())
    # The reader pads with the last word, so the special ones stand behind the others.
    vocab = Vocab(counter, min_freq=options.min_freq, specials_first=False)
    print("# words in vocab:", len(vocab))
    glove = GloVe(name="6B", dim=options.glove_dim, cache=options.glove)
    print(f"There are {sum(word not in glove.stoi for word in vocab.itos)} oov words.")
    vocab_path = options.checkpoint_dir.with_suffix(".vocab.txt")
    vocab_path.parent.mkdir(parents=True, exist_ok=True)
    vocab_path.write_text("".join(f"{word}\n" for word in vocab.itos), encoding="utf-8")
    reader = hub.reader.LACClassifyReader(
        dataset=dataset, vocab_path=vocab_path, cut="whitespace", max_len=options.max_len, keep_unknown=True
    )
    return dataset, reader, glove.get_vecs_by_tokens(vocab.itos)


def task(options, dataset, reader, feature):
    """Two classes on a feature, Adam at one rate, as the document trains."""
    strategy = hub.DefaultStrategy(learning_rate=options.learning_rate, optimizer_name="adam")
    config = hub.RunConfig(
        num_epoch=options.num_epoch,
        batch_size=options.batch_size,
        checkpoint_dir=options.checkpoint_dir,
        strategy=strategy,
        eval_interval=-(-len(dataset.train_examples) // options.batch_size),  # once an epoch
    )
    return hub.TextClassifierTask(
        data_reader=reader, feature=feature, num_classes=dataset.num_labels, dataset=dataset, config=config
    )


def run(task):
    """Train, score, and try two sentences."""
    result = task.finetune_and_eval()
    for sentence in ("this movie is so great", "this movie is so bad"):
        print(f"{task.predict([sentence]).labels[0]:8} {sentence}")
    return result
