"""Makes what will be needed next in threads, while the caller works on what it has."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

THREADS = min(4, os.cpu_count() or 1)
"""numpy, OpenCV and torch let go of the interpreter while they compute."""

Key = TypeVar("Key")
Made = TypeVar("Made")


def ahead(pool: Executor, make: Callable[[Key], Made], keys: Iterable[Key], count: int = THREADS) -> Iterator[Made]:
    """`make(key)` of each key, in their order, with at most `count` more under way than were asked for.

    An error comes out where its turn is.
    """
    left = iter(keys)
    under_way: deque[Future[Made]] = deque(pool.submit(make, key) for key in islice(left, count))
    while under_way:
        made = under_way.popleft().result()
        under_way.extend(pool.submit(make, key) for key in islice(left, 1))
        yield made
