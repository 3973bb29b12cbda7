"""A device is read often enough, or it is said how often it was."""

from __future__ import annotations

import pytest

from pipeline.devices.cycle import Cycle

MS = 1_000_000


def cycle(*read_ms: int, within_ms: float = 50.0) -> Cycle:
    made = Cycle(within_ms)
    for at_ms in read_ms:
        made.read(at_ms * MS)
    return made


@pytest.mark.parametrize(
    ("read_ms", "too_seldom", "longest_ms"),
    [
        ((), False, 0), ((900,), False, 0),  # how long ago the first was nobody knows
        ((0, 25, 50, 75), False, 25), ((0, 26, 52), True, 26),  # half of it
        ((0, 12, 50, 62), False, 38), ((0, 12, 51, 63), True, 39),  # one late reading is made up for by its neighbours
        ((0, 51), True, 51),
        ((0, 163, 326), True, 163),
    ],
)  # fmt: skip
def test_the_two_longest_cycles_fit_into_what_may_happen(read_ms: tuple[int, ...], too_seldom: bool, longest_ms: float) -> None:
    made = cycle(*read_ms)
    assert (made.too_seldom, made.longest_ms) == (too_seldom, longest_ms)


def test_a_second_later_it_is_well_again() -> None:
    made = cycle(0, 60)
    for at_ms in range(80, 1060, 20):
        made.read(at_ms * MS)
        assert made.too_seldom
    made.read(1060 * MS)
    assert not made.too_seldom and made.longest_ms == 20


def test_it_remembers_for_as_long_as_what_it_may_miss() -> None:
    made = cycle(0, 1600, 1620, 3000, 4600, within_ms=3000)
    assert made.too_seldom


def test_a_pause_is_no_cycle() -> None:
    made = cycle(0, 60)
    made.forget()
    assert not made.too_seldom and made.longest_ms == 0
    made.read(5000 * MS)
    made.read(5020 * MS)
    assert made.longest_ms == 20
