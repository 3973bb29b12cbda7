"""Spoiled answers of a Modbus device against the encoder, the contacts and the output, in memory."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable
from unittest.mock import patch

from pipeline.config.inputs import ModbusInputConfig
from pipeline.config.motion import ModbusMotion
from pipeline.config.outputs import ModbusConfig
from pipeline.inputs.modbus import ModbusInput
from pipeline.messages.line import Heartbeat
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState, State
from pipeline.motion.modbus import ModbusCounts
from pipeline.outputs.modbus import ModbusOutput, Plc
from tests.fakes import Box

S = 1_000_000_000
MAX_FRAME_BYTES = 7 + 253
UNIT = 17


class Wire:
    """A connection to a device that answers in pieces, spoiled with those odds, and notes what is taken of it."""

    def __init__(self, rng: random.Random, odds: float) -> None:
        self._rng, self._odds = rng, odds
        self._waiting = b""
        self._endless = False
        self.right = self.taken = b""
        """The last answer as it should have been, and what was taken for it."""
        self.closed = False
        self._calls = 0

    def sendall(self, request: bytes) -> None:
        if self._rng.random() < 0.1 * self._odds:
            raise BrokenPipeError(32, "Broken pipe")
        self.taken, self._calls = b"", 0
        self.right = self._answer(request)
        self._waiting += spoiled(self._rng, self.right) if self._rng.random() < self._odds else self.right
        self._endless = self._rng.random() < 0.2

    def recv(self, size: int) -> bytes:
        assert 0 < size <= MAX_FRAME_BYTES, f"{size} bytes are asked for at once"
        self._calls += 1
        if not self._waiting and self._endless:
            self._waiting = self._rng.randbytes(64)
        if not self._waiting:
            if self._rng.random() < 0.5:
                return b""
            raise TimeoutError("timed out")
        size = min(size, self._rng.choice((1, 2, 7, 64, 300)))
        part, self._waiting = self._waiting[:size], self._waiting[size:]
        self.taken += part
        assert len(self.taken) <= MAX_FRAME_BYTES and self._calls <= MAX_FRAME_BYTES, "more is read than an answer may hold"
        return part

    def settimeout(self, seconds: float) -> None:
        assert 0 < seconds <= 1

    def setsockopt(self, *words: int) -> None:
        """As a socket's."""

    def close(self) -> None:
        self.closed = True

    def _answer(self, request: bytes) -> bytes:
        function, _, count = struct.unpack(">BHH", request[7:12])
        bits = function in (1, 2)
        size = (count + 7) // 8 if bits else 2 * count
        pdu = request[7:12] if function in (15, 16) else bytes([function, size]) + self._rng.randbytes(size)
        return request[:4] + struct.pack(">HB", len(pdu) + 1, request[6]) + pdu


def spoiled(rng: random.Random, right: bytes) -> bytes:
    """A right answer made wrong in one or several ways, or by chance in none."""
    answer = bytearray(right)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(answer) + 1)
        match rng.randrange(9):
            case 0:
                del answer[at:]
            case 1 if at < len(answer):
                answer[at] ^= 1 << rng.randrange(8)
            case 2:
                answer[at:at] = rng.randbytes(rng.randrange(1, 5))
            case 3:
                del answer[at : at + rng.randrange(1, 5)]
            case 4:
                answer += right
            case 5:
                answer[:0] = right[: rng.randrange(len(right))]
            case 6 if len(answer) > 8:
                answer[4:] = struct.pack(">HBBB", 3, UNIT, right[7] | 0x80, rng.randrange(256))
            case 7 if len(answer) > 6:
                answer[4:6] = struct.pack(">H", rng.choice((0, 1, 2, 3, 254, 255, 0x7FFF, 0xFFFF)))
            case 8:
                answer[:] = rng.randbytes(rng.choice((0, 1, 8, 64, 4096)))
    return bytes(answer)


def fuzz(seed: int, count: int) -> Counter[str]:
    """So many turns of each; how often they took an answer and how often they lost the device.

    AssertionError, with the turn's number, where one is believed that was not asked for, where more is read than an answer may
    hold, or where the words are none; any other error is one that a stage let through.
    """
    found: Counter[str] = Counter()
    for kind, turn in (("encoder", _encoder), ("contacts", _contacts), ("output", _output)):
        for number in range(count):
            rng = random.Random(f"{seed} {kind} {number}")
            try:
                found[f"{kind} {turn(rng)}"] += 1
            except Exception as e:
                raise AssertionError(f"{kind}, seed {seed}, turn {number}: {e!r}") from e
    return found


def _wired(rng: random.Random, wires: list[Wire]) -> Callable[..., Wire]:
    odds = rng.choice((0.0, 0.1, 0.8))

    def connect(address: tuple[str, int], timeout_s: float) -> Wire:
        if rng.random() < 0.1 * odds:
            raise ConnectionRefusedError(111, "Connection refused")
        wires.append(Wire(rng, odds))
        return wires[-1]

    return connect


def _encoder(rng: random.Random) -> str:
    wires: list[Wire] = []
    words = rng.choice((1, 2))
    config = ModbusMotion.model_validate(
        {"source": "modbus", "counts_per_mm": 1, "host": "h", "register": 5, "unit": UNIT, "words": words}
    )
    with patch("pipeline.devices.modbus.socket.create_connection", _wired(rng, wires)):
        counts = ModbusCounts(config)
        for at in range(4):
            read = counts.read(at * 2 * S)
            if read:
                taken, right = wires[-1].taken, wires[-1].right
                assert taken[:9] == right[:9] and len(taken) == len(right), "another answer is believed"
                assert read == [(int.from_bytes(taken[9:], "big"), at * 2 * S)]
            else:
                assert counts.trouble.startswith("h:502 ") or counts.trouble.startswith("no connection to h:502")
                assert "\n" not in counts.trouble
        counts.close()
    assert all(wire.closed for wire in wires), "a connection is left open"
    return "lost" if counts.refused else "well"


def _contacts(rng: random.Random) -> str:
    wires: list[Wire] = []
    table = rng.choice(("discrete", "coil", "input", "holding"))
    bit = {"bit": 3} if table in ("input", "holding") else {}
    contacts = [
        {"name": f"c{n}", "address": n + 4 * (n > 9), "says": "SEAM", "length_mm": 1, "debounce_ms": 0, **bit}
        for n in range(20)
    ]
    body = {"kind": "modbus", "host": "h", "unit": UNIT, "table": table, "contacts": contacts}
    stage = ModbusInput(box := Box(), ModbusInputConfig.model_validate(body), 0)
    return _stepped(stage, box, wires, rng)


def _output(rng: random.Random) -> str:
    wires: list[Wire] = []
    config = ModbusConfig(kind="modbus", host="h", unit=UNIT, registers_at=rng.choice((None, 0, 40)))
    heard, box = Box(), Box()
    beat = Heartbeat(number=0, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0)
    heard.send(beat)
    return _stepped(ModbusOutput(heard, box, Plc(config), config, 0), box, wires, rng)


def _stepped(stage: ModbusInput | ModbusOutput, box: Box, wires: list[Wire], rng: random.Random) -> str:
    lost = False
    with patch("pipeline.devices.modbus.socket.create_connection", _wired(rng, wires)):
        for at in range(1, 5):
            stage.step(at * 2 * S)
            said = box.take(Status)[-1]
            lost |= bool(said.detail) and "too seldom" not in said.detail  # it is stepped every other second
            assert bool(said.detail) is (said.state is StageState.DEGRADED) and "\n" not in said.detail
            header, right = wires[-1].taken[:8] if wires else b"", wires[-1].right[:8] if wires else b""
            assert said.state is StageState.DEGRADED or header == right, "another answer is believed"
        stage.close()
    assert all(wire.closed for wire in wires), "a connection is left open"
    return "lost" if lost else "well"
