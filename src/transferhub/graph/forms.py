"""How what a node computed is kept as one tensor, and made again from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class Form:
    """One way to keep a value.

    Args:
        name: What is kept of it.
        keep: Value → a tensor whose first axis is the batch; a second axis as long as the batch's texts is of tokens.
        rebuild: That tensor and the node's arguments → the value, as far as its readers need it.
    """

    name: str
    keep: Callable[[Any], Any]
    rebuild: Callable[[Tensor, Mapping[str, Tensor]], Any]


@runtime_checkable
class HasForms(Protocol):
    """A module with outputs that are not plain tensors, and that says how they may be kept."""

    def forms(self, output: str, example: Any) -> Sequence[Form]:
        """Ways to keep an output, the smallest first; `example` is one that was computed."""


ITSELF = Form("itself", lambda value: value, lambda tensor, arguments: tensor)


def forms_of(part: Any, output: str, example: Any) -> Sequence[Form]:
    """The ways to keep an output of a module: a tensor as it is, others as the module says; none: it cannot be kept."""
    if isinstance(example, Tensor):
        return [ITSELF]
    return part.forms(output, example) if isinstance(part, HasForms) else []
