"""A whole line on a Modbus device that answers otherwise than it was asked, and on one that is slow."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.ledger.reading import read_states
from pipeline.messages.cloth import SpanEvent
from pipeline.messages.line import LineState
from pipeline.messages.states import State
from tests.line.test_line import config, running
from tests.modbus_device import LoopbackModbus, frame

pytestmark = pytest.mark.full

LIMIT_S = 120.0


def device_lines(port: int, contacts: int, apart: int = 1) -> list[dict[str, Any]]:
    seam = {"says": "SEAM", "length_mm": 30, "debounce_ms": 50}
    heard = [{"name": f"c{n}", "address": n * apart, **seam} for n in range(contacts)]
    return [{"kind": "modbus", "host": "127.0.0.1", "port": port, "contacts": heard}]


@pytest.mark.parametrize("pdu", [b"", b"\0\0"], ids=["no values", "one too few"])
def test_a_wrong_answer_is_told_and_the_line_ends_when_it_should(
    pdu: bytes, model: Path, footage: Path, tmp_path: Path
) -> None:
    """The answers to every reading: no values, or one register where two and three were asked for; writings are confirmed."""

    def spoil(request: bytes, right: bytes) -> bytes:
        return frame(request, bytes([request[7], len(pdu)]) + pdu) if request[7] < 15 else right

    with LoopbackModbus(spoil) as device:
        where = {"host": "127.0.0.1", "port": device.port}
        body = {
            "line": {"name": "odd"}, "model": str(model), "worker": {"backend": "torch"},
            "motion": {"source": "modbus", "register": 0, "counts_per_mm": 10, **where},
            "cameras": [{"name": "a", "source": "replay", "path": str(footage), "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}],
            "outputs": [{"kind": "publisher"}, {"kind": "modbus", **where}],
            "inputs": device_lines(device.port, contacts=9), "ledger": {"path": str(tmp_path / "ledger.sqlite")},
        }  # fmt: skip
        path = tmp_path / "line.yaml"
        path.write_text(yaml.safe_dump(body))
        words = [sys.executable, "-m", "tools", "run", str(path), "--seconds", "4", "--slow-ok"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0 and "Traceback" not in done.stderr and "starting it again" not in done.stderr
    told = [s.detail for s in read_states(tmp_path / "ledger.sqlite") if s.state is State.DEGRADED]
    got = 2 + len(pdu)
    for name, asked in (("motion: no count of the encoder yet, motion modbus", 6), ("plc", 8), ("contacts", 4)):
        assert any(name in words and f"answers with {got} bytes where {asked} were asked for" in words for words in told) or (
            got == asked
        ), told


class Gateway(LoopbackModbus):
    """Contact 0 closes for 150 ms every 0.97 s; an answer takes 20 ms."""

    def __init__(self) -> None:
        super().__init__(delay_s=0.02)
        self.words = dict.fromkeys(range(20), 0)
        self.begun_s = time.monotonic()

    @property
    def closings(self) -> int:
        """How many have ended."""
        return int((time.monotonic() - self.begun_s + 0.82) / 0.97)

    def _answer(self, pdu: bytes) -> bytes:
        self.words[0] = int((time.monotonic() - self.begun_s) % 0.97 < 0.15)
        return super()._answer(pdu)


@pytest.mark.parametrize("apart", [1, 2])
def test_every_closing_behind_a_slow_gateway_is_told_or_that_it_is_read_too_seldom(
    apart: int, model: Path, footage: Path, tmp_path: Path
) -> None:
    with Gateway() as device:
        line = config(model, footage, tmp_path, loop=True, inputs=device_lines(device.port, 8, apart))
        with running(line) as run:
            run.until(lambda: run.line.ready)
            before = device.closings
            run.until(lambda: device.closings == before + 5)
            seen = device.closings
            told, end_s = len(run.said(SpanEvent)), time.monotonic() + 0.5
            run.until(lambda: time.monotonic() > end_s)
            told = len(run.said(SpanEvent))
        seldom = [m.detail for m in run.heard if isinstance(m, LineState) and "too seldom for a debounce of 50 ms" in m.detail]
    assert seldom or told >= seen - before
    assert apart == 1 or "(requests: 8)" in seldom[0]
