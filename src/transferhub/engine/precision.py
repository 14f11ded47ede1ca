"""fp32 or bf16: fp32 masters are what is trained and saved; bf16 is a working copy that computes the gradients."""

import copy
from collections.abc import Collection

import torch
from torch import nn

from transferhub.graph.network import train_what_moves


class Working:
    """The network that computes gradients for the masters' parameters.

    Args:
        master: The fp32 network.
        precision: ``fp32``: the master itself; ``bf16``: a copy in bf16.
    """

    def __init__(self, master: nn.Module, precision: str) -> None:
        self.master = master
        self.network = master if precision == "fp32" else in_bf16(master)
        self._pairs = [] if self.network is master else self._moving_pairs()

    def train(self, moving: Collection[nn.Parameter]) -> None:
        """Let only these parameters of the master move; what is frozen whole goes into eval mode."""
        wanted = {id(parameter) for parameter in moving}
        for master, working in zip(self.master.parameters(), self.network.parameters(), strict=True):
            master.requires_grad_(id(master) in wanted)
            working.requires_grad_(id(master) in wanted)
        train_what_moves(self.network)
        if self.network is not self.master:
            self._pairs = self._moving_pairs()

    def _moving_pairs(self) -> list[tuple[nn.Parameter, nn.Parameter]]:
        pairs = zip(self.master.parameters(), self.network.parameters(), strict=True)
        return [pair for pair in pairs if pair[0].requires_grad]

    @torch.no_grad()
    def collect_gradients(self, add: bool = False) -> None:
        """Move the working copy's gradients to the masters, as fp32; `add` them for a further part of a batch."""
        for master, working in self._pairs:
            if working.grad is None:
                master.grad = master.grad if add else None
            elif master.grad is None:  # as the master lies in memory: fused optimisers pair what lies at one address
                master.grad = torch.empty_like(master).copy_(working.grad)
            elif add:
                master.grad.add_(working.grad)
            else:
                master.grad.copy_(working.grad)
            working.grad = None

    def drop_gradients(self) -> None:
        """Forget all gradients, and free their memory."""
        self.master.zero_grad(set_to_none=True)
        self.network.zero_grad(set_to_none=True)

    def forget_gradients(self) -> None:
        """Forget the masters' gradients; with a working copy their memory is kept for the next step."""
        if not self._pairs:
            self.master.zero_grad(set_to_none=True)

    @torch.no_grad()
    def publish(self) -> None:
        """Copy the masters' values to the working copy."""
        if self._pairs:
            torch._foreach_copy_([working for _, working in self._pairs], [master.data for master, _ in self._pairs])


def in_bf16(master: nn.Module) -> nn.Module:
    """A copy of a network or of a part of one, with parameters in bf16, those of convolutions with channels last.

    Buffers (running statistics, angles of positions) are the master's own, in their own types: what moves there is
    kept. Normalisation with running statistics stays fp32 for their sake.
    """
    network = copy.deepcopy(master).to(torch.bfloat16).to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.float()
    with torch.no_grad():
        for own, copied in zip(master.parameters(), network.parameters(), strict=True):
            copied.copy_(own)  # what is fp32 again was rounded on the way
    for name, buffer in master.named_buffers():
        place, _, last = name.rpartition(".")
        network.get_submodule(place)._buffers[last] = buffer
    return network
