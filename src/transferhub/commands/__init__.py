"""The ``hub`` command: one file a sub-command, nothing but argument parsing and printing.

Exit codes: 0 done, or stopped by SIGTERM with a checkpoint written; 1 an error of ours; 2 bad input; 130 stopped by
Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence

from transferhub.errors import ConfigError, HubError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``hub`` with the arguments of the command line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = _with_plain_flags([_with_dashes(argument) for argument in given if argument != "--debug"])
    if given == ["--version"]:
        given = ["version"]
    from transferhub.commands.app import app

    try:
        if len(given) == 2 and given[0] in ("--show-completion", "--install-completion"):
            _completion(*given)
        app(args=given, prog_name="hub")
    except HubError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        if debug:
            raise
        raise SystemExit(130) from None
    except BrokenPipeError:  # `hub list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:
        if debug:
            raise
        print(
            f"error: {type(error).__name__}: {error}\n  fix: run again with --debug to see where; this is likely a bug",
            file=sys.stderr,
        )
        raise SystemExit(1) from None


def _completion(flag: str, shell: str) -> None:
    """Completion for a shell that is named; without a name typer looks at which one it runs in."""
    if shell not in SHELLS:
        raise ConfigError(f"{flag} {shell}", expected=f"one of {', '.join(SHELLS)}")
    if flag == "--show-completion":
        os.environ["_HUB_COMPLETE"] = f"source_{shell}"  # what `app` answers with the script
        return
    from typer.completion import install  # type: ignore[attr-defined]

    _, path = install(shell=shell, prog_name="hub", complete_var="_HUB_COMPLETE")
    print(f"completion for {shell} is in {path}; it works in the next terminal")
    raise SystemExit(0)


SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")

# 1.x's flags that were given with True or False.
SAID = {"--use-gpu": "--no-use-gpu", "--use-strip": "--no-use-strip", "--uncompress": "--no-uncompress"}


def _with_plain_flags(arguments: Sequence[str]) -> list[str]:
    """``--use-gpu False`` and ``--use-gpu=False`` as ``--no-use-gpu``, as 1.x's scripts give them."""
    made: list[str] = []
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if flag in SAID and equals and value.lower() in ("true", "false"):
            made.append(flag if value.lower() == "true" else SAID[flag])
        elif made and made[-1] in SAID and argument.lower() in ("true", "false"):
            made[-1] = made[-1] if argument.lower() == "true" else SAID[made[-1]]
        else:
            made.append(argument)
    return made


def _with_dashes(argument: str) -> str:
    """Underscores in an option's name work as well as dashes: ``--num_epoch=3``."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value
