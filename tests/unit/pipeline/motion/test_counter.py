"""What a register can have counted since its last reading, either way; all else is a jump that moves nothing."""

from __future__ import annotations

import pytest

from pipeline.messages.stages import Counted
from pipeline.motion.counter import JITTER_S, Counter, CounterJump

MS = 1_000_000
MOST = 1000.0
"""Counts a second: 1050 in a second with the jitter, of the 16,384 that lie either way in a register of 15 bits."""


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("start", [0, 20_000, 2**15 - 1])
def test_the_fastest_step_is_taken_either_way_and_one_count_more_is_not(way: int, start: int) -> None:
    most = round(MOST * (1 + JITTER_S))
    counter = Counter(15, MOST)
    assert counter.add(start, 0) == 0
    assert counter.add((start + way * most) % 2**15, 1000 * MS) == counter.total == way * most
    with pytest.raises(CounterJump, match=f"jumped by {way * (most + 1)} counts in 1000 ms, {most} are possible"):
        counter.add((start + way * (2 * most + 1)) % 2**15, 2000 * MS)
    assert counter.total == way * most
    assert counter.add((start + way * (2 * most + 11)) % 2**15, 2000 * MS) == way * 10  # on from there


def test_a_reading_that_is_stamped_before_the_last_has_no_time_but_the_jitter() -> None:
    counter = Counter(15, MOST)
    counter.add(100, 5000 * MS)
    assert counter.add(150, 3000 * MS) == 50
    counter.add(0, 5000 * MS)
    with pytest.raises(CounterJump, match="jumped by 51 counts in 0 ms, 50 are possible"):
        counter.add(51, 4000 * MS)


@pytest.mark.parametrize("way", [1, -1])
def test_a_register_is_read_before_it_may_have_run_half_round(way: int) -> None:
    longest_ms = round(1000 * (2**14 / MOST - JITTER_S))  # 16,334
    counter = Counter(15, MOST)
    counter.add(7, 0)
    assert counter.add(7 + way * 3, (longest_ms - 1) * MS) == way * 3
    with pytest.raises(CounterJump, match=f"silent for {longest_ms} ms, too long for a counter that wraps at 32768"):
        counter.add(7 + way * 6, (2 * longest_ms - 1) * MS)
    assert counter.total == way * 3


def test_a_camera_that_is_read_while_the_cloth_moves_may_be_silent_for_a_night() -> None:
    counter = Counter(8, MOST, rests=True)
    assert counter.add(250, 0) == 0
    assert counter.add(90, 8 * 3600 * 1000 * MS) == 96  # of 102 that it takes at most, of 128 either way
    with pytest.raises(CounterJump, match="jumped by -103 counts in 52 ms, 102 are possible"):
        counter.add(90 - 103, 16 * 3600 * 1000 * MS)


def test_it_goes_on_from_what_was_read_before_a_restart() -> None:
    counter = Counter(8, MOST)
    counter.resume(Counted(raw=2**20 + 250, read_ns=1000 * MS, total=-70_000))
    assert counter.add(4, 1010 * MS) == 10 and counter.total == -69_990
    with pytest.raises(CounterJump):
        counter.add(104, 1020 * MS)
