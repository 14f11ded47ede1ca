"""BaseTask: network + loss + metrics = something to train, evaluate, predict and save."""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from transferhub.dataset import BaseDataset
from transferhub.dataset.targets import label_names, with_labels
from transferhub.engine.batches import steps_in_epoch
from transferhub.engine.best_model import BEST
from transferhub.engine.config import RunConfig
from transferhub.engine.events import Events
from transferhub.engine.kernels import speed_up
from transferhub.engine.run_state import RunState
from transferhub.engine.training import Training
from transferhub.errors import ConfigError, RunError
from transferhub.graph import Network, Variable, needs_fixed_length
from transferhub.graph.describe import describe
from transferhub.graph.variable import walk_back
from transferhub.log import logger
from transferhub.module import Module
from transferhub.reader import Padding, Reader
from transferhub.reader.classify_reader import Row
from transferhub.strategy import Plan, Steps
from transferhub.task import applying, finetuning, saved_model, saved_network
from transferhub.task.confidence import Evaluated
from transferhub.task.result import RunResult
from transferhub.task.standing import Standing


class BaseTask(Standing):
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
        super().__init__()
        self.phase = "train"
        self.events = Events(self)
        finetuning.hook_defaults(self.events)
        self.training: Training | None = None  # while a run goes on
        self._reached: tuple[int, int, float] = (0, 1, -999.0)
        self.run_path: Path | None = None
        self._saved: Path | None = None  # the best model's folder, for a task that hub.load made
        self._predictor: tuple[Path, float, Network] | None = None
        self._untrained: tuple[tuple[str, int], Sequence[Any], Network] | None = None  # made for, rows, what was made

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

    def rows_to_predict(self, data: Any) -> Sequence[Any]:
        """What `predict` was given, as rows."""
        return applying.text_rows(self, data)

    def rows_of_file(self, path: Path, *, labelled: bool, **how: Any) -> Sequence[Any]:
        """The rows of a file to predict or, `labelled`, to evaluate; `how` are options of the task's kind of files."""
        return applying.file_rows(self, path, labelled=labelled, **how)

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
        made_for, rows = (str(self.config.strategy), self.config.seed), self.rows().train_examples
        if self._untrained is None or self._untrained[0] != made_for or self._untrained[1] is not rows:
            self._untrained = made_for, rows, self.build_network()
        network = self._untrained[2]
        in_epoch = steps_in_epoch(len(rows), self.config.batch_size)
        steps = Steps(self.max_train_steps, in_epoch)
        return self.config.strategy.plan(network.described_parameters(), steps)

    def eval(
        self, phase: str = "dev", load_best_model: bool = True, *, confidence_interval: float | None = None
    ) -> RunState:
        """Evaluate the best model on a split of the data set, in fp32.

        Args:
            phase: ``dev``, ``test`` or ``train``.
            load_best_model: The best model, not the last weights (during training).
            confidence_interval: A level such as 0.95: ``state.intervals`` has each score's percentile bootstrap
                interval, of 1,000 draws of rows (sentences, questions). None: `RunConfig`'s.
        """
        return applying.evaluate_split(
            self, phase, load_best_model=load_best_model, confidence_interval=confidence_interval
        )

    def evaluate(self, data: str | Path | Sequence[Any], *, confidence_interval: float | None = None) -> Evaluated:
        """Scores and ``loss`` of the best model on a file with labels, or on examples, in fp32.

        Args:
            data: The file or the examples.
            confidence_interval: A level such as 0.95: ``.intervals`` of what is returned has them, as in `eval`.

        Returns:
            A dictionary of names and numbers.

        Raises:
            DataError: A label that the model does not know, with file:line.
        """
        return applying.evaluate_rows(self, data, confidence_interval=confidence_interval)

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

    @property
    def is_loaded(self) -> bool:
        """Whether `hub.load` opened it, for predicting and evaluating."""
        return self._saved is not None

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
        network, self._untrained = self._untrained[2], None
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
            "reader": self.reader.fingerprint,
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
