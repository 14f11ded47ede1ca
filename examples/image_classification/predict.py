"""Predict the test pictures of a set with the best model of a checkpoint folder: sh run_predict.sh."""

import argparse
import os

import network
import numpy as np

import transferhub as hub


def main(arguments=None):
    """Print a line a picture and the accuracy; return it."""
    parser = network.shared_flags(argparse.ArgumentParser(description=__doc__), ["flowers", "dogcat"])
    network.add_switch(parser, "use_pyreader", False, "accepted for scripts of 1.x")
    args = parser.parse_args(arguments)
    config = hub.RunConfig(
        use_cuda=args.use_gpu, use_pyreader=args.use_pyreader, batch_size=16, checkpoint_dir=args.checkpoint_dir
    )
    dataset, task = network.build(args, config)
    rows = dataset.test_examples
    names = dataset.label_list
    index = right = 0
    for run_state in task.predict(data=[path for path, _ in rows]):
        for chosen in np.argmax(run_state.run_results[0], axis=1):
            path, label = rows[index]
            print(f"{os.path.basename(path)}\tpredict={names[chosen]}")
            right += int(chosen == label)
            index += 1
    print(f"accuracy = {right / index:.5f}")
    return right / index


if __name__ == "__main__":
    main()
