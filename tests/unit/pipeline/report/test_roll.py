"""The figures of a run and its defects as places."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from glass_core.errors import InputError
from pipeline.cloth.borders import Borders
from pipeline.cloth.rolls import Rolls
from pipeline.ledger.lost import read_spans
from pipeline.ledger.reading import read_verdicts
from pipeline.ledger.store import Ledger
from pipeline.messages.cloth import Roll
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.roll import read_covered, summarise
from tests import fakes

HOUSE = [
    "schema",
    "frames",
    "verdicts",
    "pass",
    "defect",
    "not_inspected",
    "reasons",
    "late_scores",
    "tiles",
    "inspected_m",
    "not_inspected_m",
    "frames_per_s",
    "tiles_per_s",
    "latency_ms",
    "defects",
    "model_sha",
    "card_sha",
    "out",
]


def verdict(number: int, **changes: Any) -> Verdict:
    return Verdict.model_validate(
        {
            "number": number,
            "generation": 0,
            "camera": "left",
            "boot_id": "b",
            "seq": number,
            "result": Result.PASS,
            "t_mono_ns": number,
            "t_utc_ns": 0,
            **changes,
        }
    )


def region(y0: float, y1: float, x0: float = 0, x1: float = 10, score: float = 0.9) -> Region:
    return Region(x0_px=0, y0_px=0, x1_px=8, y1_px=8, score=score, x0_mm=x0, x1_mm=x1, y0_mm=y0, y1_mm=y1)


def defect(number: int, *regions: Region, **changes: Any) -> Verdict:
    return verdict(number, result=Result.DEFECT, regions=regions, **changes)


def write(folder: Path, messages: list[BaseModel], **facts: Any) -> Path:
    path = folder / "ledger.sqlite"
    held = Ledger(path, facts)
    for message in messages:
        held.add(message)  # type: ignore[arg-type]
    held.close()
    return path


def test_every_figure_of_the_command_line(tmp_path: Path) -> None:
    second = 10**9
    messages: list[BaseModel] = [
        verdict(
            i,
            t_mono_ns=i * second // 2,
            tiles=3,
            latency_ms=10.0 * i,
            start_mm=i * 100,
            end_mm=i * 100 + 100,
            weights_sha="w",
            card_sha="c",
        )
        for i in range(4)
    ]
    messages.append(defect(4, region(450, 460), t_mono_ns=2 * second, tiles=3, start_mm=400, end_mm=500))
    messages.append(verdict(5, seq=None, result=Result.NOT_INSPECTED, reason=Reason.NO_FRAME, start_mm=500, end_mm=750))
    for late in (1, 4):
        messages.append(fakes.totals(generation=late, late_scores=late))
    summary = summarise(write(tmp_path, messages)).model_dump(mode="json", by_alias=True)
    assert list(summary) == HOUSE
    assert summary == {
        "schema": 1,
        "frames": 5,
        "verdicts": 6,
        "pass": 4,
        "defect": 1,
        "not_inspected": 1,
        "reasons": {"NO_FRAME": 1},
        "late_scores": 5,
        "tiles": 15,
        "inspected_m": 0.5,
        "not_inspected_m": 0.25,
        "frames_per_s": 2.0,
        "tiles_per_s": 6.0,
        "latency_ms": {"p50": 15.0, "p95": 28.5, "p99": 29.7},
        "defects": 1,
        "model_sha": "w",
        "card_sha": "c",
        "out": str(tmp_path),
    }


def test_an_empty_run_has_figures_too(tmp_path: Path) -> None:
    summary = summarise(write(tmp_path, [], weights_sha="w", card_sha=None)).model_dump(mode="json", by_alias=True)
    assert (summary["frames"], summary["frames_per_s"], summary["inspected_m"]) == (0, None, None)
    assert summary["latency_ms"] == {"p50": None, "p95": None, "p99": None}
    assert (summary["model_sha"], summary["card_sha"]) == ("w", "")


def test_no_ledger_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ledger not found"):
        summarise(tmp_path / "ledger.sqlite")


@pytest.mark.parametrize(
    ("messages", "cameras", "expected"),
    [
        ([verdict(0)], [], None),  # no scale
        ([verdict(0, start_mm=0, end_mm=10)], [], (10, 0)),
        ([verdict(0, start_mm=0, end_mm=10)], ["left", "right"], (0, 10)),  # right never came up
        ([verdict(0, start_mm=0, end_mm=10), verdict(1, camera="right")], [], None),  # right has no scale
        ([verdict(0, start_mm=0, end_mm=10), verdict(1, camera="right", start_mm=4, end_mm=10)], [], (6, 4)),
        ([verdict(0, start_mm=0, end_mm=10), verdict(1, start_mm=8, end_mm=18)], [], (18, 0)),  # overlap once
        ([verdict(0, start_mm=0, end_mm=10, roll_id="a"), verdict(1, start_mm=0, end_mm=10, roll_id="b")], [], (20, 0)),
        ([verdict(0, start_mm=0, end_mm=10),
          verdict(1, seq=None, result=Result.NOT_INSPECTED, reason=Reason.CAMERA_DOWN)], [], (10, 0)),
        ([verdict(0, start_mm=0, end_mm=10, roll_id="a"),
          verdict(1, seq=None, start_mm=5, end_mm=20, roll_id="a", result=Result.NOT_INSPECTED, reason=Reason.NO_FRAME)], [],
         (10, 10)),
    ],
)  # fmt: skip
def test_metres(tmp_path: Path, messages: list[BaseModel], cameras: list[str], expected: object) -> None:
    path = write(tmp_path, messages, config={"cameras": [{"name": name} for name in cameras]})
    metres = read_covered(path).metres
    assert (metres and (metres.inspected_mm, metres.not_inspected_mm)) == expected


def test_metres_by_reason_and_by_camera(tmp_path: Path) -> None:
    gone: dict[str, Any] = {"result": Result.NOT_INSPECTED, "reason": Reason.DAMAGED}
    metres = read_covered(write(tmp_path, [
        verdict(0, start_mm=0, end_mm=10, roll_id="a"), verdict(1, start_mm=10, end_mm=14, roll_id="a", **gone),
        verdict(2, start_mm=0, end_mm=3, roll_id="b", **gone), verdict(3, camera="right", start_mm=0, end_mm=6, roll_id="a"),
    ])).metres  # fmt: skip
    assert metres is not None
    assert metres.reasons_mm == {"DAMAGED": 7, "NO_FRAME": 4}
    assert metres.cameras_mm == {"left": 10, "right": 6}


def test_verdicts_that_fell_out_are_counted_and_not_the_word_that_tells_of_them(tmp_path: Path) -> None:
    lost = {"seq": None, "result": Result.NOT_INSPECTED, "reason": Reason.RECORD_LOST, "lost": 3}
    summary = summarise(write(tmp_path, [
        verdict(0, start_mm=0, end_mm=10), verdict(4, start_mm=40, end_mm=50), verdict(5, start_mm=10, end_mm=40, **lost),
    ]))  # fmt: skip
    assert (summary.verdicts, summary.passed, summary.not_inspected, summary.reasons) == (5, 2, 3, {"RECORD_LOST": 3})
    assert (summary.inspected_m, summary.not_inspected_m) == (0.02, 0.03)


def test_a_frame_across_the_border_of_two_rolls_gives_a_part_to_each(tmp_path: Path) -> None:
    common = {"generation": 0, "style": "", "cause": "command", "t_mono_ns": 0, "t_utc_ns": 0}
    ledger = write(tmp_path, [
        Roll(number=0, roll_id="a", start_mm=0, **common), Roll(number=1, roll_id="b", start_mm=100, **common),
        verdict(0, start_mm=60, end_mm=130, roll_id="a"), verdict(1, camera="right", start_mm=80, end_mm=140, roll_id="b"),
        verdict(2, start_mm=0, end_mm=140, roll_id="a", rescan=True),
    ])  # fmt: skip
    assert list(read_spans(ledger)) == [
        ("left", "a", 60, 100, "PASS", None), ("left", "b", 100, 130, "PASS", None),
        ("right", "a", 80, 100, "PASS", None), ("right", "b", 100, 140, "PASS", None),
    ]  # fmt: skip
    metres = read_covered(ledger).metres
    assert metres is not None and (metres.inspected_mm, metres.not_inspected_mm) == (50, 30)


def began(number: int, roll_id: str, start_mm: float | None) -> Roll:
    return Roll(
        number=number, generation=0, roll_id=roll_id, style="", start_mm=start_mm, cause="command", t_mono_ns=0, t_utc_ns=0
    )


def test_a_roll_that_was_begun_in_the_past_has_the_cloth_decided_before_it_was_told(tmp_path: Path) -> None:
    ledger = write(tmp_path, [
        began(0, "a", 0), *(verdict(n, start_mm=100 * n, end_mm=100 * n + 100, roll_id="a") for n in range(4)),
        began(1, "b", 150), defect(4, region(420, 430), start_mm=400, end_mm=500, roll_id="b"),
    ])  # fmt: skip
    covers = read_covered(ledger).rolls
    assert covers is not None
    assert {name: (c.start_mm, c.end_mm, c.coverage.inspected_mm) for name, c in covers.items()} == {
        "a": (0, 150, 150), "b": (150, 500, 350),
    }  # fmt: skip
    assert [v.roll_id for v in read_verdicts(ledger)] == ["a", "b", "b", "b", "b"]  # by their middles


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(0, 50), st.integers(1, 30))
def test_the_record_places_cloth_as_the_line_does(starts: list[int], start: int, length: int) -> None:
    rolls = Rolls("0", "", 1e9, 0.0)
    for n, at in enumerate(starts, 1):
        rolls.begin(str(n), "", float(at))
    borders = Borders([began(0, "0", 0.0), *(began(n, str(n), at) for n, at in enumerate(starts, 1)), began(99, "x", None)])
    assert borders.of(start, start + length, "?") == rolls.at(start, start + length).roll_id
    parts = borders.parts(start, start + length, "?")
    assert (parts[0][1], parts[-1][2]) == (start, start + length)
    for (name, from_mm, to_mm), (_, next_mm, _) in zip(parts, [*parts[1:], parts[-1]], strict=True):
        assert name == rolls.at(from_mm, to_mm).roll_id and (to_mm == next_mm or from_mm == next_mm)
