"""Predict the test rows of ChnSentiCorp with the best model of a checkpoint folder: sh run_predict.sh."""

import argparse

import network
import numpy as np

import transferhub as hub


def main(arguments=None):
    """Print a line a row and the accuracy; return it."""
    args = network.shared_flags(argparse.ArgumentParser(description=__doc__)).parse_args(arguments)
    config = hub.RunConfig(use_cuda=args.use_gpu, batch_size=args.batch_size, checkpoint_dir=args.checkpoint_dir)
    dataset = hub.dataset.ChnSentiCorp()
    task = network.build(args, config, dataset)
    rows = dataset.test_examples
    names = dataset.label_list
    index = right = 0
    for run_state in task.predict(data=[[row.text_a] for row in rows]):
        for chosen in np.argmax(run_state.run_results[0], axis=1):
            print(f"{rows[index].text_a}\tpredict={names[chosen]}")
            right += names[chosen] == rows[index].label
            index += 1
    print(f"accuracy = {right / index:.5f}")
    return right / index


if __name__ == "__main__":
    main()
