"""How far each parameter of a plain ``nn.Module`` is from its output."""

from torch import nn


def depths_by_order(module: nn.Module) -> dict[str, int]:
    """Parameter name → depth, 0 for the last part that was registered, 1 for the one before it, and so on.

    A part is a child of the module; of lists and sequences (``nn.Sequential``, ``nn.ModuleList``) each item is one.
    Parameters that the module holds itself count as its first part. Names play no role.
    """
    parts = [part for part in _parts(module, "") if part]
    return {name: len(parts) - 1 - place for place, part in enumerate(parts) for name in part}


def _parts(module: nn.Module, prefix: str) -> list[list[str]]:
    found = [[prefix + name for name, _ in module.named_parameters(recurse=False)]]
    for name, child in module.named_children():
        inside = f"{prefix}{name}."
        if isinstance(child, nn.Sequential | nn.ModuleList):
            found += _parts(child, inside)
        else:
            found.append([inside + own for own, _ in child.named_parameters()])
    return found


def depths_by_blocks(module: nn.Module) -> dict[str, int]:
    """Parameter name → depth, 0 for the last block that was registered, 1 for the one before it, and so on.

    A block is what names have in common up to their second number (``stages.1.layers.0``), or up to their first where
    there is no second (``encoder.layer.11``); without numbers, their first two parts (``body.embeddings``).
    """
    blocks: dict[str, list[str]] = {}
    for name, _ in module.named_parameters():
        blocks.setdefault(_block(name.split(".")), []).append(name)
    return {name: len(blocks) - 1 - place for place, block in enumerate(blocks.values()) for name in block}


def _block(parts: list[str]) -> str:
    numbers = [place for place, part in enumerate(parts) if part.isdecimal()][:2]
    return ".".join(parts[: numbers[-1] + 1] if numbers else parts[:2])
