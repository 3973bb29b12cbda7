"""A camera's own output: on while cloth may pass, off for a reject, and off for whatever is not known."""

from __future__ import annotations

import pytest

from pipeline.cameras.corrected import CorrectedCamera
from pipeline.cameras.protocol import CameraLost
from pipeline.grabber.reject_line import RejectLine
from pipeline.messages.actions import Reject
from pipeline.messages.line import STALE_NS, Heartbeat
from pipeline.messages.states import ActionKind, Result, State
from tests.fakes import Box, ScriptCamera

MS = 1_000_000


class Bench:
    """A wire, and a lamp on it."""

    def __init__(self, pulse_ms: float = 300.0) -> None:
        self.heard, self.lamp = Box(), [False]
        self.line = RejectLine(self.heard, self.lamp.append, pulse_ms)

    def beat(self, now_ns: int, *unacknowledged: ActionKind, bypass: bool = False) -> None:
        self.heard.send(Heartbeat(
            number=0, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, bypass=bypass,
            unacknowledged=unacknowledged, t_mono_ns=now_ns,
        ))  # fmt: skip

    def reject(self) -> None:
        self.heard.send(Reject(
            number=0, generation=0, verdict=0, camera="another", cause=Result.DEFECT, start_mm=0.0, end_mm=1.0, t_mono_ns=0
        ))  # fmt: skip

    def at(self, now_ns: int) -> bool:
        self.line.step(now_ns)
        return self.lamp[-1]


def test_it_is_off_until_decision_is_heard_and_again_when_it_falls_silent() -> None:
    bench = Bench()
    assert not bench.at(5 * MS)
    bench.beat(6 * MS)
    assert bench.at(7 * MS) and bench.at(6 * MS + STALE_NS - 1)
    assert not bench.at(6 * MS + STALE_NS)
    bench.beat(6 * MS + STALE_NS)
    assert bench.at(7 * MS + STALE_NS)


def test_a_heartbeat_that_lay_in_the_queue_is_as_old_as_it_is() -> None:
    bench = Bench()
    bench.beat(0)
    assert not bench.at(3 * STALE_NS) and bench.lamp == [False]


def test_a_reject_is_off_for_its_time_and_each_one_begins_it_anew() -> None:
    bench = Bench(pulse_ms=300)
    bench.beat(0)
    assert bench.at(0)
    bench.reject()
    assert not bench.at(100 * MS) and not bench.at(250 * MS)
    bench.reject()
    assert not bench.at(300 * MS) and not bench.at(599 * MS)
    bench.beat(500 * MS)
    assert bench.at(600 * MS)
    assert bench.lamp == [False, True, False, True]  # it is switched where it changes, and at no other time


def test_an_open_stop_keeps_it_off_and_a_lamp_does_not() -> None:
    bench = Bench()
    bench.beat(0, ActionKind.STOP, ActionKind.LAMP)
    assert not bench.at(1)
    bench.beat(0, ActionKind.LAMP)
    assert bench.at(2)


def test_a_camera_that_cannot_switch_is_told_again_to_be_off() -> None:
    heard, tried = Box(), []

    def switch(on: bool) -> None:
        tried.append(on)
        if len(tried) == 2:
            raise CameraLost("gone")

    line = RejectLine(heard, switch, 200)
    heard.send(Heartbeat(number=0, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0))
    line.step(1)
    with pytest.raises(CameraLost):
        line.step(STALE_NS)
    line.step(STALE_NS)
    assert tried == [True, False, False]


def test_a_camera_that_is_seen_through_its_cards_is_switched_too() -> None:
    camera = ScriptCamera([])
    CorrectedCamera(camera, {}).switch(True)
    assert camera.switched == [True]
