"""The way of a frame, put together from what each process saw, as a trace viewer reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.link.wire import decode, encode
from pipeline.messages.passages import MAX_PASSAGES, SAMPLED, Passage, Passages, Step
from pipeline.metrics.traces import KEPT_FRAMES, STAGES, Traces
from pipeline.telemetry import Trail

BASE_NS = 7_000_000_000_123
WAY = {
    Step.TAKEN: 0, Step.SENT: 1_500, Step.RECEIVED: 4_000, Step.BEGUN: 9_000, Step.SCORED: 30_000, Step.DECIDED: 31_000,
    Step.PUBLISHED: 31_250, Step.RECORDED: 90_000,
}  # fmt: skip


def said(name: str, seq: int, *steps: Step, camera: str = "left", late_ns: int = 0) -> Passages:
    """What a process saw of one frame."""
    times = {step: BASE_NS + WAY[step] + late_ns for step in steps}
    return Passages(name=name, frames=(Passage(camera=camera, boot_id="b", seq=seq, steps=times),))


def tell_whole_way(traces: Traces, seq: int, camera: str = "left", late_ns: int = 0) -> dict[str, float]:
    """The processes report in an order of their own."""
    seconds: dict[str, float] = {}
    for name, steps in (
        ("recorder", (Step.RECORDED,)), ("worker", (Step.SCORED,)), (camera, (Step.TAKEN, Step.SENT)),
        ("decision", (Step.DECIDED, Step.PUBLISHED)), ("worker", (Step.RECEIVED, Step.BEGUN)),
    ):  # fmt: skip
        for stage, took_s in traces.hear(said(name, seq, *steps, camera=camera, late_ns=late_ns)):
            assert stage not in seconds
            seconds[stage] = took_s
    return seconds


def events(traces: Traces) -> list[dict[str, Any]]:
    body = json.loads(traces.file())
    assert body["displayTimeUnit"] == "ms"
    return list(body["traceEvents"])


def test_every_stage_is_told_once_and_together_they_are_the_whole_way() -> None:
    seconds = tell_whole_way(Traces(), 16)
    assert seconds.keys() == {s.name for s in STAGES}
    assert sum(seconds.values()) == pytest.approx(90e-6) and seconds["queue"] == pytest.approx(5e-6)
    assert [s.ends for s in STAGES[:-1]] == [s.begins for s in STAGES[1:]]


def test_a_viewer_sees_the_stages_within_each_frame_and_a_camera_for_each_process() -> None:
    traces = Traces()
    tell_whole_way(traces, 16)
    tell_whole_way(traces, 16, camera="right", late_ns=2_000)
    found = events(traces)
    names = {e["pid"]: e["args"]["name"] for e in found if e["ph"] == "M"}
    assert names == {1: "camera left", 2: "camera right"}
    for pid, late_us in ((1, 0), (2, 2)):
        own = [e for e in found if e["pid"] == pid and e["ph"] != "M"]
        assert len({(e["id"], e["cat"]) for e in own}) == 1
        assert (own[0]["ph"], own[0]["name"], own[-1]["ph"], own[-1]["name"]) == ("b", "frame 16", "e", "frame 16")
        assert [e["name"] for e in own if e["ph"] == "b"][1:] == [s.name for s in STAGES]
        open_: list[str] = []
        for e in own:  # properly nested, and never back in time
            if e["ph"] == "b":
                open_.append(e["name"])
            else:
                assert open_.pop() == e["name"]
        times = [e["ts"] for e in own]
        assert not open_ and times == sorted(times)
        assert times[0] == pytest.approx(BASE_NS / 1000 + late_us) and times[-1] - times[0] == pytest.approx(90)


def test_a_frame_that_no_worker_took_has_its_whole_way_and_no_stage_between() -> None:
    traces = Traces()
    [*traces.hear(said("left", 0, Step.TAKEN))], [*traces.hear(said("decision", 0, Step.DECIDED, Step.PUBLISHED))]
    assert [e["name"] for e in events(traces) if e["ph"] == "b"] == ["frame 0", "publish"]


def test_a_clock_that_was_read_before_the_fact_makes_no_time_that_is_less_than_none() -> None:
    traces = Traces()
    assert [*traces.hear(said("left", 0, Step.SENT, late_ns=6_000))] == []
    assert [*traces.hear(said("worker", 0, Step.RECEIVED))] == [("transfer", 0.0)]
    assert [*traces.hear(said("worker", 0, Step.BEGUN))] == [("queue", pytest.approx(5e-6))]
    found = [(e["ph"], e["name"], e["ts"]) for e in events(traces) if e["ph"] != "M"]
    sent_us, begun_us = (BASE_NS + 7_500) / 1000, (BASE_NS + 9_000) / 1000
    assert found == [
        ("b", "frame 0", sent_us), ("b", "transfer", sent_us), ("e", "transfer", sent_us), ("b", "queue", sent_us),
        ("e", "queue", begun_us), ("e", "frame 0", begun_us),
    ]  # fmt: skip


def test_a_score_that_came_after_the_verdict_moves_nothing_and_is_no_stage_of_it() -> None:
    traces = Traces()
    late = {step: BASE_NS + WAY[step] + 800_000 * (step is Step.SCORED) for step in WAY}
    for steps in ([step for step in WAY if step is not Step.SCORED], [Step.SCORED]):
        frame = Passage(camera="left", boot_id="b", seq=0, steps={step: late[step] for step in steps})
        told = dict(traces.hear(Passages(name="p", frames=(frame,))))
    assert told == {"score": pytest.approx(821e-6)}
    found = {(e["ph"], e["name"]): e["ts"] for e in events(traces) if e["ph"] != "M"}
    assert {name for _, name in found} == {"frame 0", "grab", "transfer", "queue", "publish", "record"}
    for word, step in ((("b", "publish"), Step.DECIDED), (("e", "record"), Step.RECORDED), (("e", "frame 0"), Step.RECORDED)):
        assert found[word] == (BASE_NS + WAY[step]) / 1000


def test_only_the_latest_frames_are_kept() -> None:
    traces = Traces()
    for seq in range(KEPT_FRAMES + 5):
        tell_whole_way(traces, seq)
    frames = [e["name"] for e in events(traces) if e["ph"] == "b" and e["name"].startswith("frame")]
    assert (len(frames), frames[0]) == (KEPT_FRAMES, "frame 5")
    assert len(traces.file()) < 2_000_000


def test_a_trail_that_nobody_takes_keeps_the_latest_and_fits_a_header() -> None:
    trail = Trail(lambda: 2**62)
    for seq in range(0, 40 * SAMPLED, SAMPLED):
        for step in Step:
            trail.mark(("c" * 32, "b" * 32, 2**52 + seq), step)
    frames = trail.take()
    assert [f.seq - 2**52 for f in frames] == [SAMPLED * n for n in range(40 - MAX_PASSAGES, 40)]
    message = Passages(name="n" * 32, frames=frames)
    assert decode(encode(message))[0] == message
