"""BaseTask: feature + head + loss + metrics = something to train, evaluate, predict and save."""

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from transferhub.dataset import BaseDataset, InputExample
from transferhub.engine.batches import steps_in_epoch
from transferhub.engine.config import RunConfig
from transferhub.engine.events import Events, Hook
from transferhub.engine.kernels import speed_up
from transferhub.engine.objective import Meter
from transferhub.engine.run_state import RunState
from transferhub.engine.training import BEST, Training
from transferhub.errors import ConfigError, RunError
from transferhub.graph import Network, Variable, needs_fixed_length
from transferhub.graph.describe import describe
from transferhub.graph.variable import walk_back
from transferhub.log import logger
from transferhub.module import Module
from transferhub.reader import Columns, Padding, TextReader
from transferhub.reader.classify_reader import Row
from transferhub.strategy import Plan, Steps
from transferhub.task import applying, finetuning, saved_model, saved_network
from transferhub.task.result import RunResult


class BaseTask(ABC):
    """What all tasks share. A kind of task gives the outputs of its network, a loss for each row, and a meter.

    Args:
        feature: The Variable that the head stands on.
        data_reader: Makes columns of rows.
        dataset: None: the reader's.
        feed_list: Names of the inputs; None: the reader's own.
        config: None: `RunConfig` with its defaults.
        labels: Label names in the order of their ids.
        metrics: Metric names; the first chooses the best model.

    Raises:
        ConfigError: Arguments that contradict each other.
    """

    def __init__(
        self,
        feature: Variable,
        data_reader: TextReader,
        dataset: BaseDataset | None,
        feed_list: Sequence[str] | None,
        config: RunConfig | None,
        labels: Sequence[str],
        metrics: Sequence[str],
    ) -> None:
        self.feature, self.reader, self.config = feature, data_reader, config or RunConfig()
        self.dataset = dataset if dataset is not None else data_reader.dataset
        self.labels, self.metrics = list(labels), list(metrics)
        self.feed_list = self._checked_feeds(feed_list)
        self.phase = "train"
        self._rows: tuple[list[Sequence[InputExample]], BaseDataset] | None = None  # what `rows` was made of, and is
        self.events = Events(self)
        finetuning.hook_defaults(self.events)
        self.training: Training | None = None  # while a run goes on
        self._reached: tuple[int, int, float] = (0, 1, -999.0)  # step, epoch and best score of the last one
        self.run_path: Path | None = None
        self._saved: Path | None = None  # the best model's folder, for a task that hub.load made
        self._predictor: tuple[Path, float, Network] | None = None
        self._untrained: tuple[tuple[str, int], Network] | None = None

    # --- what a kind of task gives

    @abstractmethod
    def output_variables(self) -> list[Variable]:
        """The Variables that loss and results are computed from, on top of `feature`."""

    @abstractmethod
    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row, float32 ``[B]``."""

    @abstractmethod
    def meter(self) -> Meter:
        """A fresh meter of the task's metrics."""

    def evaluation_losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row that evaluation shows, float32 ``[B]``; `losses`, where a task has no other."""
        return self.losses(outputs, batch)

    def prepare(self, train: Columns) -> list[str]:
        """Called before a run with its training rows; returns what the log and the report should say of the run."""
        return []

    @abstractmethod
    def probabilities(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What a person is shown, float32 ``[rows, classes]``, from the output called ``logits``."""

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What a saved model must know to build this task again."""

    # --- what people do with a task

    def finetune_and_eval(self) -> RunResult:
        """Train, evaluating on dev; keep the best model; evaluate it on test; write the report.

        A run that was stopped goes on, and ends with the same bits; one that is finished says so.

        Returns:
            The scores of the best model and where everything lies.

        Raises:
            HubError: Bad rows, settings of another run in the folder, a loss that is not finite …
        """
        return finetuning.finetune(self, do_eval=True)

    def finetune(self, do_eval: bool = False) -> RunResult:
        """Train; evaluate on dev during training only if `do_eval`, and at the end in any case."""
        return finetuning.finetune(self, do_eval=do_eval)

    def plan(self) -> Plan:
        """What the strategy decides for this network, these rows and these epochs; ``print`` it."""
        assert self.config.strategy is not None
        made_for = str(self.config.strategy), self.config.seed
        if self._untrained is None or self._untrained[0] != made_for:
            self._untrained = made_for, self.build_network()
        network = self._untrained[1]
        in_epoch = steps_in_epoch(len(self.rows().train_examples), self.config.batch_size)
        steps = Steps(in_epoch * self.config.num_epoch, in_epoch)
        return self.config.strategy.plan(network.described_parameters(), steps)

    def eval(self, phase: str = "dev", load_best_model: bool = True) -> RunState:
        """Evaluate the best model on a split of the data set, in fp32."""
        return applying.evaluate_split(self, phase, load_best_model=load_best_model)

    def evaluate(self, data: str | Path | Sequence[Any]) -> dict[str, float]:
        """Scores and ``loss`` of the best model on a file with labels, or on examples, in fp32.

        Raises:
            DataError: A label that the model does not know, with file:line.
        """
        return applying.evaluate_rows(self, data)

    def predict(
        self,
        data: str | Path | Sequence[Row] | None = None,
        label_list: Sequence[str] | bool | None = None,
        load_best_model: bool = True,
        return_result: bool = False,
        accelerate_mode: bool = True,
    ) -> Any:
        """Predict rows, in order, none dropped.

        Args:
            data: Texts, ``[[text], …]``, ``[[text_a, text_b], …]``, pairs as tuples, one text, or a csv or tsv file;
                None: the data set's predict rows.
            label_list: Names for the labels in place of those the model has.
            load_best_model: The best model, not the last weights (during training).
            return_result: Return the label names only, as 1.8 did.
            accelerate_mode: Accepted for scripts of 1.x.

        Returns:
            `Predictions`: a list of `RunState`, a batch each, with ``.labels``, ``.probabilities``, ``.to_frame()``.

        Raises:
            RunError: Nothing was trained yet.
            DataError: A row that is not a text or a pair.
        """
        if isinstance(label_list, bool):  # 1.4: predict(data, load_best_model)
            load_best_model, label_list = label_list, None
        predictions = applying.predict(self, data, label_list, load_best_model=load_best_model)
        return predictions.labels if return_result else predictions

    # --- hooks

    def add_hook(self, hook_type: str, name: str | None = None, func: Hook | None = None) -> None:
        """Call ``func(task)`` or ``func(task, run_states)`` at an event, say ``log_interval_event``."""
        if func is None:
            raise ConfigError(f"add_hook({hook_type!r}) without a function", expected="add_hook(event, name, func)")
        self.events.add(hook_type, name, func)

    def modify_hook(self, hook_type: str, name: str, func: Hook) -> None:
        """Put another function in a hook's place; the built-in ones are called ``default``."""
        self.events.modify(hook_type, name, func)

    def delete_hook(self, hook_type: str, name: str) -> None:
        """Take a hook away."""
        self.events.delete(hook_type, name)

    def hooks_info(self, show_default: bool = False) -> dict[str, dict[str, Hook]]:
        """Event → name → function."""
        return self.events.info(show_default)

    @property
    def hooks(self) -> Events:
        """The hooks by event."""
        return self.events

    # --- where a run stands, by 1.x's names

    @property
    def current_step(self) -> int:
        """Steps done."""
        return self.training.progress.step if self.training else self._reached[0]

    @property
    def current_epoch(self) -> int:
        """From 1."""
        return self.training.epoch + 1 if self.training else self._reached[1]

    @property
    def max_train_steps(self) -> int:
        """Optimiser steps of a whole run."""
        return steps_in_epoch(len(self.rows().train_examples), self.config.batch_size) * self.config.num_epoch

    def rows(self) -> BaseDataset:
        """The data set as it is trained on: with a tenth of the training rows as dev rows where it has none."""
        if self.dataset is None:
            raise ConfigError("a task without a data set cannot be trained", fix="dataset=…, or a reader with one")
        looked_at = [self.dataset.get_examples(split) for split in ("train", "dev", "test")]
        if self._rows is None or any(now is not then for now, then in zip(looked_at, self._rows[0], strict=True)):
            self._rows = looked_at, self.dataset.with_dev(self.config.seed)
        return self._rows[1]

    @property
    def is_loaded(self) -> bool:
        """Whether `hub.load` opened it, for predicting and evaluating."""
        return self._saved is not None

    @property
    def best_score(self) -> float:
        """The first metric of the best model so far; -999 before there is one, as in 1.x."""
        if self.training is None:
            return self._reached[2]
        best = self.training.best
        return float(next(iter(best["scores"].values()), -999)) if best else -999.0

    def remember(self) -> None:
        """Keep where the run stands, and let go of what it needed to train."""
        if self.training is not None:
            self._reached = self.current_step, self.current_epoch, self.best_score
            self.training = None

    @property
    def is_train_phase(self) -> bool:
        """Whether the task trains."""
        return self.phase == "train"

    @property
    def is_test_phase(self) -> bool:
        """Whether the task evaluates."""
        return self.phase in ("dev", "val", "test")

    @property
    def is_predict_phase(self) -> bool:
        """Whether the task predicts."""
        return self.phase in ("predict", "inference")

    # --- networks

    def build_network(self, seed: int | None = None) -> Network:
        """The network to train, with pretrained weights and a new head, fp32."""
        seed = self.config.seed if seed is None else seed
        network = Network(self.output_variables(), seed)
        assert self.config.strategy is not None
        self.config.strategy.adapt(network, seed)
        return network

    def take_network(self) -> Network:
        """The network to train: what `plan` looked at, or a new one."""
        self.plan()
        assert self._untrained is not None
        network, self._untrained = self._untrained[1], None
        return network

    def best_network(self) -> Network:
        """The best model, read from its folder once.

        Raises:
            RunError: There is none: never random weights.
        """
        folder = self._saved or self._best_folder()
        if folder is None or not (folder / "task.json").is_file():
            raise RunError(
                "this task has no trained model" + (f" in {folder}" if folder else ""),
                expected="a best_model folder of a run",
                fix="call finetune_and_eval() first, or name a run: RunConfig(checkpoint_dir=…), hub.load(best_model)",
            )
        stamp = (folder / "task.json").stat().st_mtime
        if self._predictor is None or self._predictor[:2] != (folder, stamp):
            logger.info("Load the best model from %s", folder)
            network = speed_up(saved_model.read_network(self, folder)).to(self.config.device).eval()
            self._predictor = folder, stamp, network  # type: ignore[assignment]
        assert self._predictor is not None
        return self._predictor[2]

    def use_saved(self, folder: Path) -> None:
        """Predict with the model in `folder`."""
        self._saved = folder

    def settings(self) -> dict[str, Any]:
        """What determines a run's outcome, as JSON; two runs with equal settings are one run."""
        modules = saved_network.modules_of(self.feature)
        values = {
            **self.description(),
            **self.config.settings(),
            "modules": {module.name: module.fingerprint() for module in modules},
            "tokenizer": self.reader.fingerprint,
            "pretrained": [module.pretrained for module in modules],
            "frozen": [not node.source.trainable for node in walk_back([self.feature])],
            "feature": self.feature.name,
            **({} if self.feature.node is None or self._is_a_modules() else {"network": describe([self.feature])}),
        }
        return dict(json.loads(json.dumps(values)))

    @property
    def module_name(self) -> str:
        """The pretrained network's name."""
        names = [module.name for module in saved_network.modules_of(self.feature)]
        return ", ".join(names) or "a network of one's own"

    @property
    def padding(self) -> Padding:
        """How batches are padded: to a fixed length where the network reads length as features."""
        fixed = needs_fixed_length([self.feature])
        return dataclasses.replace(self.reader.pad, length=self.reader.max_seq_len) if fixed else self.reader.pad

    def _is_a_modules(self) -> bool:
        """Whether the feature is a module's own output, which the module's fingerprint describes."""
        node = self.feature.node
        return node is not None and isinstance(getattr(node.source, "module", None), Module)

    def _best_folder(self) -> Path | None:
        if self.run_path is not None:
            return self.run_path / BEST
        named = self.config.checkpoint_dir
        if named is None:
            return None
        given = Path(named)
        return given if given.name == BEST else given / BEST  # 1.x scripts name either

    @property
    def reads_pairs(self) -> bool | None:
        """Whether rows are pairs of texts; None where nothing is known of the rows."""
        return None

    def column_names(self, path: Path, **form: Any) -> dict[str, str]:
        """The columns that the training file had, as far as `path` has them too; the rest is guessed."""
        return {}

    def _checked_feeds(self, feed_list: Sequence[str] | None) -> list[str]:
        nodes = walk_back([self.feature])
        inputs = {given.name for node in nodes for given in node.inputs.values() if given.node is None}
        wanted = [name for name in self.reader.feed_names if name in inputs]
        if not wanted:
            raise ConfigError(
                f"the network reads {', '.join(sorted(inputs))}; {type(self.reader).__name__} gives "
                + ", ".join(self.reader.feed_names),
                fix="use the reader that belongs to this module",
            )
        if feed_list is None:
            return wanted
        given = [getattr(name, "name", name) for name in feed_list]
        if sorted(given) != sorted(wanted):
            raise ConfigError(
                f"feed_list={given}",
                expected=f"{wanted}: what {type(self.reader).__name__} gives and the network reads",
            )
        return given
