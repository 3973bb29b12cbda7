"""The Modbus output against a real server on loopback: coils and registers say what the line says, silence is seen by both."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.config.outputs import ModbusConfig
from pipeline.ledger.reading import read_actions
from pipeline.messages.actions import Action
from pipeline.messages.commands import Acknowledge, Reset
from pipeline.messages.line import STALE_NS, Heartbeat, LineState
from pipeline.messages.stages import Status
from pipeline.messages.states import ActionKind, Cause, Phase, StageState, State
from pipeline.outputs.modbus import ALL, COILS, CYCLE_NS, FROM_PLC, RETRY_NS, TAKE_NS, ModbusOutput, Plc
from pipeline.supervision.supervisor import LineFailed, Supervisor
from tests.fakes import Box, totals
from tests.line.test_line import SCALE
from tests.modbus_server import ModbusServer
from tools.cli import main

MS = 1_000_000


class Rig(ModbusServer):
    """The stage, what it hears, and the other side with a client of our own to look at it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard, self.decision = Box(), Box()
        self.config = ModbusConfig(kind="modbus", host="127.0.0.1", port=self.port, timeout_ms=500)
        self.stage = ModbusOutput(self.heard, self.decision, Plc(self.config), self.config, 0)
        self.now_ns = 10**12
        self.events = 0

    def step(self, ms: float = 0.0, beat: bool = True) -> None:
        """So much later, with the heartbeat that decision would have sent by then."""
        self.now_ns += int(ms * MS)
        if beat:
            self.heard.send(Heartbeat(number=0, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0))
        self.stage.step(self.now_ns)

    def act(self, kind: ActionKind, phase: Phase = Phase.NOW, **facts: Any) -> Action:
        action = Action.model_validate({
            "number": 0, "generation": 0, "event": self.events, "kind": kind, "cause": Cause.DEFECT, "phase": phase,
            "t_mono_ns": 0, **facts,
        })  # fmt: skip
        self.events += 1
        self.heard.send(action)
        return action

    @property
    def coils(self) -> list[bool]:
        return list(self.client.read_coils(0, count=4).bits)[:4]

    @property
    def words(self) -> list[int]:
        return list(self.client.read_holding_registers(0, count=17).registers)

    def answer(self, offset: int, value: int) -> None:
        assert not self.client.write_registers(FROM_PLC + offset, [value]).isError()


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    try:
        yield rig
    finally:
        rig.stage.close()
        rig.stop()


def test_a_reset_of_before_an_output_was_started_again_is_nobodys_wish_of_now(rig: Rig) -> None:
    rig.start()
    rig.heard.send(LineState(number=0, generation=0, state=State.RUNNING, inspection_ok=True, t_mono_ns=0, t_utc_ns=0))
    rig.answer(2, 5)  # the PLC's counter stands at 5
    rig.step(101)
    rig.step(101)
    assert rig.decision.take(Reset) == []
    rig.answer(2, 6)
    rig.step(101)
    rig.step(101)
    assert len(rig.decision.take(Reset)) == 1


def test_a_plc_sees_the_line_and_its_answers_come_back(rig: Rig) -> None:
    rig.start()
    rig.step(beat=False)
    assert rig.coils == [False, False, False, False]  # no heartbeat yet: no permit
    rig.heard.send(LineState(number=0, generation=0, state=State.RUNNING, inspection_ok=True, t_mono_ns=0, t_utc_ns=0))
    rig.heard.send(totals(position_mm=70_000.4))
    rig.step(100)
    assert rig.coils == [True, True, False, False]
    assert rig.words[:4] == [1, 2, 1, 0] and rig.words[15:] == [70_000 >> 16, 70_000 & 0xFFFF]
    assert rig.decision.take(Status)[-1].state is StageState.READY

    rig.act(ActionKind.STOP, severity=3, start_mm=412_300.0, x0_mm=840.0, x1_mm=-3.0)
    rig.step()  # at once, not with the next cycle
    assert rig.coils[0] is False
    assert rig.words[3:11] == [1, 1, 1, 3, 412_300 >> 16, 412_300 & 0xFFFF, 840, 0xFFFD]
    assert rig.words[11:15] == [0x8000, 0, 0x8000, 0]  # no target

    rig.answer(1, 1)  # acknowledged
    rig.step(101)
    assert [a.event for a in rig.decision.take(Acknowledge)] == [0]
    rig.step(101)
    assert rig.coils[0] is True

    rig.answer(2, 1)
    rig.step(101)
    rig.step(101)
    assert len(rig.decision.take(Reset)) == 1

    rig.act(ActionKind.LAMP)
    rig.step()
    assert rig.coils[3] is True
    rig.heard.send(Action(number=1, generation=0, event=1, kind=ActionKind.LAMP, cause=Cause.DEFECT,
                          phase=Phase.ACKNOWLEDGED, t_mono_ns=0))  # fmt: skip
    rig.step()
    assert rig.coils[3] is False
    rig.act(ActionKind.STOP)
    rig.act(ActionKind.LAMP)
    rig.answer(1, ALL)
    rig.step(101)
    rig.step(101)
    assert rig.coils == [True, True, False, False]


def test_an_output_that_is_started_again_gives_no_permit_while_a_stop_is_open(rig: Rig) -> None:
    rig.start()
    stop = rig.act(ActionKind.STOP)
    rig.act(ActionKind.LAMP)
    rig.step()
    assert rig.coils == [False, True, False, True]
    rig.stage.close()
    rig.stage = ModbusOutput(rig.heard, rig.decision, Plc(rig.config), rig.config, 1)
    open_kinds = (ActionKind.STOP, ActionKind.LAMP)
    beat = Heartbeat(
        number=0, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, unacknowledged=open_kinds, t_mono_ns=0
    )
    rig.heard.send(beat)
    rig.step(101, beat=False)
    assert rig.coils == [False, True, False, True]
    for _ in range(2):  # welcomed, and then once more for another who joins
        rig.heard.send(stop)
    rig.heard.send(beat)
    rig.step(101, beat=False)
    assert rig.words[3:5] == [1, 1]  # shown to the PLC again, so that it can acknowledge
    rig.answer(1, 1)
    rig.step(101)
    rig.step(101)
    assert [a.event for a in rig.decision.take(Acknowledge)] == [0]
    assert rig.coils == [True, True, False, False]


def test_marks_are_pulses_and_records_wait_until_they_are_taken(rig: Rig) -> None:
    rig.start()
    rig.step()
    for n in range(3):
        rig.act(ActionKind.MARK, Phase.AHEAD, target_mm=1000.0 + n, target_count=-8 * (1000 + n))
    rig.step()
    counts = (-8 * 1000) & 0xFFFFFFFF
    assert rig.coils[2] is False and rig.words[3:5] == [1, 2]
    assert rig.words[11:15] == [0, 1000, counts >> 16, counts & 0xFFFF]
    rig.step(101)
    assert rig.words[3] == 1  # not taken yet
    rig.answer(0, 1)
    rig.step(101)
    rig.step()
    assert rig.words[3] == 2
    rig.step(TAKE_NS / MS - 1)
    assert rig.words[3] == 2
    rig.step(102)  # nobody took it in time: the next may be more use
    assert rig.words[3] == 3 and rig.stage.records_untaken == 1
    rig.act(ActionKind.MARK, Phase.NOW, target_mm=1000.0)
    rig.step()
    assert rig.coils[2] is True and rig.words[3] == 3  # it was announced: no new record
    rig.step(99)
    assert rig.coils[2] is True
    rig.step(2)
    assert rig.coils[2] is False


def test_without_a_heartbeat_and_at_the_end_everything_is_off(rig: Rig) -> None:
    rig.start()
    rig.step()
    rig.step(CYCLE_NS / MS)
    assert rig.coils[:1] == [True]
    beats = rig.words[0]
    rig.step(STALE_NS / MS, beat=False)
    assert rig.coils == [False] * 4 and rig.words[0] == beats
    rig.step(CYCLE_NS / MS)
    assert rig.coils[0] is True
    rig.stage.close()
    assert rig.coils == [False] * 4


@pytest.mark.parametrize("way", ["absent", "killed", "mute", "refuses"])
def test_a_plc_that_does_not_answer_is_told_holds_nobody_up_and_comes_back(rig: Rig, way: str) -> None:
    listener = socket.socket()
    if way == "killed":
        rig.start()
        rig.step()
        rig.decision.take(Status)
        rig.stop()
    elif way == "mute":  # connects and says nothing
        listener.bind(("127.0.0.1", rig.port))
        listener.listen()
    elif way == "refuses":
        rig.start()
        config = rig.config.model_copy(update={"registers_at": 1000})
        rig.stage = ModbusOutput(rig.heard, rig.decision, Plc(config), config, 0)
    rig.act(ActionKind.STOP)
    rig.act(ActionKind.MARK)
    spent_s = _spent(lambda: rig.step(101))
    told = rig.decision.take(Status)[-1]
    assert told.state is StageState.DEGRADED and f"127.0.0.1:{rig.port}" in told.detail
    assert spent_s < 5  # the timeout is half a second
    assert _spent(lambda: rig.step(RETRY_NS / MS - 200)) < 0.4  # not asked again yet
    listener.close()
    if way == "refuses":
        return
    assert rig.stage.marks_lost == 1
    rig.start()
    rig.step(1000)
    rig.step(1000)
    assert rig.decision.take(Status)[-1].state is StageState.READY
    assert rig.coils[0] is False  # the stop is still open


def _spent(what: Callable[[], None]) -> float:
    start_s = time.monotonic()
    what()
    return time.monotonic() - start_s


def started_again(line: Supervisor, name: str, holds: Callable[[], bool]) -> None:
    """Kill a process of a line, and step until all are back and the output has heard of it; `holds` all the while."""
    child = next(c for c in line._children if c.name == name)
    assert child.process is not None
    child.process.kill()
    end_s = time.monotonic() + 60
    back_s: float | None = None
    while back_s is None or time.monotonic() < back_s + 1.0:
        line.step()
        assert holds() and time.monotonic() < end_s
        if back_s is None and child.generation > 0 and line.ready:
            back_s = time.monotonic()


def test_a_whole_line_stops_the_machine_until_somebody_acknowledges(
    rig: Rig, model: Path, footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.start()
    body = {
        "line": {"name": "wired"}, "model": str(model),
        "motion": {"source": "simulated", "speed_mm_s": 0.0, "segments": [{"seconds": 6.0, "speed_mm_s": 30.0}]},
        "cameras": [{"name": "a", "source": "replay", "path": str(footage), "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}],
        "actions": [{"when": "DEFECT", "do": "stop"}],
        "outputs": [{"kind": "publisher"}, {"kind": "modbus", "host": "127.0.0.1", "port": rig.port}],
        "worker": {"backend": "torch"}, "decision": {"budget_ms": 30000},
        "ledger": {"path": str(tmp_path / "ledger.sqlite")},
    }  # fmt: skip
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump(body))
    assert main(["outputs", "test", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pulsed"] == {"plc": list(COILS)}
    permits: list[bool] = []
    with Supervisor(load_config(path)) as line:
        assert main(["outputs", "test", str(path)]) == 2  # not while it runs
        end_s = time.monotonic() + 90
        while permits[-1:] != [True] or permits.count(False) < 2:
            assert time.monotonic() < end_s, permits
            line.step()
            if (permit := rig.coils[0]) != (permits[-1] if permits else None):
                permits.append(permit)
                if permits == [False, True, False]:
                    while rig.words[3:6] != [1, 1, 1]:  # written right after the coil
                        assert time.monotonic() < end_s
                    for name in ("plc", "decision"):  # neither comes back with a permit that nobody gave
                        started_again(line, name, lambda: rig.coils[0] is False)
                    with subprocess.Popen([sys.executable, "-m", "tools", "tell", str(path), "acknowledge"]) as asked:
                        while asked.poll() is None:
                            line.step()
                    assert asked.returncode == 0
        assert permits == [False, True, False, True]
    assert rig.coils == [False] * 4
    told = [(a.generation, a.event, a.kind, a.phase) for a in read_actions(tmp_path / "ledger.sqlite")]
    assert told[:3] == [
        (0, 0, ActionKind.STOP, Phase.NOW),
        (1, 0, ActionKind.STOP, Phase.NOW),
        (1, 0, ActionKind.STOP, Phase.ACKNOWLEDGED),
    ]
    assert main(["tell", str(path), "reset"]) == 2  # no such line any more
    rig.stop()
    assert main(["outputs", "test", str(path)]) == 1
    assert "does not answer, plc, no connection" in capsys.readouterr().err


DIES = """
import os, sys
from pathlib import Path
if Path({flag!r}).exists() and "/{role}-{role}-" in sys.orig_argv[-1]:
    os._exit(0)
"""
"""Python runs it at the start of each process of the line."""


@pytest.mark.parametrize("role", ["motion", "decision"])
def test_before_a_line_ends_that_cannot_go_on_the_outputs_are_off(
    rig: Rig, model: Path, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    """Where decision lives it says FAULT; where it is the one that is gone, its heartbeat is silent."""
    rig.start()
    flag = tmp_path / "broken"
    (tmp_path / "sitecustomize.py").write_text(DIES.format(flag=str(flag), role=role))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    body = {
        "line": {"name": "wired"}, "model": str(model), "motion": {"source": "simulated", "speed_mm_s": 30.0},
        "cameras": [{"name": "a", "source": "replay", "path": str(footage), "loop": True, **SCALE}],
        "outputs": [{"kind": "publisher"}, {"kind": "modbus", "host": "127.0.0.1", "port": rig.port}],
        "worker": {"backend": "torch"}, "decision": {"budget_ms": 30000},
        "ledger": {"path": str(tmp_path / "ledger.sqlite")},
    }  # fmt: skip
    end_s = time.monotonic() + 90
    with Supervisor(LineConfig.model_validate(body)) as line:
        while rig.coils[:2] != [True, True]:
            line.step()
            assert time.monotonic() < end_s
        flag.touch()
        child = next(c for c in line._children if c.role == role)
        assert child.process is not None
        child.process.kill()
        with pytest.raises(LineFailed, match=f"{role} failed 4 times in a minute, ended with status 0"):
            while time.monotonic() < end_s:
                line.step()
        assert rig.coils == [False] * 4  # by now, while all others still run
        said = [m for m in iter(lambda: (line.events.receive() or (None,))[0], None) if isinstance(m, LineState)]
        faults = [m for m in said if m.state is State.FAULT]
        assert bool(faults) is (role == "motion") and all("motion: motion failed 4 times" in m.detail for m in faults)
