"""From a ledger to the sheet of each roll: places, sizes, the grade, what nobody saw, and what people said since."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from glass_core.errors import InputError
from pipeline.ledger.dispositions import FILE, dispose, read_dispositions
from pipeline.ledger.store import Ledger
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.frames import CameraFacts
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import EventAction, EventKind, Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report import write_page
from pipeline.report.roll import summarise
from pipeline.report.sheet import RunSheet, read_sheet
from tests.fakes import totals
from tools.cli import main

CAMERAS = [{"name": n, "mm_per_px_x": 0.2, "mm_per_px_y": 0.2, "x_offset_mm": x} for n, x in (("a", 0.0), ("b", 180.0))]


def verdict(number: int, start_mm: float | None, camera: str = "a", **changes: Any) -> Verdict:
    """A frame of 100 mm, 1000 px (200 mm) wide."""
    return Verdict.model_validate({
        "number": number, "generation": 0, "camera": camera, "boot_id": "b", "seq": number, "result": Result.PASS, "score": 0.1,
        "start_mm": start_mm, "end_mm": None if start_mm is None else start_mm + 100, "frame_shape": (500, 1000),
        "t_mono_ns": 0, "t_utc_ns": 0, "roll_id": "R1", **changes,
    })  # fmt: skip


def place(y0: float, y1: float, x0: float, x1: float, score: float = 0.9) -> Region:
    px = [round(5 * mm) for mm in (x1 - x0, y1 - y0)]
    return Region(x0_px=0, y0_px=0, x1_px=px[0], y1_px=px[1], score=score, x0_mm=x0, x1_mm=x1, y0_mm=y0, y1_mm=y1)


def defect(number: int, start_mm: float, *regions: Region, **changes: Any) -> Verdict:
    return verdict(number, start_mm, result=Result.DEFECT, regions=regions, **changes)


def ledger_of(folder: Path, verdicts: Sequence[Message], facts: dict[str, Any] | None = None, **config: Any) -> Path:
    config = {"cameras": CAMERAS, **config}
    held = Ledger(folder / "ledger.sqlite", {"line": "l", "config": config, **(facts or {})}, run_id="run")
    for each in verdicts:
        held.add(each)
    held.close()
    return folder / "ledger.sqlite"


def roll(start_mm: float = 5000.0, **changes: Any) -> list[Verdict]:
    """3 m that begin at 5 m: a streak over three frames, a spot that both cameras see, 0.1 m not inspected."""
    cloth = [verdict(2 * n + (c == "b"), start_mm + 100 * n, c, **changes) for n in range(30) for c in "ab"]
    for n in (3, 4, 5):
        at = start_mm + 100 * n
        cloth[2 * n] = defect(2 * n, at, place(at, at + 100, 50, 51), **changes)
    at = start_mm + 1000
    cloth[20] = defect(20, at, place(at + 10, at + 20, 185, 195), **changes)
    cloth[21] = defect(21, at, place(at + 10.4, at + 20.4, 185.4, 195.4), camera="b", **changes)
    cloth[40] = verdict(40, start_mm + 2000, result=Result.NOT_INSPECTED, reason=Reason.DAMAGED, **changes)
    return cloth


def sheet_of(ledger: Path) -> RunSheet:
    return read_sheet(ledger)[0]


def test_a_roll_has_its_own_metres_defects_and_grade(tmp_path: Path) -> None:
    (r,) = sheet_of(ledger_of(tmp_path, roll())).rolls
    assert (r.roll_id, r.start_mm, r.end_mm, r.edges_mm) == ("R1", 5000, 8000, (0, 380))
    assert (r.inspected_m, r.not_inspected_m) == (pytest.approx(2.9), pytest.approx(0.1))
    assert [(u.from_m, u.to_m, u.reason) for u in r.not_inspected] == [(2, 2.1, "DAMAGED")]
    streak, spot = r.defects
    assert (streak.at_m, streak.left_mm, streak.length_mm, streak.width_mm, streak.severity) == (0.3, 50, 300, 1, 4)
    assert (spot.cameras, spot.at_m, spot.severity) == (("a", "b"), 1.01, 1)
    assert r.grade is not None and [line.points for line in r.grade.lines] == [4, 1]
    assert r.grade.per_100_m2 == pytest.approx(5 * 1e8 / (2900 * 380))
    assert r.grade.quality == "second"


def test_a_defect_is_on_the_roll_that_it_lies_on_whatever_its_verdict_knew(tmp_path: Path) -> None:
    common = {"generation": 0, "style": "", "cause": "command", "t_mono_ns": 0, "t_utc_ns": 0}
    ledger = ledger_of(tmp_path, roll())
    held = Ledger(ledger, run_id="run")
    held.add(Roll(number=0, roll_id="R1", start_mm=5000, **common))
    held.add(Roll(number=1, roll_id="R2", start_mm=6012, **common))  # told when all of it was decided
    held.close()
    one, two = sheet_of(ledger).rolls
    assert (one.roll_id, one.end_mm, [d.at_m for d in one.defects]) == ("R1", 6012, [0.3])
    assert (two.roll_id, two.start_mm, [d.at_m for d in two.defects]) == ("R2", 6012, [-0.002])  # it begins before the border


def test_cloth_outside_any_roll_is_told_and_never_graded(tmp_path: Path) -> None:
    before = [defect(100, 4900, place(4910, 4920, 20, 30), roll_id=""), verdict(101, 4900, "b", roll_id="")]
    after = [verdict(102 + n, 8000, c, result=Result.NOT_INSPECTED, reason=Reason.NO_FRAME, roll_id="")
             for n, c in enumerate("ab")]  # fmt: skip
    sheet = sheet_of(ledger_of(tmp_path, before + roll() + after))
    assert [r.roll_id for r in sheet.rolls] == ["R1"] and sheet.outside is not None
    outside = sheet.outside
    assert (outside.inspected_m, outside.not_inspected_m, outside.grade) == (pytest.approx(0.1), pytest.approx(0.1), None)
    assert [d.number for d in outside.defects] == [1] and sorted(r.number for r in sheet.rows.values()) == [1, 2, 3]


def test_a_run_of_which_no_roll_was_told_is_one_roll(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, roll(roll_id=""))
    sheet = sheet_of(ledger)
    assert sheet.outside is None and [r.roll_id for r in sheet.rolls] == [""] and sheet.rolls[0].grade is not None
    common = {"generation": 0, "style": "", "cause": "command", "t_mono_ns": 0, "t_utc_ns": 0}
    held = Ledger(ledger, run_id="run")
    held.add(Roll(number=0, roll_id="R9", start_mm=9000, **common))  # none of its cloth has come yet
    held.close()
    sheet = sheet_of(ledger)
    assert sheet.rolls == () and sheet.outside is not None and sheet.outside.grade is None


def test_a_roll_without_scale_and_without_defects_has_its_sheet(tmp_path: Path) -> None:
    common = {"generation": 0, "style": "", "cause": "command", "t_mono_ns": 0, "t_utc_ns": 0}
    found = Region(x0_px=0, y0_px=0, x1_px=8, y1_px=8, score=0.9)
    ledger = ledger_of(tmp_path, [verdict(0, None), verdict(1, None, roll_id="R2")])
    held = Ledger(ledger, run_id="run")
    for number, name in enumerate(("R1", "R2")):
        held.add(Roll(number=number, roll_id=name, start_mm=None, **common))
    held.commit()
    sheet = sheet_of(ledger)
    assert ([r.roll_id for r in sheet.rolls], sheet.outside) == (["R1", "R2"], None)
    held.add(verdict(2, None, roll_id="R2", result=Result.DEFECT, regions=(found,)))
    held.add(verdict(3, None, roll_id="", result=Result.DEFECT, regions=(found,)))
    held.close()
    sheet = sheet_of(ledger)
    assert [(r.roll_id, len(r.defects)) for r in sheet.rolls] == [("R1", 0), ("R2", 1)]
    assert sheet.outside is not None and len(sheet.outside.defects) == 1


def test_a_camera_whose_setting_the_record_has_lost_is_told(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, [*roll(), verdict(99, 9000, "b", boot_id="b2"), verdict(100, 9100, "b", seq=None, boot_id="")])
    damaged = Ledger(ledger, run_id="run")
    damaged.add(verdict(101, 9200, "x"))  # a camera that the run has not
    damaged.close()
    text = b'{"style": "twill"}'
    held = Ledger(ledger, run_id="run")
    for camera in "ab":
        held.add(CameraFacts(camera=camera, boot_id="b", t_utc_ns=0, size=len(text)), (text,))
    held.close()
    assert [(s.camera, s.boot_id, s.style, s.on_record) for s in sheet_of(ledger).settings] == [
        ("a", "b", "twill", True), ("b", "b", "twill", True), ("b", "b2", None, False),
    ]  # fmt: skip
    page = write_page(ledger, tmp_path).read_text()
    assert page.count("How it was set is not on record") == 1 and "not on record, boot_id b2" in page


def told(ledger: Path, *rolls: tuple[str, float | None, int], cause: str = "command") -> Path:
    """Rolls by name, beginning and time."""
    held = Ledger(ledger, run_id="run")
    for number, (name, start_mm, t_ns) in enumerate(rolls):
        held.add(
            Roll(
                number=number, generation=0, roll_id=name, style=f"style {number}", start_mm=start_mm, cause=cause,
                t_mono_ns=t_ns, t_utc_ns=0,
            )
        )  # fmt: skip
    held.close()
    return ledger


def test_two_rolls_of_one_name_are_two_rolls(tmp_path: Path) -> None:
    again = [verdict(100 + n, 9000, c, roll_id="R1") for n, c in enumerate("ab")]
    again[0] = defect(100, 9000, place(9010, 9020, 10, 20), roll_id="R1")
    ledger = told(ledger_of(tmp_path, roll() + again), ("R1", 5000, 1), ("", 8000, 2), ("R1", 9010, 3), ("R1", 9000, 4))
    sheet = sheet_of(ledger)
    one, two = sheet.rolls
    assert [(r.roll_id, r.start_mm, r.end_mm, len(r.defects)) for r in (one, two)] == [
        ("R1", 5000, 8000, 2), ("R1 (2)", 9000, 9100, 1),
    ]  # fmt: skip
    assert two.inspected_m == pytest.approx(0.1) and two.defects[0].at_m == 0.01 and two.grade is not None
    page = write_page(ledger, tmp_path).read_text()
    assert "Roll R1 (2)" in page


@pytest.mark.parametrize("first", ["R1", ""])
def test_without_a_scale_two_rolls_of_one_name_are_told_apart_by_time(tmp_path: Path, first: str) -> None:
    found = Region(x0_px=0, y0_px=0, x1_px=8, y1_px=8, score=0.9)
    seen = [
        verdict(n, None, roll_id=name, t_mono_ns=10 * n, result=Result.DEFECT, regions=(found,))
        for n, name in enumerate(("R1", "R2", "R1", "R1"))
    ]
    before = [] if first else [("R1", None, 0)]  # the roll of the config is not told where nothing has a place
    ledger = ledger_of(tmp_path, seen, line={"roll_id": first})
    sheet = sheet_of(told(ledger, *before, ("R2", None, 5), ("R1", None, 15)))
    assert {r.roll_id: [d.key[1] for d in r.defects] for r in sheet.rolls} == {"R1": [0], "R2": [1], "R1 (2)": [2, 3]}


def test_a_roll_that_is_told_again_with_its_place_or_after_a_restart_is_one(tmp_path: Path) -> None:
    ledger = told(ledger_of(tmp_path, roll(), line={"roll_id": "R1"}), ("R1", 5000, 1), cause="config")
    held = Ledger(ledger, run_id="run")
    held.add(Roll(number=0, generation=1, roll_id="R1", style="", start_mm=5000, cause="restart", t_mono_ns=9, t_utc_ns=0))
    held.close()
    assert [r.roll_id for r in sheet_of(ledger).rolls] == ["R1"]


def test_the_grade_knows_where_cloth_was_not_inspected(tmp_path: Path) -> None:
    cloth = [verdict(2 * n + (c == "b"), 5000 + 100 * n, c) for n in range(100) for c in "ab"]
    for n in (1, 11, 47):  # 0.1 to 0.2 m, 1.1 to 1.2 m, 4.7 to 4.8 m: yards 1, 2 and 6
        cloth[2 * n] = verdict(2 * n, 5000 + 100 * n, result=Result.NOT_INSPECTED, reason=Reason.NO_SCORE)
    grade = sheet_of(ledger_of(tmp_path, cloth)).rolls[0].grade
    assert grade is not None and (grade.unseen, grade.worst_points, grade.points) == (3, 12, 0)


@pytest.mark.parametrize(
    ("ranges", "of_model", "edges"),
    [
        ([{}, {}], [100, 900], (20, 360)),
        ([{"inspect_x_px": [50, 1000]}, {}], [100, 900], (10, 360)),
        ([{"inspect_x_mm": [12, 190]}, {"inspect_x_mm": [190, 999]}], [100, 900], (12, 380)),
    ],
)
def test_the_width_is_what_each_camera_judged(
    tmp_path: Path, ranges: list[dict[str, Any]], of_model: list[int], edges: tuple[float, float]
) -> None:
    cameras = [c | r for c, r in zip(CAMERAS, ranges, strict=True)]
    held = ledger_of(tmp_path, roll(), {"model_info": {"score": {"inspect_x_px": of_model}}}, cameras=cameras)
    assert sheet_of(held).rolls[0].edges_mm == pytest.approx(edges)


def test_selvages_are_not_of_the_judged_width_and_each_roll_has_its_own(tmp_path: Path) -> None:
    cameras = [c | {"selvage_mm": 15} for c in CAMERAS]  # pictures from 0 to 200 mm and from 180 to 380 mm
    cloth: list[Any] = []
    for roll_id, start_mm, left_mm, right_mm in (("R1", 0, 20.0, 350.0), ("R2", 1000, 0.0, 360.0)):
        for n in range(5):
            hole = 40.0 * (n == 2)  # at one edge of one picture
            number, at = len(cloth), start_mm + 100 * n
            cloth.append(verdict(number, at, roll_id=roll_id, cloth_x_mm=(left_mm + hole, 200.0)))
            cloth.append(verdict(number + 1, at, camera="b", roll_id=roll_id, cloth_x_mm=(180.0, right_mm)))
    one, two = sheet_of(ledger_of(tmp_path, cloth, cameras=cameras)).rolls
    assert one.edges_mm == pytest.approx((35, 335))
    assert two.edges_mm == pytest.approx((0, 345))  # its left edge is the picture's


def test_rolls_of_a_run_are_graded_apart(tmp_path: Path) -> None:
    second = [v.model_copy(update={"number": v.number + 100, "seq": v.number + 100, "roll_id": "R2"}) for v in roll(8000.0)]
    one, two = sheet_of(ledger_of(tmp_path, roll() + second, grading={"rules": "d5430-mm-1", "accept": 9000.0})).rolls
    assert (one.roll_id, two.roll_id) == ("R1", "R2")
    assert [d.at_m for d in two.defects] == [d.at_m for d in one.defects]
    assert one.grade is not None and two.grade is not None
    assert two.grade.points == one.grade.points and two.grade.rules.rules == "d5430-mm-1"
    assert one.grade.quality == "first"


def test_without_a_scale_there_is_no_grade_and_nothing_is_guessed(tmp_path: Path) -> None:
    bare = Region(x0_px=10, y0_px=0, x1_px=18, y1_px=8, score=0.9)
    cloth = [verdict(0, None), verdict(1, None, result=Result.DEFECT, regions=(bare,))]
    ledger = ledger_of(tmp_path, cloth, cameras=[{"name": "a", "mm_per_px_x": None}])
    (r,) = sheet_of(ledger).rolls
    assert (r.grade, r.inspected_m, r.edges_mm) == (None, None, None)
    (d,) = r.defects
    assert (d.at_m, d.length_mm, d.severity, d.x0_px, d.x1_px) == (None, None, None, 10, 18)
    assert main(["report", str(tmp_path)]) == 0
    assert "lengths are never guessed" in (tmp_path / "report.html").read_text()


def test_what_people_say_makes_a_new_revision_and_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = ledger_of(tmp_path, roll())
    assert main(["review", str(tmp_path), "--json"]) == 0
    assert [d["number"] for d in json.loads(capsys.readouterr().out)["queue"]] == [1, 2]
    words = ["review", str(tmp_path), "--by", "ann", "--json"]
    assert main([*words, "--defect", "1", "--as", "lint"]) == 0
    assert json.loads(capsys.readouterr().out)["revision"] == 1
    assert main([*words, "--defect", "1", "--defect", "2", "--as", "defect", "--kind", "hole", "--note", "torn"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["revision"], told["waiting"]) == (3, 0)
    said = read_dispositions(tmp_path, "run")
    assert [(d.word, d.kind, d.by) for d in said] == [("lint", None, "ann"), *[("defect", "hole", "ann")] * 2]
    sheet = sheet_of(ledger)
    assert sheet.revision == 3 and sheet.rolls[0].grade is not None
    assert [line.rule for line in sheet.rolls[0].grade.lines] == ["hole over 25.4 mm", "hole up to 25.4 mm"]
    assert RunSheet.model_validate_json((tmp_path / "report.json").read_text()) == sheet
    rows = list(csv.DictReader((tmp_path / "defects.csv").read_text().splitlines()))
    assert [(r["number"], r["cameras"], r["disposition"], r["kind"]) for r in rows] == [
        ("1", "a", "defect", "hole"), ("2", "a b", "defect", "hole"),
    ]  # fmt: skip
    assert "revision 3" in (tmp_path / "report.html").read_text()


def test_cloth_whose_record_is_lost_is_told_on_the_page_in_the_figures_and_in_the_grade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = ledger_of(tmp_path, [v for v in roll() if not 22 <= v.number < 40], grading={"accept": 9000.0})
    (r,) = sheet_of(ledger).rolls
    assert [(u.from_m, u.to_m, u.reason) for u in r.not_inspected] == [(1.1, 2, "RECORD_LOST"), (2, 2.1, "DAMAGED")]
    assert (r.inspected_m, r.not_inspected_m) == (pytest.approx(2.0), pytest.approx(1.0))
    (whole,) = sheet_of(ledger_of(tmp_path / "whole", roll(), grading={"accept": 9000.0})).rolls
    assert r.grade is not None and whole.grade is not None
    assert r.grade.worst_per_100_m2 > whole.grade.worst_per_100_m2
    assert main(["report", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == {
        "records": {"verdicts": 18}, "in_verdicts_jsonl": 0, "counted": 0, "end": False,
    }  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    assert "The record of 0.900 m is lost" in page and "it lacks 18 verdicts" in page and "RECORD_LOST</td>" in page
    assert json.loads((tmp_path / "report.json").read_text())["missing"]["records"] == {"verdicts": 18}
    summary = summarise(ledger)
    assert (summary.verdicts, summary.not_inspected, summary.reasons) == (60, 19, {"DAMAGED": 1, "RECORD_LOST": 18})
    assert "lost" not in (write_page(tmp_path / "whole" / "ledger.sqlite", tmp_path / "whole")).read_text()


@pytest.mark.parametrize("facts", [{}, {"ended": "2026-01-01T00:00:00+00:00"}, {"ended": None}])
def test_the_missing_end_of_a_run_is_told_on_the_page_in_the_figures_and_in_the_grade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], facts: dict[str, Any]
) -> None:
    ledger = ledger_of(tmp_path, [*roll(), totals(verdicts=60, position_mm=8400.0)], facts, grading={"accept": 9000.0})
    cut_off = facts == {"ended": None}
    (r,) = sheet_of(ledger).rolls
    assert [(u.from_m, u.to_m, u.reason) for u in r.not_inspected] == [
        (2, 2.1, "DAMAGED"), *([(3, 3.4, "RECORD_LOST")] if cut_off else []),
    ]  # fmt: skip
    (whole,) = sheet_of(ledger_of(tmp_path / "whole", roll(), grading={"accept": 9000.0})).rolls
    assert r.grade is not None and whole.grade is not None
    assert (r.grade.worst_per_100_m2 > whole.grade.worst_per_100_m2) is cut_off
    assert main(["report", str(tmp_path), "--json"]) == 0
    told, end = capsys.readouterr(), "The run did not end in order: what was inspected after its last record is not known."
    assert json.loads(told.out)["missing"]["end"] is cut_off and (end in told.err) is cut_off
    assert (end in (tmp_path / "report.html").read_text()) is cut_off
    assert json.loads((tmp_path / "report.json").read_text())["missing"]["end"] is cut_off


@pytest.mark.parametrize("word", ["acceptable", "lint", "mended", "cut_out"])
def test_only_a_defect_gets_points(tmp_path: Path, word: Any) -> None:
    ledger = ledger_of(tmp_path, roll())
    for row in sheet_of(ledger).rows.values():
        dispose(tmp_path, "run", row.key, word, None, "", "")
    grade = sheet_of(ledger).rolls[0].grade
    assert grade is not None and (grade.points, grade.lines[0].rule) == (0, word)


def test_another_runs_words_and_a_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ledger_of(tmp_path, roll())
    dispose(tmp_path, "another", (0, 6, 0), "lint", None, "", "")
    assert sheet_of(ledger).revision == 0
    assert main(["review", str(tmp_path), "--defect", "9", "--as", "lint"]) == 2
    assert main(["review", str(tmp_path), "--defect", "1"]) == 2
    for option, length in (("--note", 501), ("--by", 65)):
        assert main(["review", str(tmp_path), "--defect", "1", "--as", "lint", option, "x" * length]) == 2
    assert sheet_of(ledger).revision == 0, "nothing was written"
    assert all(line.startswith("glassline: ") for line in capsys.readouterr().err.splitlines())
    said = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(said + said[: len(said) // 2])  # a killed writer's
    assert len(read_dispositions(tmp_path, "another")) == 1
    (tmp_path / FILE).write_text(said + "{}\n")
    with pytest.raises(InputError, match=r"dispositions not readable.*jsonl line 2, mend that line, keep the others$"):
        read_sheet(ledger)


def test_an_event_of_the_roll_is_told_with_the_rejects_that_it_suppressed(tmp_path: Path) -> None:
    def event(number: int, start_mm: float, action: EventAction, kind: EventKind = EventKind.SEAM) -> SpanEvent:
        return SpanEvent(
            number=number, generation=0, kind=kind, action=action, start_mm=start_mm, end_mm=start_mm + 250, roll_id="R1",
            cause="<command>", t_mono_ns=0, t_utc_ns=0,
        )  # fmt: skip

    facts = {"event": EventKind.SEAM, "action": EventAction.RECORD}
    cloth = [
        verdict(0, 5000.0), verdict(1, 5900.0),
        defect(2, 5100.0, place(5110, 5120, 50, 51), **facts), defect(3, 5200.0, place(5210, 5220, 50, 51), **facts),
        defect(4, 5200.0, place(5210, 5220, 50, 51), rescan=True, **facts), defect(5, 5400.0, place(5410, 5420, 50, 51)),
        defect(6, 5600.0, place(5610, 5620, 50, 51), event=EventKind.WRINKLE, action=EventAction.GRADE),
    ]  # fmt: skip
    events = [event(0, 5100.0, EventAction.RECORD), event(1, 5600.0, EventAction.GRADE, EventKind.WRINKLE)]
    ledger = ledger_of(tmp_path, [*cloth, *events])  # a ledger takes both
    (found,) = read_sheet(ledger)[0].rolls
    assert [(e.kind, e.action, e.from_m, e.to_m, e.rejects_suppressed) for e in found.events] == [
        ("SEAM", "record", 0.1, 0.35, 2), ("WRINKLE", "grade", 0.6, 0.85, 0),
    ]  # fmt: skip
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "no reject (record)" in page and "&lt;command&gt;" in page and "<command>" not in page
    told = json.loads((tmp_path / "report.json").read_text())["rolls"][0]["events"]
    assert told[0]["rejects_suppressed"] == 2 and told[1]["cause"] == "<command>"


def test_a_roll_may_be_graded_by_ten_points(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, roll(), grading={"rules": "ten-point-1"})
    (r,) = sheet_of(ledger).rolls
    assert r.grade is not None
    assert [(line.points, line.rule) for line in r.grade.lines] == [(10, "over 254 mm along"), (1, "over 0 to 25.4 mm along")]
    assert (r.grade.points, r.grade.worst_points, r.grade.quality) == (11, 21, "second")
    page = write_page(ledger, tmp_path).read_text()
    assert "Ten-point system" in page and "<b>346.8</b><span>points per 100 yd</span>" in page
    assert "have 10 points each" in page
