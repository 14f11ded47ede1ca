"""Fine-tune ELMo and a GRU on ChnSentiCorp: sh run_elmo_finetune.sh (the data set in $TRANSFERHUB_DATASETS)."""

import argparse

import network

import transferhub as hub


def main(arguments=None):
    """Read the flags and train."""
    parser = network.shared_flags(argparse.ArgumentParser(description=__doc__))
    parser.add_argument("--learning_rate", type=float, default=5e-5, help="the highest one")
    parser.add_argument("--weight_decay", type=float, default=0.01)
    parser.add_argument("--warmup_proportion", type=float, default=0.0, help="of the steps")
    parser.add_argument("--num_epoch", type=int, default=3)
    args = parser.parse_args(arguments)
    strategy = hub.AdamWeightDecayStrategy(
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        warmup_proportion=args.warmup_proportion,
        lr_scheduler="linear_decay",
    )
    config = hub.RunConfig(
        use_cuda=args.use_gpu,
        num_epoch=args.num_epoch,
        batch_size=args.batch_size,
        checkpoint_dir=args.checkpoint_dir,
        strategy=strategy,
    )
    return network.build(args, config, hub.dataset.ChnSentiCorp()).finetune_and_eval()


if __name__ == "__main__":
    main()
