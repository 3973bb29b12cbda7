"""Whole lines of real processes: the same verdicts as in one process, and an honest account of everything that fails."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import pytest

from glass_core.errors import InputError
from pipeline.cameras.synthetic.weave import render
from pipeline.config.line import LineConfig
from pipeline.ledger.lost import Missing, read_missing
from pipeline.ledger.reading import read_runs, read_states, read_verdicts
from pipeline.messages.actions import Reject
from pipeline.messages.commands import Answer, Reset
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.report.roll import summarise
from pipeline.report.sheet import read_sheet
from pipeline.supervision.child import RESTARTS
from pipeline.supervision.process import run_in_one_process
from pipeline.supervision.supervisor import LineFailed, Supervisor
from tests.line.conftest import CLOTH, ROWS, WIDTH_PX, good_frame

LIMIT_S = 90.0
SCALE = {"mm_per_px_x": 0.2, "mm_per_px_y": 0.2}


def config(model: Path, footage: Path, out: Path, speed_mm_s: float = 60.0, loop: bool = False, **change: object) -> LineConfig:
    """Two replayed cameras under a simulated cloth; frames of 25.6 mm."""
    body = {
        "line": {"name": "test"},
        "model": model,
        "motion": {"source": "simulated", "speed_mm_s": speed_mm_s},
        "cameras": [
            {"name": n, "source": "replay", "path": footage, "loop": loop, "x_offset_mm": x, **SCALE}
            for n, x in (("a", 0.0), ("b", 51.2))
        ],
        "worker": {"backend": "torch"},
        "decision": {"budget_ms": 3000},
        "ledger": {"path": out / "ledger.sqlite"},
    }  # fmt: skip
    return LineConfig.model_validate({**body, **change})


class Run:
    """A line under test and what it has said."""

    def __init__(self, line: Supervisor) -> None:
        self.line = line
        self.heard: list[Message] = []

    def until(self, done: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Step the line until then."""
        end_s = time.monotonic() + limit_s
        while not done():
            assert time.monotonic() < end_s, f"not within {limit_s} s: {self.state()}, {self.heard[-3:]}"
            self.line.step()
            while received := self.line.events.receive():
                self.heard.append(received[0])

    def said(self, kind: type[Message]) -> list[Message]:
        return [m for m in self.heard if isinstance(m, kind)]

    def verdicts(self) -> list[Verdict]:
        return [m for m in self.heard if isinstance(m, Verdict)]

    def state(self) -> LineState | None:
        return next((m for m in reversed(self.heard) if isinstance(m, LineState)), None)

    def pid(self, name: str) -> int:
        pid = self.pid_or_none(name)
        assert pid is not None
        return pid

    def pid_or_none(self, name: str) -> int | None:
        """None while the process is down."""
        child = next(c for c in self.line._children if c.name == name)
        return child.process.pid if child.process else None


@contextlib.contextmanager
def running(line: LineConfig, observe: bool = False) -> Iterator[Run]:
    """A line that is stopped again, within three seconds."""
    with contextlib.ExitStack() as stack:
        supervisor = stack.enter_context(Supervisor(line, observe))
        yield Run(supervisor)
        start_s = time.monotonic()
        stack.close()
        assert time.monotonic() - start_s < 3.0
        if (writer := supervisor._flight._writer) is not None:  # a line leaves a box to its disk: it still comes
            writer.wait(LIMIT_S)


def test_one_process_and_many_give_the_same_verdicts(model: Path, footage: Path, tmp_path: Path) -> None:
    many = config(model, footage, tmp_path / "many")
    with running(many) as run:
        run.until(lambda: run.line.ended)
    one = config(model, footage, tmp_path / "one", motion=None)
    run_in_one_process(one, observe=False, stop=lambda: False, heard=lambda n: None)

    def facts(line: LineConfig) -> dict[tuple[str, int | None], Verdict]:
        return {(v.camera, v.seq): v for v in read_verdicts(line.ledger.path)}

    first, second = facts(many), facts(one)
    assert first.keys() == second.keys() and len(first) == 24
    for key, verdict in first.items():
        assert verdict.result is second[key].result
        assert verdict.lanes == pytest.approx(second[key].lanes, abs=1e-5)
        assert [r.model_dump(exclude={"score"}) for r in verdict.regions] == [
            r.model_dump(exclude={"score"}) for r in second[key].regions
        ]
    assert {k for k, v in first.items() if v.result is Result.DEFECT} == {("a", 4), ("b", 4)}
    assert [(r.camera, r.cause) for r in run.heard if isinstance(r, Reject)].count(("a", Result.DEFECT)) == 1
    summary = summarise(many.ledger.path)
    assert summary.frames == 24 and summary.not_inspected == 0
    for line in (many, one):
        rows = read_sheet(line.ledger.path)[0].rows.values()
        assert rows and all(row.picture for row in rows)
    assert summary.inspected_m == pytest.approx(12 * 0.0256) and summary.not_inspected_m == 0


def test_a_replay_leaves_no_picture_of_a_defect_out(model: Path, footage: Path, tmp_path: Path) -> None:
    cloth = tmp_path / "cloth"
    cloth.mkdir()
    for n in range(80):
        shutil.copy(footage / "004.png", cloth / f"{n:03d}.png")
    camera = {"name": "a", "source": "replay", "path": cloth, "inspect_x_px": (64, 192)}  # one tile a frame
    line = config(model, cloth, tmp_path / "out", motion=None, cameras=[camera])
    run_in_one_process(line, observe=False, stop=lambda: False, heard=lambda n: None)
    got = list(read_verdicts(line.ledger.path))
    assert len(got) == 80 and all(v.result is Result.DEFECT and v.cells_shape for v in got)
    assert len({p.name.split("_")[0] for p in (tmp_path / "out").rglob("*.png")}) == 80
    rows = read_sheet(line.ledger.path)[0].rows.values()
    assert len(rows) >= 80 and all(row.picture for row in rows)


def test_a_killed_worker_costs_its_frames_and_nothing_else(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path, loop=True)
    with running(line) as run:
        run.until(lambda: len(run.verdicts()) >= 4)
        os.kill(run.pid("worker"), signal.SIGKILL)
        run.until(lambda: any(v.result is Result.NOT_INSPECTED for v in run.verdicts()))
        lost = run.verdicts()[-1]
        assert lost.reason in (Reason.NOT_READY, Reason.NO_SCORE)
        run.until(lambda: any(v.result is Result.PASS and v.number > lost.number for v in run.verdicts()))
    got = list(read_verdicts(line.ledger.path))
    for camera in "ab":  # exactly one verdict a frame, none left out
        assert [v.seq for v in got if v.camera == camera and v.seq is not None] == list(
            range(sum(v.camera == camera and v.seq is not None for v in got))
        )
    assert all(v.score is not None for v in got if v.result is not Result.NOT_INSPECTED)
    assert {v.reason for v in got} <= {None, Reason.NOT_READY, Reason.NO_SCORE, Reason.OVERLOAD}
    states = [s.state for s in read_states(line.ledger.path)]
    assert State.DEGRADED in states


def test_a_killed_camera_is_a_gap_and_a_restart(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path, speed_mm_s=40.0, loop=True)
    with running(line) as run:
        run.until(lambda: len(run.verdicts()) >= 4)
        os.kill(run.pid("a"), signal.SIGKILL)
        run.until(lambda: any(v.camera == "a" and v.seq is None for v in run.verdicts()))
        assert any(m.state is State.DEGRADED and not m.inspection_ok for m in run.heard if isinstance(m, LineState))
        boots = {v.boot_id for v in run.verdicts() if v.camera == "a"}
        run.until(lambda: any(v.camera == "a" and v.seq is not None and v.boot_id not in boots for v in run.verdicts()))
    silent = [v for v in run.verdicts() if v.seq is None]
    assert {v.reason for v in silent} <= {Reason.CAMERA_DOWN, Reason.NO_FRAME}
    spans = sorted((v.start_mm, v.end_mm) for v in run.verdicts() if v.camera == "a" and v.start_mm is not None)
    covered_mm = 0.0
    for start_mm, end_mm in spans:  # every millimetre has a verdict
        assert start_mm <= covered_mm + 1e-3
        covered_mm = max(covered_mm, end_mm or 0.0)


def test_a_killed_decision_comes_back_among_the_others_who_go_on(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path, loop=True)
    with running(line) as run:
        run.until(lambda: len(run.verdicts()) >= 8)
        run.line.bypass(True)
        run.until(lambda: (s := run.state()) is not None and s.state is State.BYPASS)
        others = {name: run.pid(name) for name in ("recorder", "worker", "a", "b", "motion")}
        boots = {(v.camera, v.boot_id) for v in run.verdicts() if v.seq is not None}
        os.kill(run.pid("decision"), signal.SIGKILL)
        run.until(lambda: any(v.generation == 1 and v.reason is Reason.BYPASS for v in run.verdicts()))
        run.until(lambda: (s := run.state()) is not None and s.generation == 1 and s.state is State.BYPASS)
        run.line.bypass(False)
        run.until(lambda: (s := run.state()) is not None and s.state is State.RUNNING)
        assert {name: run.pid(name) for name in others} == others
        assert {(v.camera, v.boot_id) for v in run.verdicts() if v.seq is not None} == boots
        run.until(lambda: sum(v.result is Result.PASS for v in run.verdicts() if v.generation == 1) >= 8)
    # Its last words may be on no record, and the first ones of its successor may have found no subscriber.
    told = {(v.generation, v.number): v for v in [*read_verdicts(line.ledger.path), *run.verdicts()]}
    for camera in "ab":  # what was decided before the kill is not told as lost, and what was in hand is
        own = [v for v in told.values() if v.camera == camera]
        judged = [v.seq for v in own if v.seq is not None]
        lost = [(v.generation, v.number, v.lost) for v in own if v.lost]
        assert len(judged) == len(set(judged))
        assert len(judged) + sum(v.lost for v in own) == max(judged) + 1, (lost, {*range(max(judged))} - {*judged})


def test_a_standby_worker_takes_over_and_the_next_one_stands_by(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path, loop=True, worker={"backend": "torch", "standby": True})
    with running(line) as run:

        def passes(count: int = 1) -> None:
            before = len(run.verdicts())
            run.until(lambda: sum(v.result is Result.PASS for v in run.verdicts()[before:]) >= count)

        for number in (signal.SIGKILL, signal.SIGABRT):
            run.until(lambda: run.line._standby is not None and run.line._standby.ready)
            standby = run.line._standby
            assert standby is not None and standby.process is not None
            passes()
            os.kill(run.pid("worker"), number)
            passes(8)  # more than were on their way
            assert run.pid("worker") == standby.process.pid
        assert len(next(c for c in run.line._children if c.role == "worker").failures_ns) == 2
    got = list(read_verdicts(line.ledger.path))
    for camera in "ab":  # exactly one verdict a frame, none left out
        seqs = sorted(v.seq for v in got if v.camera == camera and v.seq is not None)
        assert seqs == list(range(len(seqs)))
    assert {v.reason for v in got} <= {None, Reason.NOT_READY, Reason.NO_SCORE, Reason.OVERLOAD}


def test_a_standby_that_dies_is_another_one_and_costs_nothing(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path, loop=True, worker={"backend": "torch", "standby": True})
    with running(line) as run:
        run.until(lambda: run.line._standby is not None and run.line._standby.ready)
        standby, working = run.line._standby, run.pid("worker")
        assert standby is not None and standby.process is not None
        os.kill(standby.process.pid, signal.SIGKILL)
        run.until(lambda: standby.generation == 2 and standby.ready)
        assert run.line._standby is standby and run.pid("worker") == working
        assert not any("worker" in m.detail and m.state is State.DEGRADED for m in run.heard if isinstance(m, LineState))


def test_a_killed_motion_comes_back_and_the_line_is_well_again(model: Path, footage: Path, tmp_path: Path) -> None:
    with running(config(model, footage, tmp_path, loop=True)) as run:
        run.until(lambda: (s := run.state()) is not None and s.inspection_ok)
        os.kill(run.pid("motion"), signal.SIGKILL)
        run.until(lambda: (s := run.state()) is not None and s.state is State.DEGRADED)
        run.until(lambda: (s := run.state()) is not None and s.state is State.RUNNING and s.inspection_ok)


def test_nothing_outlives_the_supervisor(model: Path, footage: Path, tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:  # a supervisor that is killed while its line runs
        try:
            with Supervisor(config(model, footage, tmp_path)) as line:
                while not line.ready:
                    line.step()
                (tmp_path / "pids").write_text(" ".join(str(c.process.pid) for c in line._children if c.process))
                while True:
                    line.step()
        finally:
            os._exit(1)
    end_s = time.monotonic() + LIMIT_S
    while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
        assert time.monotonic() < end_s
        time.sleep(0.05)
    children = [int(p) for p in (tmp_path / "pids").read_text().split()]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    end_s = time.monotonic() + 3
    while alive := [p for p in children if Path(f"/proc/{p}/cmdline").exists() and Path(f"/proc/{p}/cmdline").read_bytes()]:
        assert time.monotonic() < end_s, f"orphans: {alive}"
        time.sleep(0.02)
    for stale in tmp_path.rglob("*"):  # a killed supervisor cannot tidy up; the next one does
        if stale.is_socket():
            stale.unlink()


def test_a_second_line_of_the_same_name_is_refused(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path)
    with Supervisor(line), pytest.raises(InputError, match="already runs"), Supervisor(line):
        pass


def test_a_socket_folder_of_somebody_else_is_refused_untouched(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path)
    supervisor = Supervisor(line)
    supervisor.folder.mkdir(mode=0o755)
    (tmp_path / "letter").write_text("dear")
    (supervisor.folder / "lock").symlink_to(tmp_path / "letter")
    with pytest.raises(InputError, match="open to others"), supervisor:
        pass
    assert (supervisor.folder / "lock").is_symlink() and (tmp_path / "letter").read_text() == "dear"


def test_a_camera_that_is_not_there_at_the_start_is_waited_for(
    model: Path, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "1")  # 0815-0000 alone
    emulated = {"name": "b", "source": "basler", "serial": "0815-0001", "trigger": {"source": "Software"}, **SCALE}
    shows = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(footage / "000.png")}
    features = {"features": {"Width": WIDTH_PX, "Height": ROWS, **shows}}
    cameras = [{"name": "a", "source": "replay", "path": footage, "loop": True, **SCALE}, {**emulated, **features}]
    line = config(model, footage, tmp_path, cameras=cameras)
    with running(line) as run:
        run.until(lambda: len({v.seq for v in run.verdicts() if v.camera == "a" and v.seq is not None}) >= 12)
        state = run.state()
        assert state is not None and (state.state, state.inspection_ok) == (State.DEGRADED, False)
        assert state.detail.startswith("b: no Basler camera with serial 0815-0001, camera b, see that it has power and network")
        seen = [v for v in run.verdicts() if v.camera == "b"]
        assert {v.reason for v in seen} == {Reason.CAMERA_DOWN} and any(v.end_mm is not None for v in seen)
        assert run.line.up and not run.line.ready
        child = next(c for c in run.line._children if c.name == "b")
        run.until(lambda: child.generation > RESTARTS + 1)  # no limit ends it
        said = capfd.readouterr().err.splitlines()
        assert sum("no Basler camera" in text for text in said) == 1
        monkeypatch.setenv("PYLON_CAMEMU", "2")
        run.until(lambda: run.line.ready)
        run.until(lambda: (now := run.state()) is not None and now.state is State.RUNNING and now.inspection_ok)
    seen = [v for v in read_verdicts(tmp_path / "ledger.sqlite") if v.camera == "b"]
    spans = sorted((v.start_mm, v.end_mm) for v in seen if v.start_mm is not None and v.end_mm is not None)
    assert spans[0][0] == 0.0 and all(after[0] <= before[1] + 1e-3 for before, after in pairwise(spans))


def test_what_a_camera_refuses_ends_the_line_with_bad_input(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cameras = [{"name": "a", "source": "basler", "serial": "0815-0001", "features": {"NoSuchFeature": 1}}]
    line = config(model, tmp_path, tmp_path, cameras=cameras)
    with Supervisor(line) as supervisor, pytest.raises(LineFailed) as failed:
        Run(supervisor).until(lambda: False)
    assert failed.value.code == 2
    said = [text for text in capfd.readouterr().err.splitlines() if text]
    assert len(said) == 1 and said[0].startswith("glassline:") and "NoSuchFeature" in said[0]


def test_observing_scores_without_a_card_and_rejects_nothing(footage: Path, tmp_path: Path) -> None:
    from tests.line.conftest import make_model

    bare = make_model(tmp_path / "bare", card=False)
    line = config(bare, footage, tmp_path / "out", speed_mm_s=100.0)
    with running(line, observe=True) as run:
        run.until(lambda: run.line.ended)
    got = list(read_verdicts(line.ledger.path))
    assert len(got) == 24 and all(v.lanes and v.reason is Reason.NOT_READY for v in got if v.seq is not None)
    assert not run.said(Reject)
    assert all(s.state in (State.BYPASS, State.STARTING) for s in read_states(line.ledger.path))


def test_a_roll_of_another_weave_gets_no_pass(model: Path, tmp_path: Path) -> None:
    """Three rolls of 2.56 m: the second is a satin of yarns three times as thick."""
    cloth = tmp_path / "cloth"
    cloth.mkdir()
    satin = CLOTH.model_copy(update={"weave": "satin"})
    for n in range(60):
        coarse = cv2.resize(render(satin, n * ROWS // 3, ROWS // 3), (3 * WIDTH_PX, ROWS))
        cv2.imwrite(str(cloth / f"{n:03d}.png"), coarse[:, :WIDTH_PX] if 20 <= n < 40 else good_frame(n))
    pitch = {"mm_per_px_x": 1.0, "mm_per_px_y": 1.0}
    camera = {"name": "a", "source": "replay", "path": cloth, "rows": ROWS, "inspect_x_px": (64, 192), **pitch}
    rolls = {"name": "test", "roll_id": "R1", "roll_length_m": 2.56}
    line = config(model, cloth, tmp_path / "out", motion=None, cameras=[camera], line=rolls)
    run_in_one_process(line, observe=False, stop=lambda: False, heard=lambda n: None)
    got = list(read_verdicts(line.ledger.path))
    assert {v.roll_id for v in got if v.result is Result.PASS} == {"R1", "R3"}
    assert {(v.roll_id, v.reason) for v in got if v.result is Result.NOT_INSPECTED} == {("R2", Reason.WRONG_STYLE)}
    after_2_m = [v.reason for v in got if v.roll_id == "R2"][16:]
    assert after_2_m == [Reason.WRONG_STYLE] * 4  # before, what was found a defect was told as one
    states = list(read_states(line.ledger.path))
    told = [s for s in states if "not the cloth of the card" in s.detail]
    assert told and all(s.state is State.DEGRADED and not s.inspection_ok and "texture -" in s.detail for s in told)
    assert states[-1].state is State.RUNNING
    not_inspected = sum(v.result is Result.NOT_INSPECTED for v in got)
    assert summarise(line.ledger.path).not_inspected_m == pytest.approx(not_inspected * 0.128)


def test_a_line_that_gave_up_is_in_fault_until_somebody_resets_it(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path, loop=True)
    with pytest.raises(LineFailed, match="motion failed 4 times"), running(line) as run:
        run.until(lambda: {v.camera for v in run.verdicts() if v.result is Result.PASS} == {"a", "b"})
        while True:
            run.until(lambda: run.pid_or_none("motion") is not None)
            pid = run.pid("motion")
            os.kill(pid, signal.SIGKILL)
            run.until(lambda pid=pid: run.pid_or_none("motion") != pid)  # type: ignore[misc]
    with running(line) as run:
        run.until(lambda: run.line.ready)
        run.until(lambda: {v.camera for v in run.verdicts() if v.tiles} == {"a", "b"})
        assert Result.PASS not in {v.result for v in run.verdicts()}
        assert all(s.state is State.FAULT and not s.inspection_ok for s in run.said(LineState))
        state = run.state()
        assert state is not None and state.detail.startswith("motion: motion failed 4 times in a minute")
        word = Reset(ticket="t")
        run.line._pass_on(word)
        run.until(lambda: any(isinstance(m, Answer) and not m.refused for m in run.heard))
        run.until(lambda: (now := run.state()) is not None and now.state is State.RUNNING and now.inspection_ok)
    ledger = tmp_path / "ledger.sqlite"
    assert len(read_runs(ledger)) == 1 and read_missing(ledger) == Missing()
    for camera in "ab":  # what went by in between has its word
        spans = sorted((v.start_mm, v.end_mm) for v in read_verdicts(ledger) if v.camera == camera and v.end_mm is not None)
        assert all(after[0] <= before[1] + 1e-3 for before, after in pairwise(spans))
