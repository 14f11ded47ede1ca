"""``hub autofinetune``: PaddleHub's search over the flags of a script."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer


def autofinetune(
    script: Annotated[Path, typer.Argument(help="Takes a flag for each parameter; calls hub.report_final_result.")],
    param_file: Annotated[Path, typer.Option(help="yaml: param_list of name, init_value, type and bounds.")],
    opts: Annotated[list[str] | None, typer.Argument(metavar="[KEY VALUE]...", help="Other flags.")] = None,
    gpu: Annotated[str, typer.Option(help="Which GPUs, 0,1: so many trials at a time.")] = "0",
    popsize: Annotated[int, typer.Option(help="Trials of a round.")] = 5,
    rounds: Annotated[int, typer.Option("--round", help="Rounds in all; more go on with a finished search.")] = 10,
    output_dir: Annotated[Path | None, typer.Option(help="Default: output_<time>.")] = None,
    evaluator: Annotated[
        str, typer.Option(help="fulltrail, or populationbased: from the second round on from the best half's models.")
    ] = "populationbased",
    tuning_strategy: Annotated[str, typer.Option(help="hazero (CMA-ES) or pshe2 (a momentum search).")] = "pshe2",
    seed: Annotated[int, typer.Option(help="What is drawn is a function of it.")] = 42,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Search the flags of a script for the best score that it reports. A stopped search goes on with the same command.

    Example: hub autofinetune train.py --param_file hparam.yaml --gpu 0 --popsize 5 --round 10 --output_dir search
    """
    from transferhub.tune.autofinetune import ScriptSearch

    search = ScriptSearch(
        script, param_file, gpu, popsize, rounds, output_dir, evaluator, tuning_strategy, opts or (), seed
    )
    best = search.run()
    if as_json:
        print(json.dumps({**dataclasses.asdict(best), "output_dir": str(search.path)}, ensure_ascii=False))
        return
    print(f"best score  {best.score:.5f}   round {best.round}, trial {best.trial}, of {len(search.trials)} trials")
    print("settings    " + " ".join(f"--{name} {value}" for name, value in best.values.items()))
    print(f"best model  {search.path / 'best_model'}\nall trials  {search.path / 'log_file.txt'}")
    print(f"curves      hub board {search.path}")
