"""A region is on the mask when it comes within the margin of a marked pixel, and not one pixel further."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.studies.mask_check import main, on_mask


@pytest.mark.parametrize(
    ("x0", "margin", "hit"), [(40, 0, False), (40, 9, False), (40, 10, True), (30, 0, True), (24, 0, True)]
)
def test_margin(x0: int, margin: int, hit: bool) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20, 30] = 255
    verdict = {"regions": [{"x0_px": x0, "y0_px": 16, "x1_px": x0 + 8, "y1_px": 24}]}
    assert on_mask(verdict, mask, margin) is hit


def test_a_verdict_without_regions_is_on_nothing() -> None:
    assert not on_mask({"regions": []}, np.full((8, 8), 255, np.uint8), 3)


def test_a_mask_that_could_be_of_two_pictures_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks/0.png"), np.full((8, 8), 255, np.uint8))
    rows = [
        {
            "seq": 1,
            "origin": f"test/{kind}/0.png",
            "result": "DEFECT",
            "regions": [{"x0_px": 0, "y0_px": 0, "x1_px": 4, "y1_px": 4}],
        }
        for kind in ("hole", "slub")
    ]
    verdicts = tmp_path / "verdicts.jsonl"
    monkeypatch.setattr(sys, "argv", ["mask_check", str(verdicts), str(tmp_path / "masks")])
    verdicts.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert main() == 2
    assert "no mask of its own for test/hole/0.png" in capsys.readouterr().err
    verdicts.write_text(f"{json.dumps(rows[0])}\n")
    assert main() == 0
    assert json.loads(capsys.readouterr().out)["on_mask"] == 1
