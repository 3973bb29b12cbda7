"""The study of kinds: the same crops for a seed, each with its defect in its box, and figures that count what they say."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

import tools.studies.kinds
from tools.studies.kinds import KINDS, LEARNED, count, draw_crops, main


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two kinds that are small."""
    monkeypatch.setattr(tools.studies.kinds, "KINDS", ("hole", "slub"))


def test_a_seed_gives_the_same_crops_each_with_its_defect_in_the_box(few: None) -> None:
    crops = draw_crops(1)
    assert [kind for kind, _ in crops] == ["hole"] * 2 * LEARNED + ["slub"] * 2 * LEARNED
    for (_, (picture, box)), (_, (again, same)) in zip(crops, draw_crops(1), strict=True):
        np.testing.assert_array_equal(picture, again)
        assert box == same
    for kind, (picture, (x0, y0, x1, y1)) in crops:
        assert 0 <= x0 < x1 <= picture.shape[1] and 0 <= y0 < y1 <= picture.shape[0]
        if kind == "hole":
            row, col = np.unravel_index(cv2.blur(picture, (9, 9)).argmin(), picture.shape)
            assert y0 <= row < y1 and x0 <= col < x1, "the darkest place lies in the box"
    assert not np.array_equal(draw_crops(2)[0][1][0], crops[0][1][0])


def test_what_is_told_apart_without_doubt_is_counted_as_such() -> None:
    rng = np.random.default_rng(0)
    kinds = [kind for kind in KINDS for _ in range(2 * LEARNED)]
    features = rng.normal(0, 0.3, (len(kinds), 40))
    for row, kind in zip(features, kinds, strict=True):
        row[2 + 3 * KINDS.index(kind) :][:3] += 4
    told = count(features, kinds)
    named, right, total = told["seen"]
    assert total == len(kinds) and right == named >= 0.8 * total
    assert (told["unseen"][:, 1] == 2 * 2 * LEARNED).all() and told["unseen"][:, 0].sum() >= 0.9 * told["unseen"][:, 1].sum()
    blank = count(rng.normal(0, 1, features.shape), kinds)
    assert blank["seen"][1] < 0.5 * total, "where nothing tells them apart few are right"


def test_bad_input_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--backbone", "embedded", "--seeds", "0"]) == 2
    assert "--seeds" in capsys.readouterr().err


def test_the_figures_of_one_little_cloth(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    crops = [(kind, (np.full((64, 64), 40 * KINDS.index(kind), np.uint8), (8, 8, 24, 24))) for kind in KINDS for _ in range(10)]
    monkeypatch.setattr(tools.studies.kinds, "draw_crops", lambda seed: crops)
    assert main(["--backbone", "embedded", "--seeds", "1", "--first-seed", "7"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seeds"] == [7, 7] and set(told["by_unseen_kind"]) == set(KINDS) and len(told["by_seed"]) == 1
