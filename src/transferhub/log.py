"""The log lines of the documents: ``[2020-07-28 21:28:21,658] [   TRAIN] - step 810 / 900: …``, on stderr."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

TRAIN, EVAL = 21, 22  # PaddleHub's own levels, between INFO and WARNING
logging.addLevelName(TRAIN, "TRAIN")
logging.addLevelName(EVAL, "EVAL")


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is now, so that redirected output is followed."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        pass


logger = logging.getLogger("transferhub")
logger.setLevel(logging.INFO)
logger.propagate = False
_handler = _StandardError()
_handler.setFormatter(logging.Formatter("[%(asctime)s] [%(levelname)8s] - %(message)s"))
logger.addHandler(_handler)


@contextlib.contextmanager
def into(path: Path) -> Iterator[None]:
    """Inside, log lines are added to a file and not shown."""
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(_handler.formatter)
    logger.removeHandler(_handler)
    logger.addHandler(file)
    try:
        yield
    finally:
        logger.removeHandler(file)
        file.close()
        logger.addHandler(_handler)
