"""Acceptance of an update: what flips, what moves, which defects only one side has."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from tools.cli import main
from tools.verbs.compare import Frame, compare, show
from tools.verbs.display import stdout_console

LEFT = Region(x0_px=0, y0_px=0, x1_px=16, y1_px=16, score=0.9)
RIGHT = Region(x0_px=100, y0_px=0, x1_px=116, y1_px=16, score=0.9)


def record(*frames: tuple[float, tuple[Region, ...]]) -> dict[Frame, Verdict]:
    """Verdicts by score and regions; a frame with regions is a DEFECT."""
    verdicts = [
        Verdict(
            number=n, generation=0, camera="a", boot_id="b", seq=n, result=Result.DEFECT if regions else Result.PASS,
            score=score, regions=regions, regions_total=len(regions), t_mono_ns=n, t_utc_ns=n, frame_shape=(128, 256),
        )
        for n, (score, regions) in enumerate(frames)
    ]  # fmt: skip
    return {(v.camera, v.seq): v for v in verdicts}


def test_equal_records_differ_in_nothing() -> None:
    same = record((0.1, ()), (0.9, (LEFT,)))
    found = compare(same, same)
    assert found["flips"] == [] and found["score_shift"]["most"] == 0
    assert found["defects"] == {"a": 1, "b": 1, "only_a": 0, "only_b": 0}


def test_flips_shifts_and_lone_defects_are_told() -> None:
    a = record((0.1, ()), (0.9, (LEFT,)), (0.9, (LEFT,)))
    b = record((0.2, ()), (0.4, ()), (0.9, (RIGHT,)))
    found = compare(a, b)
    (flip,) = found["flips"]
    assert (flip["frame"], flip["a"], flip["b"], flip["score_b"]) == (1, "DEFECT", "PASS", 0.4)
    assert found["score_shift"]["most"] == pytest.approx(0.5) and found["score_shift"]["q50"] == pytest.approx(0.1)
    assert found["defects"] == {"a": 2, "b": 1, "only_a": 2, "only_b": 1}, "elsewhere in the frame is another defect"


def test_records_of_other_footage_are_refused() -> None:
    with pytest.raises(InputError, match="1 frames in one record only"):
        compare(record((0.1, ())), record((0.1, ()), (0.2, ())))


def test_a_comparison_that_fails_leaves_no_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("temporary", "a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "card.json").write_text("{}")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for a in ("a", "a/card.json"):  # a model without a card, and a card that is none
        assert main(["compare", str(tmp_path / a), str(tmp_path / "b"), str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("glassline: ") == 2
    assert list((tmp_path / "temporary").iterdir()) == []


def test_paths_are_whole_where_stdout_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    origin, picture, out = (f"/{name}/" + "deep [1]/" * 30 + name for name in ("origin", "picture", "out"))
    flip = {"camera": "a", "frame": 3, "origin": origin, "a": "PASS", "b": "DEFECT", "score_a": 0.1, "score_b": 0.9}
    shift = {"q50": 0.1, "q99": 0.2, "most": 0.8, "frames": 9}
    defects = {"a": 0, "b": 1, "only_a": 0, "only_b": 1}
    found = {"frames": 9, "flips": [{**flip, "picture": picture}], "score_shift": shift, "defects": defects}
    show({"accepted": False, "out": out, **found}, stdout_console())
    printed = capsys.readouterr().out
    assert sum(f"a 3 {origin}" in line and picture in line for line in printed.splitlines()) == 1
    assert printed.endswith(f"records: {out}\n")
