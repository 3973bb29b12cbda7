"""The grabber: every shot becomes a frame, every frame is announced, and its place on the cloth is right."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.cameras.protocol import CameraLost, Shot
from pipeline.config.cameras import ReplayConfig
from pipeline.config.motion import CameraMotion, EncoderMotion
from pipeline.grabber.camera_style import CameraStyle
from pipeline.grabber.pacing import MAX_BEHIND
from pipeline.grabber.reject_line import RejectLine
from pipeline.grabber.stage import Grabber, GrabberBoxes, GrabberTerms, OpenCamera
from pipeline.messages.domains import MAX_ORIGIN
from pipeline.messages.frames import Announced, CameraFacts, Frame
from pipeline.messages.line import Heartbeat
from pipeline.messages.motion import EncoderCount, Motion
from pipeline.messages.passages import SAMPLED, Step
from pipeline.messages.stages import Status
from pipeline.messages.states import FrameStatus, MotionState, StageState, State
from tests.fakes import Box, ScriptCamera, shot

MS = 1_000_000


class Bench:
    """A grabber with its surroundings."""

    def __init__(
        self,
        camera: ScriptCamera,
        *,
        motion: bool = False,
        lossless: bool = False,
        room: int = 99,
        restart: bool = False,
        encoder: EncoderMotion | None = None,
        style: CameraStyle | None = None,
        reject_line: RejectLine | None = None,
        recorded: int = 99,
        **config: object,
    ) -> None:
        self.camera, self.worker, self.decision, self.recorder = camera, Box(room), Box(), Box()
        self.motion = Box() if motion else None
        entry = ReplayConfig.model_validate({"name": "c", "source": "replay", "path": ".", **config})
        terms = GrabberTerms("boot", 0, 500.0, lossless, position_known=not restart, encoder=encoder)
        self.counts = Box()
        self.recording = Box(room=recorded)
        boxes = GrabberBoxes(self.worker, self.decision, self.recorder, self.motion, self.counts, self.recording)
        self.grabber = Grabber(OpenCamera(camera, entry, camera.open()), terms, boxes, lambda: 5, style, reject_line)

    def move(self, position_mm: float, speed_mm_s: float = 100.0, now_ns: int = 0) -> None:
        state = MotionState.STOPPED if speed_mm_s == 0 else MotionState.MOVING if speed_mm_s > 0 else MotionState.REVERSE
        assert self.motion is not None
        self.motion.send(Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source="t", t_mono_ns=now_ns))

    def run(self, now_ns: int = 0, rounds: int = 50) -> list[Announced]:
        for _ in range(rounds):
            self.grabber.step(now_ns)
        return list(self.decision.take(Announced))


def test_every_shot_is_sent_announced_and_placed() -> None:
    bench = Bench(ScriptCamera([shot(i) for i in range(3)]), mm_per_px_y=0.5, mm_per_px_x=0.2, x_offset_mm=7)
    announced = bench.run()
    frames = bench.worker.take(Frame)
    assert [(a.seq, a.sent, a.start_mm, a.end_mm) for a in announced] == [
        (0, True, 0, 32),
        (1, True, 32, 64),
        (2, True, 64, 96),
    ]
    assert [f.key for f in frames] == [a.key for a in announced]
    assert announced[0].budget_ms == 500 and announced[0].x_offset_mm == 7
    (facts,) = bench.recorder.take(CameraFacts)
    assert facts.boot_id == "boot"
    assert [s.state for s in bench.decision.take(Status)] == [StageState.READY, StageState.ENDED]
    assert bench.grabber.ended


def test_a_decision_that_comes_anew_hears_of_the_end_after_the_last_frame() -> None:
    bench = Bench(ScriptCamera([shot(0), shot(1)]))
    bench.run(rounds=1)
    bench.decision.queue.clear()
    bench.decision.room = 0  # it is gone
    bench.run(now_ns=1500 * MS)
    bench.decision.room = 1  # and takes one word a step
    heard: list[object] = []
    for ms in range(1600, 2800, 100):
        bench.grabber.step(ms * MS)
        heard += [m for m, _ in bench.decision.queue]
        bench.decision.queue.clear()
    assert [type(m) for m in heard] == [Announced, Status, Status]
    assert {(m.state, m.boot_id, m.generation) for m in heard if isinstance(m, Status)} == {(StageState.ENDED, "boot", 0)}


def test_without_a_scale_and_after_a_blind_restart_lengths_are_null() -> None:
    assert [a.start_mm for a in Bench(ScriptCamera([shot(0)])).run()] == [None]
    assert [a.start_mm for a in Bench(ScriptCamera([shot(0)]), mm_per_px_y=1.0, restart=True).run()] == [None]


def test_a_refused_frame_is_announced_as_not_sent() -> None:
    announced = Bench(ScriptCamera([shot(i) for i in range(4)], self_timed=True), room=2).run()
    assert [a.sent for a in announced] == [True, True, False, False]


def test_the_recording_gets_every_frame_and_one_that_it_refuses_holds_up_nobody() -> None:
    script = [shot(0, value=3), Shot(None, 64, 1, 0, 0, error="cut"), *(shot(i, value=i) for i in (2, 3, 4))]
    bench = Bench(ScriptCamera(script, self_timed=True), room=1, recorded=4)
    announced = bench.run()
    kept = [(f.seq, f.status, f.pixels(p[0]).max(initial=0)) for f, p in bench.recording.queue if isinstance(f, Frame)]
    assert kept == [(0, FrameStatus.OK, 3), (1, FrameStatus.DAMAGED, 0), (2, FrameStatus.OK, 2), (3, FrameStatus.OK, 3)]
    assert [a.seq for a in announced] == [0, 1, 2, 3, 4] and bench.grabber.ended


@pytest.mark.parametrize("facts", [{"lossless": True, "rate": 1.0}, {}])
def test_what_nothing_paces_waits_for_the_worker(facts: dict[str, object]) -> None:
    bench = Bench(ScriptCamera([shot(i) for i in range(4)]), room=1, **facts)  # type: ignore[arg-type]
    seen = [a.seq for a in bench.run(rounds=5)]
    assert bench.grabber.waiting == 0 and not bench.grabber.ended  # not stuck: the worker is
    bench.worker.take(Frame)
    for second in range(1, 6):
        seen += [a.seq for a in bench.run(now_ns=second * 1000 * MS, rounds=5) if a.sent]
        bench.worker.take(Frame)
    assert seen == [0, 1, 2, 3] and bench.grabber.ended


def test_announcements_wait_for_decision_and_are_never_dropped() -> None:
    bench = Bench(ScriptCamera([shot(i) for i in range(4)]))
    bench.decision.room = 1  # the READY status fills it
    assert bench.run() == []
    bench.decision.room = 99
    bench.decision.queue.clear()
    assert [a.seq for a in bench.run()] == [0, 1, 2, 3]


def test_damage_and_loss_are_told_with_their_place() -> None:
    damaged = Shot(None, 64, 1, 0, 0, error="buffer underrun")
    bench = Bench(ScriptCamera([shot(0), damaged, shot(4)]), mm_per_px_y=1.0)
    first, bad, after = bench.run()
    assert (bad.status, bad.error, bad.sent, bad.start_mm, bad.end_mm) == (
        FrameStatus.DAMAGED,
        "buffer underrun",
        False,
        64,
        128,
    )
    assert (first.lost, after.lost, after.start_mm) == (0, 2, 256)
    assert [f.seq for f in bench.worker.take(Frame)] == [0, 4]  # those that are lost have numbers, too


def test_slabs_carry_rows_over_and_a_short_last_one_is_sent() -> None:
    rows = np.arange(100, dtype=np.uint8)[:, None].repeat(64, axis=1)
    script = [Shot(rows[i : i + 25], 25, i // 25, 0, 0) for i in range(0, 100, 25)]
    bench = Bench(ScriptCamera(list(script)), rows=40, overlap_rows=8, mm_per_px_y=1.0)
    announced = bench.run()
    assert [(a.start_mm, a.end_mm) for a in announced] == [(0, 40), (32, 80), (72, 100)]
    frames = [(f, p) for f, p in bench.worker.queue if isinstance(f, Frame)]
    assert [f.pixels(p[0])[0, 0] for f, p in frames] == [0, 32, 72]


def test_the_simulated_encoder_pulses_once_a_frame_and_rests_with_the_web() -> None:
    bench = Bench(ScriptCamera([shot(i) for i in range(20)]), motion=True, mm_per_px_y=1.0)
    assert bench.run() == [] and bench.camera.pulses == 0
    bench.move(1000.0)
    assert [(a.start_mm, a.end_mm) for a in bench.run()] == [(1000, 1064)]
    assert bench.run() == []
    assert [a.end_mm for a in bench.run(now_ns=1300 * MS)] == [1128]  # 100 mm/s: the next 64 mm are there
    bench.move(1129.0, 0.0, 1300 * MS)
    assert bench.run(now_ns=3_600_000 * MS) == []
    bench.move(1100.0, -50.0, 3_600_000 * MS)
    assert bench.run(now_ns=3_600_100 * MS) == []
    bench.move(1192.0, 100.0, 3_700_000 * MS)
    assert [a.start_mm for a in bench.run(now_ns=3_700_000 * MS)] == [1128]


def test_a_pulse_train_far_behind_lets_frames_go_and_says_so() -> None:
    bench = Bench(ScriptCamera([shot(i) for i in range(20)]), motion=True, mm_per_px_y=1.0)
    bench.move(0.0)
    bench.run()
    bench.move(64.0 * (MAX_BEHIND + 5))
    announced = bench.run(rounds=1)
    assert announced[0].lost == MAX_BEHIND + 3 and announced[0].start_mm == 64.0 * (1 + announced[0].lost)


def test_a_camera_that_does_not_answer_is_asked_once_for_each_picture_of_the_cloth() -> None:
    bench = Bench(ScriptCamera([shot(0), *[None] * 100, shot(4), shot(5)]), motion=True, mm_per_px_y=1.0)
    bench.move(0.0)
    assert len(bench.run()) == 1 and bench.camera.pulses == 1
    for mm in (130.0, 200.0, 260.0):
        bench.move(mm)
        bench.run(rounds=30)
    assert bench.camera.pulses == 4
    bench.move(256.0 + 64.0)
    told = bench.run(rounds=30)
    assert [(a.lost, a.start_mm) for a in told] == [(3, 256.0)] and bench.camera.pulses == 5
    bench.move(384.0)
    assert [(a.seq, a.lost, a.start_mm) for a in bench.run()] == [(5, 0, 320.0)]


def test_a_camera_that_answers_late_is_heard_though_nothing_more_is_due() -> None:
    bench = Bench(ScriptCamera([shot(0), None, None, shot(1)]), motion=True, mm_per_px_y=1.0)
    bench.move(0.0)
    bench.run(rounds=1)
    bench.move(128.0)
    assert [a.start_mm for a in bench.run(rounds=3)] == [64.0] and bench.camera.pulses == 2


@pytest.mark.parametrize(("come_mm", "start_mm"), [(130.0, 66.0), (320.0, 256.0), (100_000.0, 100_000.0 - 64.0)])
def test_however_far_the_counter_leaps_no_frame_lies_ahead_of_the_cloth(come_mm: float, start_mm: float) -> None:
    bench = Bench(ScriptCamera([shot(0), shot(5000), shot(5001)]), motion=True, mm_per_px_y=1.0, y_offset_mm=-30.0)
    bench.move(30.0)
    bench.run()
    bench.move(30.0 + come_mm)
    (leapt,) = bench.run(rounds=1)
    assert (leapt.lost, leapt.start_mm) == (4999 + (1560 if come_mm > 1000 else 0), start_mm)
    bench.move(30.0 + come_mm + 64.0)
    assert [(a.lost, a.start_mm) for a in bench.run()] == [(0, start_mm + 64.0)]


def test_a_free_running_camera_is_placed_by_the_web() -> None:
    bench = Bench(ScriptCamera([shot(i, t_ns=i * 500 * MS) for i in range(3)], self_timed=True), motion=True, mm_per_px_y=1.0)
    bench.move(100.0, 200.0)
    assert [(a.start_mm, a.end_mm) for a in bench.run()] == [(36, 100), (136, 200), (236, 300)]


def test_a_rate_paces_the_pictures() -> None:
    bench = Bench(ScriptCamera([shot(i) for i in range(9)]), rate=10.0)
    assert len(bench.run()) == 1
    assert len(bench.run(now_ns=101 * MS)) == 1


def test_a_long_origin_in_any_script_fits_the_header() -> None:
    picture = replace(shot(0), origin="布/" * 2000 + "卷.png")
    (announced,) = Bench(ScriptCamera([picture])).run()
    assert announced.origin.endswith("布/卷.png") and len(announced.origin.encode()) <= MAX_ORIGIN


def test_a_lost_camera_is_said_before_it_ends_the_process() -> None:
    bench = Bench(ScriptCamera([shot(0), CameraLost("unplugged")]))
    with pytest.raises(CameraLost, match="unplugged"):
        bench.run()
    assert [(s.state, s.detail) for s in bench.decision.take(Status)][-1] == (StageState.DOWN, "unplugged")
    bench.grabber.close()
    assert bench.camera.closed


def line_scan(moves: list[tuple[float, float]], rows: int = 40, **facts: object) -> tuple[list[Announced], dict[int, int]]:
    """A wired line-scan camera of 0.5 mm a row (20 mm a buffer) on cloth that stood at those places at those speeds."""
    pixels = np.arange(rows, dtype=np.uint8)[:, None].repeat(64, axis=1)
    shots = [Shot(pixels, rows, i, i * 100 * MS, 0) for i in range(len(moves))]
    bench = Bench(ScriptCamera([], self_timed=True), motion=True, mm_per_px_y=0.5, rows=rows, **facts)  # type: ignore[arg-type]
    bench.camera.script = list(shots)
    seen = []
    for i, (position_mm, speed_mm_s) in enumerate(moves):
        bench.move(position_mm, speed_mm_s, i * 100 * MS)
        seen += bench.run(i * 100 * MS, rounds=1)
    firsts = {f.seq: int(f.pixels(p[0])[0, 0]) for f, p in bench.worker.queue if isinstance(f, Frame)}
    return seen, firsts


def test_an_encoder_that_stands_while_rows_come_makes_them_damaged() -> None:
    seen, _ = line_scan([(20, 200), (40, 200), (40, 0), (40, 0), (60, 200)], rows_tolerance_mm=25)
    assert [(a.start_mm, a.end_mm, a.status.value) for a in seen[:2]] == [(0, 20, "OK"), (20, 40, "OK")]
    assert FrameStatus.DAMAGED in [a.status for a in seen[2:4]]
    assert "the encoder says" in "".join(a.error for a in seen)


def test_reverse_gives_frames_the_right_way_up_at_the_right_place() -> None:
    seen, first_rows = line_scan([(20, 200), (40, 200), (35, -200), (15, -200), (20, 200), (40, 200), (60, 200)])
    places = [(a.start_mm, a.end_mm, a.status.value) for a in seen]
    assert places[:2] == [(0, 20, "OK"), (20, 40, "OK")]
    assert places[2:] == [(15, 35, "OK"), (20, 40, "OK"), (40, 60, "OK")]  # the buffers of both turns are left out
    assert first_rows == {0: 0, 1: 0, 2: 39, 3: 0, 4: 0}


def test_counts_that_come_with_the_shots_place_them_and_are_passed_on() -> None:
    encoder = CameraMotion(source="camera", camera="c", counts_per_mm=10, bits=16)
    shots = [replace(shot(i, rows=40), t_mono_ns=i * 100 * MS, encoder_count=(65_500 + 200 * i) % 65_536) for i in range(4)]
    bench = Bench(ScriptCamera([*shots], self_timed=True), motion=True, mm_per_px_y=0.5, rows=40, encoder=encoder)
    bench.move(1000.0, 0.0)  # what the messages say meanwhile does not matter: the counts are exact
    assert [(a.start_mm, a.end_mm) for a in bench.run()] == [(980 + 20 * i, 1000 + 20 * i) for i in range(4)]
    assert [(c.source, c.count) for c in bench.counts.take(EncoderCount)] == [("c", s.encoder_count) for s in shots]


def test_two_cameras_share_their_border_in_mm_and_tell_the_cloths_edges() -> None:
    picture = np.full((64, 512), 5, np.uint8)
    picture[:, 100:] = np.random.default_rng(1).integers(60, 190, (64, 412))
    shots: list[Shot | CameraLost | None] = [Shot(picture, 64, i, 0, 0) for i in range(3)]
    scale: dict[str, Any] = {"mm_per_px_x": 0.5, "mm_per_px_y": 0.5}
    left = Bench(ScriptCamera(list(shots)), inspect_x_mm=(-5.0, 240.0), selvage_mm=10.0, **scale)
    announced = left.run()
    frames = left.worker.take(Frame)
    assert [f.inspect_x_px for f in frames] == [(0, 480)] * 3
    assert frames[-1].cloth_x_px == (96 + 20, 512) and announced[-1].cloth_x_mm == (48, 256)
    right = Bench(ScriptCamera(list(shots)), inspect_x_mm=(240.0, 999.0), x_offset_mm=230.0, **scale)
    right.run()
    assert [f.inspect_x_px for f in right.worker.take(Frame)] == [(20, 512)] * 3


def test_it_sleeps_until_the_next_picture_of_a_rate_is_due_and_looks_often_where_it_does_not_know() -> None:
    bench = Bench(ScriptCamera([shot(i) for i in range(3)]), rate=50)
    bench.run(now_ns=1 * MS)
    assert bench.grabber.idle_ms == 19  # the second is due at 20 ms
    bench.run(now_ns=12 * MS)
    assert bench.grabber.idle_ms == 8
    slow = Bench(ScriptCamera([shot(i) for i in range(3)]), rate=1)
    slow.run(now_ns=1 * MS)
    assert slow.grabber.idle_ms == 50
    held_up = Bench(ScriptCamera([shot(i) for i in range(3)]), rate=50, room=0, lossless=True)
    held_up.run(now_ns=1 * MS)
    ended = Bench(ScriptCamera([]), rate=50)
    ended.run(now_ns=1 * MS)
    assert held_up.grabber.idle_ms == ended.grabber.idle_ms == 5


def test_it_shows_its_latest_whole_frame_once_and_small() -> None:
    bench = Bench(
        ScriptCamera([shot(0), shot(1), replace(shot(2), pixels=None, error="torn")]), mm_per_px_y=0.5, mm_per_px_x=0.2
    )
    assert bench.grabber.glimpse() is None
    bench.run()
    assert [f.seq for f in bench.worker.take(Frame)] == [0, 1]
    seen = bench.grabber.glimpse()
    assert seen is not None and seen[0].seq == 1 and seen[0].start_mm == 32
    assert np.array_equal(seen[0].pixels(seen[1]), shot(1).pixels)
    assert bench.grabber.glimpse() is None


@pytest.mark.parametrize("room", [99, SAMPLED])
def test_a_sampled_frame_that_no_worker_took_was_taken_and_never_sent(room: int) -> None:
    bench = Bench(ScriptCamera([shot(i) for i in range(SAMPLED + 2)], self_timed=True), room=room)
    bench.run()
    sent = {Step.SENT} if room > SAMPLED else set()
    assert [(p.seq, p.steps.keys()) for p in bench.grabber.trail.take()] == [
        (0, {Step.TAKEN, Step.SENT}),
        (SAMPLED, {Step.TAKEN} | sent),
    ]


def test_its_wire_is_switched_though_no_picture_comes_and_words_wait() -> None:
    camera, heard = ScriptCamera([None, None]), Box()
    bench = Bench(camera, reject_line=RejectLine(heard, camera.switch, 200))
    bench.recorder.room = 0
    heard.send(Heartbeat(number=0, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0))
    bench.run(now_ns=5 * MS, rounds=1)
    bench.run(now_ns=500 * MS, rounds=1)
    assert camera.switched == [True] and bench.grabber.waiting
    bench.run(now_ns=2000 * MS, rounds=2)
    assert camera.switched == [True, False]
