"""ModuleTask: a whole network of plain PyTorch, on tensors or on a reader's rows."""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import Subset, TensorDataset

from transferhub.dataset import BaseDataset
from transferhub.engine.config import RunConfig
from transferhub.engine.evaluation import Answers
from transferhub.engine.objective import Meter
from transferhub.errors import ConfigError, DataError, did_you_mean
from transferhub.graph import Program, Variable
from transferhub.graph.applied import apply
from transferhub.metrics.choices import NAMES, Metric, chosen
from transferhub.reader import Columns, Reader, TextReader
from transferhub.reader.tensor_reader import TensorReader
from transferhub.task.base_task import BaseTask
from transferhub.task.class_meter import ClassMeter
from transferhub.task.predictions import ClassPredictions, Predictions
from transferhub.task.scored import ScoredSplit, Shown, show_classes

Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "cross_entropy": functools.partial(nn.functional.cross_entropy, reduction="none"),
    "mse": functools.partial(nn.functional.mse_loss, reduction="none"),
    "l1": functools.partial(nn.functional.l1_loss, reduction="none"),
    "bce_with_logits": functools.partial(nn.functional.binary_cross_entropy_with_logits, reduction="none"),
}
SPLITS = ("train", "dev", "test")


class ModuleTask(BaseTask):
    """Fine-tunes ``net(x)`` so that ``loss(net(x), y)`` falls: the engine, its runs and reports, for any network.

        task = hub.ModuleTask(net, (x, y), loss="cross_entropy", config=hub.RunConfig(num_epoch=3))
        task.finetune_and_eval()
        task.predict(new_x).labels

    The network is copied: yours keeps its weights, and ``task.best_state_dict()`` is what was learnt, under its names.

    Args:
        net: Takes the inputs in order and gives one tensor, ``[B, …]``.
        dataset: ``(x, y)`` arrays or tensors, a map-style torch data set of ``(x, y)`` (or ``(x0, x1, …, y)``); or a
            dictionary or a list of such for ``train``, ``dev`` and ``test``; or, with `data_reader`, a data set of
            TransferHub. Without dev rows a tenth of the training rows is split off.
        loss: ``cross_entropy``, ``mse``, ``l1``, ``bce_with_logits``; or a function or ``nn.Module`` (output, target) →
            loss. One that can give a loss for each row (``reduction="none"``) is asked to. None: cross-entropy for
            whole numbers as targets, else the squared error.
        data_reader: Where rows are texts: the network is given ``word_ids``, ``input_ids``, ``input_mask`` … as its
            ``forward`` names them, else the first of the reader's columns.
        config: None: `RunConfig` with its defaults.
        metrics_choices: For cross-entropy, as in `TextClassifierTask`. None: ``acc`` there, else the loss alone.
        label_list: Names of the classes; None: those of the data set, or numbers.

    Raises:
        ConfigError: No network, no rows, a loss that does not exist.
    """

    def __init__(
        self,
        net: nn.Module,
        dataset: Any,
        loss: str | Loss | None = None,
        data_reader: Reader | None = None,
        config: RunConfig | None = None,
        metrics_choices: str | Metric | Sequence[str | Metric] | None = None,
        *,
        label_list: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(net, nn.Module):
            raise ConfigError(f"ModuleTask({net!r:.60})", expected="an nn.Module", fix="Net() instead of Net")
        if data_reader is None:
            dataset = splits_of(dataset)
            first = dataset.train_examples[0]
            data_reader = TensorReader(dataset, inputs=len(first) - 1)
        names = list(label_list or []) if isinstance(data_reader, TensorReader) else label_list
        super().__init__(dataset, None, data_reader, None, None, config, None, label_list=names)
        self.net = net
        loss = loss or ("cross_entropy" if self._learns_ids() else "mse")
        self.loss_name = loss if isinstance(loss, str) else None
        self._loss = loss_of_rows(loss)
        self._classes = loss == "cross_entropy" or isinstance(loss, nn.CrossEntropyLoss)
        if self._classes and not self.label_list:
            self.label_list = [str(number) for number in range(int(self.outputs[0].shape[-1]))]
        self._choice = chosen(metrics_choices or "default", ["acc"])
        self.metrics_choices = list(self._choice) if self._classes else []

    def _build_net(self) -> list[Variable]:
        """The network on its inputs."""
        made = apply(self.net, *self._inputs(), name="output")
        if not isinstance(made, Variable):
            raise ConfigError(f"{type(self.net).__name__} gives several tensors", expected="one, for loss(output, y)")
        return [made]

    def _inputs(self) -> list[Variable]:
        program = Program()
        if isinstance(self.reader, TensorReader):
            assert self.dataset is not None
            items = self.reader.encode(self.dataset.train_examples).batch([0], self.reader.pad)
            return [
                program.add(Variable(name, (-1, *values.shape[1:]), str(values.dtype)))
                for name, values in items.items()
                if name.startswith("x")
            ]
        length = self.reader.max_seq_len if isinstance(self.reader, TextReader) else -1
        names = dict.fromkeys((*self.reader.feed_names, "input_mask"))
        known = {name: program.add(Variable(name, (-1, length), "int64")) for name in names}
        asked = [name for name in inspect.signature(self.net.forward).parameters if name in known]
        return [known[name] for name in asked] or [known[self.reader.feed_names[0]]]

    def _learns_ids(self) -> bool:
        if not isinstance(self.reader, TensorReader):
            return bool(self.label_list)
        assert self.dataset is not None
        batch = self.reader.columns("train", self.dataset).batch([0], self.reader.pad)
        return batch["labels"].dtype.kind in "iu" and batch["labels"].ndim == 1

    def check_objective(self) -> None:
        """Refuse an output that is no logit for each class, and labels that are no class.

        Raises:
            ConfigError: Such an output, with its name and shape.
            DataError: Such a label, where rows are tensors; others are looked at when they are learnt.
        """
        super().check_objective()
        if not self._classes:
            return
        output, classes = self.outputs[0], int(self.outputs[0].shape[-1])
        if len(output.shape) == 2 and classes > 0 and (classes < 2 or classes != len(self.label_list)):
            wanted = max(2, len(self.label_list)) if classes > 1 else "num_classes"
            raise ConfigError(
                f"{output.name!r} of {type(self.net).__name__} is {list(output.shape)}: no logits for cross-entropy",
                expected=f"[-1, {wanted}]: a logit for each class, of two or more",
                fix=f"as many outputs as classes; one number a row is learnt by loss= one of {', '.join(LOSSES)}",
            )
        for split in SPLITS:
            rows = self.dataset.get_examples(split) if self.dataset is not None else ()
            if isinstance(rows, TensorDataset) and len(rows):
                self._refuse_labels(rows.tensors[-1], f"{split} rows")

    def _refuse_labels(self, target: Tensor, where: str) -> None:
        classes, left_out = int(self.outputs[0].shape[-1]), getattr(self._loss, "ignore_index", None)
        if target.dim() != 1 or target.is_floating_point() or len(self.outputs[0].shape) != 2 or classes < 0:
            return
        wrong = (target < 0) | (target >= classes)
        if left_out is not None:
            wrong &= target != left_out
        if bool(wrong.any()):
            place = int(wrong.nonzero()[0])
            raise DataError(
                f"{where}: label {int(target[place])} of row {place}, but {self.outputs[0].name!r} of "
                f"{type(self.net).__name__} is {list(self.outputs[0].shape)}",
                expected=f"labels from 0 to {classes - 1}",
                fix="as many outputs as classes, counted from 0",
            )

    def losses(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of each row; where the user's loss gives one number for a batch, that for each of its rows."""
        output, target = outputs[self.outputs[0].name].float(), batch["labels"]
        if target.dtype == torch.float64:
            target = target.float()
        if target.dim() == 1 and output.shape == (len(target), 1):
            output = output[:, 0]
        if self._classes:
            self._refuse_labels(target, "a batch")
        losses = self._loss(output, target)
        return losses.expand(len(output)) if losses.dim() == 0 else losses.reshape(len(output), -1).mean(dim=1)

    def meter(self, columns: Columns | None = None) -> Meter:
        """Counts for the chosen metrics; the loss where there are no classes."""
        if not self._classes:
            return super().meter(columns)
        return ClassMeter(len(self.label_list), self._choice, self.outputs[0].name)

    def answers(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> npt.NDArray[np.float32]:
        """The output of each row, as probabilities where it is logits of classes: float32 ``[B, …]``."""
        output = outputs[self.outputs[0].name].float()
        values: npt.NDArray[np.float32] = (output.softmax(dim=-1) if self._classes else output).cpu().numpy()
        return values

    def predictions(
        self,
        answers: Answers,
        rows: Sequence[Any],
        columns: Columns | None = None,
        label_list: Sequence[str] | None = None,
    ) -> Predictions:
        """With label names where there are classes."""
        if not self._classes:
            return super().predictions(answers, rows, columns)
        return ClassPredictions(self.run_states(answers), rows, self.reader, label_list or self.label_list)

    def shown(self, split: ScoredSplit) -> Shown:
        """Confusions and mistakes, where the rows' labels are known by then."""
        return show_classes(split, self.reader) if self._classes and split.columns.labels is not None else Shown()

    def rows_to_predict(self, data: Any) -> Sequence[Any]:
        """Tensors or arrays ``x``, or a tuple ``(x0, x1, …)``, a map-style data set; else what the reader reads."""
        if not isinstance(self.reader, TensorReader):
            return super().rows_to_predict(data)
        if isinstance(data, Tensor | np.ndarray):
            data = (data,)
        rows: Sequence[Any] = _rows(data) if isinstance(data, tuple) else data
        return rows

    def best_state_dict(self) -> dict[str, Tensor]:
        """The best model's weights under the network's own names: ``net.load_state_dict(task.best_state_dict())``."""
        part: Any = self.best_network().parts[0]
        return dict(copy.deepcopy(part.module).state_dict())

    def description(self) -> dict[str, Any]:
        """The base's, and the loss by name."""
        return {**super().description(), "loss": self.loss_name, "classes": self._classes}

    @classmethod
    def from_description(cls, description: Mapping[str, Any], network: Sequence[Variable], reader: Reader) -> Self:
        """Build a task as it was saved; a loss of one's own is not saved."""
        task = super().from_description(description, network, reader)
        names = [name for name in description["metrics"] if name in NAMES]
        task.loss_name, task._classes = description.get("loss"), bool(description.get("classes"))
        task._choice = chosen(names or "default", ["acc"])
        task._loss = loss_of_rows(task.loss_name or ("cross_entropy" if task._classes else "mse"))
        return task


class TensorSplits(BaseDataset):
    """Splits of rows that are tensors."""

    kind = "value"

    def with_dev(self, seed: int, proportion: float = 0.1, kind: str | None = None) -> BaseDataset:
        """This one if it has dev rows; else a copy with a tenth of the training rows as dev rows, by the seed."""
        if len(self.dev_examples):
            return self
        rows = self.train_examples
        if len(rows) < 2:
            raise DataError(f"{len(rows)} training rows: too few to split off dev rows", fix="give more, or dev rows")
        order = np.random.default_rng(seed).permutation(len(rows))
        held, rest = np.split(order, [max(1, round(len(rows) * proportion))])
        split = copy.copy(self)
        split.dev_examples, split.train_examples = _part(rows, np.sort(held)), _part(rows, np.sort(rest))
        return split


def _part(rows: Any, numbers: npt.NDArray[np.int64]) -> Any:
    if isinstance(rows, TensorDataset):
        chosen = torch.from_numpy(numbers)
        return TensorDataset(*(tensor[chosen] for tensor in rows.tensors))
    return Subset(rows, numbers.tolist())


def splits_of(data: Any) -> BaseDataset:
    """A data set of rows of tensors, from what `ModuleTask` takes.

    Raises:
        DataError: Something else, or no training rows.
    """
    if isinstance(data, BaseDataset):
        return data
    if isinstance(data, Mapping):
        unknown = [name for name in data if name not in SPLITS]
        if unknown:
            raise DataError(f"there is no split {unknown[0]!r}", expected=", ".join(SPLITS))
        splits = [data.get(name) for name in SPLITS]
    elif isinstance(data, list) and 0 < len(data) <= len(SPLITS):
        splits = [*data, None, None][: len(SPLITS)]
    else:
        splits = [data, None, None]
    dataset = TensorSplits(label_list=[])
    dataset.name = "tensors"
    for name, rows in zip(SPLITS, splits, strict=True):
        if rows is not None:
            setattr(dataset, f"{name}_examples", _rows(rows))
    if not len(dataset.train_examples):
        raise DataError("no training rows", expected="(x, y), a map-style data set, or {'train': …, 'dev': …}")
    return dataset


def _rows(given: Any) -> Any:
    """A map-style data set as it is; arrays as one."""
    if not isinstance(given, tuple):
        if not hasattr(given, "__getitem__") or not hasattr(given, "__len__"):
            raise DataError(f"rows: {given!r:.60}", expected="(x, y), or a map-style data set of torch")
        return given
    try:
        tensors = [torch.as_tensor(each) for each in given]
        sizes = [len(tensor) for tensor in tensors]
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"rows: {given!r:.60}: {error}", expected="a tuple (x, y) of arrays or tensors") from error
    if len(set(sizes)) != 1:
        raise DataError(f"arrays of {', '.join(map(str, sizes))} rows", expected="one number of rows")
    return TensorDataset(*tensors)


def loss_of_rows(loss: str | Loss) -> Loss:
    """A loss by name or of the user's, asked for a number a row where it can give one."""
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ConfigError(f"loss={loss!r}", expected=", ".join(LOSSES), fix=did_you_mean(loss, LOSSES) or None)
        return LOSSES[loss]
    if not callable(loss):
        raise ConfigError(f"loss={loss!r:.60}", expected="a name, or a function (output, target) → loss")
    given: Any = loss
    if isinstance(given, nn.Module) and hasattr(given, "reduction"):
        given = copy.copy(given)
        given.reduction = "none"
    elif "reduction" in inspect.signature(given).parameters:
        given = functools.partial(given, reduction="none")
    made: Loss = given
    return made
