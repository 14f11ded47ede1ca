"""What goes wrong, said well.

    HubError            anything a user can mend
    ├── DataError       rows, files, labels
    ├── ModuleError     a pretrained network that is not here, or not what was asked for
    ├── ConfigError     arguments that contradict each other or do not exist
    ├── StorageError    a file that cannot be written: full disk, read-only folder
    └── RunError        a run's folder: locked, damaged, of another run, not trained
        └── TrainingError   the training itself had to stop

A message has three parts: what is wrong (with file:line or value), what was expected, and how to mend it.
"""

import difflib
from collections.abc import Iterable


class HubError(Exception):
    """An error that its reader can mend.

    Args:
        what: What is wrong, with the file and line or the value.
        expected: What was expected in its place.
        fix: What to do next.
    """

    def __init__(self, what: str, *, expected: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what, self.expected, self.fix = what, expected, fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class DataError(HubError):
    """Rows, files or labels that cannot be used as they are."""


class ModuleError(HubError):
    """A pretrained module that cannot be found, fetched or used for this."""


class ConfigError(HubError):
    """Arguments that contradict each other, or name something that does not exist."""


class StorageError(HubError):
    """A file or folder that cannot be written; what was there before is as it was."""


class RunError(HubError):
    """A run's folder that is locked, damaged, missing, or belongs to another run."""


class TrainingError(RunError):
    """Training had to stop: what it had saved stands."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? `` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}? " if near else ""
