"""Sentiment by convolutions over two embeddings, both GloVe's at first: one is trained, one stays (Kim 2014).

python examples/text_classification/textcnn.py --data aclImdb --glove glove --checkpoint_dir ckpt_textcnn
"""

import words

import transferhub as hub


def textcnn(vectors, kernel_sizes=(3, 4, 5), nums_channels=(100, 100, 100)):
    """Word ids → the highest value of each channel over the text, half of them dropped in training."""
    word_ids = hub.layers.data("word_ids")
    trained = hub.layers.embedding(word_ids, size=vectors.shape, weight=vectors)
    constant = hub.layers.embedding(word_ids, size=vectors.shape, weight=vectors, trainable=False)
    both = hub.layers.concat([trained, constant])
    found = [
        hub.layers.conv_pool(both, channels, size, act="relu", pool="max")
        for channels, size in zip(nums_channels, kernel_sizes, strict=True)
    ]
    return hub.layers.dropout(hub.layers.concat(found), 0.5)


def main(arguments=None):
    """Read the flags, train, and try two sentences."""
    parser = words.arguments(__doc__, learning_rate=0.001)
    parser.add_argument("--kernel_sizes", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--num_channels", type=int, default=100, help="of each size")
    options = parser.parse_args(arguments)
    dataset, reader, vectors = words.read(options)
    feature = textcnn(vectors, options.kernel_sizes, [options.num_channels] * len(options.kernel_sizes))
    return words.run(words.task(options, dataset, reader, feature))


if __name__ == "__main__":
    main()
