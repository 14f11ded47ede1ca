"""The threads that decode pictures: one pool for all, which Pillow lets run at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache as once
from typing import TypeVar

T = TypeVar("T")


@once
def pool() -> ThreadPoolExecutor:
    """The threads that decode: Pillow lets others run while it does."""
    return ThreadPoolExecutor(workers(), thread_name_prefix="pictures")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # a child has none of its parent's threads


def workers() -> int:
    """How many threads decode: one for each processor that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[int], T], rows: Iterable[int]) -> Iterator[T]:
    """What `work` makes of each row, in order, by `pool`; a few rows ahead and no more."""
    waiting: deque[Future[T]] = deque()
    for row in rows:
        waiting.append(pool().submit(work, row))
        if len(waiting) > 8 * workers():
            yield waiting.popleft().result()
    for future in waiting:
        yield future.result()
