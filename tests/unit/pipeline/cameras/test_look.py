"""What a picture says of a camera: focus, saturation, and the mean of each column."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.cameras.look import Look, find_camera, look_through
from pipeline.cameras.picture import write_png
from pipeline.config.cameras import ReplayConfig


def test_focus_falls_with_blur_and_saturation_counts_full_pixels() -> None:
    sharp = np.random.default_rng(0).integers(0, 255, (64, 96), dtype=np.uint8)
    assert Look.at(sharp).focus > 2 * Look.at(cv2.GaussianBlur(sharp, (5, 5), 2)).focus
    assert Look.at(sharp).saturated_percent == 0
    rgb = np.zeros((10, 10, 3), np.uint8)
    rgb[0, :5, 1] = 255
    look = Look.at(rgb)
    assert look.saturated_percent == 5 and look.profile.shape == (10,)


@pytest.mark.parametrize("shape", [(40, 90), (40, 90, 3)], ids=["grey", "rgb"])
def test_a_look_is_drawn_as_wide_as_its_picture_and_leaves_the_picture_as_it_is(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    drawn = Look.at(pixels).drawn()
    assert drawn.shape[1:] == (90, 3) and drawn.shape[0] > 40 + 255
    assert np.array_equal(drawn[:40], pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))


def test_each_whole_picture_is_looked_at_and_the_others_are_passed_over(tmp_path: Path) -> None:
    for number, level in enumerate((10, 20, 30)):
        write_png(tmp_path / f"{number}.png", np.full((8, 12), level, np.uint8))
    (tmp_path / "1.png").write_bytes(b"damaged")
    config = ReplayConfig(name="a", source="replay", path=tmp_path)
    assert [look.profile.tolist() for look in look_through(config)] == [[10.0] * 12, [30.0] * 12]
    with closing(look_through(config)) as looks:
        assert next(looks).pixels.max() == 10


def test_a_camera_is_found_by_its_name_or_its_serial(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text('cameras:\n- {name: left, source: basler, serial: "17"}\n- {name: cloth, source: weave}\n')
    assert [find_camera(name, path).name for name in ("cloth", "left", "17")] == ["cloth", "left", "left"]
    assert find_camera("40012345", None).model_dump()["serial"] == "40012345"
    with pytest.raises(InputError, match=r"no camera right, .*, name one of left, cloth"):
        find_camera("right", path)
    with pytest.raises(InputError, match="not a serial, a/b"):
        find_camera("a/b", None)
