"""ELMo's vectors beside an embedding that learns thirty times as fast, a GRU, the highest values over time."""

import ast

import transferhub as hub
from transferhub import fluid
from transferhub.fluid.framework import switch_main_program

WORD_EMBED_DIMS, HID_DIM = 128, 128


def shared_flags(parser):
    """The flags that fine-tuning and prediction have in common."""
    parser.add_argument("--module", default="elmo", help="its name, or the folder of one")
    parser.add_argument("--batch_size", type=int, default=32)
    # As the document writes it, `--use_gpu True`; without a GPU the CPU is used, and said.
    parser.add_argument("--use_gpu", type=ast.literal_eval, nargs="?", const=True, default=True)
    # Without a value it is the document's folder.
    parser.add_argument("--checkpoint_dir", nargs="?", const="./ckpt_chnsentiment", default="./ckpt_chnsentiment")
    return parser


def build(args, config, dataset):
    """The task."""
    module = hub.Module(name=args.module)
    inputs, outputs, program = module.context(trainable=True)
    reader = hub.reader.LACClassifyReader(dataset=dataset, vocab_path=module.get_vocab_path())
    with open(module.get_vocab_path(), encoding="utf-8") as lines:
        word_dict_len = sum(1 for _ in lines)
    switch_main_program(program)
    word_embedding = fluid.layers.embedding(
        input=inputs["word_ids"],
        size=[word_dict_len, WORD_EMBED_DIMS],
        param_attr=fluid.ParamAttr(learning_rate=30, initializer=fluid.initializer.Uniform(low=-0.1, high=0.1)),
    )
    # Of a sequence, axis 1 means features.
    input_feature = fluid.layers.concat(input=[outputs["elmo_embed"], word_embedding], axis=1)
    projected = fluid.layers.fc(input=input_feature, size=HID_DIM * 3)
    hidden = fluid.layers.dynamic_gru(input=projected, size=HID_DIM)
    feature = fluid.layers.sequence_pool(input=hidden, pool_type="max")
    return hub.TextClassifierTask(
        data_reader=reader,
        feature=feature,
        feed_list=[inputs["word_ids"].name],
        num_classes=dataset.num_labels,
        config=config,
    )
