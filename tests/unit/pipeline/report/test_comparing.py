"""Acceptance of an update: what flips, what moves, which defects only one side has."""

from __future__ import annotations

from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.ledger.crops import crop_path
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.comparing import Comparison, Record, compare_records, kept_pictures

LEFT = Region(x0_px=0, y0_px=0, x1_px=16, y1_px=16, score=0.9)
RIGHT = Region(x0_px=100, y0_px=0, x1_px=116, y1_px=16, score=0.9)


def record(*frames: tuple[float, tuple[Region, ...]], **pictures: str) -> Record:
    """Verdicts by score and regions; a frame with regions is a DEFECT, `f1="x.png"` its picture."""
    verdicts = [
        Verdict(
            number=n, generation=0, camera="a", boot_id="b", seq=n, result=Result.DEFECT if regions else Result.PASS,
            score=score, regions=regions, regions_total=len(regions), t_mono_ns=n, t_utc_ns=n, frame_shape=(128, 256),
        )
        for n, (score, regions) in enumerate(frames)
    ]  # fmt: skip
    kept = {("a", int(frame[1:])): Path(picture) for frame, picture in pictures.items()}
    return Record(Path("model"), {(v.camera, v.seq): v for v in verdicts}, kept)


def compare(a: Record, b: Record, flips: int = 0, shift: float | None = None) -> Comparison:
    return compare_records(a, b, Path("out"), flips, shift)


def test_equal_records_differ_in_nothing() -> None:
    same = record((0.1, ()), (0.9, (LEFT,)))
    found = compare(same, same, shift=0.0)
    assert found.accepted and found.flips == () and found.score_shift.most == 0
    assert found.defects.model_dump() == {"a": 1, "b": 1, "only_a": 0, "only_b": 0}


def test_flips_shifts_and_lone_defects_are_told() -> None:
    a = record((0.1, ()), (0.9, (LEFT,)), (0.9, (LEFT,)), f1="crop.png", f2="other.png")
    b = record((0.2, ()), (0.4, ()), (0.9, (RIGHT,)), f2="third.png")
    found = compare(a, b)
    (flip,) = found.flips
    assert (flip.frame, flip.a, flip.b, flip.score_b) == (1, "DEFECT", "PASS", 0.4)
    assert flip.picture == Path("crop.png"), "of the side that found it"
    assert found.score_shift.most == pytest.approx(0.5) and found.score_shift.q50 == pytest.approx(0.1)
    assert found.defects.model_dump() == {"a": 2, "b": 1, "only_a": 2, "only_b": 1}, "elsewhere in the frame is another defect"
    assert compare(b, a).flips[0].picture == Path("crop.png")
    assert [*found.model_dump(mode="json", by_alias=True)] == [
        "schema", "accepted", "a", "b", "out", "frames", "flips", "score_shift", "defects",
    ]  # fmt: skip


def test_a_defect_in_two_frames_shows_its_one_picture_in_both(tmp_path: Path) -> None:
    """It ends one frame and begins the next; the second sees it stronger."""
    above, below = (LEFT.model_copy(update={"y0_mm": y, "y1_mm": y + 3, "x0_mm": 0.0, "x1_mm": 3.0}) for y in (10.0, 13.5))
    other = RIGHT.model_copy(update={"y0_mm": 90.0, "y1_mm": 93.0, "x0_mm": 20.0, "x1_mm": 23.0})
    plain = record((0.1, ()), (0.8, (above,)), (0.9, (below.model_copy(update={"score": 0.95}),)), (0.9, (other,))).verdicts
    verdicts = {frame: v.model_copy(update={"cells_shape": (16, 32)}) for frame, v in plain.items()}
    crop = crop_path(tmp_path, "run", verdicts["a", 2], 0)
    crop.parent.mkdir(parents=True)
    assert kept_pictures(tmp_path, "run", verdicts) == {}
    crop.touch()
    assert kept_pictures(tmp_path, "run", verdicts) == {("a", 1): crop, ("a", 2): crop}


@pytest.mark.parametrize(
    ("flips", "shift", "accepted"), [(0, None, False), (1, None, True), (1, 0.6, True), (1, 0.4, False), (0, 0.6, False)]
)
def test_an_update_is_accepted_within_what_is_allowed(flips: int, shift: float | None, accepted: bool) -> None:
    a, b = record((0.1, ()), (0.9, (LEFT,))), record((0.1, ()), (0.4, ()))
    assert compare(a, b, flips, shift).accepted is accepted


def test_records_of_other_footage_are_refused() -> None:
    with pytest.raises(InputError, match="1 frames in one record only"):
        compare(record((0.1, ())), record((0.1, ()), (0.2, ())))
