"""The recording of a running line: what is kept around a defect, what goes, and that its disk is nobody else's trouble."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.config.line import LineConfig
from pipeline.messages.frames import Frame
from pipeline.messages.motion import Motion
from pipeline.messages.stages import Status
from pipeline.messages.states import FrameStatus, MotionState, Result, StageState
from pipeline.messages.verdicts import Verdict
from pipeline.recording import folder as folder_module
from pipeline.recording import stage as stage_module
from pipeline.recording import writing
from pipeline.recording.reading import McapRecording
from pipeline.recording.ring import Windows
from pipeline.recording.stage import RecordingStage
from pipeline.recording.writing import McapWriter
from tests.fakes import Box

S = 1_000_000_000
MS = 1_000_000
START_UTC_NS = 1_700_000_000 * S
SHAPE = (10, 16)


class Bench:
    """A recording and its surroundings; every camera gives a frame each 100 ms, its verdict comes 50 ms later."""

    def __init__(self, folder: Path, cameras: tuple[str, ...] = ("a",), **recording: Any) -> None:
        self.folder = folder
        self.line = LineConfig.model_validate({
            "line": {"name": "loom"}, "cameras": [{"name": n, "source": "weave"} for n in cameras],
            "recording": {"folder": folder, "before_s": 1, "after_s": 0.5, "leave_gb": 0, **recording},
        })  # fmt: skip
        self.heard, self.sent, self.decision = Box(), Box(), Box()
        self.now_ns = 0
        self.stage = RecordingStage(self.heard, self.sent, self.decision, self.line, 0, lambda: START_UTC_NS + self.now_ns)
        self.cameras = cameras
        self.seq = self.number = 0

    def run(self, seconds: float, defect: float | None = None, gone: tuple[int, ...] = (), lost: tuple[int, ...] = ()) -> None:
        """Go on so long; cloth is bad at that time of the first camera; `gone`: on the way to us, `lost`: by the camera."""
        for _ in range(round(seconds * 10)):
            bad, before = defect == round(self.now_ns / S, 3), sum(n == self.seq - 1 for n in lost)
            seen = [Verdict(
                number=self.number + nth, generation=0, camera=camera, boot_id="b", seq=self.seq, score=0.5, lost=before,
                result=Result.DEFECT if bad and nth == 0 else Result.PASS, t_mono_ns=self.now_ns + 50 * MS,
                t_utc_ns=0, latency_ms=50,
            ) for nth, camera in enumerate(self.cameras)]  # fmt: skip
            motion = Motion(position_mm=self.seq, speed_mm_s=10, state=MotionState.MOVING, source="t", t_mono_ns=self.now_ns)
            self.sent.send(motion)
            for nth, camera in enumerate(self.cameras):
                if self.seq not in (*gone, *lost):
                    self.show(camera, max(0, self.now_ns - nth * MS))
            self.step(60)
            for verdict in seen if self.seq not in lost else ():
                self.heard.send(verdict)
            self.seq, self.number = self.seq + 1, self.number + len(seen)
            self.step(40)

    def show(self, camera: str, t_ns: int) -> None:
        frame = Frame(
            camera=camera, boot_id="b", seq=self.seq, t_mono_ns=t_ns, t_utc_ns=START_UTC_NS + t_ns, block_id=self.seq,
            shape=SHAPE, pixel_format="Mono8",
        )  # fmt: skip
        self.sent.send(frame, np.full(SHAPE, self.seq % 256, np.uint8).tobytes())

    def step(self, ms: int) -> None:
        for _ in range(ms // 20):
            for _ in range(4):
                self.stage.step(self.now_ns)
            self.now_ns += 20 * MS

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.mcap"))

    def kept(self, file: Path, camera: str = "a") -> list[int]:
        return [each.frame.seq for each in McapRecording(file).frames(file, camera)]

    @property
    def said(self) -> list[str]:
        return [s.detail for s in self.decision.take(Status) if s.detail]


def test_a_window_around_each_defect_is_kept_and_everything_else_goes(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", ("a", "b"))
    bench.run(20, defect=3.0)
    bench.run(10, defect=25.0)
    bench.stage.close()
    first, second = bench.files
    assert [bench.kept(file, "a") for file in (first, second)] == [list(range(20, 36)), list(range(240, 256))]
    assert bench.kept(first, "b") == list(range(21, 36)), "its 20th was taken a millisecond before the window"
    recording = McapRecording(first)
    assert list(recording.cameras) == ["a", "b"] and recording.shortfall == ""
    assert [m.position_mm for m in recording.motion()] == list(range(20, 36))
    picture = next(iter(recording.frames(first, "a")))
    assert picture.pixels is not None and (picture.pixels == 20).all()
    assert bench.stage.counters["not_recorded"] == 0 and not bench.said
    assert bench.stage._ring.size == 0 and len(bench.stage._ring) == 0


def test_defects_near_each_other_are_one_file_and_what_lies_between_is_no_loss(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r")
    bench.run(6, defect=3.0)
    bench.run(14, defect=6.0)
    bench.stage.close()
    (file,) = bench.files
    assert bench.kept(file) == [*range(20, 36), *range(50, 66)]
    left_out = {each.frame.seq: each.left_out for each in McapRecording(file).frames(file, "a")}
    assert left_out[50] == 14 and left_out[51] == 0


def test_at_a_rate_some_are_kept_always_and_all_around_a_defect(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", rate=2)
    bench.run(10, defect=6.0)
    bench.stage.close()
    (file,) = bench.files
    assert bench.kept(file) == [*range(0, 50, 5), *range(50, 66), *range(70, 100, 5)]
    everything = Bench(tmp_path / "e", rate=1000)
    everything.run(4)
    everything.stage.close()
    assert everything.kept(everything.files[0]) == list(range(40))


def test_a_file_grows_no_longer_than_it_may_and_the_next_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", rate=1000, file_mb=0.03)
    bench.run(12)
    bench.stage.close()
    assert len(bench.files) > 2 and max(f.stat().st_size for f in bench.files) < 60_000
    assert [seq for file in bench.files for seq in bench.kept(file)] == list(range(120))


def test_memory_is_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", before_s=100, memory_mb=0.1)
    bench.run(20, defect=19.0)
    assert bench.stage._ring.size <= 110_000
    bench.stage.close()
    kept = bench.kept(bench.files[0])
    assert kept == list(range(kept[0], 196)) and 150 < kept[0] < 190


def test_a_loss_that_is_told_after_the_camera_began_anew_is_the_cameras(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r")
    for boot_id, seq in (("x", 3), ("x", 6), ("y", 0), ("y", 1), ("y", 3)):  # the camera lost two, and one never came
        frame = Frame(
            camera="a", boot_id=boot_id, seq=seq, t_mono_ns=bench.now_ns, t_utc_ns=0, block_id=seq, shape=SHAPE,
            pixel_format="Mono8",
        )  # fmt: skip
        bench.sent.send(frame, bytes(160))
        bench.step(20)
    bench.heard.send(Verdict(
        number=0, generation=0, camera="a", boot_id="x", seq=6, score=0.5, lost=2, result=Result.PASS, t_mono_ns=0, t_utc_ns=0,
    ))  # fmt: skip
    bench.step(3000)
    assert bench.stage.counters["not_recorded"] == 1


def test_a_defect_that_is_not_yet_leaves_no_file_open(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r")
    early = Verdict(
        number=9999, generation=0, camera="a", boot_id="b", seq=9999, score=0.9, result=Result.DEFECT, t_mono_ns=0, t_utc_ns=0,
        latency_ms=-1e9,
    )  # fmt: skip
    bench.heard.send(early)
    bench.run(9)
    assert bench.files and bench.stage._file is None


def test_a_disk_slower_than_the_cameras_fills_no_more_memory_than_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "STEP_BYTES", 1)  # one picture a step
    bench = Bench(tmp_path / "r", rate=1000, memory_mb=0.02)
    for _ in range(40):
        for _ in range(6):
            bench.show("a", bench.now_ns)
            bench.seq, bench.now_ns = bench.seq + 1, bench.now_ns + 2 * MS
        bench.stage.step(bench.now_ns)
        assert bench.stage._ring.size <= 20_000 + 2160
    bench.stage.close()
    assert bench.kept(bench.files[0]) == list(range(240)), "what waited outside was taken in the end"


def test_pictures_that_were_not_taken_are_counted_and_told_and_those_that_a_camera_lost_are_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r")
    bench.run(3, gone=(7, 8, 15), lost=(12, 22))
    bench.run(3)
    assert bench.stage.counters["not_recorded"] == 3
    assert bench.said[0] == f"3 pictures not recorded, {bench.folder}, give a faster disk or record less"
    bench.step(62_000)
    bench.run(1)
    assert bench.stage.state is StageState.READY and not bench.said[-1].startswith("4")


def test_a_full_disk_in_mid_recording_is_told_and_recovers_when_room_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "r", rate=1000)
    bench.run(2)
    full = True

    class Disk:
        """A file on a disk that may fill; a part of what it refuses is there, as on a disk."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, data: memoryview) -> int:
            if full and len(data) > 10:
                return int(self._file.write(data[:10]))
            if full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self._file.write(data))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    whole_records = writing._WholeRecords

    def on_disk(path: Path) -> Any:
        made = whole_records(path)
        made._file = Disk(made._file)  # type: ignore[assignment]
        return made

    monkeypatch.setattr(writing, "_WholeRecords", on_disk)
    assert bench.stage._file is not None
    first = bench.stage._file._file
    whole = first.tell()
    first._file = Disk(first._file)  # type: ignore[assignment]
    bench.run(2)
    assert bench.stage.state is StageState.DEGRADED
    assert any("recording stopped (No space left on device)" in said and "make room" in said for said in bench.said)
    full = False
    bench.run(3)
    bench.step(62_000)
    bench.stage.close()
    before, after = bench.files  # those that it tried in vain are gone
    assert bench.kept(before) == list(range(len(bench.kept(before)))) and len(bench.kept(before)) >= 10
    assert bench.kept(after)[-1] == 69 and bench.stage.state is StageState.READY
    missed = 70 - sum(len(bench.kept(file)) for file in bench.files)
    assert bench.stage.counters["not_recorded"] == missed > 10
    assert before.stat().st_size == whole, "half a record would puzzle other readers"


def test_a_disk_that_is_full_as_a_file_ends_ends_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", rate=1000)
    bench.run(2)
    assert bench.stage._file is not None
    kept, file = len(bench.kept(bench.files[0])), bench.stage._file._file

    def refuse(data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file._file = SimpleNamespace(  # type: ignore[assignment]
        write=refuse, tell=file._file.tell, truncate=file._file.truncate, close=file._file.close
    )
    bench.stage.close()
    assert len(bench.kept(bench.files[0])) == kept and bench.stage._misses.unwritten == 20 - kept > 0


def test_a_folder_that_cannot_be_looked_at_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path / "r", rate=10)
    with monkeypatch.context() as patched:

        def refuse(*args: object, **options: object) -> bool:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

        patched.setattr(Path, "exists", refuse)
        patched.setattr(Path, "glob", refuse)
        bench.stage.step(0)
    bench.run(2)
    bench.stage.close()
    assert bench.kept(bench.files[0])[-1] == 19


def test_room_is_left_on_the_disk_and_the_file_is_ended_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_gb = 3.0
    monkeypatch.setattr(folder_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=free_gb * 1e9))
    bench = Bench(tmp_path / "r", rate=1000, leave_gb=2)
    bench.run(3)
    free_gb = 1.9
    bench.run(3)
    (file,) = bench.files
    assert McapRecording(file).shortfall == "" and bench.kept(file) == list(range(len(bench.kept(file))))
    assert bench.said[-1].startswith(f"recording stopped (1.9 GB free, 2 must be left), {bench.folder}, make room")
    free_gb = 2.1
    bench.run(3)
    assert len(bench.files) == 1, "it does not begin again at the brim"
    free_gb = 2.3
    bench.run(3)
    bench.stage.close()
    assert len(bench.files) == 2 and bench.kept(bench.files[1])[-1] == 119


def test_a_folder_that_cannot_be_made_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("a file")
    bench = Bench(tmp_path / "r", rate=10)
    bench.run(3)
    assert bench.stage.state is StageState.DEGRADED and "recording stopped (File exists)" in bench.said[-1]
    (tmp_path / "r").unlink()
    bench.run(3)
    bench.stage.close()
    assert bench.kept(bench.files[0])[-1] == 59


def test_the_oldest_recordings_make_room_and_nothing_else_is_touched(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", keep_gb=0.000_003, keep_days=2)
    for name, size in (
        ("20231114T000000.000000Z.mcap", 2000), ("20231112T000000.000000Z.mcap", 2000), ("20231114T010000.000000Z.mcap", 2000),
        ("mine.mcap", 9000), ("notes.txt", 9),
    ):  # fmt: skip
        (bench.folder / name).parent.mkdir(exist_ok=True)
        (bench.folder / name).write_bytes(bytes(size))
    bench.step(100)
    assert {p.name for p in bench.folder.iterdir()} == {"20231114T010000.000000Z.mcap", "mine.mcap", "notes.txt"}


def test_the_file_that_is_written_stays_while_those_before_it_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", rate=1000, file_mb=0.1, keep_gb=0.000_000_1)
    bench.run(130)
    bench.stage.close()
    assert sum(len(bench.kept(file)) for file in bench.files) > 20 and bench.files[0].stem > "20231114T221330"
    assert bench.kept(bench.files[-1])[-1] == 1299


def test_damaged_frames_are_kept_as_such(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", rate=1000)
    damaged = Frame(
        camera="a", boot_id="b", seq=0, t_mono_ns=0, t_utc_ns=0, block_id=0, shape=(7, 0), pixel_format="Mono8",
        status=FrameStatus.DAMAGED,
    )  # fmt: skip
    bench.sent.send(damaged, b"")
    bench.step(100)
    bench.stage.close()
    (kept,) = McapRecording(bench.files[0]).frames(bench.files[0], "a")
    assert kept.frame == damaged and kept.pixels is None


def test_strangers_are_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r")
    bench.sent.send(Status(role="worker", name="w", generation=0, state=StageState.READY))
    bench.heard.send(Status(role="worker", name="w", generation=0, state=StageState.READY))
    bench.show("b", 0)
    bench.step(20)
    assert bench.stage.handled == 3 and bench.stage.counters == {"not_recorded": 0, "refused w": 2, "refused b": 1}


def test_a_time_that_is_not_yet_holds_up_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r")
    bench.show("a", 10**15)
    bench.run(12, defect=3.0)
    bench.stage.close()
    assert bench.kept(bench.files[0]) == list(range(20, 36))


def test_spans_that_touch_are_one() -> None:
    windows = Windows(10, 5)
    for t_ns in (100, 40, 112, 200, 25):
        windows.want(t_ns)
    assert windows._spans == [(15, 45), (90, 117), (190, 205)]
    assert [t for t in (14, 15, 45, 46, 90, 206) if windows.wants(t)] == [15, 45, 90]
    windows.forget(118)
    assert windows._spans == [(190, 205)] and windows
    windows.forget(206)
    assert not windows


def test_a_killed_writer_leaves_what_it_flushed(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "r", rate=1000)
    bench.run(4)
    (file,) = bench.files
    assert len(bench.kept(file)) >= 25, "a chunk ends each second"
    assert isinstance(bench.stage._file, McapWriter)
    bench.stage._file.abandon()
