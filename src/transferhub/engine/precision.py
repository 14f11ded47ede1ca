"""fp32 or bf16: fp32 masters are what is trained and saved; bf16 is a working copy that computes the gradients."""

import copy
import json
import platform
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from transferhub import atomic, paths
from transferhub.engine.memory import is_out_of_memory
from transferhub.graph.network import train_what_moves
from transferhub.log import logger

GAIN = 1.15  # bf16 must be this much faster to be chosen
TRIALS, ENOUGH = (1, 20), 2.0  # timed steps of each, in turn: one at least, 20 at most, no more after two seconds


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
            elif master.grad is None:
                master.grad = working.grad.float()
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


def choose(network: nn.Module, loss: Callable[[nn.Module], Tensor], architecture: Mapping[str, Any]) -> str:
    """The faster of fp32 and bf16 for a training step here, measured once and kept in ``tuning.json``.

    Args:
        network: fp32; only copies of it are run.
        loss: Runs one training batch through a network and returns the loss.
        architecture: What the answer depends on beside the machine.
    """
    device = next(network.parameters()).device
    if not _can_bf16(device):
        return "fp32"
    where = (
        torch.cuda.get_device_name() if device.type == "cuda" else f"{_processor()}, {torch.get_num_threads()} threads"
    )
    key = f"{where}, torch {torch.__version__}, {json.dumps(dict(architecture), sort_keys=True)}"
    known = _read()
    if key not in known:
        seconds = _time(network, loss)
        chosen = "bf16" if seconds["fp32"] > GAIN * seconds["bf16"] else "fp32"
        known = {**_read(), key: {"precision": chosen, "seconds_a_step": seconds}}
        atomic.write_json(paths.tuning(), known)
        logger.info(
            "Precision %s: a step takes %.0f ms in fp32, %.0f ms in bf16 (kept in %s)",
            chosen,
            1000 * seconds["fp32"],
            1000 * seconds["bf16"],
            paths.tuning(),
        )
    return str(known[key]["precision"])


def _time(network: nn.Module, loss: Callable[[nn.Module], Tensor]) -> dict[str, float]:
    """Seconds of the fastest step in each precision, after one to warm up; in turn, so that load meets both."""
    trials = {name: Working(copy.deepcopy(network), name).network.train() for name in ("fp32", "bf16")}
    best, began = dict.fromkeys(trials, float("inf")), 0.0
    for number in range(1 + TRIALS[1]):
        if number > TRIALS[0] and time.perf_counter() - began > ENOUGH:
            break
        if number == 1:
            began = time.perf_counter()
        for name, trial in list(trials.items()):
            try:
                seconds = _step(trial, loss)
            except (RuntimeError, MemoryError) as error:
                del trials[name]  # this precision is not the faster one
                best[name] = float("inf")
                if not is_out_of_memory(error):
                    if name == "fp32":
                        raise
                    logger.info("Precision: this network does not run in bf16: %s", str(error).partition("\n")[0])
            else:
                best[name] = min(best[name], seconds) if number else best[name]
    return best


def _step(trial: nn.Module, loss: Callable[[nn.Module], Tensor]) -> float:
    started = time.perf_counter()
    loss(trial).backward()  # type: ignore[no-untyped-call]
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    trial.zero_grad(set_to_none=True)
    return time.perf_counter() - started


def _can_bf16(device: torch.device) -> bool:
    return device.type == "cpu" or torch.cuda.is_bf16_supported()


def _read() -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(paths.tuning().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
