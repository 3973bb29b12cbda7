"""What systemd hears of a line: up once, a ping for progress of every stage and for nothing else, and that it stops."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.messages.stages import Progress
from pipeline.messages.states import StageState
from pipeline.supervision.child import ABORT_NS, STUCK_NS
from pipeline.supervision.latch import LEAVE_S as LATCH_S
from pipeline.supervision.notifying import PINGS, ServiceManager
from pipeline.supervision.service import START_S, STOP_S, WATCHDOG_S
from pipeline.supervision.stopping import STOP_S as LINE_STOP_S
from pipeline.supervision.watching import LEAVE_S

PERIOD_NS = 10_000_000_000


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "notify"))
        there.setblocking(False)
        yield there
    (tmp_path / "notify").unlink()


def heard(systemd: socket.socket) -> list[str]:
    said = []
    while True:
        try:
            said.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return said


def manager(systemd: socket.socket, **more: str) -> ServiceManager:
    usec = str(PINGS * PERIOD_NS // 1000)
    return ServiceManager({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": usec, **more})


def word(steps: int, handled: int = 0, waiting: int = 0, generation: int = 0) -> Progress:
    return Progress(
        name="n", generation=generation, state=StageState.READY, steps=steps, handled=handled, waiting=waiting
    )  # fmt: skip


def pinged(systemd: socket.socket, before: dict[str, Progress], after: dict[str, Progress]) -> bool:
    told = manager(systemd)
    told.see(True, before, PERIOD_NS)
    assert heard(systemd) == ["READY=1", "WATCHDOG=1"]
    told.see(True, after, 2 * PERIOD_NS)
    return heard(systemd) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        (word(5), word(6), True),  # it idles, and steps
        (word(5), word(5), False),  # it hangs
        (word(5, 7, 1), word(9, 8, 2), True),
        (word(5, 7, 1), word(9, 7, 1), False),  # it steps and gets nothing done
        (word(5, 7, 1), word(9, 7, 0), True),  # it had nothing more to do
        (word(5, 7, 1), word(0, 0, 3, generation=1), True),  # started again
    ],
)
def test_one_stage_that_stands_still_is_enough(systemd: socket.socket, before: Progress, after: Progress, moves: bool) -> None:
    for still, goes in (("worker w", "decision d"), ("decision d", "worker w")):
        assert pinged(systemd, {still: before, goes: word(1)}, {still: after, goes: word(2)}) is moves


def test_a_stage_that_is_being_started_is_not_waited_for(systemd: socket.socket) -> None:
    assert pinged(systemd, {"worker w": word(5), "decision d": word(1)}, {"decision d": word(2)})


def test_it_is_up_when_all_are_and_pings_come_no_faster_than_asked(systemd: socket.socket) -> None:
    told = manager(systemd)
    for step in range(50):
        told.see(step >= 20, {"worker w": word(step)}, PERIOD_NS + step * PERIOD_NS // 10)
    told.stops()
    said = heard(systemd)
    assert said[0] == "WATCHDOG=1" and said[-1] == "STOPPING=1"
    assert said.count("READY=1") == 1 and said.index("READY=1") == 2 and said.count("WATCHDOG=1") == 5


def test_a_ping_that_was_not_due_does_not_use_up_the_progress(systemd: socket.socket) -> None:
    told = manager(systemd)
    told.see(True, {"worker w": word(1)}, PERIOD_NS)
    told.see(True, {"worker w": word(2)}, PERIOD_NS + 1)
    told.see(True, {"worker w": word(2)}, 3 * PERIOD_NS)
    assert heard(systemd) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]


@pytest.mark.parametrize("pid", ["", "own", "1"])
def test_the_watchdog_of_another_process_is_not_ours(systemd: socket.socket, pid: str) -> None:
    told = manager(systemd, WATCHDOG_PID=str(os.getpid()) if pid == "own" else pid)
    told.see(True, {}, PERIOD_NS)
    assert heard(systemd) == ["READY=1"] + ["WATCHDOG=1"] * (pid != "1")


def test_without_systemd_or_with_one_that_is_gone_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "3"}):
        told = ServiceManager(environment)
        told.see(True, {}, PERIOD_NS)
        told.stops()


def test_a_service_manager_that_does_not_read_holds_nobody_up(systemd: socket.socket) -> None:
    told = manager(systemd)
    for step in range(5000):
        told.see(True, {"worker w": word(step)}, step * PERIOD_NS)
    assert 0 < len(heard(systemd)) < 5000


def test_the_times_of_the_unit_leave_the_supervisor_its_own() -> None:
    assert WATCHDOG_S * 1e9 > STUCK_NS + ABORT_NS + WATCHDOG_S * 1e9 / PINGS  # it ends a stage that hangs before systemd all
    assert STOP_S > 2 * (LINE_STOP_S + LATCH_S + LEAVE_S)
    assert START_S > 4 * 120
