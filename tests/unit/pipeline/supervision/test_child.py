"""A process of the line: whose words count, when it hangs, and how often it may fail."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.line import LineConfig
from pipeline.messages.stages import Progress
from pipeline.supervision.child import ABORT_NS, ABSENT, RESTARTS, SILENT_NS, STARTING_NS, STUCK_NS, Child, terminate
from pipeline.supervision.spec import Spec
from pipeline.supervision.words import Words

S = 1_000_000_000


@pytest.fixture
def child() -> Iterator[Child]:
    """One that runs, and is of generation 2."""
    child = Child("worker", "worker", generation=2)
    child.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield child
    terminate([child], 0.0, lambda: None)


def word(handled: int = 0, waiting: int = 0, name: str = "worker", generation: int = 2) -> Progress:
    return Progress(name=name, generation=generation, state=None, steps=1, handled=handled, waiting=waiting)


@pytest.mark.parametrize("other", [word(name="left"), word(generation=1)])
def test_only_its_own_words_make_it_ready(child: Child, other: Progress) -> None:
    assert not child.hears(other, 5) and not child.ready
    assert child.hears(word(), 5) and child.ready and child.heard_ns == 5


def test_a_start_takes_its_time(child: Child) -> None:
    assert child.hangs(STARTING_NS) == ""
    assert child.hangs(STARTING_NS + 1) == "does not get ready"


def test_silence_is_a_hang(child: Child) -> None:
    child.hears(word(), 5)
    assert child.hangs(5 + SILENT_NS) == ""
    assert child.hangs(6 + SILENT_NS) == "reports no progress"


@pytest.mark.parametrize(("role", "silent_ns"), [("decision", 3 * S), ("worker", SILENT_NS), ("recorder", SILENT_NS)])
def test_who_waits_for_nobody_hangs_sooner(child: Child, role: str, silent_ns: int) -> None:
    child.role = role
    child.hears(word(), 5)
    assert child.hangs(5 + silent_ns) == ""
    assert child.hangs(6 + silent_ns) == "reports no progress"
    child.spare(6 + silent_ns)  # who should have listened was stopped, too
    assert child.hangs(6 + 2 * silent_ns) == ""


@pytest.mark.parametrize(("handled", "waiting", "hangs"), [(1, 0, ""), (1, 3, "has work and does none"), (2, 3, "")])
def test_work_that_is_not_done_is_a_hang_and_idleness_is_none(child: Child, handled: int, waiting: int, hangs: str) -> None:
    child.hears(word(handled=1, waiting=3), 0)
    child.hears(word(handled, waiting), STUCK_NS + 1)
    assert child.hangs(STUCK_NS + 1) == hangs


def test_it_starts_again_later_each_time_and_not_for_ever() -> None:
    child, due_s = Child("worker", "worker"), []
    for _ in range(RESTARTS):
        assert child.failed(0) is None
        due_s.append((child.restart_due_ns or 0) / S)
    assert due_s == [0.0, 0.25, 0.5]
    assert child.failed(0) == RESTARTS + 1
    assert child.failed(61 * S) is None  # the minute is over


@pytest.mark.parametrize("seconds", [0, 1, 5, 19])
def test_a_start_does_not_make_up_for_the_failures_before_it(seconds: int) -> None:
    child, now_ns = Child("worker", "worker"), 0
    for generation in range(RESTARTS):
        now_ns = max(now_ns, child.restart_due_ns)
        child.generation = generation
        child.hears(word(generation=generation), now_ns)
        now_ns += seconds * S
        assert child.failed(now_ns) is None
    assert child.failed(max(now_ns, child.restart_due_ns) + seconds * S) == RESTARTS + 1


@pytest.mark.parametrize("role", ["grabber", "output", "input"])
def test_what_is_beyond_a_cable_may_come_back_after_any_time(role: str) -> None:
    child = Child(role, "left")
    assert [child.failed(0) for _ in range(20)] == [None] * 20
    assert child.restart_due_ns == 3 * S


def test_a_process_that_was_away_for_long_may_fail_as_often_as_any() -> None:
    child = Child("decision", "decision")
    assert [child.failed(n * S, ABSENT) for n in range(20)] == [None] * 20
    assert [child.failed(20 * S, 1) for _ in range(RESTARTS)] == [None] * RESTARTS
    assert child.failed(21 * S, ABSENT) is None
    assert child.failed(22 * S, 1) == RESTARTS + 1


def test_a_hanging_process_may_say_where_and_is_then_ended_and_nobody_waits() -> None:
    child = Child("worker", "worker")
    deaf = "import signal, time; signal.signal(signal.SIGABRT, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    child.process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    with child.process as process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        assert child.kill(5)
        assert not child.kill(ABORT_NS)
        time.sleep(0.1)
        assert process.poll() is None
        assert not child.kill(5 + ABORT_NS)
        assert process.wait(10) == -signal.SIGKILL


TALKATIVE = """
import signal, sys
def stop(number, frame):
    print("x" * 99 + chr(10), end="", flush=True)
    print(("y" * 99 + chr(10)) * 3000, end="", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_a_process_that_prints_much_as_it_stops_ends_by_itself() -> None:
    children, said = [Child("recorder", "recorder"), Child("worker", "worker")], list[str]()
    for child in children:
        process = subprocess.Popen([sys.executable, "-c", TALKATIVE], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        child.process, child._said = process, Words(process.stdout)
    processes = [child.process for child in children]

    def read() -> None:
        for child in children:
            said.extend(child.words())

    terminate(children, time.monotonic() + 20, read)
    assert [process.returncode for process in processes if process] == [7, 7]
    for child in children:
        said += child.last_words()
    assert len(said) == 6002 and {len(line) for line in said} == {99}


def test_what_is_not_there_may_come_after_any_time_and_nobody_waits_for_it() -> None:
    child = Child("motion", "motion")
    assert child.awaited
    assert [child.failed(0, ABSENT) for _ in range(20)] == [None] * 20 and not child.awaited
    assert child.failed(0, 1) is None and child.awaited  # its failure is one of its own now


@pytest.mark.parametrize(
    ("printed", "status", "why"),
    [
        ("glassline: no camera 7, plug it in", 75, "no camera 7, plug it in"),
        ("glassline: a note\nno line for a person", 1, "ended with status 1"),
        ("glassline: a note", -9, "ended with status -9"),
        ("", 1, "ended with status 1"),
    ],
)
def test_it_is_down_for_what_it_said_last(printed: str, status: int, why: str) -> None:
    child = Child("grabber", "left")
    speaker = subprocess.Popen([sys.executable, "-c", f"print({printed!r})"], stdout=subprocess.PIPE)
    assert speaker.stdout is not None
    speaker.wait()
    child._said = Words(speaker.stdout)
    child.last_words()
    assert child.why(status) == why


def test_each_generation_reads_its_own_spec_however_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker dies just as the standby begins: the next standby is started before that one has read what it is to be."""
    commands: list[list[str]] = []
    popen = subprocess.Popen

    def start(words: list[str], **more: Any) -> subprocess.Popen[bytes]:
        commands.append(words)
        return popen([sys.executable, "-c", "import time; time.sleep(60)"], **more)

    monkeypatch.setattr(subprocess, "Popen", start)
    children = [Child("worker", "worker") for _ in range(2)]
    for generation, one in enumerate(children, 1):
        one.start(Spec(role="worker", name="worker", generation=generation, folder=tmp_path, config=LineConfig()), 0)
    terminate(children, 0.0, lambda: None)
    for one in children:
        one.last_words()
    assert [Spec.model_validate_json(Path(words[-1]).read_text()).generation for words in commands] == [1, 2]
