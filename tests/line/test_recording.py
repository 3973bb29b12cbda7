"""A whole line that keeps pictures around its defects: they are judged again as they were, and keeping them harms nobody."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import compare, replay
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_verdicts
from pipeline.messages.line import LineState
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.recording.reading import McapRecording
from tests.line.test_line import SCALE, Run, config, running

ON_TORCH = LineConfig.model_validate({"worker": {"backend": "torch"}})


def passed(run: Run, state: State, word: str = "") -> bool:
    """Whether the line was in that state and cloth may pass, and said that word."""
    said = [m for m in run.heard if isinstance(m, LineState)]
    return bool(said) and said[-1].state is state and said[-1].inspection_ok and word in said[-1].detail


def test_what_a_line_kept_is_judged_again_as_it_was(model: Path, footage: Path, tmp_path: Path) -> None:
    recordings = {"folder": tmp_path / "kept", "before_s": 0.9, "after_s": 0.9, "leave_gb": 0}
    line = config(model, footage, tmp_path / "out", recording=recordings)  # a frame each 427 ms
    with running(line) as run:
        run.until(lambda: run.line.ended)
    (file,) = (tmp_path / "kept").iterdir()
    live = {(v.camera, v.seq): v for v in read_verdicts(line.ledger.path)}
    recording = McapRecording(file)
    kept = {name: list(recording.frames(file, name)) for name in ("a", "b")}
    for frames in kept.values():
        assert {2, 3, 4, 5} <= {each.frame.seq for each in frames} <= set(range(1, 8))
        for each in frames:
            picture = cv2.imread(str(footage / f"{each.frame.seq:03d}.png"), cv2.IMREAD_GRAYSCALE)
            assert each.pixels is not None and np.array_equal(each.pixels, picture)
    assert len(list(recording.motion())) > 20 and recording.shortfall == ""
    summary = replay(file.parent, model, tmp_path / "again", ON_TORCH)
    again = [v for v in read_verdicts(tmp_path / "again/ledger.sqlite") if v.seq is not None]
    assert summary.frames == len(again) == sum(map(len, kept.values())) and summary.not_inspected == 0
    for verdict in again:
        before = live[verdict.camera, kept[verdict.camera][verdict.seq or 0].frame.seq]
        assert (verdict.result, verdict.start_mm, verdict.end_mm) == (before.result, before.start_mm, before.end_mm)
        assert verdict.lanes == pytest.approx(before.lanes, abs=1e-5)
    assert {v.camera for v in again if v.result is Result.DEFECT} == {"a", "b"}
    found = compare(model, model, file, config=ON_TORCH, out=tmp_path / "compared")
    assert found.accepted and found.frames == len(again)
    alone = replay(file, model, tmp_path / "alone", ON_TORCH, camera="b")
    assert alone.frames == len(kept["b"])
    eye = {"name": "eye", "source": "replay", "path": file, "camera": "a", **SCALE}
    motion = {"source": "recorded", "path": file}
    with running(config(model, footage, tmp_path / "timed", cameras=[eye], motion=motion)) as run:
        run.until(lambda: any(v.result is Result.DEFECT for v in run.verdicts()))


def test_a_recording_that_fails_or_hangs_delays_no_reject_and_loses_no_verdict(
    model: Path, footage: Path, tmp_path: Path
) -> None:
    place = tmp_path / "kept"
    place.write_text("in the way")
    recordings = {"folder": place, "before_s": 0.5, "after_s": 0.5, "rate": 100, "leave_gb": 0}
    line = config(model, footage, tmp_path / "out", loop=True, recording=recordings)
    with running(line) as run:
        run.until(lambda: passed(run, State.DEGRADED, "recording: recording stopped (File exists)"))
        place.unlink()
        run.until(lambda: any(place.glob("*.mcap")) and not passed(run, State.DEGRADED, "stopped"))
        run.until(lambda: McapRecording(place).count("a") >= 3)
        before, process = len(run.verdicts()), run.pid("recording")
        os.kill(run.pid("recording"), signal.SIGSTOP)
        run.until(lambda: len(run.verdicts()) > before + 60)  # more than its queues hold
        frozen: list[Verdict] = run.verdicts()[before:]
        assert sum(v.result is Result.DEFECT for v in frozen) >= 2
        assert all(v.latency_ms is not None and v.latency_ms < 3000 for v in frozen if v.result is not Result.NOT_INSPECTED)
        run.until(lambda: run.pid_or_none("recording") not in (None, process) and run.line.ready)  # it was seen to hang
        run.until(lambda: len(files := sorted(place.iterdir())) == 2 and McapRecording(files[1]).count("a") >= 3)
    got = [v for v in read_verdicts(line.ledger.path) if v.seq is not None]
    for camera in "ab":
        seqs = [v.seq for v in got if v.camera == camera]
        assert seqs == list(range(len(seqs)))
    first, second = (McapRecording(file) for file in sorted(place.iterdir()))
    assert first.shortfall and not second.shortfall, "one was killed, and one was ended"
