"""A line of real processes leaves a black box of each fault, whoever dies, and goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pipeline.ledger.black_box import BlackBox, read_box
from pipeline.ledger.box_folder import boxes
from pipeline.messages.line import Heartbeat
from pipeline.messages.verdicts import Verdict
from pipeline.report import show_box, write_page
from pipeline.supervision import flight_recorder
from tests.line.test_line import config, running

pytestmark = pytest.mark.full

VICTIMS = ("recorder", "b", "worker", "decision")


def test_whoever_dies_the_box_tells_of_the_seconds_before(
    model: Path, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight_recorder, "AFTER_NS", 500_000_000)
    monkeypatch.setattr(flight_recorder, "INTERVAL_NS", 0)
    with running(config(model, footage, tmp_path, loop=True)) as run:
        for number, victim in enumerate(VICTIMS):
            run.heard.clear()
            run.until(lambda: run.line.ready and len(run.verdicts()) > 12)
            os.kill(run.pid(victim), signal.SIGKILL)
            run.until(lambda least=number + 1: len(boxes(tmp_path)) == least)  # type: ignore[misc]
    assert [path.stem.partition("-")[2] for path in boxes(tmp_path)] == [*VICTIMS]
    for path, victim in zip(boxes(tmp_path), VICTIMS, strict=True):
        box = read_box(path)
        assert (box.fault.process, box.fault.why, box.fault.status) == (victim, "ended with status -9", -9)
        check(box, victim)
        assert f"{victim} ended with status -9" in show_box(path).read_text(encoding="utf-8")
    page = write_page(tmp_path / "ledger.sqlite", tmp_path).read_text(encoding="utf-8")
    assert page.count("What the cameras saw") == len(VICTIMS) and "of another run" not in page


def check(box: BlackBox, victim: str) -> None:
    last = {word.name: word.progress for word in box.processes if word.progress and word.progress.generation == 0}
    assert last.keys() >= {victim, "motion"} and {w.name for w in box.processes} == {*VICTIMS, "a", "motion"}
    (dead,) = [w for w in box.processes if w.name == victim and w.progress and w.progress.generation == 0]
    assert dead.t_mono_ns < box.fault.t_mono_ns
    said = [p.message for p in box.published if p.t_mono_ns <= box.fault.t_mono_ns]
    assert sum(isinstance(m, Verdict) for m in said) > 8 and any(isinstance(m, Heartbeat) for m in said)
    assert box.states
    if victim != "decision":  # its successor takes a moment
        assert max(p.t_mono_ns for p in box.published) > box.fault.t_mono_ns
    assert {p.frame.camera for p in box.pictures} == {"a", "b"}
    assert all(0 <= box.fault.t_mono_ns - p.t_mono_ns < 5_000_000_000 and p.pixels.std() > 1 for p in box.pictures)
    assert box.ending.free_disk_bytes and box.ending.available_memory_bytes and "glassline" in box.ending.versions
