"""A text encoder of transformers as a network of ours: 1.x's feeds in, its outputs by 1.x's names out."""

import contextlib
import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from transferhub.graph import stack as stacks
from transferhub.graph.forms import Form


@dataclass(frozen=True)
class Computed:
    """What an encoder computed, and from what: all that a head of the same architecture may look at."""

    outputs: Any
    input_ids: Tensor
    input_mask: Tensor | None


class Encoder(nn.Module):
    """An ``AutoModel`` that takes 1.x's feeds and gives out its outputs by 1.x's names.

    Args:
        network: Its ``forward`` says which feeds the architecture takes; the others are not wired.
        has_pooler: False: what it calls ``pooler_output`` was not pretrained.
    """

    def __init__(self, network: nn.Module, has_pooler: bool = True) -> None:
        super().__init__()
        self.network, self.has_pooler = network, has_pooler
        config: Any = network.config
        takes = inspect.signature(network.forward).parameters
        self._takes_positions = "position_ids" in takes
        # Where there is one kind of segment or none, pairs are told apart by their separators alone.
        self._takes_segments = "token_type_ids" in takes and getattr(config, "type_vocab_size", 2) > 1
        # Left-to-right permutations (XLNet) gather a text in its last token.
        self._gathers_at = -1 if getattr(config, "summary_type", "first") == "last" else 0

    def forms(self, output: str, example: Any) -> list[Form]:
        """What may be kept of ``everything``: pooled, the first token, the last one, or all tokens; the smallest first.

        What a form leaves out is not a number when it is made again, so that whoever reads it notices. Of what the
        lowest blocks give there is one form.
        """
        if isinstance(example, stacks.Below):
            return [example.form]
        if not isinstance(example, Computed) or "last_hidden_state" not in example.outputs:
            return []
        pooled = ["pooler_output"] if "pooler_output" in example.outputs else []

        def form(name: str, keep: Callable[[Any], Tensor], shown: Callable[[Tensor], dict[str, Tensor]]) -> Form:
            def rebuild(kept: Tensor, arguments: Mapping[str, Tensor]) -> Computed:
                nothing = kept.new_full((1, 1), math.nan).expand(len(kept), kept.shape[-1])
                values = {"last_hidden_state": nothing[:, None], **dict.fromkeys(pooled, nothing), **shown(kept)}
                return Computed(type(example.outputs)(**values), arguments["input_ids"], arguments.get("input_mask"))

            return Form(name, lambda value: keep(value.outputs), rebuild)

        def as_sequence(kept: Tensor) -> dict[str, Tensor]:
            return {"last_hidden_state": kept if kept.dim() == 3 else kept[:, None]}

        return [
            *(
                form(name, lambda outputs: outputs.pooler_output, lambda kept: {"pooler_output": kept})
                for name in pooled
            ),
            form("first token", lambda outputs: outputs.last_hidden_state[:, 0], as_sequence),
            form("last token", lambda outputs: outputs.last_hidden_state[:, -1], as_sequence),
            form("all tokens", lambda outputs: outputs.last_hidden_state, as_sequence),
        ]

    def drop_pooler(self) -> None:
        """Do without the pooler, where there is one."""
        if getattr(self.network, "pooler", None) is not None:
            self.network.pooler = None  # type: ignore[assignment]

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        input_mask: Tensor | None = None,
        below: stacks.Below | None = None,
    ) -> dict[str, Any]:
        """Ids int64 ``[B, L]`` → ``pooled_output`` ``[B, H]``, ``sequence_output`` ``[B, L, H]``, ``everything``.

        ``position_ids`` that are not given are the network's own (RoBERTa's start at 2); the mask is 1 for tokens and
        0 for padding. ``pooled_output`` is the pretrained pooler's, else the first token's (XLNet: the last one's).
        With `below`, what the lowest blocks gave for these ids, they do not run.
        """
        with contextlib.nullcontext() if below is None else stacks.resting_on(self, below):
            outputs = self._run(input_ids, position_ids, segment_ids, input_mask)
        sequence = outputs.last_hidden_state
        pooled = getattr(outputs, "pooler_output", None) if self.has_pooler else None
        return {
            "pooled_output": sequence[:, self._gathers_at] if pooled is None else pooled,
            "sequence_output": sequence,
            "everything": Computed(outputs, input_ids, input_mask),
        }

    def stack(self) -> stacks.Stack | None:
        """Its blocks, found on a trial; None: it cannot be cut between them (ALBERT's are one block, run again)."""
        return self._stack

    def lowest(self, blocks: int, **arguments: Tensor) -> stacks.Below:
        """The hidden states after so many blocks, for the arguments of `forward`."""
        assert self._stack is not None
        return stacks.lowest(self, self._stack, blocks, lambda: self._run(**arguments))

    @functools.cached_property
    def _stack(self) -> stacks.Stack | None:
        ids = torch.tensor([[2, 3, 4], [4, 3, 2]], device=next(self.network.parameters()).device)
        segments = torch.zeros_like(ids)
        return stacks.find(self, lambda: self._run(ids, None, segments, torch.ones_like(ids)), (len(ids), ids.shape[1]))

    def _run(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        input_mask: Tensor | None = None,
    ) -> Any:
        given = {"attention_mask": input_mask}
        if self._takes_positions:
            given["position_ids"] = position_ids
        if self._takes_segments:
            given["token_type_ids"] = segment_ids
        return self.network(input_ids=input_ids, **{name: value for name, value in given.items() if value is not None})


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Transformers shows a bar for each file and reports a new head as missing weights; here both are as intended."""
    from transformers.utils import logging

    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()
