"""A PLC that answers otherwise than it was asked is a lost one; one that is slower than its watchdog is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.config.outputs import ModbusConfig
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState
from pipeline.outputs.modbus import FROM_PLC, RETRY_NS, ModbusOutput, Plc
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
