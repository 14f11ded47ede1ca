"""Linear-chain conditional random fields (Lafferty, McCallum & Pereira 2001) over a batch of tagged sequences.

A row's tokens are those that its mask marks, wherever they stand: padding before or behind them and gaps between them
(the further sub-tokens of a word) do not take part, a token's neighbour is the next one that does. Rows are put in
order first, their tokens in front; the loops go over time alone.

Weights are handed around as one table float ``[tags + 2, tags]``: row i is the score of going on from tag i, the last
two rows are those of the first and of the last tag.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from transferhub.errors import ConfigError
from transferhub.graph.recurrent import reading_order

NOT_A_TAG = -1
# Beyond this difference between weights, numbers below float32's smallest could matter: then logarithms are used.
_WIDEST = 40.0
# Taken from a path for each illegal step: finite, so that there is a best path where no legal one exists.
_ILLEGAL = 1e6


class CRF(nn.Module):
    """The weights of a linear-chain CRF, and its likelihood and best paths.

    As a node of a network it stands on the emissions and gives out its table of weights, so that losses and meters,
    which see outputs alone, can call `log_likelihood` and `decode`.

    Args:
        tags: How many tags there are.
        legal: bool ``[tags + 2, tags]`` as lists, laid out as the weights: which steps `decode` may take. It should
            leave a way for a sequence of any length. None: all. The likelihood is of all paths in either case.
    """

    def __init__(self, tags: int, legal: Sequence[Sequence[bool]] | None = None) -> None:
        super().__init__()
        if tags < 1:
            raise ConfigError(f"a CRF of {tags} tags", expected="at least one")
        self.transitions = nn.Parameter(torch.empty(tags, tags).uniform_(-0.1, 0.1))
        self.start = nn.Parameter(torch.empty(tags).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(tags).uniform_(-0.1, 0.1))
        allowed = None if legal is None else torch.tensor(legal, dtype=torch.bool)
        if allowed is not None and allowed.shape != (tags + 2, tags):
            raise ConfigError(f"legal {list(allowed.shape)}", expected=f"[{tags + 2}, {tags}]")
        self.register_buffer("legal", allowed, persistent=False)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Return ``{"transitions": [tags + 2, tags]}``; `input` are the emissions ``[B, L, tags]``."""
        if input.shape[-1] != len(self.start):
            raise ConfigError(f"a CRF of {len(self.start)} tags over emissions {list(input.shape)}")
        return {"transitions": self.table()}

    def table(self) -> Tensor:
        """The weights as one table, float ``[tags + 2, tags]``."""
        return torch.cat([self.transitions, self.start[None], self.end[None]])

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """`log_likelihood` with these weights."""
        return log_likelihood(emissions, tags, mask, self.table())

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """`decode` with these weights, legal paths only where `legal` was given."""
        legal = self.legal
        return decode(emissions, mask, self.table(), legal if isinstance(legal, Tensor) else None)


def log_likelihood(emissions: Tensor, tags: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """The log-likelihood of each row's tags, at least float32 ``[B]``; 0 for a row without tokens.

    Args:
        emissions: float ``[B, L, tags]``, of any precision.
        tags: int64 ``[B, L]``; what stands where the mask is 0 is not looked at.
        mask: ``[B, L]``, other than 0 for tokens that take part.
        weights: float ``[tags + 2, tags]``.
    """
    with torch.autocast(emissions.device.type, enabled=False):
        emissions, weights, order, lengths = _in_order(emissions, mask, weights)
        there = mask.gather(1, order) != 0
        tags = tags.gather(1, order).masked_fill(~there, 0)
        steps, start, end = weights[:-2], weights[-2], weights[-1]
        at_tokens = emissions.gather(2, tags.unsqueeze(2)).squeeze(2).masked_fill(~there, 0.0).sum(1)
        between = steps[tags[:, :-1], tags[:, 1:]].masked_fill(~there[:, 1:], 0.0).sum(1)
        last = tags.gather(1, (lengths - 1).clamp_min(0).unsqueeze(1)).squeeze(1)
        score = at_tokens + between + start[tags[:, 0]] + end[last]
        widest = max(float(part.detach().amax() - part.detach().amin()) for part in (steps, start, end))
        partition = _scaled_partition if widest < _WIDEST else _partition_in_logarithms
        likelihood: Tensor = score - partition(emissions, lengths, weights)
        return likelihood.masked_fill(lengths == 0, 0.0)


@torch.no_grad()
def decode(emissions: Tensor, mask: Tensor, weights: Tensor, legal: Tensor | None = None) -> Tensor:
    """Each row's best tags (Viterbi), int64 ``[B, L]``, -1 where the mask is 0.

    Args:
        emissions: float ``[B, L, tags]``, of any precision.
        mask: ``[B, L]``, other than 0 for tokens that take part.
        weights: float ``[tags + 2, tags]``.
        legal: bool ``[tags + 2, tags]``: steps that may be taken. None: all.
    """
    with torch.autocast(emissions.device.type, enabled=False):
        emissions, weights, order, lengths = _in_order(emissions, mask, weights)
        if legal is not None:
            weights = weights.masked_fill(~legal, -_ILLEGAL)
        into, start, end = weights[:-2].T.contiguous(), weights[-2], weights[-1]
        last = (lengths - 1).clamp_min(0)
        score, best_last, came_from = start + emissions[:, 0], [], []
        for place in range(emissions.shape[1]):
            if place:
                score, before = (score.unsqueeze(1) + into).max(dim=2)
                score = score + emissions[:, place]
                came_from.append(before)
            best_last.append((score + end).argmax(dim=1))
        tag, path = best_last[-1], [best_last[-1]]
        for place in range(emissions.shape[1] - 2, -1, -1):
            tag = came_from[place].gather(1, tag.unsqueeze(1)).squeeze(1)
            tag = torch.where(last == place, best_last[place], tag)
            path.append(tag)
        tags = torch.full(mask.shape, NOT_A_TAG, dtype=torch.int64, device=emissions.device)
        tags.scatter_(1, order, torch.stack(path[::-1], dim=1))
        return tags.masked_fill(mask == 0, NOT_A_TAG)


def _in_order(emissions: Tensor, mask: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Emissions with each row's tokens in front, cut to the longest row; weights; the tokens' places; their numbers."""
    if emissions.dim() != 3 or mask.shape != emissions.shape[:2] or weights.shape[1:] != emissions.shape[2:]:
        raise ConfigError(
            f"a CRF over emissions {list(emissions.shape)}, mask {list(mask.shape)}, weights {list(weights.shape)}",
            expected="[B, L, tags], [B, L], [tags + 2, tags]",
        )
    dtype = torch.promote_types(emissions.dtype, torch.float32)
    lengths = (mask != 0).sum(1)
    longest = max(1, int(lengths.max())) if len(lengths) else 1
    order = reading_order(mask, backward=False)[:, :longest]
    ordered = emissions.to(dtype).gather(1, order.unsqueeze(2).expand(-1, -1, emissions.shape[2]))
    padding = torch.arange(order.shape[1], device=mask.device) >= lengths.unsqueeze(1)
    return ordered.masked_fill(padding.unsqueeze(2), 0.0), weights.to(dtype), order, lengths


def _partition_in_logarithms(emissions: Tensor, lengths: Tensor, weights: Tensor) -> Tensor:
    """The logarithm of the sum over all paths ``[B]``, for weights of any size."""
    steps, start, end = weights[:-2], weights[-2], weights[-1]
    score = start + emissions[:, 0]
    for place in range(1, emissions.shape[1]):
        further = torch.logsumexp(score.unsqueeze(2) + steps, dim=1) + emissions[:, place]
        score = torch.where((place < lengths).unsqueeze(1), further, score)
    return torch.logsumexp(score + end, dim=1)


def _scaled_partition(emissions: Tensor, lengths: Tensor, weights: Tensor) -> Tensor:
    result: Tensor = _ScaledPartition.apply(emissions, lengths, weights)
    return result


class _ScaledPartition(torch.autograd.Function):
    """The same by the scaled forward and backward recursions of hidden Markov models (Rabiner 1989, §V.A).

    Probabilities that are brought to a sum of 1 at each step are multiplied as matrices: no logarithm, no exponential
    and no graph for a step, and the gradient, which is the expected counts, comes from the recursion backward. What
    underflows is smaller than the rest by e^-87 before and at most e^`_WIDEST` larger after a step.
    """

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, lengths: Tensor, weights: Tensor) -> Tensor:
        steps, start, end = weights[:-2], weights[-2], weights[-1]
        tops = steps.max(), start.max(), end.max()
        steps, start, end = (torch.exp(part - top) for part, top in zip((steps, start, end), tops, strict=True))
        top = emissions.amax(dim=2)
        emitted = torch.exp(emissions - top.unsqueeze(2)).transpose(0, 1).contiguous()
        forward, sums = torch.empty_like(emitted), emissions.new_empty(*emitted.shape[:2], 1)
        for place in range(len(emitted)):
            before = start if place == 0 else forward[place - 1] @ steps
            reached = before * emitted[place]
            torch.sum(reached, 1, keepdim=True, out=sums[place])
            torch.div(reached, sums[place], out=forward[place])
        last, rows = (lengths - 1).clamp_min(0), torch.arange(len(lengths), device=lengths.device)
        finished = forward[last, rows] @ end
        until = (sums.squeeze(2).log() + top.T).cumsum(0)[last, rows]
        ctx.save_for_backward(emitted, forward, sums, steps, end, last, finished)
        return until + finished.log() + tops[0] * last + tops[1] + tops[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor]:
        emitted, forward, sums, steps, end, last, finished = ctx.saved_tensors
        with torch.autocast(emitted.device.type, enabled=False):
            rows = torch.arange(len(last), device=last.device)
            backward, behind = torch.zeros_like(emitted), torch.zeros_like(emitted)
            backward[last, rows] = end / finished.unsqueeze(1)
            scaled, back = emitted / sums, steps.T.contiguous()
            for place in range(len(emitted) - 1, 0, -1):
                torch.mul(backward[place], scaled[place], out=behind[place])
                backward[place - 1] += behind[place] @ back
            each = gradient[None, :, None]
            counts = forward * backward * each
            pairs = forward[:-1].flatten(0, 1).T @ (behind[1:] * each).flatten(0, 1)
            ends = counts[last, rows].sum(0)
            return counts.transpose(0, 1), None, torch.cat([steps * pairs, counts[0].sum(0)[None], ends[None]])
