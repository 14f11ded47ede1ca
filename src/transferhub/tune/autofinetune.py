"""``hub autofinetune``: rounds of trials of a script, by PaddleHub's contract.

``search.json`` in the output folder holds the settings and every finished trial. What a round proposes follows from
them alone, so a search that was killed goes on with the trials that are missing.
"""

import dataclasses
import datetime
import functools
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import filelock

from transferhub import atomic
from transferhub.engine.run_folder import differences
from transferhub.errors import ConfigError, RunError, did_you_mean
from transferhub.log import logger
from transferhub.report.scalars import FOLDER, Scalar, Writer, visualdl
from transferhub.tune import hparams
from transferhub.tune.populations import STRATEGIES
from transferhub.tune.scripts import Outcome, Scripts, check_script, devices_of

RECORD = "search.json"
EVALUATORS = ("fulltrail", "populationbased")


@dataclasses.dataclass(frozen=True)
class ScriptTrial:
    """A finished trial.

    Args:
        round: From 0.
        trial: Its place in the round, from 0.
        values: Name → what the script was given.
        score: What it reported; None: it failed.
        seconds: How long it took.
        saved_params_dir: Where it was to save its model.
        error: Why it failed.
    """

    round: int
    trial: int
    values: dict[str, float]
    score: float | None
    seconds: float
    saved_params_dir: str
    error: str = ""


class ScriptSearch:
    """A search over the flags of a script.

    Args:
        script: Takes ``--saved_params_dir`` and a flag for each parameter, and calls `report_final_result`.
        param_file: PaddleHub's yaml.
        gpu: Devices, ``0,1``: so many trials run at a time.
        popsize: Trials of a round.
        rounds: How many; a finished search goes on where more are asked for.
        output_dir: None: ``output_<time>``.
        evaluator: ``fulltrail``: every trial from the start. ``populationbased``: from the second round on trials go
            on, for one epoch, from models of the best half of the round before (``--model_path``, ``--epochs=1``).
        tuning_strategy: ``hazero`` (CMA-ES) or ``pshe2`` (a momentum search).
        options: ``key value …``, given to every trial.
        seed: What is drawn is a function of it.

    Raises:
        ConfigError: Arguments or a file that cannot be used.
    """

    def __init__(
        self,
        script: Path,
        param_file: Path,
        gpu: str = "0",
        popsize: int = 5,
        rounds: int = 10,
        output_dir: Path | None = None,
        evaluator: str = "populationbased",
        tuning_strategy: str = "pshe2",
        options: Sequence[str] = (),
        seed: int = 42,
    ) -> None:
        for name, value, known in (
            ("evaluator", evaluator, EVALUATORS),
            ("tuning_strategy", tuning_strategy, tuple(STRATEGIES)),
        ):
            if value not in known:
                near = did_you_mean(value, known) or None
                raise ConfigError(f"--{name} {value}", expected=f"one of {', '.join(known)}", fix=near)
        for name, count in (("popsize", popsize), ("round", rounds)):
            if count < 1:
                raise ConfigError(f"--{name} {count}", expected="at least 1")
        check_script(script)
        self._parameters = hparams.read_param_file(param_file)
        extra = hparams.check_extra(options, self._parameters)
        initial = [parameter.place(parameter.initial) for parameter in self._parameters]
        self._population = STRATEGIES[tuning_strategy](initial, popsize, seed)
        self._devices, on_gpu = devices_of(gpu)
        self._scripts = Scripts(script, extra, gpu=on_gpu, at_once=len(self._devices))
        self._rounds, self._popsize, self._evaluator = rounds, popsize, evaluator
        self.path = output_dir or Path(f"output_{datetime.datetime.now():%Y%m%d%H%M%S}")
        self._settings = {
            "script": str(script),
            "parameters": {each.name: dataclasses.asdict(each) for each in self._parameters},
            "options": extra,
            "popsize": popsize,
            "evaluator": evaluator,
            "tuning_strategy": tuning_strategy,
            "seed": seed,
        }
        self.trials: list[ScriptTrial] = []
        self._kept: ScriptTrial | None = None  # whose model lies in best_model

    def run(self) -> ScriptTrial:
        """Run the rounds that are missing; returns the best trial of all.

        Raises:
            RunError: The folder is another search's, or in use; or no trial of the first round came to a score.
            StorageError: The disk is full, or the folder cannot be written.
            KeyboardInterrupt: After Ctrl-C; scripts are given time to save, and go on at the next start.
        """
        with atomic.writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.path / "search.lock")
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                raise RunError(
                    f"{self.path} is in use by another search", fix="wait for it, or choose another --output_dir"
                ) from None
        try:
            self._restore()
            for number in range(self._rounds):
                self._round(number)
                self._write_results(number)
        finally:
            lock.release()
        best = self.best
        assert best is not None
        return best

    @property
    def best(self) -> ScriptTrial | None:
        """The trial with the highest score so far, the first of equals."""
        return self._best()

    def _best(self, until: float = math.inf) -> ScriptTrial | None:
        """The best trial of the rounds up to `until`."""
        scored = [trial for trial in self.trials if trial.score is not None and trial.round <= until]
        return max(scored, key=lambda trial: trial.score or 0.0, default=None)

    def _restore(self) -> None:
        record = self.path / RECORD
        if not record.exists():
            if any(self.path.glob("round*")):
                raise RunError(
                    f"{self.path} holds rounds, but no {RECORD}: it is not known to be a search of TransferHub's",
                    fix="choose another --output_dir",
                )
            self._save()
            return
        try:
            said = json.loads(record.read_text(encoding="utf-8"))
            settings, trials = dict(said["settings"]), [ScriptTrial(**trial) for trial in said["trials"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{record} cannot be read: {error}", fix="choose another --output_dir") from None
        rows = differences(settings, self._settings)
        if rows:
            raise RunError(
                f"{self.path} belongs to another search:\n" + "\n".join(rows),
                fix="give the same arguments to go on with it, or choose another --output_dir",
            )
        if any(trial.score is not None for trial in trials):
            self.trials = trials
            logger.info("Going on with the search in %s: %d trials are done", self.path, len(trials))

    def _save(self) -> None:
        trials = [dataclasses.asdict(trial) for trial in self.trials]
        atomic.write_json(self.path / RECORD, {"settings": self._settings, "trials": trials})

    def _round(self, number: int) -> None:
        places = self._population.propose()
        done = {trial.trial: trial for trial in self.trials if trial.round == number}
        missing = [place for place in range(self._popsize) if place not in done]
        if missing:
            folder = self.path / f"round{number}"
            with atomic.writing(folder):
                folder.mkdir(exist_ok=True)
            self._run_trials(folder, number, {place: self._values(places[place]) for place in missing})
        ended = sorted((trial for trial in self.trials if trial.round == number), key=lambda trial: trial.trial)
        if self.best is None:
            raise RunError(
                f"none of the {len(ended)} trials of the first round came to a score; the first: {ended[0].error}",
                fix="mend the script, or its flags, and give the same command again",
            )
        losses = [1 - trial.score for trial in self.trials if trial.round <= number and trial.score is not None]
        self._population.tell(places, [max(losses) if trial.score is None else 1 - trial.score for trial in ended])

    def _values(self, place: Sequence[float]) -> dict[str, float]:
        return {each.name: each.value(where) for each, where in zip(self._parameters, place, strict=True)}

    def _run_trials(self, folder: Path, number: int, trials: Mapping[int, dict[str, float]]) -> None:
        free: SimpleQueue[str] = SimpleQueue()
        for device in self._devices:
            free.put(device)
        parents = self._parents(number)

        def run(place: int) -> tuple[int, Outcome, float]:
            saved = folder / f"model-{place}"
            flags: dict[str, Any] = {"saved_params_dir": saved, **trials[place]}
            if parents:
                flags = {**flags, "epochs": 1, "model_path": parents[place % len(parents)]}
            device, started = free.get(), time.monotonic()
            try:
                return place, self._scripts.run(folder, place, device, flags), time.monotonic() - started
            finally:
                free.put(device)

        with ThreadPoolExecutor(len(self._devices)) as pool:
            running = [pool.submit(run, place) for place in trials]
            try:
                for future in as_completed(running):
                    place, outcome, seconds = future.result()
                    saved = str(folder / f"model-{place}")
                    ended = ScriptTrial(
                        number, place, trials[place], outcome.score, round(seconds, 1), saved, outcome.error
                    )
                    self.trials.append(ended)
                    self._save()
                    self._say(ended)
            except BaseException:
                for future in running:
                    future.cancel()
                self._scripts.stop()
                raise

    def _parents(self, number: int) -> list[str]:
        """Models of the best half of the round before, the best first."""
        if self._evaluator != "populationbased":
            return []
        scored = [trial for trial in self.trials if trial.round == number - 1 and trial.score is not None]
        scored.sort(key=lambda trial: (-(trial.score or 0.0), trial.trial))
        half = scored[: max(1, len(scored) // 2)]
        return [trial.saved_params_dir for trial in half if Path(trial.saved_params_dir).exists()]

    def _say(self, trial: ScriptTrial) -> None:
        name, shown = f"round {trial.round} trial {trial.trial}", _shown(trial.values)
        if trial.score is None:
            logger.warning("%s has no score (%s): %s", name, shown, trial.error)
            return
        best = self.best
        assert best is not None
        logger.info(
            "%s: score %.5f in %.1f s (%s); best so far %.5f", name, trial.score, trial.seconds, shown, best.score
        )

    def _write_results(self, number: int) -> None:
        best = self.best
        assert best is not None
        if best is not self._kept:
            self._keep(Path(best.saved_params_dir))
            self._kept = best
        atomic.write_text(self.path / "log_file.txt", self._summary(best))
        self._visualize(number)

    def _keep(self, model: Path) -> None:
        def sealed(folder: str, names: list[str]) -> list[str]:
            return [name for name in names if name == atomic.MANIFEST and Path(folder) == model]

        with atomic.whole_folder(self.path / "best_model") as folder:
            if model.is_dir():
                shutil.copytree(model, folder, dirs_exist_ok=True, ignore=sealed)
            else:
                logger.warning("The best trial saved nothing in %s: best_model is empty", model)

    def _summary(self, best: ScriptTrial) -> str:
        failed = sum(1 for trial in self.trials if trial.score is None)
        lines = [
            "The best hyperparameters:",
            *(f"{name}={value}" for name, value in best.values.items()),
            f"The best eval score is {best.score}.",
            f"The best model is round {best.round}, trial {best.trial}; its parameters are saved as "
            f"{self.path / 'best_model'}.",
            f"{len(self.trials)} trials, {failed} of them without a score.",
            "",
            "\t".join(["round", "trial", "score", *best.values, "seconds", "saved_params_dir"]),
        ]
        for trial in sorted(self.trials, key=lambda each: (each.round, each.trial)):
            score = "failed" if trial.score is None else trial.score
            cells = [trial.round, trial.trial, score, *trial.values.values(), trial.seconds, trial.saved_params_dir]
            lines.append("\t".join(map(str, cells)))
        return "\n".join(lines) + "\n"

    def _visualize(self, number: int) -> None:
        """Curves over the rounds, with 1.x's tags: of the best so far, and of each place in the rounds."""
        from tensorboard.summary import Writer as EventWriter

        for path, scalars in self._scalars(number).items():
            events = Writer("TensorBoard", functools.partial(EventWriter, str(path)))
            events.add(scalars)
            events.close()
            rounds = [scalar for each in range(number + 1) for scalar in self._scalars(each).get(path, [])]
            if (records := visualdl(path, rounds)) is not None:
                records.close()

    def _scalars(self, number: int) -> dict[Path, list[Scalar]]:
        """A round's, by the folder that they are written to."""
        folder, best = self.path / FOLDER, self._best(number)
        scored = {folder / f"pop_{each.trial}": each for each in self.trials if each.round == number}
        found = {} if best is None else {folder: _tagged("hyperparameter_tuning/", "best_eval_value", best, number)}
        for path, trial in scored.items():
            if trial.score is not None:
                found[path] = _tagged("population_transformation/", "eval_value", trial, number)
        return found


def _tagged(group: str, score: str, trial: ScriptTrial, number: int) -> list[Scalar]:
    values = {score: trial.score or 0.0, **trial.values}
    return [(group + name, value, number) for name, value in values.items()]


def _shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in values.items())
