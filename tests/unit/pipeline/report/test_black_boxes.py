"""What a black box says stands on the page of its run and on its own, and no text of it gets through unescaped."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.ledger.black_box import Fault, LastWord, Opening, Picture, Printed, Published
from pipeline.ledger.box_folder import box_path, keep_box
from pipeline.messages.actions import Action
from pipeline.messages.cloth import Roll
from pipeline.messages.frames import Frame
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.stages import Progress
from pipeline.messages.states import ActionKind, Cause, Phase, Result, StageState, State
from pipeline.messages.verdicts import Verdict
from pipeline.report import black_boxes, show_box
from tests.unit.pipeline.report.test_page import EVIL, Checker, page_of, write
from tools import cli

S = 1_000_000_000
T = 50 * S
STARTED_S = 1_700_000_000
RUN: dict[str, Any] = {"started": "2023-11-14T22:13:20+00:00", "parent_pid": 77}
RED = np.zeros((3, 4, 3), np.uint8)
RED[..., 0] = 200


def verdict(number: int, at_ns: int, result: Result = Result.PASS) -> Published:
    body = Verdict(number=number, generation=0, camera="left", boot_id="b", seq=number, result=result, t_mono_ns=1, t_utc_ns=1)
    return Published.of(body, at_ns)


def beat(at_ns: int) -> Published:
    body = Heartbeat(number=1, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=1)
    return Published.of(body, at_ns)


def state(number: int, kind: State, at_ns: int, detail: str = "") -> Published:
    at_utc_ns = STARTED_S * S + at_ns
    body = LineState(
        number=number, generation=0, state=kind, inspection_ok=False, detail=detail, t_mono_ns=at_ns, t_utc_ns=at_utc_ns
    )
    return Published.of(body, at_ns)


def box(folder: Path, process: str = "worker", pid: int = 77, after_s: int = 60, why: str = "ended with status -9") -> Path:
    """A box whose fault is at T, written `after_s` from the start of the run."""
    frame = Frame(camera="left", boot_id="b", seq=8, t_mono_ns=1, t_utc_ns=1, block_id=1, shape=RED.shape, pixel_format="RGB8")
    progress = Progress(
        name=process, generation=2, state=StageState.READY, steps=1, handled=1234, waiting=5, counters={EVIL: 2.5}
    )
    action = Action(number=0, generation=0, event=0, kind=ActionKind.STOP, cause=Cause.FAULT, phase=Phase.NOW, t_mono_ns=1)
    roll = Roll(number=0, generation=0, roll_id="<roll>", style="", cause="command", start_mm=None, t_mono_ns=1, t_utc_ns=1)
    entries = [
        Opening(
            line=EVIL, supervisor_pid=pid, config_sha="<sha>", t_mono_ns=T + 2 * S, t_utc_ns=(STARTED_S + after_s) * S,
            left_out=3,
        ),
        Fault(process=process, why=why, status=-9, t_mono_ns=T),
        Fault(process="left", why="<b>later", t_mono_ns=T + S - 1),
        LastWord(role=process, name=process, progress=progress, t_mono_ns=T - S // 4),
        LastWord(role="motion", name="motion", progress=None, t_mono_ns=T),
        Picture.of(frame, RED.tobytes(), T - S // 2),
        Printed(process="left", text="of the camera", t_mono_ns=T - 2 * S),
        Printed(process=process, text=f"Traceback {EVIL}", t_mono_ns=T - S),
        state(0, State.RUNNING, T - 20 * S),
        *(verdict(n, T - 3 * S + n) for n in range(7)),
        beat(T - 3 * S + 8), verdict(8, T - 3 * S + 9, Result.DEFECT), verdict(9, T - S - 1),
        state(1, State.FAULT, T + S // 2, EVIL), Published.of(action, T + S), Published.of(roll, T + S),
    ]  # fmt: skip
    path = box_path(folder / "ledger.sqlite", (STARTED_S + after_s) * S, process)
    keep_box(path, b"".join(entry.model_dump_json().encode() + b"\n" for entry in entries))
    return path


def texts(page: Checker) -> str:
    return " ".join("|".join(page.text).split())


def test_one_alone_shows_the_seconds_around_the_fault(tmp_path: Path) -> None:
    path = box(tmp_path)
    page = Checker(show_box(path).read_text(encoding="utf-8"))
    shown = texts(page)
    assert f"Black box of {EVIL}" in shown and "2023-11-14 22:14:18 UTC: worker ended with status -9" in shown
    assert "-1.000 Traceback" in shown and EVIL in shown and shown.index("Traceback") < shown.index("of the camera")
    rows = [row for row in shown.split("|") if re.search(r"RUNNING|FAULT:|PASS|action|roll|later", row)]
    assert rows[-7:] == [
        "RUNNING, inspection NOT ok", "7 x PASS of left, 1 x heartbeat, 1 x DEFECT of left", "1 x PASS of left",
        "FAULT: worker ended with status -9", "FAULT: left <b>later", "action STOP NOW: FAULT", "roll <roll> begins",
    ]  # fmt: skip
    assert f"|+0.500|FAULT, inspection NOT ok, {EVIL}|" in shown
    assert "|worker|2|READY|1,234|5|-0.250|" in shown and "|motion|nothing|" in shown
    assert "Older entries that had no room: 3." in shown and "|<sha>|" in shown and " GB|" in shown
    (image,) = (dict(attrs)["src"] for tag, attrs in page.tags if tag == "img")
    png = base64.b64decode(str(image).removeprefix("data:image/png;base64,"))
    assert np.array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], RED)
    assert "script" not in {tag for tag, _ in page.tags}


def test_the_report_of_a_run_shows_its_own_and_names_the_others(tmp_path: Path) -> None:
    ledger = write(tmp_path, [], **RUN)
    own = [box(tmp_path), box(tmp_path, "decision", after_s=70)]
    box(tmp_path, "motion", pid=78)
    box(tmp_path, "recorder", after_s=-5)  # of an earlier process of that number
    cut = box(tmp_path, "left", after_s=90)
    cut.write_bytes(cut.read_bytes()[:-30])
    text, page = page_of(ledger)
    shown = texts(page)
    assert text.count("What the cameras saw") == 2 and text.count("<img") == 2
    assert shown.index(own[1].name) < shown.index(own[0].name), "the newest first"
    assert "3 more in the folder black_boxes" in shown and f"{cut.name}: no black box, or damaged" in shown
    assert shown.count("of another run") == 2


def test_a_run_without_a_fault_says_nothing_of_boxes(tmp_path: Path) -> None:
    assert "Black boxes" not in page_of(write(tmp_path, [], **RUN))[0]


def test_pictures_beyond_what_a_page_takes_are_left_to_the_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = write(tmp_path, [], **RUN)
    older = [box(tmp_path), box(tmp_path, "decision", after_s=70)][0]
    one = len(black_boxes._pictures(black_boxes.read_box(older)))
    monkeypatch.setattr(black_boxes, "PICTURES_MB", 1.5 * one / 1e6)
    text, page = page_of(ledger)
    assert text.count("<img") == 1 and f"glassline report black_boxes/{older.name}" in texts(page)


def test_the_verb_opens_one_box_and_refuses_what_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = box(tmp_path)
    assert cli.main(["report", str(path)]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == path.with_suffix(".html") and page.is_file()
    assert cli.main(["report", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["page"], told["line"]) == (1, str(page), EVIL)
    assert told["faults"][0] == {"process": "worker", "why": "ended with status -9", "status": -9, "t_mono_ns": T}
    other = tmp_path / "ledger.sqlite"
    other.write_bytes(b"SQLite format 3\x00")
    assert cli.main(["report", str(other)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("glassline: no black box, or damaged") and err.count("\n") == 1


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = box(tmp_path)
    path.with_suffix(".html").mkdir()
    with pytest.raises(InputError, match="page not writable"):
        show_box(path)
