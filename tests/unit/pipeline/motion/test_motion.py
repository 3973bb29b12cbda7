"""Motion: played webs follow their course, an encoder's counts become positions, and everybody hears the same."""

import json
import math
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from glass_core.errors import AbsentError, InputError
from pipeline.config.motion import (
    MessageMotion,
    ModbusMotion,
    MotionConfig,
    RecordedMotion,
    Segment,
    SimulatedMotion,
    UdpMotion,
)
from pipeline.messages.motion import EncoderCount, Motion
from pipeline.messages.stages import Counted, Elapsed, Status
from pipeline.messages.states import MotionState, StageState
from pipeline.motion import MotionStage, make_source
from pipeline.motion.counter import Counter, CounterJump
from pipeline.motion.encoder import EncoderSource
from pipeline.motion.modbus import RECONNECT_NS, ModbusCounts
from pipeline.motion.played import PlayedSource, RecordedCourse, SimulatedCourse
from pipeline.motion.udp import UdpCounts
from tests.fakes import Box
from tests.modbus_device import LoopbackModbus, frame, whole

MS = 1_000_000
CONFIG = SimulatedMotion(
    source="simulated",
    speed_mm_s=100,
    segments=(Segment(seconds=2, speed_mm_s=300), Segment(seconds=1, speed_mm_s=0), Segment(seconds=1, speed_mm_s=-50)),
)


def played(elapsed_s: float = 0.0) -> PlayedSource:
    return PlayedSource(SimulatedCourse(CONFIG), elapsed_s)


@pytest.mark.parametrize(
    ("elapsed_s", "position_mm", "speed_mm_s"),
    [(0, 0, 300), (1, 300, 300), (2, 600, 0), (2.9, 600, 0), (3.5, 575, -50), (4, 550, 100), (14, 1550, 100)],
)
def test_segments_then_the_final_speed(elapsed_s: float, position_mm: float, speed_mm_s: float) -> None:
    assert SimulatedCourse(CONFIG).at(elapsed_s) == (pytest.approx(position_mm), speed_mm_s)


def test_a_recorded_web_moves_as_written_and_rests_at_its_end(tmp_path: Path) -> None:
    lines = [{"t_mono_ns": 5_000 * MS + t * MS, "position_mm": p} for t, p in [(0, 10), (1000, 110), (3000, 110)]]
    (tmp_path / "motion.jsonl").write_text("\n".join(map(json.dumps, lines)))
    cloth = make_source(RecordedMotion(source="recorded", path=tmp_path), Box, None)
    cloth.read(0, held=False)
    assert cloth.read(500 * MS, held=False) == (pytest.approx(60), pytest.approx(100), 500 * MS)
    assert cloth.read(2000 * MS, held=False) == (110, 0, 2000 * MS)
    assert cloth.read(99_000 * MS, held=False) == (110, 0, 99_000 * MS)


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_last_line_that_was_cut_off_ends_a_recorded_course(tmp_path: Path, cut: int) -> None:
    lines = [f'{{"t_mono_ns": {t}, "position_mm": {mm}}}\n' for t, mm in ((0, 5.0), (1_000 * MS, 15.0), (2_000 * MS, 95.0))]
    (tmp_path / "motion.jsonl").write_text("".join(lines)[: -cut or None])
    course = RecordedCourse(tmp_path)
    assert course.at(0.5) == (10, 10)
    assert course.at(9) == ((15, 0) if cut == 30 else (95, 0)), "a newline alone is no part of the line"


@pytest.mark.parametrize("text", [None, "", "{}\n{}", "no json\n", '{"t_mono_ns": 1, "position_mm": 2}'])
def test_a_bad_recording_is_one_line(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "motion.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as caught:
        RecordedCourse(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_web_starts_when_everybody_has_heard() -> None:
    here, late = Box(), Box(room=0)
    stage = MotionStage(played(), here, [late])
    for t in range(0, 1000, 100):
        stage.step(t * MS)
    late.room = 99
    stage.step(1000 * MS)
    for t in range(1000, 2001, 5):
        stage.step(t * MS)
    heard = late.take(Motion)
    assert heard[0].position_mm == 0
    assert heard[-1].position_mm == pytest.approx(300) and len(heard) == 51
    assert heard[-1].state is MotionState.MOVING
    assert isinstance(stage.kept, Elapsed) and stage.kept.elapsed_s == pytest.approx(1.0)


def test_the_web_does_not_wait_for_a_camera_that_is_away() -> None:
    decision, there, away = Box(room=0), Box(), Box(room=0)
    stage = MotionStage(played(), decision, [there, away])
    for t in range(0, 3001, 5):
        stage.step(t * MS)
    assert {m.position_mm for m in there.take(Motion)} == {0}  # but for decision it does
    decision.room = 999
    for t in range(3000, 4001, 5):
        stage.step(t * MS)
    heard, elsewhere = decision.take(Motion), there.take(Motion)
    assert (heard[0].position_mm, heard[-1].position_mm) == (0, pytest.approx(300))
    assert heard[1:] == elsewhere and len(heard) == 51


def test_nobody_waits_for_a_recording_that_is_away() -> None:
    decision, grabber, recording = Box(), Box(), Box(room=0)
    stage = MotionStage(played(), decision, [grabber], recording=recording)
    for t in range(0, 501, 5):
        stage.step(t * MS)
    recording.room = 99
    for t in range(505, 1001, 5):
        stage.step(t * MS)
    assert len(decision.take(Motion)) == len(grabber.take(Motion)) > 45
    heard = recording.take(Motion)
    assert 20 < len(heard) < 30 and heard[-1].position_mm == pytest.approx(300)


def test_a_restart_goes_on_where_it_was() -> None:
    box = Box()
    MotionStage(played(2.5), box, [], generation=1).step(0)
    (first,) = box.take(Motion)
    assert (first.position_mm, first.state) == (600, MotionState.STOPPED)


def test_it_tells_decision_that_it_is_there_and_again_each_second() -> None:
    box = Box(room=0)
    stage = MotionStage(played(), box, [], generation=4)
    stage.step(0)
    box.room = 999
    for t in range(0, 2500, 5):
        stage.step(t * MS)
    assert [(s.role, s.generation, s.state) for s in box.take(Status)] == [("motion", 4, StageState.READY)] * 3


@given(
    st.sampled_from([8, 15, 16, 32]),
    st.integers(0, 2**32),
    st.lists(st.integers(-100, 100), max_size=60),
)
def test_any_register_is_the_endless_count_modulo_its_size(bits: int, start: int, steps: list[int]) -> None:
    counter, true, t_ns = Counter(bits, most_counts_s=700.0), 0, 0
    counter.add(start, t_ns)
    for step in steps:
        true += step
        t_ns += 100 * MS
        assert counter.add((start + true) % 2**bits, t_ns) == step
    assert counter.total == true


@pytest.mark.parametrize(
    ("raw", "after_ms", "words"), [(5000, 20, "jumped by 5000 counts"), (3, 20_000, "silent for 20000 ms")]
)
def test_a_step_that_cannot_be_is_a_jump_and_counting_goes_on_from_there(raw: int, after_ms: int, words: str) -> None:
    counter = Counter(15, most_counts_s=1000.0)
    counter.add(0, 0)
    with pytest.raises(CounterJump, match=words):
        counter.add(raw, after_ms * MS)
    assert counter.total == 0
    assert counter.add(raw + 20, (after_ms + 1) * MS) == 20


class Bench:
    """A motion stage on an encoder of 10 counts per mm whose readings come as messages."""

    def __init__(self, before: Elapsed | Counted | None = None, **config: Any) -> None:
        self.counts, self.heard = Box(), Box()
        body = {"source": "message", "counts_per_mm": 10, "bits": 15, "max_speed_mm_s": 2000, **config}
        self.cloth = make_source(TypeAdapter(MotionConfig).validate_python(body), lambda: self.counts, before)
        self.stage = MotionStage(self.cloth, self.heard, [])
        self.ms = 0

    def turn(self, counts: Callable[[int], int | None], until_ms: int) -> Motion:
        """A reading each 10 ms, of the count that belongs to the time; None: no reading. What was said last."""
        while self.ms < until_ms:
            self.ms += 10
            if (count := counts(self.ms)) is not None:
                self.counts.send(EncoderCount(source="", count=count))
            self.stage.step(self.ms * MS)
        motion: Motion = self.heard.take(Motion)[-1]
        return motion

    def states(self) -> list[tuple[StageState, str]]:
        """What it said of itself, without repetitions."""
        return [said for said, _ in groupby((s.state, s.detail) for s in self.heard.take(Status))]


def test_forward_stop_reverse_and_creep_through_many_wraps() -> None:
    bench = Bench()
    moved = bench.turn(lambda ms: ms * 10 % 2**15, 10_000)  # 1000 mm/s: a wrap each 3.3 s
    assert (moved.position_mm, moved.state) == (pytest.approx(9990, abs=11), MotionState.MOVING)
    assert moved.speed_mm_s == pytest.approx(1000)
    rests = bench.turn(lambda ms: 100_000 % 2**15, 12_000)
    assert (rests.position_mm, rests.speed_mm_s, rests.state) == (pytest.approx(9990), 0, MotionState.STOPPED)
    back = bench.turn(lambda ms: (100_000 - (ms - 12_000)) % 2**15, 14_000)
    assert (back.state, back.speed_mm_s) == (MotionState.REVERSE, pytest.approx(-100))
    assert back.position_mm == pytest.approx(9790, abs=2)
    creep = bench.turn(lambda ms: (98_000 + (ms - 14_000) // 50) % 2**15, 20_000)
    assert creep.state is MotionState.MOVING and creep.speed_mm_s == pytest.approx(2, rel=0.3)
    assert [s for s, _ in bench.states()] == [StageState.READY]


def test_an_encoder_mounted_the_other_way_round_counts_down() -> None:
    assert Bench(counts_per_mm=-10).turn(lambda ms: -ms % 2**15, 1000).speed_mm_s == pytest.approx(100)


def test_silence_is_a_fault_until_it_speaks_again() -> None:
    bench = Bench(silent_ms=200)
    bench.turn(lambda ms: ms, 500)
    silent = bench.turn(lambda ms: None, 1000)
    assert silent.state is MotionState.STOPPED
    bench.turn(lambda ms: ms, 1100)
    (_, fault, ready) = bench.states()
    assert fault == (StageState.FAULT, "encoder silent for over 200 ms, motion message, check its sender")
    assert ready[0] is StageState.READY


def test_an_encoder_that_has_not_spoken_yet_is_awaited_and_no_fault() -> None:
    bench = Bench()
    for bench.ms in range(0, 5000, 10):
        bench.stage.step(bench.ms * MS)
    assert bench.states() == [(StageState.DEGRADED, "no count of the encoder yet, motion message, check its sender")]
    assert bench.heard.take(Motion) == []
    bench.turn(lambda ms: ms, 6000)
    bench.turn(lambda ms: None, 8000)
    assert [s for s, _ in bench.states()] == [StageState.READY, StageState.FAULT]


def test_an_encoder_that_spoke_before_a_restart_is_not_awaited_for_long() -> None:
    bench = Bench()
    bench.turn(lambda ms: ms, 1000)
    again = Bench(before=bench.cloth.kept)
    for ms in range(0, 2000, 10):
        again.stage.step(ms * MS)
    assert [s for s, _ in again.states()] == [StageState.READY, StageState.FAULT]


def test_a_jump_is_a_fault_for_a_second_and_moves_nothing() -> None:
    bench = Bench()
    before = bench.turn(lambda ms: ms, 500)
    after = bench.turn(lambda ms: 9000 + ms, 2000)
    assert after.position_mm == pytest.approx(before.position_mm + 149, abs=1)
    (_, fault, ready) = bench.states()
    assert fault[0] is StageState.FAULT and "encoder jumped by 90" in fault[1]
    assert ready[0] is StageState.READY


def test_a_triggered_camera_is_silent_at_rest_and_others_words_are_left_alone() -> None:
    bench = Bench(source="camera", camera="left", silent_ms=100)
    for ms in range(10, 500, 10):
        bench.counts.send(EncoderCount(source="left", count=ms, t_mono_ns=ms * MS))
        bench.counts.send(EncoderCount(source="right", count=7, t_mono_ns=ms * MS))
        bench.stage.step(ms * MS)
    moving = bench.heard.take(Motion)[-1]
    assert moving.speed_mm_s == pytest.approx(100)
    bench.stage.step(2000 * MS)
    assert bench.heard.take(Motion)[-1].state is MotionState.STOPPED
    assert [s for s, _ in bench.states()] == [StageState.READY]
    assert bench.cloth.refused == 49


def test_a_restarted_encoder_counts_on() -> None:
    bench = Bench()
    bench.turn(lambda ms: ms, 1000)
    again = Bench(before=bench.cloth.kept)
    assert again.turn(lambda ms: 1000 + ms, 100).position_mm == pytest.approx(109, abs=4)


def test_udp_takes_numbers_and_counts_the_rest() -> None:
    import socket

    counts = UdpCounts("127.0.0.1:0")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for text in (b"17", b"-4\n", b"", b"1e3", b"\xff\xfe", b"9" * 40, b"1_000", b"%d" % (1 << 63)):
                sender.sendto(text, ("127.0.0.1", counts.port))
        assert counts.read(5) == [(17, 5), (-4, 5)] and counts.refused == 6
        with pytest.raises(InputError, match="address not free"):
            make_source(UdpMotion(source="udp", listen=f"127.0.0.1:{counts.port}", counts_per_mm=1), Box, None)
    finally:
        counts.close()


def modbus(port: int, **change: Any) -> ModbusMotion:
    body = {"source": "modbus", "counts_per_mm": 1, "host": "127.0.0.1", "port": port, "register": 30, **change}
    return ModbusMotion.model_validate(body)


@pytest.mark.parametrize(
    ("change", "count"),
    [({}, 37 << 16 | 38), ({"high_word_first": False}, 38 << 16 | 37), ({"words": 1, "kind": "input"}, 37)],
)
def test_modbus_joins_words(change: dict[str, Any], count: int) -> None:
    with LoopbackModbus() as device:
        counts = ModbusCounts(modbus(device.port, **change))
        assert counts.read(5) == [(count, 5)] and counts.trouble == ""
        assert device.requests == [bytes([4 if "kind" in change else 3, 0, 30, 0, change.get("words", 2)])]
        counts.close()


def test_modbus_leaves_a_device_alone_that_answers_otherwise_and_says_why() -> None:
    with LoopbackModbus(lambda request, right: frame(request, b"\x03\x02" + right[9:11])) as device:
        counts = ModbusCounts(modbus(device.port))
        cloth, box = EncoderSource(modbus(device.port), counts, None), Box()
        stage = MotionStage(cloth, box, [])
        for ms in range(1, 1000, 5):
            stage.step(ms * MS)
        assert len(device.requests) == 1 and box.take(Motion) == []
        (said,) = box.take(Status)
        where = f"127.0.0.1:{device.port}"
        assert said.state is StageState.DEGRADED
        assert said.detail == f"no count of the encoder yet, motion modbus, {where} answers with 4 bytes where 6 were asked for"
        device.spoil = whole
        stage.step(1 * MS + RECONNECT_NS)
        assert box.take(Status)[-1].state is StageState.READY and len(box.take(Motion)) == 1
        device.spoil = lambda request, right: b""
        stage.step(30 * MS + RECONNECT_NS)  # it may answer again before silent_ms: a device that is lost, and no fault yet
        stage.step(2000 * MS + RECONNECT_NS)
        lost, fault = box.take(Status)
        assert (lost.state, lost.detail) == (StageState.DEGRADED, f"{where} does not answer (timed out)")
        assert fault.state is StageState.FAULT and fault.detail.endswith(lost.detail)
        stage.close()


def test_modbus_hangs_up_on_a_mute_device_and_not_on_one_that_refuses() -> None:
    with LoopbackModbus() as device:
        counts = ModbusCounts(modbus(device.port, register=399))
        assert counts.read(1) == [] and "exception 2" in counts.trouble and counts.refused == 1
        device.words[400] = 5
        assert counts.read(1 + RECONNECT_NS) == [(406 << 16 | 5, 1 + RECONNECT_NS)] and device.connections == 1
        device.spoil = lambda request, right: b""
        assert counts.read(2 + RECONNECT_NS) == []
        device.spoil = whole
        assert len(counts.read(2 + 2 * RECONNECT_NS)) == 1 and device.connections == 2
        counts.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"silent_ms": 200}, "every 120 ms, too seldom for silent_ms 200"),
        (
            {"silent_ms": 5000, "bits": 8, "counts_per_mm": 0.2},
            "for 8 bits, of which max_speed_mm_s passes half in 213 ms",
        ),
        ({"silent_ms": 5000, "bits": 8, "counts_per_mm": -0.1}, ""),
    ],
)
def test_an_encoder_that_is_read_too_seldom_is_told_with_the_figure(change: dict[str, Any], words: str) -> None:
    with LoopbackModbus() as device:
        counts, box = ModbusCounts(modbus(device.port, **change)), Box()
        stage = MotionStage(EncoderSource(modbus(device.port, **change), counts, None), box, [])
        for ms in (1000, 1040, 1080, 1120, 1240, 1360):
            stage.step(ms * MS)
        told = box.take(Status)
        assert [s.state for s in told] == [StageState.READY, StageState.DEGRADED][: 1 + bool(words)]
        assert words in told[-1].detail and len(box.take(Motion)) == 6
        for ms in range(1380, 2400, 20):
            stage.step(ms * MS)
        assert {s.state for s in box.take(Status)} == {StageState.READY}
        stage.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"source": "udp", "counts_per_mm": 0}, "must be at least 0.001"),
        ({"source": "udp", "counts_per_mm": 100, "bits": 15}, "unseen"),
        ({"source": "modbus", "counts_per_mm": 1, "host": "h"}, "register"),
        ({"source": "magic"}, "magic"),
    ],
)
def test_what_cannot_work_is_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TypeAdapter(MotionConfig).validate_python(body)


def test_a_motion_section_survives_its_own_echo() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(MotionConfig)
    for config in (
        ModbusMotion(source="modbus", counts_per_mm=1, host="h", register=30),  # type: ignore[call-arg]
        MessageMotion(source="message", counts_per_mm=-2.5),
    ):
        assert adapter.validate_json(adapter.dump_json(config)) == config


def test_a_night_at_rest_is_no_fault_of_a_camera_s_small_counter() -> None:
    bench = Bench(source="camera", camera="left", bits=16)
    for count, at_s in [(65_000, 0), (65_500, 1), (464, 40_000), (964, 40_001)]:
        bench.counts.send(EncoderCount(source="left", count=count, t_mono_ns=1 + at_s * 1000 * MS))
        bench.stage.step(1 + at_s * 1000 * MS)
    assert bench.heard.take(Motion)[-1].position_mm == pytest.approx(150)
    assert [s for s, _ in bench.states()] == [StageState.READY]


@pytest.mark.parametrize("later_ms", [0, 60_000, 1 << 40])
def test_a_stamp_from_the_future_does_not_hide_an_encoder_that_falls_silent(later_ms: int) -> None:
    bench = Bench(source="message")
    bench.counts.send(EncoderCount(count=1, t_mono_ns=(5 + later_ms) * MS))
    bench.stage.step(5 * MS)
    bench.stage.step(2_000 * MS)
    assert [s for s, _ in bench.states()][-1] is StageState.FAULT


def test_two_readings_that_come_almost_together_are_no_faster_than_cloth_can_be() -> None:
    bench = Bench(source="message", counts_per_mm=10, max_speed_mm_s=3000)
    for count, t_ns in ((0, 1_000), (1_400, 1_001)):
        bench.counts.send(EncoderCount(count=count, t_mono_ns=t_ns))
    bench.stage.step(1_001)
    told = bench.heard.take(Motion)[-1]
    assert (told.position_mm, told.speed_mm_s) == (140, 3000)


@pytest.mark.parametrize(
    "lines",
    [
        [(0, 0.0), (10, math.nan)],
        [(0, math.inf), (10, 1.0)],
        [(0, 2e12), (10, 2e12)],
        [(0, 0.0), (0, 5.0)],
        [(10, 0.0), (0, 0.0)],
        [(0, 0.0), (1_000_000_000, 1.1e5)],
    ],
)
def test_a_recorded_course_that_no_cloth_runs_is_refused(tmp_path: Path, lines: list[tuple[int, float]]) -> None:
    path = tmp_path / "motion.jsonl"
    path.write_text("".join(json.dumps({"t_mono_ns": t, "position_mm": mm}) + "\n" for t, mm in lines))
    with pytest.raises(InputError, match=r"no cloth runs so, .*motion.jsonl:2, "):
        RecordedCourse(path)


def test_a_word_of_motion_is_believed_for_a_minute() -> None:
    said = Motion(position_mm=100.0, speed_mm_s=10.0, state=MotionState.MOVING, source="t", t_mono_ns=10**12)
    assert [said.at_mm(10**12 + s * 10**9) for s in (-3_000, -60, 0, 1, 60, 1 << 30)] == [-500, -500, 100, 110, 700, 700]


def test_an_address_that_the_machine_has_not_yet_is_waited_for_and_one_that_is_taken_is_not() -> None:
    with pytest.raises(AbsentError, match=r"no such address here, motion\.listen 192"):
        UdpCounts("192.0.2.7:0")
    taken = UdpCounts("127.0.0.1:0")
    with pytest.raises(InputError, match="address not free") as refused:
        UdpCounts(f"127.0.0.1:{taken.port}")
    assert not isinstance(refused.value, AbsentError)
    taken.close()
