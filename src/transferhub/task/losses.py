"""Losses of classification: for each row one number, so that a step's mean does not depend on how it was cut.

The engine adds the numbers up and divides by the rows of the whole step. Class weights are therefore never divided by
their sum in a batch, as ``torch.nn.functional.cross_entropy(reduction="mean")`` would: two halves of a step would
then weigh differently from the whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferhub.errors import ConfigError, did_you_mean

LOSSES = ("cross_entropy", "focal")
GAMMA = 2.0  # what Lin et al. found best


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """The cross-entropy of each row, float32 ``[B]``: minus the sum over classes c of ``w_c q_c log p_c``.

    ``q_c`` is ``1 - smoothing`` for the row's label, plus ``smoothing / classes`` for every class: label smoothing
    (Szegedy et al. 2016, arXiv:1512.00567, section 7), with weights as torch has it.

    Args:
        logits: ``[B, classes]``.
        labels: Ids, int64 ``[B]``.
        weights: Of the classes, float32 ``[classes]``; None: 1 each.
        smoothing: From 0 to below 1.
    """
    return torch.nn.functional.cross_entropy(
        logits.float(), labels, weight=weights, reduction="none", label_smoothing=smoothing
    )


def focal(logits: Tensor, labels: Tensor, weights: Tensor | None = None, gamma: float = GAMMA) -> Tensor:
    """The focal loss of each row, float32 ``[B]``: ``-w (1 - p)^gamma log p``, p being the label's probability.

    Lin et al. 2017 (arXiv:1708.02002), equation 5, with the softmax in the sigmoid's place and the class's weight w as
    alpha. With ``gamma=0`` it is the weighted cross-entropy.

    Args:
        logits: ``[B, classes]``.
        labels: Ids, int64 ``[B]``.
        weights: Of the classes, float32 ``[classes]``; None: 1 each.
        gamma: At least 0; the larger, the less do rows count that are right already.
    """
    log_p = torch.log_softmax(logits.float(), dim=-1).gather(-1, labels[:, None])[:, 0]
    # The floor is for 0 < gamma < 1, where the slope at p = 1 would be infinite, and times log p = 0 not a number.
    missing = (-torch.expm1(log_p)).clamp_min(torch.finfo(torch.float32).tiny)
    losses = -(missing**gamma) * log_p
    return losses if weights is None else weights[labels] * losses


def balanced_weights(ids: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """Rows / (classes × rows of the class), as scikit-learn's ``class_weight="balanced"``; their mean over rows is 1.

    Only classes that have rows count; one that has none is weighed 1, which matters to label smoothing alone.

    Args:
        ids: Of the training rows' labels, int64 ``[rows]``.
        classes: How many labels there are.
    """
    counts = np.bincount(ids, minlength=classes)
    present = counts > 0
    weights = np.ones(classes)
    weights[present] = len(ids) / (present.sum() * counts[present])
    return weights.astype(np.float32)


@dataclass(frozen=True)
class Criterion:
    """What training a classifier minimises.

    Weights go with both losses. Smoothing does not go with the focal loss, which is defined for one true label only.

    Args:
        labels: Label names in the order of their ids.
        class_weight: None; ``"balanced"``; or label name → weight, used as it is: 2 doubles the loss of such a row.
        loss: ``cross_entropy`` or ``focal``.
        focal_gamma: Of the focal loss; None: 2.
        label_smoothing: Of the cross-entropy, from 0 to below 1.

    Raises:
        ConfigError: A value out of range, a name that is no label, a label without a weight, a combination that has
            no meaning.
    """

    labels: Sequence[str]
    class_weight: str | Mapping[Any, float] | None = None
    loss: str = "cross_entropy"
    focal_gamma: float | None = None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            near = did_you_mean(str(self.loss), LOSSES)
            raise ConfigError(f"loss={self.loss!r}", expected=f"one of {', '.join(LOSSES)}", fix=near or None)
        if self.focal_gamma is not None:
            if self.loss != "focal":
                raise ConfigError(
                    f"focal_gamma={self.focal_gamma!r} without the focal loss", fix='loss="focal", or leave it out'
                )
            if not _number(self.focal_gamma) or self.focal_gamma < 0:
                raise ConfigError(f"focal_gamma={self.focal_gamma!r}", expected="a number of at least 0")
        if not _number(self.label_smoothing) or not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing={self.label_smoothing!r}", expected="a number from 0 to below 1")
        if self.label_smoothing and self.loss == "focal":
            raise ConfigError(
                f"label_smoothing={self.label_smoothing} with the focal loss",
                expected="one of them: the focal loss is defined for one true label a row",
            )
        self._check_weights()

    def weights(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32] | None:
        """The weight of each class, float32 ``[classes]``, given the label ids of the training rows; None: 1 each."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, str):
            return balanced_weights(ids, len(self.labels))
        given = {str(name): float(weight) for name, weight in self.class_weight.items()}
        return np.array([given[label] for label in self.labels], np.float32)

    def __call__(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """The loss of each row, float32 ``[B]``."""
        if self.loss == "focal":
            return focal(logits, labels, weights, self._gamma)
        return cross_entropy(logits, labels, weights, self.label_smoothing)

    def settings(self) -> dict[str, Any]:
        """What differs from plain cross-entropy, as JSON."""
        values: dict[str, Any] = {}
        if self.class_weight is not None:
            values["class_weight"] = (
                self.class_weight
                if isinstance(self.class_weight, str)
                else {str(name): float(weight) for name, weight in self.class_weight.items()}
            )
        if self.loss == "focal":
            values.update(loss=self.loss, focal_gamma=self._gamma)
        if self.label_smoothing:
            values["label_smoothing"] = float(self.label_smoothing)
        return values

    def sentence(self, weights: npt.NDArray[np.float32] | None) -> str | None:
        """What is minimised, in words; None for plain cross-entropy."""
        parts = [f"focal loss, gamma {self._gamma:g}" if self.loss == "focal" else "cross-entropy"]
        if self.label_smoothing:
            parts.append(f"label smoothing {self.label_smoothing:g}")
        if weights is not None:
            pairs = [f"{name} {weight:.3g}" for name, weight in zip(self.labels, weights.tolist(), strict=True)]
            more = f" and {len(pairs) - 20} more" if len(pairs) > 20 else ""
            parts.append(f"class weights {', '.join(pairs[:20])}{more}")
        if not self.settings():
            return None
        return f"training minimises {'; '.join(parts)}. The loss on dev and test is plain cross-entropy"

    @property
    def _gamma(self) -> float:
        return GAMMA if self.focal_gamma is None else float(self.focal_gamma)

    def _check_weights(self) -> None:
        given: object = self.class_weight
        if given is None or given == "balanced":
            return
        if not isinstance(given, Mapping):
            near = did_you_mean(given, ["balanced"]) if isinstance(given, str) else ""
            raise ConfigError(
                f"class_weight={given!r:.60}", expected="None, 'balanced', or {label name: weight}", fix=near or None
            )
        for name, weight in given.items():
            if str(name) not in self.labels:
                raise ConfigError(
                    f"class_weight: there is no label {name!r}",
                    expected=f"of {', '.join(map(repr, self.labels[:20]))}" + (" …" if len(self.labels) > 20 else ""),
                    fix=did_you_mean(str(name), self.labels) or None,
                )
            if not _number(weight) or weight < 0:
                raise ConfigError(f"class_weight: {weight!r} for {name!r}", expected="a finite number of at least 0")
        names = {str(name) for name in given}
        missing = [label for label in self.labels if label not in names]
        if missing:
            raise ConfigError(
                f"class_weight has no weight for {', '.join(map(repr, missing[:10]))}",
                fix="give every label a weight; 1 leaves it as it is",
            )
        if not any(given.values()):
            raise ConfigError(
                "class_weight: all weights are 0", expected="at least one above 0: else nothing is learnt"
            )


def _number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
