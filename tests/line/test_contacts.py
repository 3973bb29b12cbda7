"""Input contacts of a real Modbus TCP server on loopback: an edge is an event of the cloth at its place, silence is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.inputs import ModbusInputConfig
from pipeline.inputs.modbus import RETRY_NS, ModbusInput
from pipeline.ledger.reading import read_events, read_rolls
from pipeline.messages.cloth import Contact, Roll, SpanEvent
from pipeline.messages.stages import Status
from pipeline.messages.states import EventKind, StageState, State
from tests.fakes import Box
from tests.line.test_line import config, running
from tests.modbus_server import ModbusServer

MS = 1_000_000
SERVER = """
import sys
from pymodbus.server import StartTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
# One memory: discrete inputs and coils 0 to 15 are the bits of register 0.
registers = [SimData(0, values=[0] * 16, datatype=DataType.REGISTERS)]
StartTcpServer(SimDevice(0, simdata=registers, use_bit_addressing=True), address=("127.0.0.1", int(sys.argv[1])))
"""


class Device(ModbusServer):
    """The server, and a client that moves its contacts."""

    program = ("-c", SERVER)

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[ModbusInput] = []
        self.closed: set[int] = set()

    def stage(self, decision: Box, table: str = "discrete", **change: Any) -> ModbusInput:
        self.stages.append(ModbusInput(decision, ModbusInputConfig.model_validate(self.config(table, **change)), 0))
        return self.stages[-1]

    def set(self, contact: int, value: int) -> None:
        """Of every table: a bit of register 0, and all bits of its own register."""
        self.closed = self.closed | {contact} if value else self.closed - {contact}
        registers = [sum(1 << c for c in self.closed), 0, *(0xFFFF * (c in self.closed) for c in (2, 3))]
        assert not self.client.write_registers(0, registers).isError()

    def config(self, table: str = "discrete", **change: Any) -> dict[str, Any]:
        bit = {"bit": 0} if table in ("input", "holding") else {}
        seam = {"name": "seam", "address": 2, "says": "SEAM", "length_mm": 300.0, "y_offset_mm": 100.0, **bit, **change}
        end = {"name": "doffed", "address": 3, "says": "ROLL", "closed_is": 0, **bit}
        return {"kind": "modbus", "host": "127.0.0.1", "port": self.port, "table": table, "contacts": [seam, end]}


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    try:
        yield device
    finally:
        for stage in device.stages:
            stage.close()
        device.stop()


@pytest.mark.parametrize("table", ["discrete", "coil", "input", "holding"])
def test_an_edge_is_told_once_with_the_time_at_which_it_came(device: Device, table: str) -> None:
    device.start()
    device.set(2, 1)  # closed when the line starts: no edge
    decision = Box()
    stage = device.stage(decision, table)

    def told(*ms: int) -> list[tuple[str, int]]:
        for at_ms in ms:
            stage.step(at_ms * MS)
        return [(c.name, c.t_mono_ns // MS) for c in decision.take(Contact)]

    assert told(1000) == []
    assert decision.take(Status)[-1].state is StageState.READY
    assert told(1100) == []
    device.set(2, 0)
    assert told(1200, 1300) == []  # it opens
    device.set(2, 1)
    assert told(1400) == []
    device.set(2, 0)
    assert told(1430, 1500) == []  # it bounced
    device.set(2, 1)
    assert told(1600, 1640) == []
    assert told(1660, 1700, 1800) == [("seam", 1600)]
    device.set(3, 1)
    assert told(1900, 2000) == []
    device.set(3, 0)  # this one closes as it reads 0
    assert told(2100, 2200) == [("doffed", 2100)]


def test_a_device_that_does_not_answer_is_told_and_tried_again(device: Device) -> None:
    decision = Box()
    stage = device.stage(decision)
    stage.step(0)
    said = decision.take(Status)[-1]
    assert said.state is StageState.DEGRADED and f"no connection to 127.0.0.1:{device.port}" in said.detail
    device.start()
    stage.step(RETRY_NS - 1)
    assert decision.take(Status) == []
    stage.step(RETRY_NS)
    assert decision.take(Status)[-1].state is StageState.READY
    device.stop()
    stage.step(RETRY_NS + 100 * MS)
    assert decision.take(Status)[-1].state is StageState.DEGRADED
    device.start()
    device.set(2, 1)  # it closed while nobody could see it
    for seconds in range(2, 8):
        stage.step(seconds * RETRY_NS)
    assert decision.take(Contact) == [] and stage.counters["connected"]


def test_a_refused_address_is_named(device: Device) -> None:
    device.start()
    decision = Box()
    stage = device.stage(decision, address=999)
    stage.step(0)
    assert "refuses, check the addresses" in decision.take(Status)[-1].detail


def test_a_whole_line_marks_a_seam_changes_rolls_and_says_when_its_contacts_are_gone(
    device: Device, model: Path, footage: Path, tmp_path: Path
) -> None:
    device.start()
    device.set(3, 1)
    line = config(
        model, footage, tmp_path / "out", loop=True, inputs=[device.config()], line={"name": "test", "roll_id": "R-7"}
    )
    with running(line) as run:
        run.until(lambda: run.line.ready and len(run.verdicts()) > 4)
        device.set(2, 1)
        run.until(lambda: bool(run.said(SpanEvent)))
        device.set(3, 0)
        run.until(lambda: any(isinstance(m, Roll) and m.roll_id == "R-8" for m in run.heard))
        position_mm = max(v.end_mm or 0.0 for v in run.verdicts())
        device.stop()
        run.until(lambda: (s := run.state()) is not None and s.state is State.DEGRADED and "contacts" in s.detail)
    (seam,) = read_events(line.ledger.path)
    assert (seam.kind, seam.cause, seam.roll_id, seam.end_mm - seam.start_mm) == (
        EventKind.SEAM, "contact seam", "R-7", pytest.approx(300),
    )  # fmt: skip
    rolls = list(read_rolls(line.ledger.path))
    assert [(r.roll_id, r.cause) for r in rolls] == [("R-7", "config"), ("R-8", "contact doffed")]
    start_mm = rolls[1].start_mm
    assert start_mm is not None and seam.start_mm - 100 < start_mm < position_mm + 60  # the cloth ran at 60 mm/s
