"""Where lengths are not known, a camera's silence is told from when to when, also across a restart of decision."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.cameras import BaslerConfig, BaslerTrigger, ReplayConfig
from pipeline.decision.pace import Pace
from pipeline.messages.frames import Announced
from pipeline.messages.line import LineState
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Decided, Mark
from pipeline.messages.states import Result, StageState
from pipeline.messages.values import Lapse
from pipeline.messages.verdicts import Verdict
from tests.decision_bench import MS, Bench

BARE: dict[str, Any] = {"start_mm": None, "end_mm": None, "mm_per_px_x": None, "mm_per_px_y": None}


class Line(Bench):
    """Cameras without a scale; every verdict that was given is kept."""

    def __init__(self, interval_ms: dict[str, float | None], cameras: tuple[str, ...] = ("c",), **terms: Any) -> None:
        super().__init__(cameras, frame_mm=dict.fromkeys(cameras), interval_ms=interval_ms, **terms)
        self.told: list[Verdict] = []

    def run(self, from_ms: int, to_ms: int, camera: str | None = "c", every_ms: int = 250, first: int = 0) -> None:
        """Stepped every 10 ms; the camera takes a picture at each multiple of `every_ms`."""
        for now_ms in range(from_ms, to_ms, 10):
            if camera and now_ms % every_ms == 0:
                self.picture(first + now_ms // every_ms, now_ms, camera)
            self.told += self.verdicts(now_ms * MS)

    def picture(self, seq: int, t_ms: int, camera: str = "c", boot: str = "b") -> None:
        self.inbox.send(self.announcement(seq, t_ms, camera, boot))
        self.score(seq, camera=camera, boot=boot)

    @staticmethod
    def announcement(seq: int, t_ms: int, camera: str, boot: str) -> Announced:
        return Announced(camera=camera, boot_id=boot, seq=seq, t_mono_ns=t_ms * MS, t_utc_ns=0, sent=True, budget_ms=100.0)

    @property
    def silent(self) -> list[tuple[str, float, float]]:
        """Camera, from and to in ms."""
        spans = [(v.camera, v.from_ns, v.to_ns) for v in self.told if v.seq is None]
        return [(camera, a / MS, b / MS) for camera, a, b in spans if a is not None and b is not None]


def test_a_camera_with_a_rate_is_missed_interval_by_interval_and_the_rest_with_its_next_frame() -> None:
    line = Line({"c": 250.0})
    line.run(0, 1001)
    assert line.silent == [] and [v.result for v in line.told] == [Result.PASS] * 5
    line.run(1010, 3000, camera=None)
    assert line.silent == [("c", a, a + 250) for a in range(1000, 2500, 250)]
    assert {(v.reason, v.start_mm) for v in line.told if v.seq is None} == {(Reason.NO_FRAME, None)}
    line.run(3000, 4000)
    assert line.silent[-1] == ("c", 2500, 2750)  # the frame of 3 s stands for the time from 2.75 s
    assert sum(b - a for _, a, b in line.silent) == 1750


def test_it_is_missed_from_when_it_was_ready_also_if_it_never_says_a_word() -> None:
    line = Line({"c": 250.0, "d": 250.0}, cameras=("c", "d"), ready=False)
    line.run(0, 500, camera=None)
    assert line.told == []
    line.status("grabber", "d")
    line.run(500, 1500, camera=None)
    assert line.silent == [("d", 500, 750), ("d", 750, 1000)]


def test_a_camera_that_times_itself_is_missed_by_its_longest_interval_but_one_and_a_triggered_one_never() -> None:
    line = Line({"own": None}, cameras=("own", "wired"))
    for n, t_ms in enumerate((0, 200, 300, 500)):
        line.picture(n, t_ms, "own")
        line.picture(n, t_ms, "wired")
        line.run(t_ms, t_ms + 10, camera=None)
    line.run(510, 3000, camera=None)
    assert line.silent == [("own", 500, 1100), ("own", 1100, 1700), ("own", 1700, 2300)]  # three times 200 ms
    line.picture(4, 3000, "own")
    line.picture(4, 3000, "wired")
    line.run(3000, 3010, camera=None)
    assert line.silent[3:] == [("own", 2300, 2800)]
    line.run(3010, 5520, camera=None)
    assert line.silent[4:] == [("own", 3000, 3600), ("own", 3600, 4200), ("own", 4200, 4800)]  # one pause changes nothing


def test_one_late_frame_does_not_set_the_pace_and_two_do() -> None:
    pace = Pace(True, None)
    for n, t_ms in enumerate((0, 100, 200, 500, 600)):
        assert pace.announced(t_ms * MS) is None, n
    assert pace.usual_ns == 100 * MS
    pace.announced(850 * MS)
    assert pace.usual_ns == 250 * MS


def test_the_slowest_of_the_latest_frames_sets_the_pace() -> None:
    pace = Pace(True, None)
    for n in range(40):
        assert pace.announced(n * 1000 * MS) is None
    assert pace.usual_ns == 1000 * MS
    for n in range(1, 17):
        assert pace.announced(39_000 * MS + n * 10 * MS) is None
    assert pace.usual_ns == 10 * MS


def test_cloth_at_rest_needs_no_frames_where_motion_is_told() -> None:
    line = Line({"c": 250.0})
    for now_ms in range(0, 10_000, 20):
        line.move(0.0, 0.0, now_ns=now_ms * MS)
        line.run(now_ms, now_ms + 20, camera=None)
    assert line.told == []
    for now_ms in range(10_000, 11_000, 20):
        line.move(0.0, 100.0, now_ns=now_ms * MS)
        line.run(now_ms, now_ms + 20, camera=None)
    assert [a >= 9_980 for _, a, _ in line.silent] == [True, True]


def stop_and_go(line: Line, to_ms: int, down: bool = False) -> int:
    """Cloth runs for half a second and rests for a tenth; for how many ms it ran."""
    ran_ms = 0
    for now_ms in range(0, to_ms, 20):
        moves = now_ms % 600 < 500
        ran_ms += 20 * moves
        line.move(0.2 * ran_ms, 200.0 * moves, now_ns=now_ms * MS)
        line.run(now_ms, now_ms + 20, camera=None)
        if down and now_ms == 0:
            line.status("grabber", "c", StageState.DOWN)
    return ran_ms


def test_a_camera_that_is_dead_is_missed_also_where_the_cloth_stops_now_and_then() -> None:
    line = Line({"c": 250.0}, motion=True)
    line.picture(0, 0)
    ran_ms = stop_and_go(line, 30_000)
    assert line.silent[0][1] == 100  # one rest is taken off before the silence is sure
    assert [b for _, _, b in line.silent[:-1]] == [a for _, a, _ in line.silent[1:]]
    assert sum(b - a for _, a, b in line.silent) >= ran_ms - 600


def test_a_camera_that_is_down_is_missed_all_the_time_where_the_cloth_stops_now_and_then() -> None:
    line = Line({"c": 250.0}, motion=True)
    line.picture(0, 0)
    stop_and_go(line, 20_000, down=True)
    line.status("grabber", "c", generation=1)
    line.picture(0, 20_100, boot="b2")
    line.move(0.0, 200.0, now_ns=20_100 * MS)
    line.run(20_100, 20_110, camera=None)
    assert {v.reason for v in line.told if v.seq is None} == {Reason.CAMERA_DOWN, Reason.NO_FRAME}
    assert [b for _, _, b in line.silent[:-1]] == [a for _, a, _ in line.silent[1:]]
    assert (line.silent[0][1], line.silent[-1][2]) == (0, 19_850)  # the new frame stands for the rest


def test_a_frame_at_rest_leaves_only_the_rest_after_it_untold() -> None:
    pace = Pace(True, 250.0)
    pace.ready(0)
    pace.rest(100 * MS, 200 * MS)
    assert pace.spoken_ns == 100 * MS
    assert pace.announced(450 * MS) is None
    pace.rest(400 * MS, 500 * MS)
    assert pace.spoken_ns == 500 * MS
    pace.rest(300 * MS, 450 * MS)
    assert pace.spoken_ns == 500 * MS


def test_measured_cloth_is_not_told_a_second_time_by_the_clock_when_motion_falls_silent() -> None:
    line = Bench(interval_ms={"c": 250.0}, motion=True)
    told = []
    for now_ms in range(0, 10_000, 20):
        line.move(0.1 * now_ms, 100.0, now_ns=now_ms * MS)
        told += line.verdicts(now_ms * MS)
    assert told and all(v.from_ns is None and v.start_mm is not None for v in told)
    told = [v for now_ms in range(10_000, 13_000, 20) for v in line.verdicts(now_ms * MS)]
    assert {v.start_mm for v in told} == {None} and told[0].from_ns == 9_980 * MS  # motion's last word


def test_without_a_word_of_motion_for_a_second_silence_is_counted_in_time() -> None:
    line = Bench(interval_ms={"c": 250.0}, motion=True)
    line.move(0.0)
    told = [v for now_ms in range(0, 3000, 10) for v in line.verdicts(now_ms * MS)]
    assert told and {(v.start_mm, v.from_ns is None) for v in told} == {(None, False)}
    assert "motion: says nothing" in line.air.take(LineState)[-1].detail


def test_a_camera_that_was_down_is_told_from_its_last_frame_to_when_it_is_back() -> None:
    line = Line({})
    line.run(0, 1000)
    line.status("grabber", "c", StageState.DOWN)
    line.run(1000, 1100, camera=None)
    assert line.silent == [("c", 750, 1000)] and line.told[-1].reason is Reason.CAMERA_DOWN
    line.run(1100, 4000, camera=None)
    line.status("grabber", "c", generation=1)
    line.run(4000, 5000, camera=None)
    assert line.silent[1:] == [("c", 1000, 4000)]


@pytest.mark.parametrize("interval_ms", [{"c": 250.0}, {"c": None}, {}])
@pytest.mark.parametrize("boot", ["b", "b2"])
def test_a_killed_decision_s_time_and_frames_are_told_by_its_successor(interval_ms: dict[str, float | None], boot: str) -> None:
    before = Line(interval_ms)
    before.run(0, 2001)  # frames 0 to 8
    mark = before.decision.kept
    assert mark == Decided(cameras={"c": Mark(t_mono_ns=2000 * MS, boot_id="b", next_seq=9)}, verdicts=9)
    line = Line(interval_ms, ready=False, decided=mark)
    line.run(6100, 6250, camera=None)  # frames 9 to 24 went with it
    line.picture(25 if boot == "b" else 0, 6250, boot=boot)
    line.run(6250, 6300, camera=None)
    (silent,) = [v for v in line.told if v.seq is None]
    assert silent.lost == (16 if boot == "b" else 0)
    assert (silent.from_ns, silent.to_ns) == (2000 * MS, (6000 if interval_ms == {"c": 250.0} else 6250) * MS)
    assert [v.result for v in line.told if v.seq is not None] == [Result.PASS]


def test_what_waited_in_a_killed_decision_is_not_decided() -> None:
    before = Line({"c": 250.0})
    before.run(0, 1000)
    before.inbox.send(before.announcement(4, 1000, "c", "b"))
    before.picture(5, 1005)
    before.told += before.verdicts(1010 * MS)
    assert before.told[-1].seq == 5
    assert before.decision.kept.cameras["c"] == Mark(t_mono_ns=750 * MS, boot_id="b", next_seq=6, undecided=1)


def test_a_successor_that_hears_nothing_tells_of_it_as_time_goes_on() -> None:
    line = Line({"c": 250.0}, ready=False, decided=Decided(cameras={"c": Mark(t_mono_ns=1000 * MS, boot_id="b")}))
    line.run(5000, 5240, camera=None)
    assert line.told == []  # words may be on their way
    line.run(5240, 6000, camera=None)
    assert line.silent[0] == ("c", 1000, 4750) and line.silent[-1][2] >= 5250
    assert [b for _, _, b in line.silent[:-1]] == [a for _, a, _ in line.silent[1:]]


def test_frames_that_wait_for_a_decision_that_slept_are_no_silence() -> None:
    line = Line({"c": 250.0})
    line.run(0, 1001)
    line.decision.step(7000 * MS)  # nothing has reached it yet
    for n in range(5, 29):
        line.picture(n, 250 * n)
    line.told += line.verdicts(7010 * MS)
    line.run(7010, 7300)
    assert line.silent == [] and [v.seq for v in line.told] == list(range(30))


def camera(**facts: Any) -> ReplayConfig:
    return ReplayConfig.model_validate({"name": "c", "source": "replay", "path": ".", **facts})


def basler(**facts: Any) -> BaslerConfig:
    return BaslerConfig.model_validate({"name": "c", "source": "basler", "serial": "1", **facts})


@pytest.mark.parametrize(
    ("config", "keeps_time", "frame_ms"),
    [
        (camera(rate=4.0), True, 250.0),
        (camera(rate=4.0, rows=64), True, None),
        (camera(), False, None),
        (basler(stall_ms=500.0), True, None),
        (basler(), False, None),
        (basler(trigger=BaslerTrigger(source="Line1")), False, None),
        (basler(trigger=BaslerTrigger(), stall_ms=500.0), False, None),
    ],
)
def test_which_cameras_keep_time(config: ReplayConfig | BaslerConfig, keeps_time: bool, frame_ms: float | None) -> None:
    assert (config.keeps_time, config.frame_ms) == (keeps_time, frame_ms)


def test_a_late_frame_and_one_without_a_wait_are_no_lapse() -> None:
    pace = Pace(True, 250.0)
    assert pace.ready(0) is None and pace.announced(200 * MS) is None and pace.announced(100 * MS) is None
    assert pace.spoken_ns == 200 * MS and pace.passed(400 * MS) is None
    assert pace.passed(800 * MS) == Lapse(200 * MS, 450 * MS)


def test_records_without_a_place_that_are_lost_are_told_from_when_to_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.decision.backlog.MAX_UNCOMMITTED", 10)
    line = Line({"d": 250.0}, cameras=("c", "d"))
    for seq in range(20):
        line.picture(seq, 100 * seq + 30)
        line.told += line.verdicts((100 * seq + 50) * MS)
    recorded = line.recorder.take(Verdict)
    fallen = [v for v in line.told if v not in recorded]
    line.decision.close()
    lost = {v.camera: v for v in line.air.take(Verdict)}
    frames = [v.seq for v in fallen if v.camera == "c"]
    assert None not in frames and (frames[0] or 0) > 1 and frames[-1] == 19
    assert (lost["c"].from_ns, lost["c"].to_ns) == ((100 * (frames[0] or 0) + 30) * MS, 1930 * MS)
    silent = [v for v in fallen if v.camera == "d"]
    assert (lost["d"].from_ns, lost["d"].to_ns) == (silent[0].from_ns, silent[-1].to_ns) and len(silent) > 1
