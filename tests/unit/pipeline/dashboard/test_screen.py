"""The screen shows what the line says, and never old news as new."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from pipeline.config.line import LineConfig
from pipeline.dashboard.screen import Screen
from pipeline.messages.actions import Reject
from pipeline.messages.cloth import SpanEvent
from pipeline.messages.line import CameraCounts, Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.motion import Motion
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Progress
from pipeline.messages.states import EventAction, EventKind, MotionState, Result, StageState, State
from pipeline.messages.verdicts import Region, Verdict

SECOND = 10**9
CONFIG = LineConfig.model_validate({
    "line": {"name": "loom-7"},
    "cameras": [{"name": name, "source": "replay", "path": "x"} for name in ("left", "right")],
})  # fmt: skip


def shown(screen: Screen, width: int = 150) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=False)
    console.print(screen)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def line_state(kind: State, ok: bool = True, detail: str = "") -> LineState:
    return LineState(number=0, generation=0, state=kind, inspection_ok=ok, detail=detail, t_mono_ns=0, t_utc_ns=0)


def totals(t_s: float = 0, frames: int = 10, generation: int = 0, **changes: Any) -> Totals:
    counts = CameraCounts(
        frames=frames, passed=frames - 3, defect=2, not_inspected=1, inspected_m=1.25, lanes=(0.05, 0.5, 0.97), last="DEFECT"
    )
    body = {
        "generation": generation, "verdicts": frames, "passed": frames - 3, "defect": 2, "not_inspected": 1,
        "reasons": {"OVERLOAD": 1}, "late_scores": 4, "duplicates": 0, "rejects": 3, "rejects_inhibited": 1,
        "waiting": 6, "inspected_m": 1.25, "not_inspected_m": 0.125, "position_mm": 2000.0, "speed_mm_s": 500.0,
        "latency_ms": {"p50": 41.0, "p95": 78.0, "p99": 92.0}, "cameras": {"left": counts},
        "last_defect": "left 0.640 m score 0.912", "t_mono_ns": int(t_s * SECOND), **changes,
    }  # fmt: skip
    return Totals.model_validate(body)


def test_before_the_first_word_it_says_so() -> None:
    text = shown(Screen(CONFIG))
    assert "STARTING" in text and "no word yet" in text and "no figures yet" in text


def spoken(*names: str) -> dict[str, Progress]:
    return {n: Progress(name=n, generation=0, state=StageState.READY, steps=1, handled=0, waiting=0) for n in names}


def test_while_it_starts_it_says_for_how_long_and_what_it_waits_for() -> None:
    now_s = [100]
    screen = Screen(CONFIG, now_ns=lambda: now_s[0] * SECOND)
    now_s[0] += 4
    assert "for 4 s, waiting for recorder: the record is opened; then decision, worker, left, right" in shown(screen)
    assert screen.waiting_line() is None, "not yet worth a line"
    screen.progress(spoken("recorder", "decision"))
    screen.update(line_state(State.STARTING, ok=False, detail="waiting for worker, left, right"))
    now_s[0] += 8
    line = "for 12 s, waiting for worker: its engine is made ready; then left, right"
    assert line in shown(screen) and screen.waiting_line() == f"STARTING {line}" and screen.waiting_line() is None
    mute = spoken("right")["right"].model_copy(update={"state": None})
    screen.progress({**spoken("recorder", "decision", "worker", "left"), "right": mute})
    now_s[0] += 10
    assert screen.waiting_line() == "STARTING for 22 s, waiting for right: its camera is opened"
    screen.progress(spoken("recorder", "decision", "worker", "left", "right"))
    screen.progress(spoken("recorder", "decision", "left", "right"))  # one that is started again later is another matter
    now_s[0] += 60
    assert screen.waiting_line() is None
    screen.update(line_state(State.STARTING, ok=False, detail="waiting for worker"))
    assert "waiting for worker" in shown(screen) and "engine is made ready" not in shown(screen)


def test_a_camera_that_is_not_there_is_not_waited_for_again_and_again() -> None:
    now_s = [0]
    screen = Screen(CONFIG, now_ns=lambda: now_s[0] * SECOND)
    screen.progress(spoken("recorder", "decision", "worker", "left"))
    screen.update(line_state(State.DEGRADED, ok=False, detail="right: no camera"))
    now_s[0] += 3600
    assert screen.waiting_line() is None


def test_everything_the_issue_asks_for_is_on_it() -> None:
    screen = Screen(CONFIG, now_ns=lambda: SECOND)
    screen.update(line_state(State.RUNNING))
    screen.update(totals(0, 10))
    screen.update(totals(2, 30))
    screen.progress({"worker": Progress(name="worker", generation=2, state=StageState.READY, steps=1, handled=1, waiting=7)})
    text = shown(screen)
    for words in ("loom-7", "RUNNING", "inspection ok", "at 2.000 m, 30.0 m/min", "10.0", "▁▅█ 0.970", "DEFECT", "1.250 m",
                  "0.125 m", "left 0.640 m score 0.912", "3 (1 inhibited)", "41 / 78 / 92", "OVERLOAD 1", "worker 7",
                  "worker 2", "late scores"):  # fmt: skip
        assert words in text, words
    assert "no word yet" in text, "the right camera has not spoken"


def test_the_worker_says_where_its_time_goes() -> None:
    figures = {"too_late": 0, "most_tiles": 16, "batch_tiles": 12.0, "wait_ms": 4.0, "prepare_ms": 0.5, "infer_ms": 9.25}
    screen = Screen(CONFIG)
    screen.update(totals())
    word = Progress(name="worker", generation=0, state=StageState.READY, steps=1, handled=1, waiting=0, counters=figures)
    screen.progress({"worker": word})
    assert "batch 12 of 16 tiles; ms: wait 4.0, prepare 0.5, infer 9.2" in shown(screen) and "GPU" not in shown(screen)
    of_gpu = {"gpu_percent": 71.0, "gpu_w": 350.0}
    screen.progress({"worker": word.model_copy(update={"counters": figures | of_gpu})})
    assert "GPU 71%, 350 W" in shown(screen)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_any_terminal(width: int) -> None:
    screen = Screen(CONFIG)
    screen.update(line_state(State.DEGRADED, False, "camera right: " + "long story " * 30))
    screen.update(totals())
    assert max(len(line) for line in shown(screen, width).splitlines()) <= width


@pytest.mark.parametrize(
    ("ok", "now_s", "expected", "absent"),
    [(True, 1.5, "inspection ok", "NO HEARTBEAT"), (False, 1.5, "INSPECTION NOT OK", "inspection ok"),
     (True, 2.5, "NO HEARTBEAT", "inspection ok")],
)  # fmt: skip
def test_ok_is_shown_only_while_the_heart_beats(ok: bool, now_s: float, expected: str, absent: str) -> None:
    screen = Screen(CONFIG, now_ns=lambda: int(now_s * SECOND))
    screen.update(line_state(State.RUNNING, ok))
    screen.update(Heartbeat(number=0, generation=0, state=State.RUNNING, inspection_ok=ok, verdicts=0, t_mono_ns=SECOND))
    text = shown(screen)
    assert expected in text and absent not in text


def test_rates_are_taken_within_one_generation() -> None:
    screen = Screen(CONFIG)
    screen.update(totals(0, 100))
    screen.update(totals(2, 140))
    assert (screen.rate("left"), screen.rate("right")) == (20.0, None)
    screen.update(totals(3, 5, generation=1))
    assert screen.rate("left") is None
    screen.update(totals(5, 9, generation=1))
    assert screen.rate("left") == 2.0


def test_text_from_outside_is_not_markup() -> None:
    screen = Screen(CONFIG)
    screen.update(line_state(State.FAULT, False, "[red]disk[/nonsense] full"))
    screen.update(totals(last_defect="[/x]"))
    text = shown(screen)
    assert "[red]disk[/nonsense] full" in text and "[/x]" in text


def test_a_lane_that_is_not_a_number_is_a_question_mark() -> None:
    odd = CameraCounts(frames=1, passed=0, defect=0, not_inspected=1, inspected_m=None, lanes=(0.1, float("nan")))
    screen = Screen(CONFIG)
    screen.update(totals(cameras={"left": odd}, inspected_m=None, not_inspected_m=None, latency_ms={}))
    text = shown(screen)
    assert "▁?" in text and "scale unknown" in text


REGION = Region(x0_px=8, y0_px=0, x1_px=24, y1_px=8, score=0.9, x0_mm=12, x1_mm=20, y0_mm=1234, y1_mm=1240)
PASSED = Verdict(number=5, generation=0, camera="left", boot_id="b", seq=9, result=Result.PASS, t_mono_ns=0, t_utc_ns=0)
FOUND = PASSED.model_copy(update={"result": Result.DEFECT, "score": 0.9, "regions": (REGION,), "start_mm": 1200.0})
BARE = FOUND.model_copy(update={"start_mm": None, "regions": (Region(x0_px=8, y0_px=0, x1_px=24, y1_px=8, score=0.9),)})
CUT = Reject(
    number=0,
    generation=0,
    verdict=5,
    camera="left",
    cause=Result.NOT_INSPECTED,
    reason=Reason.NO_FRAME,
    start_mm=100,
    end_mm=700,
    t_mono_ns=0,
)
SEAM = SpanEvent(
    number=0, generation=0, kind=EventKind.SEAM, action=EventAction.RECORD, start_mm=1200, end_mm=1400, roll_id="R",
    cause="command", t_mono_ns=0, t_utc_ns=0,
)  # fmt: skip
LINES: list[tuple[Message, str | None]] = [
    (line_state(State.RUNNING), "RUNNING, inspection ok"),
    (line_state(State.FAULT, False, "disk full"), "FAULT, INSPECTION NOT OK: disk full"),
    (FOUND, "DEFECT left at 1.234 m, 12 to 20 mm across, score 0.900, verdict 5"),
    (BARE, "DEFECT left at frame 9, x 8 to 24 px, score 0.900, verdict 5"),
    (PASSED, None),
    (CUT, "REJECT left from 0.100 m to 0.700 m: not inspected, NO_FRAME"),
    (CUT.model_copy(update={"cause": Result.DEFECT}), None),
    (Motion(position_mm=0, speed_mm_s=0, state=MotionState.STOPPED, source="s", t_mono_ns=0), None),
    (SEAM, "SEAM 1.200 m to 1.400 m, record: no rejects there"),
    (SEAM.model_copy(update={"action": EventAction.GRADE}), "SEAM 1.200 m to 1.400 m, grade"),
]


@pytest.mark.parametrize(("message", "line"), LINES)
def test_lines_without_a_terminal(message: Message, line: str | None) -> None:
    assert Screen(CONFIG).log_line(message) == line


def test_figures_every_ten_seconds() -> None:
    screen = Screen(CONFIG)
    lines = []
    for t_s in range(25):
        screen.update(totals(t_s, 10 * t_s + 3))
        lines.append(screen.log_line(totals(t_s, 10 * t_s + 3)))
    assert [t for t, line in enumerate(lines) if line] == [0, 10, 20]
    assert lines[20] == (
        "203 verdicts: 200 pass, 2 defect, 1 not inspected; 1.25 m inspected, 0.12 m not; latency p95 78 ms; left 10.0 frames/s"
    )


def test_whose_messages_are_dropped_is_shown() -> None:
    screen = Screen(CONFIG)
    screen.update(totals())
    word = Progress(name="decision", generation=0, state=StageState.READY, steps=1, handled=1, waiting=0)
    screen.progress({"decision": word})
    assert "refused" not in shown(screen)
    screen.progress({"decision": word.model_copy(update={"counters": {"refused left": 1200, "refused": 4, "edges": 5}})})
    text = shown(screen)
    assert "refused" in text and "decision 1,200 of left" in text and "edges" not in text
