"""Things made ahead come in order, few at a time, and an error where its turn is."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from glass_core.training.ahead import ahead


def test_in_order_and_few_at_a_time() -> None:
    asked, lock = [], Lock()

    def make(key: int) -> int:
        with lock:
            asked.append(key)
        return key * key

    with ThreadPoolExecutor(3) as pool:
        for number, made in enumerate(ahead(pool, make, range(20), count=3)):
            assert made == number * number and len(asked) <= number + 4
        assert sorted(asked) == list(range(20))
        assert list(ahead(pool, make, (), count=3)) == []


def test_an_error_comes_in_its_turn() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = ahead(pool, lambda key: 1 / (key - 2), range(5), count=2)
        assert [next(results), next(results)] == [-0.5, -1]
        with pytest.raises(ZeroDivisionError):
            next(results)
