"""What of the runner can be had without anomalib: tiles, maps put together, and what is said where anomalib is not."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from glass_core.errors import MissingError
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from tools.studies.run_anomalib import cut, import_anomalib, scores

TILES = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=0))


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def brightness(tiles: torch.Tensor) -> SimpleNamespace:
    """A system whose map is the picture and whose score is its brightest px."""
    return SimpleNamespace(pred_score=tiles.amax(dim=(1, 2, 3)), anomaly_map=tiles.mean(dim=1, keepdim=True))


@pytest.mark.parametrize("shape", [(64, 64), (64, 192), (80, 150), (64, 96, 3)])
def test_tiles_make_the_picture_again(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = scores(brightness, image, TILES)
    wanted = image.astype(np.float32) / 255 if image.ndim == 2 else image.astype(np.float32).mean(axis=2) / 255
    assert found.map.shape == shape[:2] and found.map.dtype == np.float32
    np.testing.assert_allclose(found.map, wanted, atol=1e-6)
    assert found.score == pytest.approx(image.max() / 255)


def test_what_is_not_inspected_has_no_score() -> None:
    image = picture(64, 192)
    found = scores(brightness, image, TILES.model_copy(update={"inspect_x_px": (40, 168)}))
    assert np.isnan(found.map[:, :40]).all() and np.isnan(found.map[:, 168:]).all()
    np.testing.assert_allclose(found.map[:, 40:168], image[:, 40:168].astype(np.float32) / 255, atol=1e-6)


def test_training_sees_the_tiles_of_the_pictures(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "strip.png"), picture(64, 192))
    (tmp_path / "good").mkdir()
    assert cut([tmp_path / "strip.png"], TILES, tmp_path / "good") == 3
    tiles = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted((tmp_path / "good").iterdir())]
    np.testing.assert_array_equal(np.concatenate(tiles, axis=1), picture(64, 192))


@pytest.mark.skipif(importlib.util.find_spec("anomalib") is not None, reason="anomalib is here")
def test_without_anomalib_it_says_what_to_make() -> None:
    with pytest.raises(MissingError, match="--help"):
        import_anomalib()
