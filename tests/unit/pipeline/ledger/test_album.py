"""Each defect has one picture: its strongest sighting, as far as the budget goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from pipeline.ledger.album import Album
from pipeline.ledger.crops import kept_path, map_path
from pipeline.messages.states import EventAction, EventKind, Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.roll import find_defects

Place = tuple[float, float, float]
"""Where a region begins along and across the cloth, mm, and its score."""


def verdict(number: int, *places: Place, scaled: bool = True, bare: bool = False, **changes: object) -> Verdict:
    """A frame of 64 x 96 px, 1 mm each, that begins at its number times 64 mm."""
    top = 64.0 * number
    regions = tuple(
        Region(
            x0_px=int(x), x1_px=int(x) + 8, y0_px=int(y - top), y1_px=int(y - top) + 8, score=score,
            **({"x0_mm": x, "x1_mm": x + 8, "y0_mm": y, "y1_mm": y + 8} if scaled else {}),
        )
        for y, x, score in places
    )  # fmt: skip
    return Verdict.model_validate({
        "number": number, "generation": 0, "camera": "left", "boot_id": "b", "seq": number, "result": Result.DEFECT,
        "start_mm": top, "end_mm": top + 64, "regions": regions, "regions_total": len(regions), "t_mono_ns": 0, "t_utc_ns": 0,
        "frame_shape": (64, 96), "cells_shape": None if bare else (8, 12), **changes,
    })  # fmt: skip


def keep(folder: Path, verdicts: list[Verdict], budget_bytes: int = 10**9, write_all: bool = True) -> Album:
    album = Album(folder, "r", budget_bytes)
    for each in verdicts:
        pixels = np.full((64, 96), 10 * (each.number + 1) % 250, np.uint8).tobytes()
        album.take(each, () if each.cells_shape is None else (bytes(4 * 8 * 12), pixels))
        while write_all and album.write_one():
            pass
    while album.write_one():
        pass
    return album


def kept(folder: Path) -> set[str]:
    names = {p.name for p in (folder / "crops" / "r").glob("*")}
    assert {map_path(Path(n)).name for n in names if not n.endswith("_map.png")} == {n for n in names if n.endswith("_map.png")}
    return {n for n in names if not n.endswith("_map.png")}


def as_reported(folder: Path, verdicts: list[Verdict]) -> set[str]:
    """Names of the pictures that a report of these verdicts shows."""
    paths = [kept_path(folder, "r", d) for d in find_defects(verdicts)]
    return {p.name for p in paths if p is not None}


@pytest.mark.parametrize("write_all", [True, False])
def test_a_streak_has_one_picture_its_strongest(tmp_path: Path, write_all: bool) -> None:
    scores = [0.5, 0.7, 0.6, 0.9, 0.8]
    verdicts = [verdict(n, *[(64.0 * n + y, 40, score) for y in range(0, 64, 8)]) for n, score in enumerate(scores)]
    album = keep(tmp_path, verdicts, write_all=write_all)
    assert kept(tmp_path) == as_reported(tmp_path, verdicts) == {"0-3_left_3_0.png"}
    picture = cv2.imread(str(tmp_path / "crops/r/0-3_left_3_0.png"))
    assert picture is not None and (picture == 40).all()
    assert album.left_out == 0


@pytest.mark.parametrize("scaled", [True, False])
def test_every_region_of_a_crowded_frame_has_its_own(tmp_path: Path, scaled: bool) -> None:
    places = [(70.0 if n % 2 else 110.0, 4.0 + 40 * (n // 2), 0.9 - n / 100) for n in range(5)]
    verdicts = [verdict(1, *places, scaled=scaled), verdict(40, (2600, 10, 0.6), scaled=scaled)]
    keep(tmp_path, verdicts)
    assert kept(tmp_path) == as_reported(tmp_path, verdicts) and len(kept(tmp_path)) == 6


@pytest.mark.parametrize("strongest", [0, 1, 2])
def test_two_defects_that_turn_out_to_be_one_keep_one_picture(tmp_path: Path, strongest: int) -> None:
    scores = [0.9 if n == strongest else 0.6 - n / 100 for n in range(3)]
    apart = verdict(0, (50, 0, scores[0]), (50, 60, scores[1]))
    joins = [(66.0, x, scores[2] if x == 30 else 0.3) for x in (0.0, 15.0, 30.0, 45.0, 60.0)]
    keep(tmp_path, [apart, verdict(1, *joins)])
    assert kept(tmp_path) == as_reported(tmp_path, [apart, verdict(1, *joins)])
    assert kept(tmp_path) == {("0-0_left_0_0.png", "0-0_left_0_1.png", "0-1_left_1_2.png")[strongest]}


def test_the_strongest_sighting_with_a_frame_is_shown_where_a_stronger_came_without(tmp_path: Path) -> None:
    verdicts = [verdict(0, (50, 10, 0.5)), verdict(1, (64, 10, 0.9), bare=True), verdict(30, (2000, 10, 0.9), bare=True)]
    keep(tmp_path, verdicts)
    assert kept(tmp_path) == as_reported(tmp_path, verdicts) == {"0-0_left_0_0.png"}


def test_what_the_report_leaves_out_has_no_picture(tmp_path: Path) -> None:
    seam: dict[str, Any] = {"event": EventKind.SEAM, "action": EventAction.IGNORE}
    keep(tmp_path, [verdict(0, (10, 10, 0.9), rescan=True), verdict(1, (80, 10, 0.9), **seam)])
    assert kept(tmp_path) == set()


def test_the_budget_is_never_overdrawn_and_what_is_given_up_counts_no_more(tmp_path: Path) -> None:
    apart = [verdict(20 * n, (1280.0 * n, 10, 0.9)) for n in range(6)]
    keep(tmp_path / "all", apart)
    size = sum(p.stat().st_size for p in tmp_path.glob("all/crops/r/0-0_*"))
    album = keep(tmp_path / "some", apart, 3 * size + 10)
    total = sum(p.stat().st_size for p in tmp_path.glob("some/crops/r/*"))
    assert total <= 3 * size + 10 and (len(kept(tmp_path / "some")), album.left_out) == (3, 3)
    again = keep(tmp_path / "some", apart[3:], 3 * size + 10)  # a recorder that is started again
    assert (len(kept(tmp_path / "some")), again.left_out) == (3, 3)
    ramp = [verdict(n, *[(64.0 * n + y, 10, 0.5 + n / 100) for y in range(0, 64, 8)]) for n in range(8)]
    assert keep(tmp_path / "ramp", ramp, 3 * size).left_out == 0 and len(kept(tmp_path / "ramp")) == 1


def test_a_picture_that_cannot_be_written_is_counted_and_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "r").touch()
    assert keep(tmp_path, [verdict(0, (10, 10, 0.9))]).left_out == 1
    assert [p.name for p in tmp_path.rglob("*")] == ["crops", "r"]


def test_pictures_of_defects_long_past_are_not_watched_any_more(tmp_path: Path) -> None:
    album = keep(tmp_path, [verdict(90 * n, (5760.0 * n, 10, 0.9)) for n in range(20)])
    assert album._joiner.held <= 4 and len(kept(tmp_path)) == 20


def rising(scores: list[float]) -> list[Verdict]:
    """One streak through as many frames."""
    return [verdict(n, *[(64.0 * n + y, 10, score) for y in range(0, 64, 8)]) for n, score in enumerate(scores)]


def test_the_picture_before_stays_until_the_stronger_one_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = rising([0.5, 0.7, 0.9])
    album = keep(tmp_path, [first])
    frame = bytes(4 * 8 * 12), bytes(64 * 96)
    album.take(second, frame)
    assert kept(tmp_path) == {"0-0_left_0_0.png"}  # as long as the new one waits
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", Mock(side_effect=OSError(28, "No space left on device")))
        album.write_one()
    assert (album.left_out, kept(tmp_path)) == (1, {"0-0_left_0_0.png"})
    assert as_reported(tmp_path, [first, second]) == {"0-0_left_0_0.png"}
    album.take(third, frame)
    album.write_one()
    assert kept(tmp_path) == as_reported(tmp_path, [first, second, third]) == {"0-2_left_2_0.png"}


def test_a_stronger_picture_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    first, second = rising([0.5, 0.9])
    keep(tmp_path / "one", [first])
    size = sum(p.stat().st_size for p in tmp_path.glob("one/crops/r/*"))
    noise = np.random.default_rng(1).integers(0, 256, 64 * 96, np.uint8).tobytes()
    album = keep(tmp_path / "some", [first], 2 * size)
    album.take(second, (bytes(4 * 8 * 12), noise))  # as PNG many times larger
    album.write_one()
    assert (album.left_out, kept(tmp_path / "some")) == (1, {"0-0_left_0_0.png"})
    assert as_reported(tmp_path / "some", [first, second]) == {"0-0_left_0_0.png"}
    replaced = keep(tmp_path / "full", [first, second], size + size // 2)  # room for one alone
    assert (replaced.left_out, kept(tmp_path / "full")) == (0, {"0-1_left_1_0.png"})
