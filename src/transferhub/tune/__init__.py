"""Searching settings: ``hub.tune`` over tasks, ``hub autofinetune`` over scripts of one's own.

``hub.tune`` is this room and, called, the search itself: ``hub.tune(make_task, space)``.
"""

import sys
import types
from typing import Any


class _Room(types.ModuleType):
    def __call__(self, *given: Any, **options: Any) -> Any:
        """`search.tune`."""
        from transferhub.tune.search import tune

        return tune(*given, **options)


sys.modules[__name__].__class__ = _Room
