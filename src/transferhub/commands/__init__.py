"""The ``hub`` command: one file a sub-command, nothing but argument parsing and printing.

Exit codes: 0 done, or stopped by SIGTERM with a checkpoint written; 1 an error of ours; 2 bad input; 130 stopped by
Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence

from transferhub.errors import HubError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``hub`` with the arguments of the command line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [_with_dashes(argument) for argument in given if argument != "--debug"]
    if given == ["--version"]:
        given = ["version"]
    from transferhub.commands.app import app

    try:
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


def _with_dashes(argument: str) -> str:
    """Underscores in an option's name work as well as dashes: ``--num_epoch=3``."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value
