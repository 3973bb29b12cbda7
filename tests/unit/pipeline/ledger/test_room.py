"""A disk that fills is told while there is time to do something."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.ledger.room import LOOK_NS, Room
from pipeline.messages.states import StageState
from tests.unit.pipeline.ledger.test_stage import Bench

GB = 1_000_000_000
HOUR = 3_600_000_000_000


class Disk:
    def __init__(self, free: float) -> None:
        self.free = free
        self.looks = 0

    def __call__(self, folder: Path) -> SimpleNamespace:
        self.looks += 1
        return SimpleNamespace(f_bavail=int(self.free * GB) // 4096, f_frsize=4096)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(500.0)
    monkeypatch.setattr("os.statvfs", disk)
    return disk


def test_a_disk_that_fills_is_told_a_shift_before_and_taken_back_with_room(disk: Disk, tmp_path: Path) -> None:
    room, told = Room(tmp_path), []
    for minute in range(60 * 24):
        disk.free -= 0.5  # 30 GB an hour: 16 h 40 min
        if words := room.warning(minute * LOOK_NS):
            told.append((minute / 60, words))
    assert 8.4 < told[0][0] < 8.8
    assert told[0][1].startswith("disk nearly full: 2.4e+02 GB") or "240 GB free" in told[0][1]
    assert "at the present rate enough for 8 h" in told[0][1] and str(tmp_path) in told[0][1]
    disk.free = 900.0
    assert room.warning(60 * 24 * LOOK_NS) == ""


def test_so_little_is_told_at_once_and_one_great_file_is_no_rate(disk: Disk, tmp_path: Path) -> None:
    disk.free = 0.7
    assert Room(tmp_path).warning(0) == f"disk nearly full: 0.7 GB free, make room in {tmp_path}"
    disk.free, room = 500.0, Room(tmp_path)
    room.warning(0)
    disk.free = 300.0
    assert room.warning(LOOK_NS) == ""


def test_room_that_somebody_makes_is_seen_at_once_and_the_minutes_of_the_hour_stay(disk: Disk, tmp_path: Path) -> None:
    room = Room(tmp_path)
    for minute in range(20):
        disk.free -= 0.3  # 18 GB an hour: it lasts long
        assert room.warning(minute * LOOK_NS) == ""
    full_ns = 20 * LOOK_NS
    free, disk.free = disk.free, 0.0
    assert room.warning(full_ns)
    for second in range(1, 30):
        assert room.warning(full_ns + second * LOOK_NS // 60)
    disk.free = free
    assert room.warning(full_ns + LOOK_NS // 2) == ""
    disk.free = 140.0  # less than eight hours at such a rate, which the last seconds alone would not tell
    assert "GB free, at the present rate" in room.warning(full_ns + LOOK_NS)


def test_it_is_looked_at_once_a_minute(disk: Disk, tmp_path: Path) -> None:
    room = Room(tmp_path)
    for step in range(1000):
        room.warning(step * LOOK_NS // 250)
    assert disk.looks == 4 and len(room._looks) == 4


def test_the_line_says_so(disk: Disk, tmp_path: Path) -> None:
    disk.free = 0.5
    bench = Bench(tmp_path)
    bench.run(2)
    assert (bench.queue.sent[0].state, bench.recorder.state) == (StageState.DEGRADED, StageState.DEGRADED)
    assert "0.5 GB free" in bench.queue.sent[0].detail
    disk.free = 50.0
    bench.now_ns += LOOK_NS
    bench.run(1)
    assert bench.queue.sent[-1].state is StageState.READY
    bench.recorder.close()
