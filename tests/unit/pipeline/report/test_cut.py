"""The proposed cut of a roll: on its sheet, on the page and its map, and by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.ledger.dispositions import dispose
from pipeline.ledger.reading import read_runs
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import ENDED
from pipeline.messages.cloth import SpanEvent
from pipeline.messages.reasons import Reason
from pipeline.messages.states import EventAction, EventKind, Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.cut import wish_of, with_cut
from pipeline.report.sheet import RollSheet, read_roll
from tests.fakes import totals
from tests.unit.pipeline.report.test_sheet import ledger_of, verdict
from tools.cli import main

START_MM = 5000.0
WISH = {"lengths_m": [2.0], "remnant_m": 0.5}


def roll(**changes: Any) -> list[Verdict]:
    """6 m that begin at 5 m: a spot at 2.51 to 2.52 m, and 3.0 to 3.1 m that camera a did not see."""
    cloth = [verdict(2 * n + (c == "b"), START_MM + 100 * n, c, **changes) for n in range(60) for c in "ab"]
    at = START_MM + 2510
    spot = Region(x0_px=0, y0_px=0, x1_px=50, y1_px=50, score=0.9, x0_mm=50, x1_mm=60, y0_mm=at, y1_mm=at + 10)
    cloth[50] = verdict(50, START_MM + 2500, result=Result.DEFECT, regions=(spot,), **changes)
    cloth[60] = verdict(60, START_MM + 3000, result=Result.NOT_INSPECTED, reason=Reason.DAMAGED, **changes)
    return cloth


def sheet_of(ledger: Path, lengths_m: tuple[float, ...] = ()) -> RollSheet:
    config = next(iter(read_runs(ledger).values()))["config"]
    return with_cut(read_roll(ledger).rolls[0], wish_of(config, lengths_m))


def told(sheet: RollSheet) -> list[tuple[str, float, float]]:
    assert sheet.cut is not None
    return [(p.kind, p.from_m, p.to_m) for p in sheet.cut.pieces]


STRICT = {"accept": 0.01}


def test_pieces_count_from_the_beginning_of_the_roll(tmp_path: Path) -> None:
    sheet = sheet_of(ledger_of(tmp_path, roll(), cut=WISH, grading=STRICT))
    assert told(sheet) == [("first", 0, 2), ("second", 2, 4), ("first", 4, 6)] and sheet.cut is not None
    assert (sheet.cut.points_before, sheet.cut.points_after, sheet.cut.given_up_m) == (1, 1, 0)
    assert [p.worst_points for p in sheet.cut.pieces] == [0, 5, 0], "4 in the yard that holds cloth not inspected"


def test_nobody_wished_for_pieces(tmp_path: Path) -> None:
    assert sheet_of(ledger_of(tmp_path, roll())).cut is None


def test_other_lengths_at_the_same_prices(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, roll(), cut={**WISH, "cost_of_cut": 0.7, "price_per_m": {"remnant": 0.0}}, grading=STRICT)
    sheet = sheet_of(ledger, lengths_m=(2.9, 2.5))
    assert told(sheet) == [("first", 0, 2.5), ("first", 3.1, 6.0)] and sheet.cut is not None
    assert (sheet.cut.value, sheet.cut.rules.cost_of_cut) == (pytest.approx(2.5 + 2.9 - 2 * 0.7), 0.7)


def test_no_piece_reaches_over_a_seam(tmp_path: Path) -> None:
    seam = SpanEvent(
        number=0, generation=0, kind=EventKind.SEAM, start_mm=START_MM + 900, end_mm=START_MM + 950, roll_id="R1",
        action=EventAction.IGNORE, cause="command", t_mono_ns=0, t_utc_ns=0,
    )  # fmt: skip
    sheet = sheet_of(ledger_of(tmp_path, [*roll(), seam], cut=WISH))
    assert all(to_m <= 0.9 or from_m >= 0.95 for _, from_m, to_m in told(sheet)) and len(told(sheet)) > 2


def test_a_defect_that_people_found_good_is_not_cut_around(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, roll(), cut={"lengths_m": [3.0]}, grading=STRICT)
    assert ("first", 0.0, 3.0) not in told(sheet_of(ledger))
    (row,) = sheet_of(ledger).defects
    dispose(tmp_path, "run", row.key, "lint", None, "Ada", "")
    assert ("first", 0.0, 3.0) in told(sheet_of(ledger))


def test_without_a_scale_there_is_nothing_to_cut(tmp_path: Path) -> None:
    cloth = [verdict(n, None) for n in range(3)]
    assert sheet_of(ledger_of(tmp_path, cloth, cut=WISH)).cut is None


def test_the_verb_writes_it_on_the_page_and_into_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_of(tmp_path, roll(), grading=STRICT)
    assert main(["report", str(tmp_path), "--cut", "2,2.5", "--json"]) == 0
    (printed,) = json.loads(capsys.readouterr().out)["rolls"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (kept,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["rolls"]
    assert printed["cut"]["pieces"] == kept["cut"]["pieces"] and len(kept["cut"]["pieces"]) == 2
    assert kept["cut"]["rules"]["lengths_m"] == [2.0, 2.5]
    assert "Proposed cut" in page and "proposed cut" in page and "1: first" in page, "the table, and the mark on the map"
    assert main(["report", str(tmp_path), "--json"]) == 0
    assert "cut" not in json.loads(capsys.readouterr().out)["rolls"][0]
    assert "Proposed cut" not in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("lengths", ["25,x", "", "nan", "0.1", "-5", "1,2,3,4,5,6,7,8,9"])
def test_a_bad_length_is_one_line(tmp_path: Path, lengths: str, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_of(tmp_path, roll())
    words = ["report", str(tmp_path), f"--cut={lengths}"]
    if lengths in ("25,x", ""):
        with pytest.raises(SystemExit, match="2"):
            main(words)
    else:
        assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("glassline: ") and said.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


def test_a_wish_of_a_foreign_program_is_none() -> None:
    assert wish_of({"cut": {"width": 3}}) is None and wish_of({"cut": None}) is None


def test_cloth_that_ran_before_the_run_was_cut_off_is_nothing_that_anybody_saw(tmp_path: Path) -> None:
    cloth = [*roll(), totals(verdicts=120, passed=118, defect=1, not_inspected=1, position_mm=START_MM + 8000)]
    ledger = ledger_of(tmp_path, cloth, cut=WISH, grading=STRICT)
    assert told(sheet_of(ledger))[-1] == ("first", 4, 6)
    Ledger(ledger, {ENDED: None}, run_id="run").let_go()
    last = sheet_of(ledger).cut
    assert last is not None and (last.pieces[-1].kind, last.pieces[-1].to_m) == ("second", 8.0)
    assert last.pieces[-1].points == 0 < last.pieces[-1].worst_points
