"""YAML files that people write: what is wrong is said with its line."""

import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from transferhub.errors import ConfigError, DataError


def read(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        DataError: There is no such file, or it is not text.
        ConfigError: It is not YAML, or a mapping has a key twice, with file:line.
    """
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Refuses a key that is there twice, which YAML's own loader overwrites."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            seen: set[Any] = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is there twice", problem_mark=key.start_mark)
                seen.add(key.value)
            made: dict[Hashable, Any] = super().construct_mapping(node, deep)
            return made

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise DataError(f"{path} cannot be read: {reason}", expected="a yaml file") from None
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: {error.problem or 'not yaml'}", expected="yaml") from None
    except (yaml.YAMLError, TypeError) as error:
        raise ConfigError(f"{path}: {str(error).partition(chr(10))[0]}", expected="yaml") from None


def number(given: Any) -> float | None:
    """A finite number, also as YAML 1.1 leaves ``1e-5``: as text; None: it is none."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        value = float(given)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
