"""What tells one function or object of the user's from another, in this process as in the next."""

import enum
import functools
import hashlib
import re
import types
from collections.abc import Mapping
from typing import Any

PLACE = re.compile(r" at 0x[0-9a-fA-F]+")  # in memory: another one each time


def identity(given: Any) -> str:
    """A text that is the same as long as name, code and settings are: of a function, its body, defaults and closure.

    What a function finds elsewhere, in globals and in functions that it calls, is not in it.
    """
    return hashlib.sha256(_said(given, ()).encode()).hexdigest()


def _said(given: Any, around: tuple[int, ...]) -> str:
    if id(given) in around:
        return "itself"
    around = (*around, id(given))
    if isinstance(given, types.CodeType):
        constants = [_said(each, around) for each in given.co_consts]
        return f"{given.co_code.hex()} {given.co_names} {constants}"
    if isinstance(given, types.FunctionType):
        cells = [_said(cell.cell_contents, around) for cell in given.__closure__ or ()]
        usual = _said([given.__defaults__, given.__kwdefaults__], around)
        return f"{_name(given)} {_said(given.__code__, around)} {usual} {cells}"
    if isinstance(given, types.MethodType):
        return f"{_said(given.__func__, around)} of {_said(given.__self__, around)}"
    if isinstance(given, functools.partial):
        return f"partial {_said([given.func, given.args, given.keywords], around)}"
    if isinstance(given, Mapping):
        return str([(_said(key, around), _said(value, around)) for key, value in given.items()])
    if isinstance(given, list | tuple):
        return str([_said(each, around) for each in given])
    if isinstance(given, set | frozenset):
        return str(sorted(_said(each, around) for each in given))
    if hasattr(given, "detach") and hasattr(given, "cpu"):  # a tensor
        given = given.detach().cpu().numpy()
    if hasattr(given, "tobytes") and hasattr(given, "dtype"):
        return f"{given.dtype} {given.shape} {hashlib.sha256(given.tobytes()).hexdigest()}"
    if isinstance(given, type | types.BuiltinFunctionType | types.ModuleType):
        return _name(given)
    if isinstance(given, enum.Enum) or not hasattr(given, "__dict__"):
        return PLACE.sub("", repr(given))
    settings = {name: value for name, value in sorted(vars(given).items()) if not _is_nothing(value)}
    return f"{_name(type(given))} {_said(settings, around)}"


def _name(given: Any) -> str:
    return f"{getattr(given, '__module__', '')}.{getattr(given, '__qualname__', getattr(given, '__name__', ''))}"


def _is_nothing(value: Any) -> bool:
    """None, or an empty collection, of which torch's modules have a dozen."""
    return value is None or (isinstance(value, Mapping | list | tuple | set) and not value)
