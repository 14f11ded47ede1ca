"""Sentiment by a bidirectional recurrent network over GloVe vectors that stay as they are.

python examples/text_classification/birnn.py --data aclImdb --glove glove --checkpoint_dir ckpt_birnn
"""

import words

import transferhub as hub


def birnn(vectors, num_hiddens=100, num_layers=2):
    """Word ids → the highest layer's states at the first and at the last word, ``[B, 4 × num_hiddens]``."""
    word_ids = hub.layers.data("word_ids")
    hidden = hub.layers.embedding(word_ids, size=vectors.shape, weight=vectors, trainable=False)
    for _ in range(num_layers):
        hidden = hub.layers.bilstm(hidden, num_hiddens)
    return hub.layers.concat([hub.layers.sequence_pool(hidden, "first"), hub.layers.sequence_pool(hidden, "last")])


def main(arguments=None):
    """Read the flags, train, and try two sentences."""
    parser = words.arguments(__doc__, learning_rate=0.01)
    parser.add_argument("--num_hiddens", type=int, default=100)
    parser.add_argument("--num_layers", type=int, default=2)
    options = parser.parse_args(arguments)
    dataset, reader, vectors = words.read(options)
    feature = birnn(vectors, options.num_hiddens, options.num_layers)
    return words.run(words.task(options, dataset, reader, feature))


if __name__ == "__main__":
    main()
