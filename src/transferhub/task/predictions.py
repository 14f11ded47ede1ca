"""What `predict` returns: 1.x's list of run states, with what a person wants on top."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferhub.dataset import Examples
from transferhub.engine.run_state import RunState
from transferhub.reader import Reader

if TYPE_CHECKING:
    import pandas


class Predictions(list[RunState]):
    """One `RunState` a batch, in the order of the rows; ``state.run_results`` is what 1.x gave.

    Here: an array for each of the network's outputs. A kind of task says more in a class of its own.

    Args:
        states: The batches.
        rows: What was predicted.
        reader: Shows a row to a person.
    """

    main: ClassVar[str] = "output"
    """The name of what is predicted, first among `fields`."""

    def __init__(self, states: Iterable[RunState], rows: Sequence[Any], reader: Reader) -> None:
        super().__init__(states)
        self._reader = reader
        is_lazy = isinstance(rows, Examples)  # else they are somebody's list, which may change
        self._rows = rows if is_lazy else [reader.shown(row, place) for place, row in enumerate(rows)]

    def fields(self) -> Iterator[dict[str, Any]]:
        """What is predicted of each row, by name, `main` first."""
        for state in self:
            for values in zip(*state.run_results, strict=True):
                yield {self.main: values[0].tolist() if len(values) == 1 else [value.tolist() for value in values]}

    @property
    def field_names(self) -> list[str]:
        """The names that `fields` has for every row."""
        return [self.main]

    @property
    def labels(self) -> list[Any]:
        """What is predicted of each row, in short."""
        return [field[self.main] for field in self.fields()]

    def each_record(self) -> Iterator[dict[str, Any]]:
        """One dictionary a row: the row (``text``, ``text_pair`` …), then `fields`."""
        for row, field in zip(self.shown_rows(), self.fields(), strict=True):
            yield {**row, **field}

    def shown_rows(self) -> Iterator[dict[str, Any]]:
        """The rows as a person is shown them."""
        return map(self._reader.shown, self._rows) if isinstance(self._rows, Examples) else iter(self._rows)

    def records(self) -> list[dict[str, Any]]:
        """`each_record` as a list."""
        return list(self.each_record())

    def to_frame(self) -> "pandas.DataFrame":
        """`records` as a pandas DataFrame (the extra ``frame`` brings pandas)."""
        try:
            import pandas
        except ImportError:
            from transferhub.errors import HubError

            raise HubError("to_frame needs pandas", fix="pip install 'transferhub[frame]'") from None
        return pandas.DataFrame.from_records(self.records())


class NumberPredictions(Predictions):
    """``state.run_results[0]`` is float32 ``[batch, 1]``: a number for each row."""

    main = "value"

    def fields(self) -> Iterator[dict[str, Any]]:
        """The number."""
        for state in self:
            for value in state.run_results[0][:, 0].tolist():
                yield {self.main: value}


class ClassPredictions(Predictions):
    """``state.run_results[0]`` is float32 ``[batch, classes]``, the probability of each label.

    Args:
        states: The batches.
        rows: What was predicted.
        reader: Shows a row to a person.
        label_names: Of the columns of the probabilities.
    """

    main = "label"

    def __init__(
        self, states: Iterable[RunState], rows: Sequence[Any], reader: Reader, label_names: Sequence[str]
    ) -> None:
        super().__init__(states, rows, reader)
        self.label_names = list(label_names)

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """Float32 ``[rows, classes]``; each row sums to 1."""
        if not self:
            return np.empty((0, len(self.label_names)), np.float32)
        together: npt.NDArray[np.float32] = np.concatenate([state.run_results[0] for state in self])
        return together

    @property
    def labels(self) -> list[str]:
        """The name of the most probable label of each row."""
        return [self.label_names[index] for index in self.probabilities.argmax(axis=1)]

    def fields(self) -> Iterator[dict[str, Any]]:
        """``label``, and one probability for each label name."""
        names = probability_names(self.label_names)
        for values in itertools.chain.from_iterable(state.run_results[0] for state in self):
            yield {self.main: self.label_names[values.argmax()], **dict(zip(names, values.tolist(), strict=True))}

    @property
    def field_names(self) -> list[str]:
        """``label`` and the label names."""
        return [self.main, *probability_names(self.label_names)]


TAKEN = frozenset({"text", "text_pair", "path", "label", "predicted"})


def probability_names(label_names: Sequence[str]) -> list[str]:
    """What the columns of probabilities are called: as the labels, ``p(label)`` where rows have such a column."""
    return [f"p({name})" if name in TAKEN else name for name in label_names]
