"""What tells one function or object of the user's from another, in this process as in the next."""

import enum
import functools
import hashlib
import re
import types
from collections.abc import Mapping, Sequence
from typing import Any

PLACE = re.compile(r" at 0x[0-9a-fA-F]+")  # in memory: another one each time
DEEP = 50  # things inside things, beyond which nobody looks
ALIKE = (str, bytes, int, float, complex, tuple, frozenset, types.NoneType)  # equal ones may be one object, or two


def identity(given: Any) -> str:
    """A text that is the same as long as name, code and settings are: of a function, its body, defaults and closure.

    What a function finds elsewhere, in globals and in functions that it calls, is not in it.
    """
    return _said(given, {}, 0)


def _said(given: Any, seen: dict[int, tuple[int, Any]], depth: int) -> str:
    """A digest of one thing, with those inside it; `seen` has, by address, what was looked at, in order, and keeps it.

    What is met again is said by its number: things that share others, or themselves, take no longer.
    """
    if depth > DEEP:
        return "and so on"
    if id(given) in seen:
        return f"number {seen[id(given)][0]}"
    if not isinstance(given, ALIKE):
        seen[id(given)] = len(seen), given
    kind, parts = _parts(given)
    said = [kind, *(part if isinstance(part, str) else _said(part, seen, depth + 1) for part in parts)]
    return hashlib.sha256("".join(f"{len(each)} {each}" for each in said).encode()).hexdigest()


def _parts(given: Any) -> tuple[str, Sequence[Any]]:
    """What kind of thing it is, and what it consists of."""
    if isinstance(given, types.CodeType):
        return given.co_code.hex(), [str(given.co_names), *given.co_consts]
    if isinstance(given, types.FunctionType):
        filled = [cell.cell_contents for cell in given.__closure__ or () if cell != types.CellType()]
        return _name(given), [given.__code__, given.__defaults__, given.__kwdefaults__, filled]
    if isinstance(given, types.MethodType):
        return "method", [given.__func__, given.__self__]
    if isinstance(given, functools.partial):
        return "partial", [given.func, given.args, given.keywords]
    if isinstance(given, Mapping):
        return "mapping", [each for pair in given.items() for each in pair]
    if isinstance(given, list | tuple):
        return "sequence", given
    if isinstance(given, set | frozenset):
        return "set", sorted(_said(each, {}, 0) for each in given)
    if hasattr(given, "detach") and hasattr(given, "cpu"):  # a tensor
        import torch

        whole = given.detach().cpu().resolve_conj().resolve_neg().contiguous()
        bits = whole.flatten().view(torch.uint8).numpy()
        return f"{whole.dtype} {tuple(whole.shape)} {hashlib.sha256(bits).hexdigest()}", ()
    if hasattr(given, "tobytes") and hasattr(given, "dtype"):
        return f"{given.dtype} {given.shape} {hashlib.sha256(given.tobytes()).hexdigest()}", ()
    if isinstance(given, type | types.BuiltinFunctionType | types.ModuleType):
        return _name(given), ()
    if isinstance(given, enum.Enum) or not hasattr(given, "__dict__"):
        return f"{_name(type(given))} {PLACE.sub('', repr(given))}", ()
    settings = {name: value for name, value in sorted(vars(given).items()) if not _is_nothing(value)}
    return _name(type(given)), [settings]


def _name(given: Any) -> str:
    return f"{getattr(given, '__module__', '')}.{getattr(given, '__qualname__', getattr(given, '__name__', ''))}"


def _is_nothing(value: Any) -> bool:
    """None, or an empty collection, of which torch's modules have a dozen."""
    return value is None or (isinstance(value, Mapping | list | tuple | set) and not value)
