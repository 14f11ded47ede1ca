"""BaseTask: network + loss + metrics = something to train, evaluate, predict and save."""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from transferhub.dataset import BaseDataset, InputExample
from transferhub.dataset.targets import label_names, with_labels
from transferhub.engine.batches import steps_in_epoch
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import Answers, Collected, slices
from transferhub.engine.events import Events, Hook
from transferhub.engine.kernels import speed_up
from transferhub.engine.objective import Meter
from transferhub.engine.run_state import RunState
from transferhub.engine.training import BEST, Training
from transferhub.errors import ConfigError, RunError
from transferhub.graph import Network, Program, Variable, needs_fixed_length
from transferhub.graph.describe import describe
from transferhub.graph.programs import program_guard
from transferhub.graph.variable import walk_back
from transferhub.log import logger
from transferhub.module import Module
from transferhub.reader import Columns, Padding, Reader
from transferhub.reader.classify_reader import Row
from transferhub.strategy import Plan, Steps
from transferhub.task import applying, finetuning, saved_model, saved_network
from transferhub.task.graph_objective import GraphMeter, GraphObjective, check_names, mean_metrics
from transferhub.task.predictions import Predictions
from transferhub.task.result import RunResult
from transferhub.task.scored import ScoredSplit, Shown


class BaseTask:
    """What all tasks share: the way from rows to a saved model, whatever is learnt.

    A task of one's own is a subclass. As in 1.x, of layers:

        class MyTask(hub.BaseTask):
            def __init__(self, feature, **options):
                super().__init__(**options)
                self.feature = feature

            def _build_net(self):
                return [fluid.layers.fc(self.feature, size=2, act="softmax")]

            def _add_label(self):
                return [fluid.layers.data(name="label", dtype="int64", shape=[1])]

            def _add_loss(self):
                return fluid.layers.mean(fluid.layers.cross_entropy(self.outputs[0], self.labels[0]))

            def _add_metrics(self):
                return [fluid.layers.accuracy(self.outputs[0], self.labels[0])]

    or of plain PyTorch: `losses`, `meter` and `answers` take the outputs and the batch as tensors.

    Args:
        dataset: None: the reader's.
        feed_list: Names of the inputs; None: the reader's own.
        data_reader: Makes columns of rows.
        main_program: Accepted for scripts of 1.x: the outputs know their program.
        startup_program: Accepted for scripts of 1.x.
        config: None: `RunConfig` with its defaults.
        metrics_choices: Names of the metrics, in the order of `_add_metrics`; the first chooses the best model.
        label_list: Label names in the order of their ids, where there are labels; None: the data set's.

    Raises:
        ConfigError: No reader.
    """

    predictions_class: ClassVar[type[Predictions]] = Predictions
    kind: ClassVar[str | None] = None
    """What rows' labels are read as, one of `dataset.kinds.KINDS`; None: as the data set says."""
    pipeline_tag: ClassVar[str | None] = None
    """What model hubs call the kind of task."""
    usage: ClassVar[str] = 'predict(["a text", "another"]).labels'
    """What the saved model's card shows of it."""
    percent_scores: ClassVar[bool] = False
    """Whether its scores are in percent already, as the official definitions of some data sets have them."""
    described: ClassVar[Mapping[str, tuple[type, ...]]] = {}
    """What `from_description` looks at in a saved description: name → the types it may have."""

    def __init__(
        self,
        dataset: BaseDataset | None = None,
        feed_list: Sequence[Any] | None = None,
        data_reader: Reader | None = None,
        main_program: Any = None,
        startup_program: Any = None,
        config: RunConfig | None = None,
        metrics_choices: str | Sequence[str] | None = "default",
        *,
        label_list: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(data_reader, Reader):
            raise ConfigError(f"data_reader={data_reader!r:.60}", expected="a reader: hub.reader.ClassifyReader(…)")
        self.reader, self.config = data_reader, config or RunConfig()
        self.dataset = dataset if dataset is not None else data_reader.dataset
        rows = self.dataset
        if label_list is None:
            label_list = [] if rows is None else label_names(rows, self.kind or rows.kind)
        elif rows is not None:
            self.dataset = with_labels(rows, label_list, self.kind or rows.kind)
        chosen = [metrics_choices] if isinstance(metrics_choices, str) else list(metrics_choices or [])
        self.label_list, self.metrics_choices = list(label_list), [] if chosen == ["default"] else chosen
        self.main_program = main_program
        self._feed_list = feed_list
        self._graph: GraphObjective | None = None
        self._outputs: list[Variable] | None = None
        self._labels: list[Variable] | None = None
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

    # --- what a kind of task gives, by 1.x's names: Variables

    def _build_net(self) -> list[Variable]:
        """The outputs of the network. They, and what they stand on, are trained and saved."""
        raise ConfigError(f"{type(self).__name__} has no network", fix="_build_net(self) that returns its outputs")

    def _add_label(self) -> list[Variable]:
        """Inputs for what is to be learnt, ``[B, 1]`` each: the columns of the reader's labels."""
        return []

    def _add_loss(self) -> Variable:
        """The loss of `outputs` and `labels`; where it has a number for each row, the mean is taken over them."""
        raise ConfigError(
            f"{type(self).__name__} has no loss",
            fix="_add_loss(self) that returns a Variable, or losses(self, outputs, batch) that returns a tensor [B]",
        )

    def _add_metrics(self) -> list[Variable]:
        """Figures of `outputs` and `labels` with a number for each row; a metric is their mean over the split."""
        return []

    def _calculate_metrics(self, run_states: Sequence[RunState]) -> tuple[Mapping[str, float], float, float]:
        """Scores, mean loss and steps a second of batches whose ``run_results`` are the metrics, the losses last."""
        return mean_metrics(self.metrics_choices, run_states)

    def _postprocessing(self, run_states: Sequence[RunState]) -> Any:
        """What ``predict(return_result=True)`` returns, of a prediction's batches."""
        return run_states.labels if isinstance(run_states, Predictions) else list(run_states)

    @property
    def outputs(self) -> list[Variable]:
        """What `_build_net` gives, built once."""
        if self._outputs is None:
            built: Any = self._build_net()
            listed = list(built) if isinstance(built, list | tuple) else [built]
            if not listed or not all(isinstance(output, Variable) for output in listed):
                raise ConfigError(f"_build_net gave {built!r:.60}", expected="Variables")
            self._outputs = listed
        return self._outputs

    @property
    def labels(self) -> list[Variable]:
        """What `_add_label` gives, built once."""
        if self._labels is None:
            with program_guard(self._program):
                self._labels = list(self._add_label())
        return self._labels

    # --- and as tensors

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row, float32 ``[B]``; without one of its own, that of `_add_loss`."""
        return self._objective.losses(outputs, batch)

    def evaluation_losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row that evaluation shows, float32 ``[B]``; `losses`, where a task has no other."""
        return self.losses(outputs, batch)

    def rank(self, scores: Mapping[str, float], loss: float) -> float:
        """What chooses the best model, the higher the better: the first score; without scores, minus the loss."""
        return next(iter(scores.values()), -loss)

    def meter(self, columns: Columns | None = None) -> Meter:
        """A fresh meter of the task's metrics, for a whole split or (None) for batches between two log lines."""
        return GraphMeter(self._metrics_of, self._calculate_metrics)

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Answers:
        """What is found for each row of a batch, as small as can be: an array ``[B, …]``, or a list."""
        arrays = [outputs[output.name].float().cpu().numpy() for output in self.outputs]
        return list(zip(*arrays, strict=True))

    def collected(self, columns: Columns) -> Collected:
        """Gathers `answers` to all rows of a split, batch by batch."""
        return Collected(len(columns), lambda outputs, batch, rows: self.answers(outputs, batch))

    def run_results(self, answers: Answers) -> list[Any]:
        """A batch's answers as 1.x gave them; here an array for each output."""
        return [np.stack(arrays) for arrays in zip(*answers, strict=True)]

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> Predictions:
        """What `predict` returns, of the `answers` to all rows."""
        return self.predictions_class(self.run_states(answers), rows, self.reader)

    def run_states(self, answers: Answers) -> list[RunState]:
        """Answers batch by batch."""
        parts = slices(len(answers), self.config.batch_size)
        return [RunState(1, part.stop - part.start, run_results=self.run_results(answers[part])) for part in parts]

    def shown(self, split: ScoredSplit) -> Shown:
        """What the page shows of a split beside its scores."""
        return Shown()

    def pictures(self) -> list[tuple[str, bytes]]:
        """Pictures for the page, a title and a PNG each: of what the network sees of the training rows."""
        return []

    def check_objective(self) -> None:
        """Refuse a loss or metrics that cannot be computed, before a run has a folder."""
        if not self._overrides("losses"):
            _ = self._objective

    def prepare(self, train: Columns) -> list[str]:
        """Called before a run with its training rows; returns what the log and the report should say of the run."""
        return []

    def description(self) -> dict[str, Any]:
        """What a saved model must know to build this task again, as JSON."""
        return {
            "task": type(self).__name__,
            "labels": self.label_list,
            "metrics": self.metrics_choices,
            **self.reader.settings(),
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any], network: Sequence[Variable], reader: Reader) -> Self:
        """Build a saved task: `network` is what `saved_variables` gave when it was saved.

        A subclass with attributes that its loss or metrics need sets them here.
        """
        task = cls.__new__(cls)
        BaseTask.__init__(
            task, data_reader=reader, metrics_choices=description["metrics"], label_list=description["labels"]
        )
        task._outputs = list(network)
        return task

    def saved_variables(self) -> list[Variable]:
        """The Variables whose network is written down where a model is saved."""
        return self.outputs

    def recall(self, description: Mapping[str, Any]) -> None:
        """Called with the description of the best model when its weights are read: what was learnt beside them."""

    def rows_to_predict(self, data: Any) -> Sequence[Any]:
        """What `predict` was given, as rows."""
        return applying.text_rows(self, data)

    def rows_of_file(self, path: Path, *, labelled: bool, **how: Any) -> Sequence[Any]:
        """The rows of a file to predict or, `labelled`, to evaluate; `how` are options of the task's kind of files."""
        return applying.file_rows(self, path, labelled=labelled, **how)

    def dataset_of(self, rows: Sequence[Any]) -> BaseDataset:
        """A data set whose test rows these are, with the task's labels."""
        made = BaseDataset(label_list=self.label_list)
        made.test_examples = rows
        return made

    def check_rows(self, rows: Sequence[Any]) -> None:
        """Refuse rows to predict or evaluate of another kind than the training rows."""

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
        steps = Steps(self.max_train_steps, in_epoch)
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
        return self._postprocessing(predictions) if return_result else predictions

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
        steps = steps_in_epoch(len(self.rows().train_examples), self.config.batch_size) * self.config.num_epoch
        return steps if self.config.max_steps is None else min(steps, self.config.max_steps)

    def rows(self) -> BaseDataset:
        """The data set as it is trained on: with a tenth of the training rows as dev rows where it has none."""
        if self.dataset is None:
            raise ConfigError("a task without a data set cannot be trained", fix="dataset=…, or a reader with one")
        looked_at = [self.dataset.get_examples(split) for split in ("train", "dev", "test")]
        if self._rows is None or any(now is not then for now, then in zip(looked_at, self._rows[0], strict=True)):
            self._rows = looked_at, self.dataset.with_dev(self.config.seed, kind=self.kind)
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
        return self.rank(best["scores"], best["loss"]) if best and best["scores"] else -999.0

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
        self.check_feed_list()
        network = Network(self.outputs, seed)
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
        modules = self.modules
        own = [] if self._is_a_modules() else self.saved_variables()
        values = {
            **self.description(),
            **self.config.settings(),
            "modules": {module.name: module.fingerprint() for module in modules},
            "tokenizer": self.reader.fingerprint,
            "pretrained": [module.pretrained for module in modules],
            "frozen": [not node.source.trainable for node in walk_back(self.saved_variables())],
            "feature": ", ".join(variable.name for variable in self.saved_variables()),
            **({"network": describe(own), "weights": saved_network.own_weights(own)} if own else {}),
        }
        return dict(json.loads(json.dumps(values)))

    @property
    def modules(self) -> list[Module]:
        """The pretrained modules that the network stands on, each once."""
        return saved_network.modules_of(self.saved_variables())

    @property
    def module_name(self) -> str:
        """The pretrained network's name."""
        names = [module.name for module in self.modules]
        return ", ".join(names) or "a network of one's own"

    @property
    def padding(self) -> Padding:
        """How batches are padded: to a fixed length where the network reads length as features."""
        fixed = needs_fixed_length(self.outputs)
        return dataclasses.replace(self.reader.pad, length=self.reader.max_seq_len) if fixed else self.reader.pad

    def _is_a_modules(self) -> bool:
        """Whether what is saved is a module's own output, which the module's fingerprint describes."""
        nodes = [variable.node for variable in self.saved_variables()]
        return all(node is not None and isinstance(getattr(node.source, "module", None), Module) for node in nodes)

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

    @property
    def _program(self) -> Program:
        return self.outputs[0].block or Program()

    def _overrides(self, *names: str) -> bool:
        """Whether a class below the house's own gives one of these methods."""
        own = [getattr(BaseTask, name) for name in names]
        return any(getattr(type(self), name) is not method for name, method in zip(names, own, strict=True))

    @property
    def _objective(self) -> GraphObjective:
        if self._graph is None:
            with program_guard(self._program):
                metrics = list(self._add_metrics())
                self._graph = GraphObjective(self.outputs, self.labels, self._add_loss(), metrics)
            if self.metrics_choices and not self._overrides("_calculate_metrics", "meter"):
                check_names(self.metrics_choices, len(metrics))
        return self._graph

    def _metrics_of(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> list[Tensor]:
        """What `_add_metrics` gives for a batch, and the losses last."""
        if self._overrides("_add_loss"):
            return self._objective.metrics(outputs, batch)
        return [self.evaluation_losses(outputs, batch)]

    def column_names(self, path: Path, **form: Any) -> dict[str, Any]:
        """The columns that the training file had, as far as `path` has them too; the rest is guessed."""
        return {}

    def check_feed_list(self) -> None:
        """Refuse a feed list that is not what the network reads of what the reader gives."""
        _ = self.feed_list

    @functools.cached_property
    def feed_list(self) -> list[str]:
        """Names of the inputs that the network reads.

        Raises:
            ConfigError: The reader gives none of them, or the feed list that was given is another.
        """
        feed_list, nodes = self._feed_list, walk_back(self.saved_variables())
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
