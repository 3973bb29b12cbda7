"""What many rolls say together: summed by hand and by the program, in local time, and told in four forms."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from glass_core.errors import InputError
from pipeline.ledger.dispositions import dispose
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import ENDED
from pipeline.messages.cloth import Roll
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.mill import figures
from pipeline.report.mill.figures import Figure
from pipeline.report.mill.rows import Terms
from pipeline.report.mill.survey import Survey, survey_mill
from pipeline.report.sheet import read_roll
from tools.cli import main

CAMERAS = [{"name": n, "mm_per_px_x": 0.2, "mm_per_px_y": 0.2, "x_offset_mm": x} for n, x in (("a", 0.0), ("b", 200.0))]
BERLIN = Terms(zone=ZoneInfo("Europe/Berlin"))
Spot = tuple[float, float, float, float]
"""From and to along the roll, from and to across, mm."""


class Mill:
    """Writes ledgers: each a folder with one run of some rolls of 2 m."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, name: str, *rolls: dict[str, Any], run_id: str = "r", line: str = "line-1", **config: Any) -> Path:
        """A roll: its id, style, when it began, its spots, and the frames of camera a that nobody saw."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        held = Ledger(folder / "ledger.sqlite", {"line": line, "config": {"cameras": CAMERAS, **config}}, run_id=run_id)
        number = 0
        for place, roll in enumerate(rolls):
            start_mm, t_ns = 1000.0 + 2000 * place, int(roll["began"].timestamp() * 1e9)
            facts: dict[str, Any] = {"generation": 0, "t_mono_ns": place, "t_utc_ns": t_ns, "roll_id": roll["id"]}
            held.add(Roll(number=place, style=roll.get("style", ""), start_mm=start_mm, cause="command", **facts))
            for n in range(20):
                for camera in ("a", "b"):
                    held.add(self._verdict(number, camera, n, start_mm, roll, facts))
                    number += 1
        held.close()
        return folder

    @staticmethod
    def _verdict(number: int, camera: str, n: int, start_mm: float, roll: dict[str, Any], facts: dict[str, Any]) -> Verdict:
        spots: Sequence[Spot] = roll.get("spots", ())
        own = [s for s in spots if 100 * n <= s[0] < 100 * n + 100 and ("a" if s[2] < 200 else "b") == camera]
        regions = tuple(
            Region(x0_px=0, y0_px=0, x1_px=round(5 * (x1 - x0)), y1_px=round(5 * (y1 - y0)), score=0.9, x0_mm=x0, x1_mm=x1,
                   y0_mm=start_mm + y0, y1_mm=start_mm + y1)
            for y0, y1, x0, x1 in own
        )  # fmt: skip
        dark = camera == "a" and n in roll.get("dark", ())
        result = Result.NOT_INSPECTED if dark else Result.DEFECT if own else Result.PASS
        return Verdict.model_validate({
            "number": number, "camera": camera, "boot_id": "b", "seq": number, "result": result,
            "reason": Reason.NO_SCORE if dark else None, "score": 0.1, "regions": () if dark else regions,
            "start_mm": start_mm + 100 * n, "end_mm": start_mm + 100 * n + 100, "frame_shape": (500, 1000), **facts,
        })  # fmt: skip


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    return Mill(tmp_path)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def of(found: Survey, statistic: str) -> dict[str, Figure]:
    return {f.name: f for f in found.figures if f.statistic == statistic}


SPOT: Spot = (250, 260, 50, 60)
STREAK: Spot = (510, 590, 70, 72)
BAR: Spot = (1250, 1254, 310, 350)


def two(mill: Mill) -> tuple[Path, Path]:
    """Three rolls in two ledgers: loom L1 twice, on either side of a shift and a week, and L2."""
    first = mill.run(
        "one", {"id": "L1-0007", "style": "twill", "began": at(29, 20, 59), "spots": [SPOT, STREAK]},
        {"id": "L2-0001", "style": "satin", "began": at(29, 23, 0), "dark": (3, 4, 9)},
    )  # fmt: skip
    second = mill.run("two", {"id": "L1-0008", "style": "twill", "began": at(30, 5, 0), "spots": [BAR]}, run_id="s")
    return first, second


LOOM = re.compile(r"^(L[0-9]+)-")


def test_points_and_metres_by_loom_style_shift_and_week(mill: Mill) -> None:
    found = survey_mill(two(mill), Terms(loom=LOOM, zone=ZoneInfo("Europe/Berlin")))
    looms = of(found, "loom")
    assert list(looms) == ["L1", "L2"], "the worst first"
    assert looms["L1"][2:7] == (2, 3, 1 + 2 + 1, 4.0, 0.0)
    assert looms["L2"][2:7] == (1, 0, 0, pytest.approx(1.7), pytest.approx(0.3))
    assert looms["L1"].points_per_100_m2 == pytest.approx(100 * 4 / (4.0 * 0.4))
    assert {name: f.points for name, f in of(found, "style").items()} == {"twill": 4, "satin": 0}
    assert {name: (f.rolls, f.points) for name, f in of(found, "shift").items()} == {"06-14 h": (1, 1), "14-22 h": (1, 3),
                                                                                  "22-06 h": (1, 0)}  # fmt: skip
    assert {name: f.rolls for name, f in of(found, "week").items()} == {"2026-W48": 1, "2026-W49": 2}
    assert list(of(found, "week")) == ["2026-W48", "2026-W49"]


def test_shifts_and_weeks_are_in_the_zone_that_is_named(mill: Mill) -> None:
    ledgers = two(mill)  # in Berlin 21:59, midnight of the Monday, and 6:00
    utc = survey_mill(ledgers, Terms(zone=ZoneInfo("UTC"), shifts=(21, 5)))
    assert {name: f.rolls for name, f in of(utc, "shift").items()} == {"05-21 h": 2, "21-05 h": 1}
    assert {name: f.rolls for name, f in of(utc, "week").items()} == {"2026-W48": 2, "2026-W49": 1}
    assert utc.zone == "UTC" and survey_mill(ledgers).zone == "the time of this machine"


def test_the_pareto_of_kinds_places_and_cameras(mill: Mill) -> None:
    spots: list[Spot] = [SPOT, (850, 860, 52, 62), STREAK, BAR]
    found = survey_mill([mill.run("one", {"id": "R1", "began": at(1, 8), "spots": spots})], BERLIN)
    kinds = of(found, "kind")
    assert [(k, f.defects, f.share, f.share_so_far) for k, f in kinds.items()] == [
        ("spot", 2, 0.5, 0.5), ("across the cloth", 1, 0.25, 0.75), ("along the warp", 1, 0.25, 1.0),
    ]  # fmt: skip
    assert kinds["along the warp"].points == 2
    assert [(p, f.defects, f.share_so_far) for p, f in of(found, "place").items()] == [
        ("0 to 100 mm", 3, 0.75), ("300 to 400 mm", 1, 1.0),
    ]  # fmt: skip
    assert {c: f.defects for c, f in of(found, "camera").items()} == {"a": 3, "b": 1}


def test_false_alarms_are_counted_apart_and_are_no_kind_of_defect(mill: Mill) -> None:
    folder = mill.run("one", {"id": "R1", "began": at(1, 8), "spots": [SPOT, STREAK, BAR, (1850, 1860, 52, 62)]})
    spot, streak, bar, _ = read_roll(folder / "ledger.sqlite").rolls[0].defects
    dispose(folder, "r", spot.key, "lint", None, "Ada", "")
    dispose(folder, "r", streak.key, "defect", "hole", "Ada", "")
    dispose(folder, "r", bar.key, "cut_out", None, "Ada", "")
    found = survey_mill([folder], BERLIN)
    assert {w: f.defects for w, f in of(found, "word").items()} == {
        "cut out": 1, "defect": 1, "false alarm": 1, "no word yet": 1,
    }  # fmt: skip
    assert {k: f.defects for k, f in of(found, "kind").items()} == {"across the cloth": 1, "hole": 1, "spot": 1}
    assert of(found, "loom")["line-1"].defects == 3
    assert of(found, "loom")["line-1"].points == 4 + 1, "the hole, and the spot that nobody judged"


def test_metres_not_inspected_by_reason(mill: Mill) -> None:
    dark = {"id": "R1", "began": at(1, 8), "dark": (0, 1, 7)}
    found = survey_mill([mill.run("one", dark, {**dark, "id": "R2", "dark": (5,)})], BERLIN)
    (reason,) = of(found, "reason").values()
    assert (reason.name, reason.rolls, reason.share) == ("NO_SCORE", 2, 1.0)
    assert reason.not_inspected_m == pytest.approx(0.4)


def test_every_run_of_a_ledger_counts_once_however_often_it_is_given(mill: Mill, tmp_path: Path) -> None:
    roll = {"id": "R1", "began": at(1, 8), "spots": [SPOT]}
    mill.run("one", roll)
    folder = mill.run("one", roll, run_id="s")
    assert of(survey_mill([folder, folder / "ledger.sqlite"], BERLIN), "loom")["line-1"].rolls == 2
    other = mill.run("two", roll, line="line-2")
    assert {n: f.rolls for n, f in of(survey_mill([folder, other], BERLIN), "loom").items()} == {"line-1": 2, "line-2": 1}


def test_a_roll_that_is_told_again_began_when_it_was_told_first(mill: Mill, tmp_path: Path) -> None:
    folder = mill.run("one", {"id": "R1", "began": at(1, 8)})
    again = Ledger(folder / "ledger.sqlite", {}, run_id="r")
    again.add(Roll(
        number=0, generation=1, roll_id="R1", style="", start_mm=1000.0, cause="restart", t_mono_ns=9,
        t_utc_ns=int(at(9, 23).timestamp() * 1e9),
    ))  # fmt: skip
    again.close()
    assert list(of(survey_mill([folder], BERLIN), "week")) == ["2026-W44"]


def test_points_of_several_rule_sets_are_said_not_to_compare(mill: Mill) -> None:
    roll = {"id": "R1", "began": at(1, 8), "spots": [SPOT]}
    four, ten = mill.run("one", roll), mill.run("two", roll, line="line-2", grading={"rules": "ten-point-1"})
    assert survey_mill([four], BERLIN).warning == ""
    assert "d5430-inch-1, ten-point-1" in survey_mill([four, ten], BERLIN).warning


def test_csv_parquet_and_page_tell_the_same(mill: Mill, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "=<b>x</b>"
    folder = mill.run("one", {"id": "R1", "style": evil, "began": at(1, 8), "spots": [SPOT], "dark": (9,)})
    files = [tmp_path / name for name in ("m.html", "m.csv", "it's.parquet")]
    words = ["mill", str(folder), "--html", str(files[0]), "--csv", str(files[1]), "--parquet", str(files[2])]
    assert main([*words, "--timezone", "Europe/Berlin"]) == 0
    assert capsys.readouterr().out.split() == [str(f) for f in files]
    figures = survey_mill([folder], BERLIN).figures
    with files[1].open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(Figure._fields) and len(rows) == 1 + len(figures)
    assert [r[1] for r in rows if r[0] == "style"] == ["'" + evil], "no spreadsheet runs it"
    with duckdb.connect() as db:
        assert [Figure(*r) for r in db.read_parquet(str(files[2])).fetchall()] == list(figures)
    page = files[0].read_text(encoding="utf-8")
    assert "=&lt;b&gt;x&lt;/b&gt;" in page and "<b>x</b>" not in page
    assert "Europe/Berlin" in page and "NO_SCORE" in page and "http" not in page
    for heading in ("kind", "place", "camera", "loom", "shift", "style", "week"):
        assert f"by {heading}" in page


def test_without_a_file_the_figures_are_printed(mill: Mill, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mill", *map(str, two(mill)), "--loom", r"^L\d+"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^loom\n  L1 +2 rolls +4\.0 m +250\.0 points per 100 m2\n  L2", said, re.MULTILINE)


def test_a_ledger_that_cannot_be_read_is_named_and_nothing_is_written(
    mill: Mill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, torn = two(mill)
    (torn / "ledger.sqlite").write_bytes(b"SQLite format 3\0 and then nothing")
    for bad in (torn, tmp_path / "gone"):
        assert main(["mill", str(good), str(bad), "--csv", str(tmp_path / "m.csv")]) == 2
        said = capsys.readouterr().err
        assert str(bad) in said and said.startswith("glassline: ") and said.count("\n") == 1
    assert not (tmp_path / "m.csv").exists()


def test_a_place_that_cannot_be_written_is_one_line(mill: Mill, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, _ = two(mill)
    for form in ("html", "csv", "parquet"):
        for place in (str(tmp_path / "gone" / "x"), ""):
            assert main(["mill", str(good), f"--{form}", place]) == 2
            said = capsys.readouterr().err
            assert said.startswith("glassline: not writable") and "None" not in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["--loom", "("], ["--shifts", "6,x"], ["--shifts", "6,6"], ["--shifts", "24"], ["--timezone", "Mars/Olympus"]]
)  # fmt: skip
def test_a_bad_word_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["mill", "x", *words])
    said = capsys.readouterr().err
    assert words[1] in said and said.startswith("glassline: ") and said.count("\n") == 1


def test_a_run_without_a_frame_has_no_roll(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite", {"line": "l", "config": {"cameras": CAMERAS}}).close()
    with pytest.raises(InputError, match="no roll"):
        survey_mill([tmp_path])


def test_rolls_without_a_scale_count_and_have_no_points(tmp_path: Path) -> None:
    held = Ledger(tmp_path / "ledger.sqlite", {"line": "l", "config": {"cameras": [{"name": "a"}]}})
    region = Region(x0_px=0, y0_px=0, x1_px=20, y1_px=50, score=0.9)
    held.add(Verdict(
        number=0, generation=0, camera="a", boot_id="b", seq=0, result=Result.DEFECT, regions=(region,), frame_shape=(9, 9),
        t_mono_ns=0, t_utc_ns=0,
    ))  # fmt: skip
    held.close()
    found = survey_mill([tmp_path], BERLIN)
    (loom,) = of(found, "loom").values()
    assert (loom.rolls, loom.defects, loom.points, loom.points_per_100_m2) == (1, 1, None, None)
    assert list(of(found, "place")) == ["not known"] and list(of(found, "quality")) == ["not graded"]
    assert found.warning == ""
    found.write_page(tmp_path / "m.html")


def test_a_folder_called_tilde_is_not_the_home_folder(mill: Mill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mill.run("one", {"id": "R1", "began": at(1, 8)})
    (tmp_path / "~").mkdir()
    (home := tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    survey_mill([folder], BERLIN).write_parquet(Path("~/m.parquet"))
    assert (tmp_path / "~" / "m.parquet").is_file() and not list(home.iterdir())


def test_more_rows_than_are_filled_in_at_once(monkeypatch: pytest.MonkeyPatch, mill: Mill) -> None:
    rolls = [{"id": f"R{n}", "began": at(1 + n, 8), "spots": [SPOT]} for n in range(5)]
    folder = mill.run("one", *rolls)
    whole = survey_mill([folder], BERLIN).figures
    monkeypatch.setattr(figures, "AT_ONCE", 2)
    assert survey_mill([folder], BERLIN).figures == whole and of(survey_mill([folder], BERLIN), "kind")["spot"].defects == 5


def test_a_run_that_was_cut_off_is_said_to_have_no_whole_record(mill: Mill, tmp_path: Path) -> None:
    roll = {"id": "R1", "began": at(1, 8)}
    whole, torn = mill.run("one", roll), mill.run("two", roll, run_id="s")
    held = Ledger(torn / "ledger.sqlite", {ENDED: None}, run_id="s")
    held.let_go()
    assert survey_mill([whole], BERLIN).warning == ""
    assert survey_mill([whole, torn], BERLIN).warning == "the record is not whole of s: their reports say what it lacks"
