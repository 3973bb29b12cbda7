"""The reference consumer de-energises to reject: whatever is amiss, its output is off in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from configs.consumer import MS, Gate, show
from pipeline.link.wire import encode
from pipeline.messages.actions import Reject
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict

BEGAN_MS = 50_000


class Air:
    """A line that speaks to a gate: two cameras, judged every 100 ms and every 250 ms."""

    def __init__(self, **gate: Any) -> None:
        facts = {"window_ms": 350.0, "verdict_ms": 600.0, "late_ms": 80.0, "hold_ms": 400.0, "engine_sha": "engine"}
        self.gate = Gate(("left", "right"), **{**facts, **gate})
        self.ms = BEGAN_MS
        self.generation = 3
        self.numbers = {"Heartbeat": 40, "Verdict": 900, "LineState": 5, "Reject": 2}

    def say(self, kind: str, lost: bool = False, late_ms: int = 0, **changes: Any) -> None:
        """One message as decision would publish it, which takes so long, or never comes."""
        number, t_ns = self.numbers[kind], (self.ms - late_ms) * MS
        self.numbers[kind] += 1
        base = {"number": number, "generation": self.generation, "t_mono_ns": t_ns}
        if kind == "Verdict":
            frame = {"camera": "left", "boot_id": "b", "seq": number, "result": Result.PASS, "engine_sha": "engine"}
            message: Any = Verdict.model_validate({**base, **frame, "t_utc_ns": 1, **changes})
        elif kind == "Heartbeat":
            told = {"state": State.RUNNING, "inspection_ok": True, "verdicts": self.numbers["Verdict"]}
            message = Heartbeat.model_validate({**base, **told, **changes})
        elif kind == "LineState":
            told = {"state": State.RUNNING, "inspection_ok": True, "t_utc_ns": 1}
            message = LineState.model_validate({**base, **told, **changes})
        else:
            spoken = {"verdict": 1, "camera": "right", "cause": Result.DEFECT, "start_mm": 1.0, "end_mm": 2.0}
            message = Reject.model_validate({**base, **spoken, **changes})
        if not lost:
            self.hear(bytes(encode(message)[0]))

    def hear(self, header: bytes) -> None:
        self.gate.hear([b"kind", header], self.ms * MS)

    def run(self, ms: int, beats: bool = True, left: bool = True, right: bool = True, **verdict: Any) -> list[bool]:
        """So long all is well; the output every 10 ms."""
        seen = []
        for _ in range(ms // 10):
            self.ms += 10
            if left and self.ms % 100 == 0:
                self.say("Verdict", **verdict)
            if right and self.ms % 250 == 0:
                self.say("Verdict", camera="right")
            if beats and self.ms % 100 == 50:
                self.say("Heartbeat")
            seen.append(self.on)
        return seen

    @property
    def on(self) -> bool:
        return self.gate.on(self.ms * MS)

    def off_within(self, ms: int, **run: Any) -> bool:
        """On before, and off for the rest of the hold from then on."""
        assert self.on
        seen = self.run(ms, **run)
        return not seen[-1] and not any(self.run(100, **run))


@pytest.fixture
def air() -> Air:
    made = Air()
    made.say("LineState")
    made.run(1000)
    assert made.on
    return made


def test_it_is_off_before_the_first_word_and_until_every_camera_has_passed() -> None:
    air = Air()
    assert not air.on
    assert not any(air.run(800, right=False))
    assert air.run(300)[-1]
    assert not any(Air().run(800, beats=False))


def test_an_even_run_never_drops() -> None:
    air = Air()
    air.run(600)
    assert all(air.run(5000))


@pytest.mark.parametrize("silent", [{"beats": False}, {"left": False}, {"right": False}])
def test_silence_drops_it_within_its_window(air: Air, silent: dict[str, Any]) -> None:
    assert air.off_within(360 if "beats" in silent else 610, **silent)
    assert air.run(700)[-1]


AMISS: tuple[tuple[str, Callable[[Air], None]], ...] = (
    ("a defect", lambda air: air.say("Verdict", result="DEFECT")),
    ("not inspected", lambda air: air.say("Verdict", camera="right", result="NOT_INSPECTED", reason="NO_SCORE", seq=4)),
    ("a silent span", lambda air: air.say("Verdict", result="NOT_INSPECTED", reason="NO_FRAME", seq=None, boot_id="")),
    ("a reject", lambda air: air.say("Reject")),
    ("another engine", lambda air: air.say("Verdict", engine_sha="other")),
    ("no engine", lambda air: air.say("Verdict", engine_sha="")),
    ("a late verdict", lambda air: air.say("Verdict", late_ms=90)),
    ("a late heartbeat", lambda air: air.say("Heartbeat", late_ms=90)),
    ("a word from tomorrow", lambda air: air.say("Heartbeat", late_ms=-90)),
    ("inspection not ok", lambda air: air.say("Heartbeat", inspection_ok=False)),
    ("a state that is not ok", lambda air: air.say("LineState", inspection_ok=False, state="DEGRADED")),
    ("noise", lambda air: air.hear(b"\xc1")),
    ("no parts", lambda air: air.gate.hear([], air.ms * MS)),
    ("one part", lambda air: air.gate.hear([b"Verdict"], air.ms * MS)),
    ("no bytes", lambda air: air.hear(b"")),
    ("a list", lambda air: air.hear(b"\x90")),
    ("another version", lambda air: air.hear(msgpack.packb({"v": 2, "t": "Heartbeat"}))),
    ("a word without its fields", lambda air: air.hear(msgpack.packb({"v": 1, "t": "Verdict"}))),
    ("a lost reject", lambda air: (air.say("Reject", lost=True), air.say("Reject"))[0]),
    ("a stale generation", lambda air: air.say("Verdict", generation=2)),
)  # fmt: skip


@pytest.mark.parametrize("amiss", [a for _, a in AMISS], ids=[name for name, _ in AMISS])
def test_what_is_amiss_drops_it_at_once_and_for_the_hold(air: Air, amiss: Callable[[Air], None]) -> None:
    amiss(air)
    assert not air.on and air.gate.why != "nothing heard"
    assert not any(air.run(390))
    assert air.run(1200)[-1]


@pytest.mark.parametrize("amiss", [a for _, a in AMISS], ids=[name for name, _ in AMISS])
def test_after_the_hold_it_waits_for_a_pass_of_every_camera(air: Air, amiss: Callable[[Air], None]) -> None:
    amiss(air)
    assert not any(air.run(590, left=False, right=False))  # what passed before is young enough until then
    assert not any(air.run(500, right=False))
    assert air.run(300)[-1]


@pytest.mark.parametrize("kind", ["Verdict", "Heartbeat", "LineState"])
def test_a_lost_word_is_a_reject(air: Air, kind: str) -> None:
    said: dict[str, Any] = {"result": "DEFECT"} if kind == "Verdict" else {}
    air.say(kind, lost=True, **said)
    air.say("LineState") if kind == "LineState" else air.run(100)
    assert not air.on
    assert air.run(1200)[-1]


def test_a_lost_verdict_is_missed_by_the_heartbeat_alone(air: Air) -> None:
    air.say("Verdict", result="DEFECT", lost=True)
    assert air.off_within(100, left=False, right=False)


def test_a_new_generation_must_prove_itself(air: Air) -> None:
    air.generation, air.numbers = 4, dict.fromkeys(air.numbers, 0)
    air.say("LineState")
    assert not any(air.run(700, right=False))
    assert air.run(300)[-1]


def test_a_state_told_again_to_a_newcomer_is_no_gap(air: Air) -> None:
    air.say("LineState")
    air.numbers["LineState"] -= 1
    air.ms += 10
    air.say("LineState", late_ms=5000)
    assert air.on


class Flood:
    """A socket on which the next message has always come already, and then Ctrl-C."""

    def __init__(self, *results: str) -> None:
        self._left = [part for result in results for part in self._said(result)]
        self._numbers = [0, 0]

    @staticmethod
    def _said(result: str) -> list[dict[str, Any]]:
        beat = {"t": "Heartbeat", "state": "RUNNING", "inspection_ok": True}
        return [beat, *({"t": "Verdict", "camera": c, "seq": 1, "result": result} for c in "ab"), beat]

    def poll(self, wait_ms: int) -> int:
        return 1

    def recv_multipart(self) -> list[bytes]:
        if not self._left:
            raise KeyboardInterrupt
        said = {"v": 1, "generation": 0, "t_mono_ns": time.monotonic_ns(), **self._left.pop(0)}
        verdict = said["t"] == "Verdict"
        if not verdict:
            said["verdicts"] = self._numbers[True]
        said["number"] = self._numbers[verdict]
        self._numbers[verdict] += 1
        return [said["t"].encode(), msgpack.packb(said), b""]


def test_the_output_is_asked_for_after_each_message_also_where_they_never_cease(capsys: pytest.CaptureFixture[str]) -> None:
    gate = Gate(("a", "b"), window_ms=1e9, verdict_ms=1e9, late_ms=1e9, hold_ms=0.0)
    with pytest.raises(KeyboardInterrupt):
        show(gate, Flood("PASS", "DEFECT", "PASS"))  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == ["OFF (generation 0 of decision begins)", "ON", "OFF (DEFECT on a)", "ON"]
