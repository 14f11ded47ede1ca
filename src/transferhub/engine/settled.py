"""What of a network is settled: which parts and until when, what of their values is read, what they depend on."""

import copy
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferhub.engine import kernels
from transferhub.engine.evaluation import tensors
from transferhub.graph import Network, Settled, seeded
from transferhub.graph.forms import Form, forms_of
from transferhub.graph.network import train_what_moves
from transferhub.reader import Columns, Padding
from transferhub.strategy import Plan
from transferhub.strategy.compose import NEVER

PROBE = 4  # rows
SAME = 1e-5  # of the largest value, or absolute
PLAIN = (str, int, float, bool, type(None))
UNSAID = ("training", "name_or_path", "_name_or_path")  # what outputs do not depend on


def frozen_until(network: Network, plan: Plan) -> dict[int, int]:
    """Place of each part with weights → the first step at which one of them moves; `NEVER` if none does.

    Parts without weights are left out: nothing tells whether they draw random numbers.
    """
    starts = {name: group.starts for group in plan.groups for name in group.parameters}
    first: dict[int, int] = {}
    for place, part in enumerate(network.parts):
        steps = [starts.get(f"parts.{place}.{name}", NEVER) for name, _ in part.named_parameters()]
        if steps:
            first[place] = min(steps)
    return first


def is_lookup(part: nn.Module) -> bool:
    """Whether all weights of a part are tables that ids are looked up in."""
    owners = [module for module in part.modules() if any(True for _ in module.parameters(recurse=False))]
    return bool(owners) and all(isinstance(module, nn.Embedding) for module in owners)


@dataclass(frozen=True)
class Kept:
    """What is kept of one settled Variable.

    Args:
        settled: The Variable.
        form: What of it.
        shape: Of what is kept for a token, or for a whole piece.
        by_token: Whether there is one for each token.
    """

    settled: Settled
    form: Form
    shape: tuple[int, ...]
    by_token: bool

    def rebuild(self, kept: Tensor, batch: Mapping[str, Tensor]) -> Any:
        """The Variable's value, from what was kept of a batch's rows: ``[P, *shape]`` or ``[P, L, *shape]``."""
        arguments = {key: batch[name] for key, name in self.settled.arguments.items() if name in batch}
        return self.form.rebuild(kept, arguments)

    def bytes_of(self, columns: Columns) -> int:
        """How much is kept of a split, as float32."""
        count = columns.offsets[-1] if self.by_token else len(columns.offsets) - 1
        return 4 * int(count) * int(np.prod(self.shape, dtype=np.int64))


def what_is_read(
    network: Network, cut: Sequence[Settled], columns: Columns, pad: Padding, device: str, *, tried: bool = True
) -> list[Kept] | None:
    """The smallest forms of the settled Variables with which the rest of the network computes the same; None: none.

    Tried on a few rows with random weights in the rest, so that the answer does not depend on how far it is trained,
    nor on a layer that starts at zero.

    Args:
        network: fp32.
        cut: What `Network.split` gave.
        columns: Rows to try on.
        pad: As they are padded.
        device: Of the network.
        tried: False: the first form of each, untried, because what reads them is not in the network.
    """
    batch = tensors(columns, _of_all_lengths(columns), pad, device)
    shortest = columns.batch([int(np.argmin(columns.lengths))], pad)["input_mask"]
    fixed = shortest.shape[1] == batch["input_mask"].shape[1]
    mode = network.training
    network.eval()
    try:
        with torch.no_grad():
            values = network.compute(batch, [each.name for each in cut])
            trial = _with_random_rest(network, cut) if tried else network
            found = []
            for each in cut:
                kept = _smallest(trial, each, values, batch, fixed, tried, columns.slots)
                if kept is None:
                    return None
                found.append(kept)
    finally:
        network.train(mode)
    return found


def _smallest(
    trial: Network,
    settled: Settled,
    values: dict[str, Any],
    batch: dict[str, Tensor],
    fixed: bool,
    tried: bool,
    slots: int,
) -> Kept | None:
    value = values[settled.name]
    if settled.reads is not None:  # part of a part: compared with the whole, and as it is in training
        values = {name: each for name, each in values.items() if name != settled.name}
        if _draws(trial, settled, batch):
            return None
    expected = trial(batch | values) if tried else {}
    for form in forms_of(trial.parts[settled.place], settled.output, value):
        tensor = form.keep(value)
        if slots > 1 and tensor.dim() > 2:
            continue  # rows of several texts have a length for each: of them, only a vector a row is kept
        for kept in _ways(settled, form, tensor, batch["input_mask"], fixed):
            if not tried:
                return kept
            shown = _without_padding(tensor, batch["input_mask"]) if kept.by_token else tensor
            try:
                outputs = trial(batch | values | {settled.name: kept.rebuild(shown, batch)})
            except Exception:  # a head that misses what was left out fails in a way of its own: not this form
                continue
            if all(_same(outputs[name], wanted, batch["input_mask"]) for name, wanted in expected.items()):
                return kept
    return None


def _ways(settled: Settled, form: Form, tensor: Tensor, mask: Tensor, fixed: bool) -> Iterator[Kept]:
    """Token by token; or all of a piece, padding included, where each piece has the same size."""
    if not tensor.is_floating_point() or tensor.dim() < 2 or len(tensor) != len(mask):
        return
    of_tokens = tensor.dim() >= 3 and tensor.shape[1] == mask.shape[1]
    if of_tokens:
        yield Kept(settled, form, tuple(tensor.shape[2:]), True)
    if fixed or not of_tokens:
        yield Kept(settled, form, tuple(tensor.shape[1:]), False)


def _without_padding(tensor: Tensor, mask: Tensor) -> Tensor:
    return tensor * mask.view(*mask.shape, *[1] * (tensor.dim() - 2)).to(tensor.dtype)


def _same(one: Any, other: Any, mask: Tensor) -> bool:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor) or one.shape != other.shape:
        return False
    if one.dim() >= 3 and one.shape[:2] == mask.shape:  # nobody looks at what a head says of padding
        one, other = _without_padding(one, mask), _without_padding(other, mask)
    return bool((one - other).abs().max() <= SAME * max(1.0, float(other.abs().max())))


def _of_all_lengths(columns: Columns) -> npt.NDArray[np.int64]:
    order = np.argsort(columns.lengths, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, PROBE).astype(np.int64))]


def _draws(trial: Network, settled: Settled, batch: dict[str, Tensor]) -> bool:
    """Whether a part's lowest blocks draw random numbers in training, though they are frozen (as XLNet's dropout)."""
    part = trial.parts[settled.place]
    for name, parameter in part.named_parameters():
        parameter.requires_grad_(settled.reads is not None and name not in settled.reads)
    train_what_moves(part)
    with seeded(0, "settled"):
        one, other = (trial.compute(batch, [settled.name])[settled.name].hidden for _ in range(2))
    part.eval()
    return not torch.equal(one, other)


def _whole_places(network: Network, cut: Sequence[Settled]) -> set[int]:
    """Places of the parts that are settled as a whole."""
    return network.places_of(each.name for each in cut) - {each.place for each in cut if each.reads is not None}


def _with_random_rest(network: Network, cut: Sequence[Settled]) -> Network:
    """The network with other weights where it is not settled; parts that are settled as a whole are shared."""
    trial = copy.copy(network)
    trial.__dict__["_modules"] = dict(network._modules)
    whole = _whole_places(network, cut)
    reads = {each.place: each.reads for each in cut if each.reads is not None}
    parts = [part if place in whole else copy.deepcopy(part) for place, part in enumerate(network.parts)]
    trial.parts = nn.ModuleList(parts)
    with seeded(0, "settled"):
        for place, part in enumerate(parts):
            for name, parameter in part.named_parameters() if place not in whole else ():
                if name not in reads.get(place, ()):
                    noise = torch.randn(parameter.shape).to(parameter.device) * 0.1
                    parameter.copy_(parameter + noise if place in reads else noise)  # upper blocks still work as such
    return trial


def describe(network: Network, cut: Sequence[Settled], device: str) -> str:
    """A digest of all that settled values depend on beside the rows: weights, architecture, versions, machine.

    Threads and the processor's instructions are in it because they decide the last bits.
    """
    reads = {each.place: each.reads for each in cut if each.reads is not None}
    machine = torch.cuda.get_device_name() if device == "cuda" else torch.backends.cpu.get_cpu_capability()
    digest = hashlib.sha256()
    about = [torch.__version__, machine, torch.get_num_threads(), kernels.ATTENTION]
    digest.update(json.dumps([about, [[each.name, dict(each.arguments)] for each in cut]]).encode())
    for place in sorted({*_whole_places(network, cut), *reads}):
        part = network.parts[place]
        digest.update("\n".join([*_libraries(part), *_architecture(part)]).encode())
        weights = [item for item in part.named_parameters() if place not in reads or item[0] in reads[place]]
        for name, value in [*weights, *part.named_buffers()]:
            array = value.detach().cpu().contiguous()
            digest.update(f"{name} {array.dtype} {tuple(array.shape)}\n".encode())
            digest.update(array.reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
    return digest.hexdigest()


def _libraries(part: nn.Module) -> Iterator[str]:
    """The packages that a part's classes come from, with their versions: transformers, timm and so on."""
    for name in sorted({type(module).__module__.partition(".")[0] for module in part.modules()}):
        yield f"{name} {getattr(sys.modules.get(name), '__version__', '')}"


def _architecture(part: nn.Module) -> Iterator[str]:
    """A line for each module: its class and its plain attributes, and a configuration where it has one."""
    for name, module in part.named_modules():
        kind = type(module)
        plain = {key: value for key, value in vars(module).items() if _is_plain(value) and key not in UNSAID}
        yield f"{name}: {kind.__module__}.{kind.__qualname__} {json.dumps(plain, sort_keys=True, default=str)}"
        config: Any = getattr(module, "config", None)
        if hasattr(config, "to_dict"):
            said = {key: value for key, value in config.to_dict().items() if key not in UNSAID}
            yield json.dumps(said, sort_keys=True, default=str)


def _is_plain(value: object) -> bool:
    return isinstance(value, PLAIN) or (isinstance(value, tuple | list) and all(isinstance(v, PLAIN) for v in value))
