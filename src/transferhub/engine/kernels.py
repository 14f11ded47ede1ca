"""The same mathematics, faster on a CPU.

Measured on two cores in MiniLM's shapes (`bench/`): fp32 matrix products through oneDNN take half the time of torch's
default (MKL); plain batched products beat the fused attention in training; dropout masks cost a third when four of
them are cut out of one 64-bit number. On other devices torch's own kernels are used.
"""

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from transferhub.graph import derive

ATTENTION = "transferhub"
USUAL_LINES = 1024  # of what a packed weight is multiplied with; other numbers give the same


def speed_up(network: nn.Module) -> nn.Module:
    """Give the layers of a network the kernels of this file, in place; parameters and their names stay."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
        elif type(module) is nn.Dropout:
            module.__class__ = Dropout
        elif getattr(module, "_supports_attention_backend", False):  # an encoder of transformers
            _register_attention()
            module.set_attn_implementation(ATTENTION)  # type: ignore[operator]
    return network


class Linear(nn.Linear):
    """``nn.Linear`` whose fp32 products on a CPU go through oneDNN."""

    def forward(self, input: Tensor) -> Tensor:
        """``[…, in]`` → ``[…, out]``."""
        if _onednn and input.device.type == "cpu" and input.dtype == self.weight.dtype == torch.float32:
            product: Tensor = _Product.apply(input, self.weight, self.bias)
            return product
        return super().forward(input)


class PackedLinear(nn.Linear):
    """``nn.Linear`` for computing alone: its weight lies as oneDNN wants it, and a GELU may be part of the product."""

    packed: Tensor
    gelu: bool

    def forward(self, input: Tensor) -> Tensor:
        """``[…, in]`` → ``[…, out]``; no gradient."""
        act = ("gelu", "none") if self.gelu else ("none", "")
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            input.contiguous(), self.packed, self.bias, act[0], [], act[1]
        )
        return product


@torch.no_grad()
def pack(network: nn.Module) -> nn.Module:
    """Prepare a network that is never trained nor saved, in place: see `PackedLinear`. Elsewhere than on a CPU nothing.

    What the products give is the same to rounding. In transformers' ``…Intermediate`` modules, a linear layer and an
    activation, the two become one.
    """
    parameter = next(network.parameters(), None)
    kinds = (torch.float32, torch.bfloat16) if torch.ops.mkldnn._is_mkldnn_bf16_supported() else (torch.float32,)
    if not _onednn or parameter is None or parameter.device.type != "cpu":
        return network
    for module in network.modules():
        if type(module) in (nn.Linear, Linear) and module.weight.dtype in kinds:
            module.__class__ = PackedLinear
            layer = cast(PackedLinear, module)
            layer.packed, layer.gelu = torch.ops.mkldnn._reorder_linear_weight(layer.weight, USUAL_LINES), False
    for module in network.modules():
        dense, act = getattr(module, "dense", None), getattr(module, "intermediate_act_fn", None)
        if isinstance(dense, PackedLinear) and _is_gelu(act) and _is_dense_then(act, module, dense):
            dense.gelu, module.intermediate_act_fn = True, nn.Identity()
    return network


def _is_gelu(act: object) -> bool:
    """Whether an activation is the exact GELU."""
    points = torch.linspace(-4, 4, 17)
    return callable(act) and torch.allclose(act(points), nn.functional.gelu(points), rtol=0, atol=1e-6)


def _is_dense_then(act: Any, module: nn.Module, dense: nn.Linear) -> bool:
    """Whether all that a module does is its linear layer and the activation."""
    trial = torch.linspace(-1, 1, 2 * dense.in_features).view(2, -1).to(dense.weight.dtype)
    try:
        with torch.no_grad():
            return torch.equal(module(trial), act(dense(trial)))
    except Exception:  # it takes something else
        return False


class Dropout(nn.Dropout):
    """``nn.Dropout`` whose masks on a CPU come from `masks`."""

    def forward(self, input: Tensor) -> Tensor:
        """Zero a part ``p`` of the values and scale up the rest, in training."""
        return dropped(input, self.p) if self.training else input


class MaskStream:
    """The generator behind the dropout masks; the engine sets it anew before every step."""

    def __init__(self) -> None:
        self._bits = np.random.SFC64(0)

    def reseed(self, seed: int, *purpose: str | int) -> None:
        """Start from ``derive(seed, *purpose)``."""
        self._bits = np.random.SFC64(derive(seed, *purpose))

    def mask(self, like: Tensor, p: float) -> Tensor:
        """0 with probability p (in steps of 1/65536), else 1 / (1 - p), in the shape and type of `like`."""
        numbers = self._bits.random_raw((like.numel() + 3) // 4).view(np.int16)
        draws = torch.from_numpy(numbers)[: like.numel()].view(like.shape)
        return (draws >= round(p * 65536) - 32768).to(like.dtype).mul_(1 / (1 - p))


masks = MaskStream()


def dropped(input: Tensor, p: float) -> Tensor:
    """Dropout for training: `masks` on a CPU, torch's own elsewhere."""
    if p == 0:
        return input
    if input.device.type != "cpu" or p >= 1:
        return nn.functional.dropout(input, p)
    return input * masks.mask(input, p)


def _has_onednn() -> bool:
    try:
        one = torch.ones(1, 1)
        return bool(torch.ops.mkldnn._linear_pointwise(one, one, None, "none", [], "").item() == 1)
    except (AttributeError, RuntimeError):
        return False


_onednn = _has_onednn()


def _multiply(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
    return product


class _Product(torch.autograd.Function):
    """``input @ weight.T + bias`` with its gradients, all through oneDNN."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return _multiply(input.contiguous(), weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        input, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        flat = gradient.view(-1, gradient.shape[-1])
        needs_input, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            _multiply(gradient, weight.t().contiguous(), None) if needs_input else None,
            _multiply(flat.t().contiguous(), input.reshape(-1, input.shape[-1]).t().contiguous(), None)
            if needs_weight
            else None,
            flat.sum(0) if needs_bias else None,
        )


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Scaled dot products ``[B, heads, L, D]`` → ``[B, L, heads, D]`` (Vaswani et al. 2017, eq. 1)."""
    unusual = key.shape[1] != query.shape[1] or options.get("softcap") is not None
    if query.device.type != "cpu" or unusual:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        result: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return result
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query * scale, key.transpose(-1, -2))
    if attention_mask is not None:
        scores = scores + attention_mask[..., : key.shape[-2]]
    weights = torch.softmax(scores, dim=-1)
    if dropout and module.training:
        weights = dropped(weights, dropout)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None


def _register_attention() -> None:
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    if ATTENTION not in ALL_ATTENTION_FUNCTIONS:
        ALL_ATTENTION_FUNCTIONS.register(ATTENTION, _attention)
        ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
