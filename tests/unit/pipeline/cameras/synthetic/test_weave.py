"""Synthetic cloth: the same cloth however it is cut, woven as it says, defects where the truth says and nowhere else."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.cameras import make_camera
from pipeline.cameras.synthetic.defects import REACH_PX
from pipeline.cameras.synthetic.weave import ground_truth, render, write_folder
from pipeline.cameras.synthetic.yarn import BLOCK_ROWS, WARP_OVER, WARP_PX, WEFT_PX, weave_repeat
from pipeline.config.cameras import WeaveConfig, WovenDefect

KINDS = ("missing_yarn", "slub", "hole", "stain", "float")
SCALE = {"mm_per_px_x": 0.2, "mm_per_px_y": 0.2}


def woven(**settings: Any) -> WeaveConfig:
    return WeaveConfig.model_validate({"name": "w", "source": "weave", "width_px": 192, "frame_rows": 64, **settings})


def defective(kind: str, strength: float = 1.0, at_mm: float = 14.0, x_mm: float = 18.0, **more: Any) -> WeaveConfig:
    defect = {"kind": kind, "at_mm": at_mm, "x_mm": x_mm, "size_mm": 6.0, "strength": strength}
    return woven(defects=[defect], **SCALE, **more)


@pytest.mark.parametrize("weave", list(WARP_OVER))
def test_any_cut_gives_the_same_web(weave: str) -> None:
    config = woven(weave=weave, seed=5)
    whole = render(config, 100, 300)
    assert whole.shape == (300, 192) and whole.dtype == np.uint8
    pieces = [render(config, row0, rows) for row0, rows in ((100, 1), (101, 59), (160, 200), (360, 40))]
    assert np.array_equal(np.concatenate(pieces), whole)
    for row0 in (90000, 0, -128):  # blocks made in between are forgotten, and made again the same
        render(config, row0, 200)
    assert np.array_equal(render(config, 100, 300), whole)


def test_blocks_join_without_a_seam() -> None:
    cloth = render(woven(), 0, 6 * BLOCK_ROWS).astype(float)
    step = np.abs(np.diff(cloth, axis=0)).mean(axis=1)  # between rows r and r + 1
    at_seams = step[BLOCK_ROWS - 1 :: BLOCK_ROWS]
    assert np.delete(step, np.s_[BLOCK_ROWS - 1 :: BLOCK_ROWS]).max() >= at_seams.max()


def test_seeds_and_stretches_differ() -> None:
    first = render(woven(), 0, 64)
    assert np.mean(first == render(woven(seed=1), 0, 64)) < 0.2
    assert np.mean(first == render(woven(), 60 * WEFT_PX, 64)) < 0.2  # the same phase of the weave, another piece of it


@pytest.mark.parametrize("weave", list(WARP_OVER))
def test_yarn_on_top_is_as_the_weave_says(weave: str) -> None:
    above = weave_repeat(weave)[1:-1, 1:-1, 0]
    n = len(WARP_OVER[weave])
    middles = above.reshape(n, -1, n, above.shape[1] // n)[:, above.shape[0] // n // 2, :, above.shape[1] // n // 2]
    assert ((middles > 0) == np.array(WARP_OVER[weave], bool)).all()
    counts = np.array(WARP_OVER[weave]).sum(axis=0), np.array(WARP_OVER[weave]).sum(axis=1)
    assert len({*counts[0], *counts[1]}) == 1  # every yarn floats equally often


@pytest.mark.parametrize(("weave", "n"), [("plain", 2), ("twill", 4), ("satin", 5)])
def test_weave_repeats_after_its_repeat(weave: str, n: int) -> None:
    cloth = render(woven(weave=weave, width_px=512), 0, 256).astype(np.float32)
    cloth -= cv2.GaussianBlur(cloth, (0, 0), 8)

    def alike(rows: int, cols: int) -> float:
        a, b = cloth[rows:, cols:], cloth[: 256 - rows, : 512 - cols]
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])

    once = alike(0, n * WARP_PX), alike(n * WEFT_PX, 0)
    assert min(once) > 0.3
    assert all(alike(0, k * WARP_PX) < once[0] - 0.1 and alike(k * WEFT_PX, 0) < once[1] - 0.1 for k in range(1, n))


def test_cloth_is_lit_and_exposed_like_a_picture() -> None:
    cloth = render(woven(width_px=1024), 0, 256)
    assert 90 < cloth.mean() < 160 and 10 < cloth.std() < 40
    assert ((cloth > 2) & (cloth < 253)).mean() > 0.999
    middle, edges = cloth[:, 400:600].mean(), np.r_[cloth[:, :60].ravel(), cloth[:, -60:].ravel()].mean()
    assert 0.8 < edges / middle < 0.97


@pytest.mark.parametrize("weave", list(WARP_OVER))
@pytest.mark.parametrize("kind", KINDS)
def test_defect_is_where_the_truth_says(kind: str, weave: str) -> None:
    config = defective(kind, weave=weave)
    change = cv2.absdiff(render(config, 0, 160), render(woven(weave=weave), 0, 160)).astype(float)
    mask, (label,) = ground_truth(config, 0, 160)
    x0, y0, x1, y1 = label["box_px"]
    assert mask[y0:y1, x0:x1].any() and mask.sum() == mask[y0:y1, x0:x1].sum()
    assert change[mask > 0].mean() > 8  # grey levels; the cloth's own noise is in both
    centre_x, centre_y = 18 / 0.2, 14 / 0.2
    assert abs((x0 + x1) / 2 - centre_x) < 8 and abs((y0 + y1) / 2 - centre_y) < 8
    assert 20 <= max(x1 - x0, y1 - y0) <= 42  # 6 mm are 30 px
    assert label["box_mm"] == pytest.approx([v * 0.2 for v in label["box_px"]])
    far = np.ones(change.shape, bool)
    reach = REACH_PX + 8  # the yarns' own unevenness, and the lens
    far[max(y0 - reach, 0) : y1 + reach, max(x0 - reach, 0) : x1 + reach] = False
    assert far.any() and not change[far].any()


@pytest.mark.parametrize("kind", KINDS)
def test_weaker_defects_show_less(kind: str) -> None:
    clean = render(woven(), 0, 160)
    shows = []
    for strength in (0.2, 0.5, 1.0):
        config = defective(kind, strength)
        mask = ground_truth(config, 0, 160)[0] > 0
        shows.append(cv2.absdiff(render(config, 0, 160), clean).astype(float)[mask].mean())
    assert 0.5 < shows[0] < shows[1] < shows[2]


def test_hole_is_dark_stain_is_soft_float_is_bright() -> None:
    clean = render(woven(), 0, 160).astype(float)

    def level(kind: str) -> float:
        config = defective(kind)
        inside = ground_truth(config, 0, 160)[0] > 0
        return float(render(config, 0, 160)[inside].mean() / clean[inside].mean())

    assert level("hole") < 0.6 < level("stain") < 0.9 < 1.05 < level("float")


def test_truth_of_a_cut_defect_adds_up() -> None:
    config = defective("hole", x_offset_mm=100.0)
    whole, _ = ground_truth(config, 0, 160)
    top, labels_top = ground_truth(config, 0, 70)
    bottom, labels_bottom = ground_truth(config, 70, 90)
    assert np.array_equal(np.concatenate([top, bottom]), whole)
    assert labels_top[0]["box_px"][3] == 70 and labels_bottom[0]["box_px"][1] == 0
    assert labels_bottom[0]["box_mm"][1] == pytest.approx(14.0) and labels_top[0]["box_mm"][0] > 100
    assert ground_truth(config, 600, 64)[1] == []


@pytest.mark.parametrize(("at_mm", "x_mm", "seen"), [(0.0, 0.0, True), (0.0, 38.2, True), (3.0, 900.0, False)])
@pytest.mark.parametrize("kind", KINDS)
def test_defect_at_or_beyond_the_edge(kind: str, at_mm: float, x_mm: float, seen: bool) -> None:
    config = defective(kind, at_mm=at_mm, x_mm=x_mm)
    assert render(config, 0, 64).shape == (64, 192)
    assert bool(ground_truth(config, 0, 64)[1]) is seen


def test_camera_gives_the_web_in_frames() -> None:
    config = woven(frames=3)
    camera = make_camera(config)
    facts = camera.open()
    camera.trigger()
    shots = [s for s in camera.shots() if s]
    camera.close()
    assert facts["weave"] == "plain" and json.loads(json.dumps(facts)) == facts
    assert [(s.block_id, s.rows, s.origin) for s in shots] == [(n, 64, f"weave#{n}") for n in range(3)]
    assert np.array_equal(np.concatenate([s.pixels for s in shots if s.pixels is not None]), render(config, 0, 192))
    assert shots[0].t_mono_ns <= shots[2].t_mono_ns
    assert len(list(islice(make_camera(woven()).shots(), 5))) == 5  # endless


def test_pixels_belong_to_the_receiver() -> None:
    config = woven()
    first = render(config, 0, 64)
    before = first.copy()
    first[:] = 0
    assert np.array_equal(render(config, 0, 64), before)


def test_defects_need_a_scale() -> None:
    config = woven(defects=(WovenDefect(kind="hole", at_mm=1, x_mm=1, size_mm=1),), mm_per_px_x=0.2)
    with pytest.raises(InputError, match="set mm_per_px_x and mm_per_px_y"):
        make_camera(config).open()


def test_folder_with_truth(tmp_path: Path) -> None:
    config = defective("hole", at_mm=12.8)  # on the seam of frames 0 and 1
    found = write_folder(config, 3, tmp_path / "cloth")
    truth = json.loads((tmp_path / "cloth/truth.json").read_text())
    assert truth["defects"] == json.loads(json.dumps(found)) and WeaveConfig.model_validate(truth["config"]) == config
    (defect,) = truth["defects"]
    assert (defect["kind"], defect["at_mm"], defect["strength"]) == ("hole", 12.8, 1.0)
    assert sorted(defect["frames"]) == ["0", "1"]
    assert defect["box_mm"][1] < 12.8 < defect["box_mm"][3]
    for number in range(3):
        frame = cv2.imread(str(tmp_path / f"cloth/frames/{number:06d}.png"), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(tmp_path / f"cloth/mask/{number:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(frame, render(config, number * 64, 64))
        assert mask.any() == (str(number) in defect["frames"])


def test_folder_on_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cloth").write_text("")
    with pytest.raises(InputError, match="cloth not written"):
        write_folder(woven(), 1, tmp_path / "cloth")
