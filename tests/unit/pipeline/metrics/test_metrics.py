"""The figures of a line as Prometheus reads them, its health, and visitors that are slow, mute or greedy."""

from __future__ import annotations

import contextlib
import json
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from glass_core.errors import AbsentError, InputError
from pipeline.config.line import LineConfig
from pipeline.config.metrics import MetricsConfig
from pipeline.messages.actions import Action
from pipeline.messages.line import STALE_NS, Heartbeat, LineState
from pipeline.messages.passages import Passage, Passages, Step
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Progress
from pipeline.messages.states import ActionKind, Cause, Phase, Result, StageState, State
from pipeline.messages.verdicts import Verdict
from pipeline.metrics.door import MAX_VISITORS, PATIENCE_NS
from pipeline.metrics.stage import Metrics
from tests.fakes import Box, totals
from tests.mosquitto import free_port
from tests.shared_data import ROOT

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs a real peer, promtool: .ci/peers installs it")


class Rig:
    """The stage, and a person who asks it."""

    def __init__(self, **change: Any) -> None:
        self.heard, self.reports, self.decision = Box(), Box(), Box()
        cameras = [
            {"name": n, "source": "weave", "mm_per_px_x": 0.2, "mm_per_px_y": 0.2, "x_offset_mm": x}
            for n, x in (("left", 0.0), ("right", 180.0))
        ]
        body = {"line": {"name": "loom"}, "cameras": cameras, "metrics": {"bind": f"127.0.0.1:{free_port()}"}, **change}
        self.config = LineConfig.model_validate(body)
        self.stage = Metrics(self.heard, self.reports, self.decision, self.config, 0)

    def ask(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        with socket.create_connection(("127.0.0.1", self.stage.port)) as asker:
            asker.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            asker.setblocking(False)
            said, end_s = b"", time.monotonic() + 5
            while True:
                self.stage.step(time.monotonic_ns())
                with contextlib.suppress(BlockingIOError):
                    if not (more := asker.recv(65536)):
                        break
                    said += more
                assert time.monotonic() < end_s
        head, _, body = said.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def figures(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """By name and values of labels, in the order of their names."""
        status, text = self.ask("/metrics")
        assert status == 200
        families = text_string_to_metric_families(text.decode())
        return {(s.name, tuple(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}

    def verdict(self, number: int, **changes: Any) -> None:
        self.heard.send(Verdict.model_validate({
            "number": number, "generation": 0, "camera": "left", "boot_id": "b", "seq": number, "result": Result.PASS,
            "t_mono_ns": 0, "t_utc_ns": 0, **changes,
        }))  # fmt: skip


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.stage.close()


def busy(rig: Rig) -> None:
    """A line that has done something of each."""
    counts = {"frames": 90, "passed": 80, "defect": 3, "not_inspected": 7, "inspected_m": 8.0}
    rig.heard.send(totals(
        verdicts=100, rejects=9, rejects_inhibited=2, late_scores=4, waiting=5, reasons={"DAMAGED": 6, "OVERLOAD": 1},
        inspected_m=8.5, not_inspected_m=0.3, speed_mm_s=500.0, cameras={"left": counts, "right": {**counts, "frames": 70}},
    ))  # fmt: skip
    rig.verdict(
        0, start_mm=0.0, end_mm=100.0, latency_ms=40.0, weights_sha="w", engine_sha="e", card_sha="c", style='a"\\\n'[:2]
    )
    rig.verdict(1, camera="right", start_mm=0.0, end_mm=100.0, latency_ms=400.0)
    rig.verdict(2, start_mm=100.0, end_mm=300.0, result=Result.NOT_INSPECTED, reason=Reason.DAMAGED)
    rig.verdict(2, start_mm=100.0, end_mm=300.0, result=Result.NOT_INSPECTED, reason=Reason.DAMAGED)
    rig.verdict(5, camera="right", start_mm=100.0, end_mm=300.0, result=Result.NOT_INSPECTED, reason=Reason.DAMAGED)
    action = Action(number=0, generation=0, event=0, kind=ActionKind.MARK, cause=Cause.DEFECT, phase=Phase.NOW, t_mono_ns=0)
    rig.heard.send(action)
    rig.heard.send(action)
    worker = {"batch_tiles": 12.0, "most_tiles": 16, "infer_ms": 20.0, "gpu_memory_mib": 2.0, "gpu_percent": 50.0}
    for name, generation, counters in (
        ("worker", 1, worker), ("right", 4, {"refused nobody": 3}), ("plc", 0, {"connected": 0, "lost": 7, "queued": 2})
    ):  # fmt: skip
        rig.reports.send(Progress(name=name, generation=generation, state=StageState.READY, steps=1, handled=1, waiting=6,
                                  counters=counters))  # fmt: skip
    steps = {Step.BEGUN: 5_000_000_000, Step.SCORED: 5_040_000_000}
    rig.reports.send(Passages(name="worker", frames=(Passage(camera="left", boot_id="b", seq=0, steps=steps),)))


def test_figures_stand_under_their_names_in_base_units(rig: Rig) -> None:
    busy(rig)
    found = rig.figures()
    for name, labels, value in (
        ("glassline_frames_grabbed_total", ("right",), 70), ("glassline_frames_inspected_total", ("left",), 83),
        ("glassline_verdicts_total", ("left", "NOT_INSPECTED"), 7), ("glassline_frames_incomplete_total", (), 6),
        ("glassline_frames_refused_total", (), 1), ("glassline_not_inspected_total", ("DAMAGED",), 6),
        ("glassline_rejects_total", (), 9), ("glassline_inspected_meters_total", (), 8.5),
        ("glassline_not_inspected_meters_total", ("DAMAGED",), 0.2), ("glassline_cloth_speed_meters_per_second", (), 0.5),
        ("glassline_batch_fill_ratio", (), 0.75), ("glassline_worker_step_seconds", ("infer",), 0.02),
        ("glassline_gpu_memory_used_bytes", (), 2 << 20), ("glassline_gpu_utilization_ratio", (), 0.5),
        ("glassline_queue_depth", ("worker",), 6), ("glassline_camera_reconnects_total", ("right",), 4),
        ("glassline_process_restarts_total", ("worker",), 1), ("glassline_messages_refused_total", ("right", "nobody"), 3),
        ("glassline_output_connected", ("plc",), 0), ("glassline_output_lost_messages_total", ("plc",), 7),
        ("glassline_frame_latency_seconds_count", ("left",), 1), ("glassline_frame_latency_seconds_sum", ("right",), 0.4),
        ("glassline_actions_total", ("MARK",), 1), ("glassline_metrics_missed_messages_total", (), 2),
        ("glassline_frame_stage_seconds_sum", ("score",), 0.04), ("glassline_frame_stage_seconds_count", ("score",), 1),
        ("glassline_model_info", ("c", "e", 'a"', "w"), 1),
    ):  # fmt: skip
        assert found[name, labels] == pytest.approx(value), name


def test_the_way_of_frames_is_a_file_that_is_asked_for(rig: Rig) -> None:
    busy(rig)
    status, body = rig.ask("/trace")
    assert status == 200 and [e["name"] for e in json.loads(body)["traceEvents"] if e["ph"] == "b"] == ["frame 0", "score"]


def test_only_one_state_is_1(rig: Rig) -> None:
    states = {k: v for k, v in rig.figures().items() if k[0] == "glassline_state"}
    assert len(states) == len(State) and not any(states.values())
    rig.heard.send(Heartbeat(number=0, generation=0, state=State.RUNNING, inspection_ok=False, verdicts=0, t_mono_ns=0))
    rig.heard.send(LineState(number=0, generation=0, state=State.DEGRADED, inspection_ok=True, t_mono_ns=0, t_utc_ns=0))
    found = rig.figures()
    assert [k[1] for k, v in found.items() if v and k[0] == "glassline_state"] == [("DEGRADED",)]
    assert found["glassline_inspection_ok", ()] == 1
    rig.stage._figures.beat_ns = time.monotonic_ns() - 7 * STALE_NS
    found = rig.figures()
    assert not any(v for k, v in found.items() if k[0] == "glassline_state") and found["glassline_inspection_ok", ()] == 0
    assert 7 <= found["glassline_heartbeat_age_seconds", ()] < 60


def test_metres_that_nobody_saw_never_fall_while_two_cameras_speak_in_turn(rig: Rig) -> None:
    before = rig.figures()
    for n in range(6):
        rig.verdict(n, camera=("left", "right")[n % 2], start_mm=100.0 * (n // 2), end_mm=100.0 * (n // 2) + 100)
        found = rig.figures()
        assert all(found[k] >= v for k, v in before.items() if k[0] == "glassline_not_inspected_meters_total"), n
        before = found


@needs_promtool
def test_promtool_finds_nothing_to_say_of_names_and_rules(rig: Rig) -> None:
    busy(rig)
    text = rig.ask("/metrics")[1]
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
    rules = subprocess.run([PROMTOOL, "check", "rules", str(ROOT / "configs" / "alerts.yml")], capture_output=True, check=False)
    assert rules.returncode == 0, rules.stderr


def told_names(rig: Rig) -> set[str]:
    busy(rig)
    rig.heard.send(Heartbeat(number=0, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=1, t_mono_ns=0))
    return {name for name, _ in rig.figures()}


def test_rules_and_dashboard_ask_only_for_figures_that_there_are(rig: Rig) -> None:
    import re

    known = told_names(rig)
    for file in ("alerts.yml", "dashboard.json"):
        text = (ROOT / "configs" / file).read_text()
        asked = set(re.findall(r"\bglassline_\w+", text))
        assert asked and asked <= known, (file, asked - known)
    panels = json.loads((ROOT / "configs" / "dashboard.json").read_text())["panels"]
    assert len({p["id"] for p in panels}) == len(panels) and all(p["title"] for p in panels)


def test_health_is_good_only_while_it_runs_and_decision_is_heard(rig: Rig) -> None:
    assert [rig.ask(path)[0] for path in ("/health", "/live")] == [503, 503]
    rig.heard.send(
        LineState(number=0, generation=0, state=State.STOPPED, inspection_ok=True, detail="rest", t_mono_ns=0, t_utc_ns=0)
    )
    rig.heard.send(Heartbeat(number=0, generation=0, state=State.STOPPED, inspection_ok=True, verdicts=0, t_mono_ns=0))
    assert [rig.ask(path)[0] for path in ("/health", "/live")] == [503, 200]
    rig.heard.send(Heartbeat(number=1, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0))
    status, body = rig.ask("/health")
    said = json.loads(body)
    assert status == 200 and said["state"] == "RUNNING" and said["fresh"] is True and said["detail"] == "rest"
    rig.heard.send(Heartbeat(number=2, generation=0, state=State.RUNNING, inspection_ok=False, verdicts=0, t_mono_ns=0))
    assert [rig.ask(path)[0] for path in ("/health", "/live")] == [503, 200]
    rig.heard.send(Heartbeat(number=3, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0))
    assert rig.ask("/health")[0] == 200
    rig.stage._figures.beat_ns = time.monotonic_ns() - STALE_NS
    assert [rig.ask(path)[0] for path in ("/health", "/live")] == [503, 503]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET /secret HTTP/1.1\r\n\r\n", b"404"), (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"), (b"\x00\xff\r\n\r\n", b"400"),
        (b"GET / " + b"a" * 9000, b"400"), (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
    ],
)  # fmt: skip
def test_what_is_no_question_of_ours_is_refused(rig: Rig, asked: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", rig.stage.port), timeout=20) as asker:
        asker.sendall(asked)
        end_s = time.monotonic() + 20
        while not select.select([asker], [], [], 0.002)[0] and time.monotonic() < end_s:
            rig.stage.step(time.monotonic_ns())
        assert asker.recv(100).split()[1] == status


def test_visitors_that_say_nothing_hold_nobody_up_and_are_shown_out(rig: Rig) -> None:
    mute = [socket.create_connection(("127.0.0.1", rig.stage.port)) for _ in range(MAX_VISITORS)]
    now_ns = time.monotonic_ns()
    while len(rig.stage._door._visitors) < MAX_VISITORS:
        rig.stage.step(now_ns)
    for each in mute[:3]:
        each.sendall(b"G")
    busy(rig)
    rig.stage.step(now_ns)
    assert rig.stage.handled > 0  # it hears the line all the while
    rig.stage.step(now_ns + PATIENCE_NS + 1)
    assert rig.stage._door._visitors == []
    assert rig.ask("/live")[0] == 503
    for each in mute:
        each.close()


def test_a_visitor_that_never_reads_is_shown_out(rig: Rig) -> None:
    busy(rig)
    with socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        greedy.connect(("127.0.0.1", rig.stage.port))
        greedy.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        rig.stage._figures.text = lambda: b"x" * 50_000_000  # type: ignore[method-assign]
        now_ns = time.monotonic_ns()
        while not rig.stage._door._visitors:
            rig.stage.step(now_ns)
        for _ in range(50):
            rig.stage.step(now_ns)
        assert len(rig.stage._door._visitors) == 1
        rig.stage.step(now_ns + PATIENCE_NS + 1)
        assert rig.stage._door._visitors == []


def test_an_address_that_is_taken_is_told(rig: Rig) -> None:
    with pytest.raises(InputError, match=f"address not free, 127[.]0[.]0[.]1:{rig.stage.port}"):
        Metrics(Box(), Box(), Box(), rig.config, 0)


def test_an_address_that_the_machine_does_not_have_yet_is_waited_for() -> None:
    with pytest.raises(AbsentError, match=r"192[.]0[.]2[.]1:9109"):
        Rig(metrics={"bind": "192.0.2.1:9109"})


def test_this_machine_alone_unless_asked() -> None:
    assert MetricsConfig().address == ("127.0.0.1", 9109)
    assert MetricsConfig(bind="[::1]:80").address == ("::1", 80)


@pytest.mark.parametrize("bind", ["9109", "localhost:1", "127.0.0.1:0", "127.0.0.1:70000", "*:9109", ""])
def test_an_address_that_is_none_is_refused(bind: str) -> None:
    with pytest.raises(ValidationError, match="ADDRESS:PORT"):
        MetricsConfig(bind=bind)
