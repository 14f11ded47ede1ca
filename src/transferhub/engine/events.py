"""Events with PaddleHub's names; functions hooked to them by name."""

import inspect
from collections.abc import Callable
from typing import Any

from transferhub.errors import ConfigError, did_you_mean

# Event → how many arguments its functions take beside the task.
EVENTS = {
    "build_env_start": 0,
    "build_env_end": 0,
    "finetune_start": 0,
    "finetune_end": 1,
    "predict_start": 0,
    "predict_end": 1,
    "eval_start": 0,
    "eval_end": 1,
    "log_interval": 1,
    "save_ckpt_interval": 0,
    "eval_interval": 0,
    "run_step": 1,
}

Hook = Callable[..., Any]


class Events:
    """For each event an ordered set of named functions; the built-in one is called ``default``.

    Args:
        owner: Given to each function as its first argument: the task.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._hooks: dict[str, dict[str, Hook]] = {event: {} for event in EVENTS}

    def add(self, event: str, name: str | None, function: Hook) -> None:
        """Hook a function to an event, after those that are there.

        Raises:
            ConfigError: No such event, a name that is taken, or a function with other arguments.
        """
        event = _known(event)
        name = name or f"hook_{id(function):x}"
        if name in self._hooks[event]:
            raise ConfigError(
                f"{event} has a hook {name!r} already", fix="choose another name, or modify_hook / delete_hook it"
            )
        self._set(event, name, function)

    def modify(self, event: str, name: str, function: Hook) -> None:
        """Put another function in a hook's place."""
        event = _known(event)
        self._there(event, name)
        self._set(event, name, function)

    def delete(self, event: str, name: str) -> None:
        """Take a hook away."""
        event = _known(event)
        self._there(event, name)
        del self._hooks[event][name]

    def info(self, show_default: bool = False) -> dict[str, dict[str, Hook]]:
        """Event → name → function, without the built-in ones unless asked for."""
        return {
            event: {name: hook for name, hook in hooks.items() if show_default or name != "default"}
            for event, hooks in self._hooks.items()
        }

    def fire(self, event: str, *arguments: Any) -> None:
        """Call an event's functions in order."""
        for hook in list(self._hooks[event].values()):
            hook(self._owner, *arguments)

    def _set(self, event: str, name: str, function: Hook) -> None:
        wanted = 1 + EVENTS[event]
        try:
            inspect.signature(function).bind(*range(wanted))
        except TypeError:
            raise ConfigError(
                f"the function hooked to {event} as {name!r} does not take {wanted} argument(s)",
                expected="(task)" if wanted == 1 else "(task, run_states)",
            ) from None
        self._hooks[event][name] = function

    def _there(self, event: str, name: str) -> None:
        if name not in self._hooks[event]:
            raise ConfigError(
                f"{event} has no hook {name!r}", expected=f"one of {', '.join(self._hooks[event]) or 'none'}"
            )


def _known(event: str) -> str:
    short = event.removesuffix("_event")
    if short not in EVENTS:
        raise ConfigError(
            f"there is no event {event!r}",
            expected=f"one of {', '.join(f'{name}_event' for name in EVENTS)}",
            fix=did_you_mean(short, EVENTS) or None,
        )
    return short
