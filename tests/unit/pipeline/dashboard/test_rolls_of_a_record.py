"""The page of a record: each of its rolls can be chosen, and each has its own cloth, defects and events."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.dashboard import page as pages
from pipeline.dashboard.page import Page, of_record
from pipeline.dashboard.terms import Terms
from pipeline.ledger.dispositions import dispose
from pipeline.ledger.store import Ledger
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.states import EventAction, EventKind, Result
from pipeline.messages.verdicts import Region, Verdict
from tests.unit.pipeline.dashboard.browser import Browser
from tests.unit.pipeline.dashboard.test_app import CAMERAS, app_of

FRAME_MM = 100.0
FACTS = {"generation": 0, "t_utc_ns": 0}


def verdict(n: int, roll_id: str, defect: bool) -> Verdict:
    start_mm = FRAME_MM * n
    region = Region(x0_px=0, y0_px=0, x1_px=20, y1_px=50, score=0.9, x0_mm=0, x1_mm=4, y0_mm=start_mm + 10, y1_mm=start_mm + 20)
    return Verdict(
        number=n, camera="left", boot_id="b", seq=n, result=Result.DEFECT if defect else Result.PASS, score=0.9,
        regions=(region,) if defect else (), start_mm=start_mm, end_mm=start_mm + FRAME_MM, frame_shape=(500, 1000),
        roll_id=roll_id, t_mono_ns=n, **FACTS,
    )  # fmt: skip


def roll(number: int, roll_id: str, start_mm: float, style: str = "twill") -> Roll:
    return Roll(
        number=number, roll_id=roll_id, style=style, start_mm=start_mm, cause="command",
        t_mono_ns=int(start_mm / FRAME_MM), **FACTS,
    )  # fmt: skip


def record(folder: Path, rolls: list[Roll], defects: set[int], frames: int = 40, first: str = "R-0") -> Page:
    config = {"cameras": CAMERAS, "line": {"roll_id": first}}
    held = Ledger(folder / "ledger.sqlite", {"line": "loom", "config": config}, run_id="r")
    for told in rolls:
        held.add(told)
    for n in range(frames):
        own = [r for r in rolls if r.start_mm is not None and r.start_mm <= FRAME_MM * n]
        held.add(verdict(n, own[-1].roll_id if own else first, n in defects))
    held.add(SpanEvent(
        number=0, kind=EventKind.SEAM, action=EventAction.IGNORE, start_mm=1210.0, end_mm=1250.0, roll_id="R-1",
        cause="command", t_mono_ns=13, **FACTS,
    ))  # fmt: skip
    held.close()
    return of_record(folder / "ledger.sqlite")


def test_each_roll_has_its_own_cloth(tmp_path: Path) -> None:
    page = record(tmp_path, [roll(0, "R-1", 1000.0), roll(1, "", 2000.0), roll(2, "R-1", 2500.0, "satin")], {3, 12, 13, 21, 30})
    browser = Browser(app_of(page, Terms(host="127.0.0.1", port=8420, users=tmp_path / "users.json")))
    rolls = browser.get("/state").told["rolls"]
    assert [r["name"] for r in rolls] == ["R-0", "R-1", "", "R-1 (2)"] and [r["shown"] for r in rolls] == [False] * 3 + [True]
    told = {r["name"]: browser.get(f"/cloth?roll={r['name'].replace(' ', '%20')}").told for r in rolls}
    frames = {name: [d["frame"] for d in cloth["defects"]] for name, cloth in told.items()}
    assert frames == {"R-0": [3], "R-1": [12, 13], "": [21], "R-1 (2)": [30]}
    assert {name: (cloth["roll"], cloth["style"]) for name, cloth in told.items()} == {
        "R-0": ("R-0", ""), "R-1": ("R-1", "twill"), "": ("", "twill"), "R-1 (2)": ("R-1 (2)", "satin"),
    }  # fmt: skip
    assert {name: round(cloth["map"]["until"], 1) for name, cloth in told.items()} == {
        "R-0": 1.0, "R-1": 1.0, "": 0.5, "R-1 (2)": 1.5,
    }  # fmt: skip
    assert {name: len(cloth["events"]) for name, cloth in told.items()} == {"R-0": 0, "R-1": 1, "": 0, "R-1 (2)": 0}
    assert told["R-1"]["defects"][0]["from_m"] == pytest.approx(0.21)
    unknown = browser.get("/cloth?roll=R-9").told
    assert unknown["roll"] == browser.get("/cloth").told["roll"] == "R-1 (2)"


def test_a_defect_of_any_roll_can_be_judged(tmp_path: Path) -> None:
    page = record(tmp_path, [roll(0, "R-1", 1000.0)], {3, 12})
    found = page.find((0, 3, 0))
    assert found is not None and found[1] and page.find((0, 12, 0)) is not None and page.find((0, 4, 0)) is None
    dispose(tmp_path, "r", (0, 3, 0), "lint", None, "Ada", "")
    before = page.view.cloth_version
    page.reread_words()
    assert page.view.cloth_version != before
    assert [d["word"] for name in ("R-0", "R-1") for d in page.view.told_cloth(name)["defects"]] == ["lint", None]


def test_a_roll_without_cloth_is_shown_where_it_is_the_last(tmp_path: Path) -> None:
    page = record(tmp_path, [roll(0, "R-1", 2000.0), roll(1, "R-2", 4000.0)], set())
    assert list(page.view.rolls) == ["R-0", "R-1", "R-2"]


def test_of_many_rolls_the_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_ROLLS", 3)
    page = record(tmp_path, [roll(n, f"R-{n + 1}", 500.0 * n) for n in range(6)], {2, 33})
    assert list(page.view.rolls) == ["R-4", "R-5", "R-6"]
    assert [len(page.view.told_cloth(name)["defects"]) for name in page.view.rolls] == [0, 0, 1]


def test_a_record_without_cloth_has_no_rolls(tmp_path: Path) -> None:
    page = record(tmp_path, [], set(), frames=0)
    assert page.view.rolls == {} and page.view.told()["rolls"] == [] and page.view.told_cloth("x")["map"] is None
