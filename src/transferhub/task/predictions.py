"""What `predict` returns: 1.x's list of run states, with what a person wants on top."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from transferhub.dataset import Examples
from transferhub.engine.run_state import RunState

if TYPE_CHECKING:
    import pandas


def probability_names(label_names: Sequence[str], taken: Iterable[str]) -> list[str]:
    """What the columns of probabilities are called: as the labels, ``p(label)`` where that name is taken."""
    taken = set(taken)
    return [f"p({name})" if name in taken else name for name in label_names]


class Predictions(list[RunState]):
    """One `RunState` a batch; ``state.run_results[0]`` is float32 ``[batch, classes]``, in the order of the rows.

    Args:
        states: The batches.
        label_names: Of the columns of the probabilities.
        rows: The texts that were read: ``(text_a, text_b)``, or the rows of a file.
    """

    def __init__(
        self,
        states: Iterable[RunState],
        label_names: Sequence[str],
        rows: Sequence[tuple[str, str | None]] | Examples,
    ) -> None:
        super().__init__(states)
        self.label_names, self._rows = list(label_names), rows

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

    def records(self) -> list[dict[str, Any]]:
        """One dictionary a row: ``text`` (and ``text_pair``), ``label``, one probability for each label name."""
        return list(self.each_record())

    def each_record(self) -> Iterator[dict[str, Any]]:
        """`records` one by one."""
        texts = ((row.text_a, row.text_b) for row in self._rows) if isinstance(self._rows, Examples) else self._rows
        probabilities = (values for state in self for values in state.run_results[0])
        for (text, pair), values in zip(texts, probabilities, strict=True):
            record: dict[str, Any] = {"text": text} if pair is None else {"text": text, "text_pair": pair}
            record["label"] = self.label_names[values.argmax()]
            names = probability_names(self.label_names, record)
            yield {**record, **dict(zip(names, values.tolist(), strict=True))}

    def to_frame(self) -> "pandas.DataFrame":
        """`records` as a pandas DataFrame (the extra ``frame`` brings pandas)."""
        try:
            import pandas
        except ImportError:
            from transferhub.errors import HubError

            raise HubError("to_frame needs pandas", fix="pip install 'transferhub[frame]'") from None
        return pandas.DataFrame.from_records(self.records())
