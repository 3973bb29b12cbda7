"""The flight recorder: one box for an episode of faults, with what led to it, and never a wait for a disk."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.line import LineConfig
from pipeline.ledger.black_box import BlackBox, LastWord, read_box
from pipeline.ledger.box_folder import boxes
from pipeline.messages.frames import MAX_SHRUNK_BYTES, Frame
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.stages import Progress
from pipeline.messages.states import State
from pipeline.supervision import flight_recorder
from pipeline.supervision.flight_recorder import (
    AFTER_NS,
    EPISODE_NS,
    INTERVAL_NS,
    KEPT_NS,
    LINES,
    MESSAGES,
    PICTURES,
    FlightRecorder,
)

S = 1_000_000_000
T = 1000 * S


def progress(name: str, generation: int = 0, handled: int = 1) -> Progress:
    return Progress(name=name, generation=generation, state=None, steps=1, handled=handled, waiting=0)


def state(number: int, kind: State, detail: str = "") -> LineState:
    return LineState(number=number, generation=0, state=kind, inspection_ok=False, detail=detail, t_mono_ns=1, t_utc_ns=1)


def beat(number: int) -> Heartbeat:
    return Heartbeat(number=number, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=1)


def frame(seq: int, camera: str = "left", side: int = 2) -> Frame:
    return Frame(
        camera=camera, boot_id="b", seq=seq, t_mono_ns=1, t_utc_ns=1, block_id=1, shape=(side, side), pixel_format="Mono8"
    )


class Bench:
    """A recorder of a line with one camera, and what its processes last said."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, list[str]()
        self.words = {"worker": progress("worker"), "decision": progress("decision")}
        config = LineConfig.model_validate(
            {"cameras": [{"name": "left", "source": "replay", "path": "."}], "ledger": {"path": folder / "ledger.sqlite"}}
        )
        self.config = config
        self.flight = FlightRecorder(config, self._last_words, self.said.append)

    def _last_words(self) -> list[LastWord]:
        return [LastWord(role=n, name=n, progress=p, t_mono_ns=T) for n, p in self.words.items()]

    def boxes(self, now_ns: int) -> list[BlackBox]:
        """Those there are, after what is due at that time is written."""
        self.flight.step(now_ns)
        self.flight.leave(time.monotonic() + 20)
        return [read_box(path) for path in boxes(self.folder)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_box_holds_what_led_to_the_fault_and_what_followed(bench: Bench) -> None:
    flight = bench.flight
    flight.hear(state(0, State.STARTING), T - 3 * KEPT_NS)
    flight.hear(state(1, State.RUNNING), T - 2 * KEPT_NS)
    flight.hear(beat(0), T - KEPT_NS - 1)
    flight.hear(beat(1), T - KEPT_NS + 1)
    for seq in range(PICTURES + 2):
        assert flight.see(frame(seq), bytes([seq] * 4), T - S + seq)
    flight.read("worker", "Traceback", T - 1)
    bench.words["worker"] = progress("worker", handled=7)
    flight.fault("worker", "ended with status -11", T, -11)
    bench.words["worker"] = progress("worker", generation=1)
    flight.see(frame(99), bytes(4), T + 1)
    flight.hear(state(2, State.DEGRADED), T + S)
    assert bench.boxes(T + AFTER_NS - 1) == []
    (box,) = bench.boxes(T + AFTER_NS)
    assert [(f.process, f.why, f.status, f.t_mono_ns) for f in box.faults] == [("worker", "ended with status -11", -11, T)]
    assert [(p.t_mono_ns, getattr(p.message, "number", None)) for p in box.published] == [
        (T - 2 * KEPT_NS, 1), (T - KEPT_NS + 1, 1), (T + S, 2),
    ]  # fmt: skip
    assert [p.frame.seq for p in box.pictures] == [2, 3, 4, 5] and box.pictures[0].pixels.tolist() == [[2, 2], [2, 2]]
    assert [(w.name, w.progress and (w.progress.generation, w.progress.handled)) for w in box.processes] == [
        ("worker", (0, 7)), ("decision", (0, 1)), ("worker", (1, 1)),
    ]  # fmt: skip
    assert [(p.process, p.text) for p in box.printed] == [("worker", "Traceback")]
    assert box.opening.config_sha == bench.config.sha
    assert bench.said == [f"glassline: what led to it is kept, {boxes(bench.folder)[0]}"]


def test_a_fault_that_latches_makes_one_box_until_it_was_reset(bench: Bench) -> None:
    bench.flight.hear(state(0, State.FAULT, "recorder: full"), T)
    bench.flight.hear(state(1, State.FAULT, "recorder: full (gone: reset it)"), T + 1)
    (box,) = bench.boxes(T + AFTER_NS)
    assert [(f.process, f.why) for f in box.faults] == [("line", "recorder: full")]
    later_ns = T + EPISODE_NS + AFTER_NS
    bench.flight.hear(state(2, State.FAULT, "recorder: full"), later_ns)
    assert len(bench.boxes(later_ns + INTERVAL_NS)) == 1
    bench.flight.hear(state(3, State.RUNNING), later_ns)
    bench.flight.hear(state(4, State.FAULT, "again"), later_ns + 1)
    assert len(bench.boxes(later_ns + INTERVAL_NS)) == 2


def test_a_fault_every_second_makes_one_box_and_another_process_one_ten_seconds_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    for second in range(300):
        now_ns = T + second * S
        bench.flight.fault("worker", "ended", now_ns)
        if second in (3, 5):
            bench.flight.fault("decision", f"ended at {second}", now_ns)
        before, written = written, len(bench.boxes(now_ns))
        if written > before:
            assert second == (AFTER_NS // S if before == 0 else (AFTER_NS + INTERVAL_NS) // S)
    first, second_box = (read_box(path) for path in boxes(bench.folder))
    assert [f.why for f in first.faults] == ["ended"] * 3
    assert [f.why for f in second_box.faults if f.process == "decision"] == ["ended at 3", "ended at 5"]
    assert second_box.fault.process == "decision"
    bench.flight.fault("worker", "after a quiet minute", T + 299 * S + EPISODE_NS)
    assert len(bench.boxes(T + 400 * S)) == 3


def test_the_end_of_the_line_waits_for_no_time_and_adds_to_a_box_of_a_moment_ago(bench: Bench) -> None:
    bench.flight.see(frame(1), bytes(4), T)
    bench.flight.fault("worker", "ended", T)
    assert len(bench.boxes(T + AFTER_NS)) == 1
    bench.words = {"decision": progress("decision")}
    bench.flight.see(frame(2), bytes(4), T + 3 * S)
    bench.flight.fault("supervisor", "worker failed too often", T + 4 * S)
    bench.flight.close(T + 4 * S)
    (box,) = bench.boxes(T + 4 * S)
    assert [f.process for f in box.faults] == ["worker", "supervisor"]
    assert {w.name for w in box.processes} == {"worker", "decision"} and [p.frame.seq for p in box.pictures] == [1]


def test_a_line_that_ends_well_leaves_none(bench: Bench) -> None:
    bench.flight.hear(state(0, State.RUNNING), T)
    bench.flight.close(T)
    assert bench.boxes(T) == [] and not (bench.folder / "black_boxes").exists()


def test_what_it_holds_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    flight = bench.flight
    assert not flight.see(frame(0, camera="stranger"), bytes(4), T)
    assert not flight.see(frame(0, side=256), bytes(MAX_SHRUNK_BYTES + 1), T)
    flight.hear(state(5, State.RUNNING), T - S)
    for n in range(2 * MESSAGES):
        flight.hear(beat(n), T - 2 * MESSAGES + n)
    for n in range(2 * LINES):
        flight.read("worker", f"{n}" + "\x00" * 70_000, T - 2 * LINES + n)
    flight.read("decision", "rare", T - 3 * LINES)
    flight.fault("worker", "ended", T)
    monkeypatch.setattr(flight_recorder, "LINES_BYTES", 50_000)
    (box,) = bench.boxes(T + AFTER_NS)
    numbers = [p.message.number for p in box.published if isinstance(p.message, Heartbeat)]
    assert numbers == list(range(MESSAGES, 2 * MESSAGES)) and box.states == [state(5, State.RUNNING)]
    shown = [p.text[:3] for p in box.printed]
    assert shown == [f"{n}" for n in range(2 * LINES - len(shown), 2 * LINES)] and 5 < len(shown) < 10
    assert box.opening.left_out == LINES + 1 - len(shown)


def test_a_disk_that_hangs_is_never_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = list[subprocess.Popen[bytes]](), subprocess.Popen

    def hang(command: list[str], **how: Any) -> subprocess.Popen[bytes]:
        started.append(start([sys.executable, "-S", "-c", "import time; time.sleep(60)"], **how))
        return started[-1]

    monkeypatch.setattr(flight_recorder.subprocess, "Popen", hang)
    began_s = time.monotonic()
    bench.flight.fault("worker", "ended", T)
    bench.flight.step(T + AFTER_NS)
    for name in ("decision", "recorder"):
        bench.flight.fault(name, "ended", T + EPISODE_NS)
        bench.flight.step(T + 2 * EPISODE_NS)
    bench.flight.close(T + 3 * EPISODE_NS)
    bench.flight.leave(0)
    assert time.monotonic() - began_s < 5
    assert len(started) == 1 and boxes(bench.folder) == []
    assert ["not written (the disk is slow)" in bench.said[0], "may still come" in bench.said[1]] == [True] * len(bench.said)
    started[0].kill()
    started[0].wait()


def test_a_folder_that_takes_no_box_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench = Bench(tmp_path / "file")
    bench.flight.fault("worker", "ended", T)
    bench.flight.step(T + AFTER_NS)
    bench.flight.leave(time.monotonic() + 20)
    assert len(bench.said) == 1 and "black box not written (" in bench.said[0]


def test_where_no_process_can_be_started_it_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str], **how: Any) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(flight_recorder.subprocess, "Popen", refuse)
    bench.flight.fault("worker", "ended", T)
    assert bench.boxes(T + AFTER_NS) == []
    assert len(bench.said) == 1 and "black box not written (Cannot allocate memory)" in bench.said[0]
