"""One linear layer over a frozen encoder's vectors; the encoder runs once for each sentence, however many epochs.

python examples/frozen_features/frozen_features.py --train train.tsv --valid dev.tsv --module minilm

The files have a header, a column of sentences and one of labels (``sentence<TAB>label``, as SST-2's).
"""

import argparse

from torch import nn

import transferhub as hub


def main(arguments=None):
    """Read the flags, train, and try two sentences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--valid", required=True)
    parser.add_argument("--module", default="bert-base-chinese", help="its name, or the folder of one")
    parser.add_argument("--cutlen", type=int, default=32, help="tokens of a sentence that are read")
    parser.add_argument("--num_epoch", type=int, default=4)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--learning_rate", type=float, default=0.001)
    parser.add_argument("--checkpoint_dir", default="./ckpt_frozen_features")
    args = parser.parse_args(arguments)

    module = hub.Module(name=args.module)
    _, outputs, _ = module.context(trainable=False, max_seq_len=args.cutlen)
    vectors = outputs["sequence_output"]
    dataset = hub.dataset.load({"train": args.train, "dev": args.valid})
    task = hub.TextClassifierTask(
        dataset=dataset,
        data_reader=hub.reader.ClassifyReader(
            dataset=dataset, vocab_path=module.get_vocab_path(), max_seq_len=args.cutlen
        ),
        # All vectors of a sentence in one row, [B, cutlen * width]; the task's own layer over it is the one layer.
        feature=hub.apply(nn.Flatten(), vectors),
        config=hub.RunConfig(
            num_epoch=args.num_epoch,
            batch_size=args.batch_size,
            checkpoint_dir=args.checkpoint_dir,
            strategy=hub.DefaultStrategy(learning_rate=args.learning_rate, optimizer_name="momentum"),
        ),
    )
    result = task.finetune_and_eval()
    opened = hub.load(result.best_model, classes={"Flatten": nn.Flatten})
    for row in list(dataset.dev_examples)[:2]:
        print(f"{opened.predict([row.text_a]).labels[0]}\t{row.text_a}")
    return result


if __name__ == "__main__":
    main()
