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
BEGAN_NS = 5 * STALE_NS


class Bench:
    """A wire, and a lamp on it."""

    def __init__(self, pulse_ms: float = 300.0, joined: bool = True) -> None:
        self.heard, self.lamp = Box(), [False]
        self.line = RejectLine(self.heard, self.lamp.append, pulse_ms)
        self.number = self.generation = 0
        if joined:  # it hears decision, and has for longer than a reject takes
            self.beat(-BEGAN_NS)
            self.at(-BEGAN_NS)

    def beat(self, now_ns: int, *unacknowledged: ActionKind, state: State = State.RUNNING, bypass: bool = False) -> None:
        self.heard.send(Heartbeat(
            number=self.number, generation=self.generation, state=state, inspection_ok=state is State.RUNNING, verdicts=0,
            bypass=bypass, unacknowledged=unacknowledged, t_mono_ns=BEGAN_NS + now_ns,
        ))  # fmt: skip
        self.number += 1

    def reject(self) -> None:
        self.heard.send(Reject(
            number=0, generation=0, verdict=0, camera="another", cause=Result.DEFECT, start_mm=0.0, end_mm=1.0, t_mono_ns=0
        ))  # fmt: skip

    def at(self, now_ns: int) -> bool:
        self.line.step(BEGAN_NS + now_ns)
        return self.lamp[-1]


def test_it_is_off_until_decision_is_heard_and_again_when_it_falls_silent() -> None:
    bench = Bench(joined=False)
    assert not bench.at(-400 * MS)
    bench.beat(-300 * MS)
    assert not bench.at(-300 * MS)
    bench.beat(6 * MS)
    assert bench.at(7 * MS) and bench.at(6 * MS + STALE_NS - 1)
    assert not bench.at(6 * MS + STALE_NS)
    bench.beat(6 * MS + STALE_NS)
    assert bench.at(7 * MS + STALE_NS)


def test_a_heartbeat_that_lay_in_the_queue_is_as_old_as_it_is() -> None:
    bench = Bench()
    bench.beat(0)
    assert not bench.at(3 * STALE_NS) and bench.lamp == [False]


def test_what_was_not_heard_may_have_been_a_reject() -> None:
    bench = Bench(pulse_ms=300, joined=False)
    bench.beat(0)  # this process may be new, and the last one gone as it heard of one
    assert not bench.at(0) and not bench.at(299 * MS) and bench.at(300 * MS)
    bench.beat(301 * MS)
    assert bench.at(301 * MS)
    bench.number += 1  # so far its queue was full
    bench.beat(400 * MS)
    assert not bench.at(401 * MS) and not bench.at(700 * MS) and bench.at(701 * MS)
    bench.generation += 1  # nobody heard the new one before its link stood
    bench.beat(800 * MS)
    assert not bench.at(800 * MS) and bench.at(1100 * MS)


def test_a_fault_keeps_it_off_until_it_is_reset_or_rejects_are_set_aside() -> None:
    bench = Bench()
    bench.beat(0)
    assert bench.at(0)
    bench.beat(1, state=State.FAULT)
    assert not bench.at(1) and not bench.at(500 * MS)
    bench.beat(501 * MS, state=State.FAULT, bypass=True)
    assert bench.at(501 * MS)
    bench.beat(502 * MS, state=State.FAULT)
    assert not bench.at(502 * MS)
    bench.beat(503 * MS, state=State.DEGRADED)  # its rejects say which cloth
    assert bench.at(503 * MS)


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
    line.step(0)
    line.step(200 * MS)
    with pytest.raises(CameraLost):
        line.step(STALE_NS)
    line.step(STALE_NS)
    assert tried == [True, False, False]


def test_a_camera_that_is_seen_through_its_cards_is_switched_too() -> None:
    camera = ScriptCamera([])
    CorrectedCamera(camera, {}).switch(True)
    assert camera.switched == [True]
