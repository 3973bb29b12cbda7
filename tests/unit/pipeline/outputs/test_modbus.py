"""A PLC that answers otherwise than it was asked is a lost one, a slow one is told, and what one wants is not forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from pipeline.config.outputs import ModbusConfig
from pipeline.messages.actions import Action
from pipeline.messages.commands import Acknowledge, Reset
from pipeline.messages.line import Heartbeat
from pipeline.messages.stages import Status
from pipeline.messages.states import ActionKind, Cause, Phase, StageState, State
from pipeline.outputs.modbus import ALL, FROM_PLC, RETRY_NS, ModbusOutput, Plc
from tests.fakes import Box
from tests.modbus_device import LoopbackModbus, frame, whole

MS = 1_000_000


@pytest.fixture
def device() -> Iterator[LoopbackModbus]:
    with LoopbackModbus() as device:
        yield device


@pytest.fixture
def stage(device: LoopbackModbus) -> Iterator[ModbusOutput]:
    config = ModbusConfig(kind="modbus", host="127.0.0.1", port=device.port, coils_at=60, registers_at=100)
    stage = ModbusOutput(Box(), Box(), Plc(config), config, 0)
    yield stage
    stage.close()


def told(stage: ModbusOutput, *at_ms: int) -> list[tuple[StageState, str]]:
    """What it says of itself when it is stepped at those times."""
    for ms in at_ms:
        stage.step(ms * MS)
    said = stage._decision
    assert isinstance(said, Box)
    return [(s.state, s.detail) for s in said.take(Status)]


@pytest.mark.parametrize(
    ("function", "pdu", "words"),
    [
        (3, b"\x03\x04\0\1\0\2", "answers with 6 bytes where 8 were asked for"),
        (3, b"\x03\x00", "answers with 2 bytes where 8 were asked for"),
        (15, b"\x0f\0\x3c\0\5", "confirms another writing than was asked for"),
        (16, b"\x10\0\0\0\x11", "confirms another writing than was asked for"),
    ],
)
def test_a_wrong_answer_is_a_lost_device(
    device: LoopbackModbus, stage: ModbusOutput, function: int, pdu: bytes, words: str
) -> None:
    device.spoil = lambda request, right: frame(request, pdu) if request[7] == function else right
    assert told(stage, 1000, 1100, 1900) == [(StageState.DEGRADED, f"127.0.0.1:{device.port} {words}")]
    device.spoil = whole
    assert told(stage, 1000 + RETRY_NS // MS)[-1] == (StageState.READY, "")


def test_the_plcs_registers_are_read_where_they_are(device: LoopbackModbus, stage: ModbusOutput) -> None:
    told(stage, 1000)
    assert device.requests[0][:5] == b"\x0f\0\x3c\0\4" and device.requests[1][:5] == b"\x10\0\x64\0\x11"
    assert device.requests[2] == bytes([3, 0, 100 + FROM_PLC, 0, 3])


def test_a_plc_that_is_written_too_seldom_for_its_watchdog_is_told_with_the_figure(stage: ModbusOutput) -> None:
    assert told(stage, 1000, 1400, 1900, 2400)[-1] == (StageState.READY, "")
    state, detail = told(stage, 2910)[-1]
    assert state is StageState.DEGRADED and "written every 510 ms, too seldom for a watchdog of 1000 ms" in detail
    assert told(stage, *range(3000, 5000, 100))[-1] == (StageState.READY, "")


class Registers:
    """A PLC that answers at once: what was written to it, and what it answers."""

    def __init__(self) -> None:
        self.written: list[bool] = []
        self.words: list[int] = []
        self.says = [0, 0, 0]

    def coils(self, values: list[bool]) -> None:
        self.written = values

    def registers(self, values: list[int]) -> None:
        self.words = values

    def answers(self) -> list[int]:
        return self.says

    def close(self) -> None:
        self.written = []


class Wired:
    """The stage, hearing of a live line, every 101 ms."""

    def __init__(self) -> None:
        config = ModbusConfig(kind="modbus", host="127.0.0.1", coils_at=0, registers_at=100)
        self.plc, self.heard, self.decision, self.ms = Registers(), Box(), Box(), 0
        self.stage = ModbusOutput(self.heard, self.decision, cast(Plc, self.plc), config, 0)

    def act(self, event: int, kind: ActionKind = ActionKind.STOP) -> None:
        facts = {"number": 0, "generation": 0, "cause": Cause.DEFECT, "phase": Phase.NOW, "t_mono_ns": 0}
        self.heard.send(Action.model_validate({"event": event, "kind": kind, **facts}))

    def cycle(self, *says: int) -> None:
        """One, in which the PLC's registers hold these."""
        self.plc.says = list(says) or self.plc.says
        self.ms += 101
        state = {"state": State.RUNNING, "inspection_ok": True, "verdicts": 0, "t_mono_ns": 0}
        self.heard.send(Heartbeat.model_validate({"number": 0, "generation": 0, **state}))
        self.stage.step(self.ms * MS)


@pytest.mark.parametrize(
    ("event", "record"), [(0, 1), (1, 2), (65_533, 65_534), (65_534, 1), (65_535, 2), (131_067, 65_534), (131_068, 1)]
)
def test_the_numbers_of_records_begin_anew_before_the_one_that_acknowledges_all(event: int, record: int) -> None:
    wired = Wired()
    wired.act(event)
    wired.cycle()
    assert wired.plc.words[3] == record and 0 < record < ALL
    wired.cycle(record, record, 0)
    assert [a.event for a in wired.decision.take(Acknowledge)] == [event]


def test_what_the_plc_wants_is_said_again_until_decision_can_take_it() -> None:
    wired = Wired()
    for event, kind in ((7, ActionKind.STOP), (8, ActionKind.LAMP)):
        wired.act(event, kind)
    wired.cycle(0, 0, 5)
    assert wired.plc.written == [False, True, False, True]
    wired.decision.room = len(wired.decision.queue)  # full
    for _ in range(3):
        wired.cycle(0, 8, 6)
        assert wired.plc.written == [False, True, False, True]
    wired.decision.room = 1000
    wired.cycle()
    wired.cycle()
    assert [a.event for a in wired.decision.take(Acknowledge)] == [7] and len(wired.decision.take(Reset)) == 1
    assert wired.plc.written == [True, True, False, True]
    wired.cycle(0, ALL, 6)
    wired.cycle()
    assert [a.event for a in wired.decision.take(Acknowledge)] == [8] and wired.decision.take(Reset) == []
    assert wired.plc.written == [True, True, False, False]


def test_a_reset_is_a_change_to_another_number_and_never_one_to_nothing() -> None:
    wired = Wired()
    resets = []
    for wish in (3, 3, 0, 0, 3, 4, 4, 0, 65_535):
        wired.cycle(0, 0, wish)
        resets.append(len(wired.decision.take(Reset)))
    assert resets == [0, 0, 0, 0, 1, 1, 0, 0, 1]
