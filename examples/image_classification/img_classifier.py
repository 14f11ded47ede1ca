"""Fine-tune an image network on Flowers or another set: sh run_classifier.sh (the set in $TRANSFERHUB_DATASETS)."""

import argparse

import network

import transferhub as hub


def main(arguments=None):
    """Read the flags and train."""
    parser = network.shared_flags(argparse.ArgumentParser(description=__doc__), list(network.DATASETS))
    parser.add_argument("--batch_size", type=int, default=16, help="pictures a step")
    parser.add_argument("--num_epoch", type=int, default=1)
    network.add_switch(parser, "use_data_parallel", True, "use all GPUs, where there are several")
    args = parser.parse_args(arguments)
    strategy = hub.DefaultFinetuneStrategy(learning_rate=1e-4, optimizer_name="adam", regularization_coeff=1e-3)
    config = hub.RunConfig(
        use_cuda=args.use_gpu,
        use_data_parallel=args.use_data_parallel,
        num_epoch=args.num_epoch,
        batch_size=args.batch_size,
        checkpoint_dir=args.checkpoint_dir,
        strategy=strategy,
    )
    _, task = network.build(args, config)
    return task.finetune_and_eval()


if __name__ == "__main__":
    main()
