"""The cloth's edges: found in generated cloth before any background, and in real strips whose left end is bare."""

import cv2
import numpy as np
import pytest

from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import WeaveConfig
from pipeline.grabber.selvage import PICTURES, STRIP_PX, Edges, find_cloth
from tests.shared_data import SHARED

RNG = np.random.default_rng(3)
WIDTH = 1024


def cloth(weave: str) -> np.ndarray:
    body = {"name": "c", "source": "weave", "weave": weave, "width_px": WIDTH, "frame_rows": 128, "seed": 4}
    return render(WeaveConfig.model_validate(body), 0, 128)


def background(kind: str, shape: tuple[int, int]) -> np.ndarray:
    """Dark or bright, noisy, or a table with streaks along the cloth."""
    level = {"dark": 8.0, "bright": 253.0, "table": 120.0, "like the cloth": 105.0}[kind]
    streaks = RNG.normal(0, 25, (shape[0], 1)) if kind == "table" else 0.0
    picture = level + cv2.GaussianBlur(np.full(shape, 0.0) + streaks, (1, 31), 8) + RNG.normal(0, 1.0, shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("weave", ["plain", "twill", "satin"])
@pytest.mark.parametrize("kind", ["dark", "bright", "table", "like the cloth"])
@pytest.mark.parametrize(("left", "right"), [(0, WIDTH), (203, WIDTH), (0, 700), (330, 901)])
def test_edges_are_found_to_a_strip(weave: str, kind: str, left: int, right: int) -> None:
    picture = cloth(weave)
    beside = background(kind, picture.shape)
    picture[:, :left], picture[:, right:] = beside[:, :left], beside[:, right:]
    found = find_cloth(picture)
    assert found is not None
    assert abs(found[0] - left) <= STRIP_PX and abs(found[1] - right) <= STRIP_PX
    assert find_cloth(np.repeat(picture[:, :, None], 3, axis=2)) == found


def test_no_cloth_is_none_and_a_sliver_is_none() -> None:
    assert find_cloth(background("dark", (64, 512))) is None
    assert find_cloth(np.zeros((64, 16), np.uint8)) is None
    picture = background("dark", (128, WIDTH))
    picture[:, :80] = cloth("plain")[:, :80]
    assert find_cloth(picture) is None


def test_a_hole_at_the_edge_does_not_narrow_the_cloth_and_a_wandering_edge_is_followed() -> None:
    edges = Edges(selvage_px=20)
    picture = cloth("plain")
    picture[:, :200] = background("dark", picture.shape)[:, :200]
    for _ in range(3):
        seen = edges.look(picture)
    assert seen == ((200, WIDTH), (220, WIDTH))
    torn = picture.copy()
    torn[:, 200:400] = 8
    assert edges.look(torn) == seen
    picture[:, :240] = background("dark", picture.shape)[:, :240]
    for _ in range(PICTURES):
        seen = edges.look(picture)
    assert seen == ((240, WIDTH), (260, WIDTH))


@pytest.mark.skipif(not (SHARED / "data/aitex").is_dir(), reason="the AITEX strips are not on this machine")
@pytest.mark.parametrize(
    ("fabric", "left_px"), [("f00", (1120, 1240)), ("f01", (400, 440)), ("f02", (224, 256)), ("f04", (520, 536))]
)
def test_real_strips_begin_where_the_table_ends(fabric: str, left_px: tuple[int, int]) -> None:
    """The ranges were read off the pictures by eye; the strips of a fabric lie a little differently."""
    for path in sorted((SHARED / "data/aitex" / fabric / "good").glob("*.png"))[::5]:
        found = find_cloth(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))  # type: ignore[arg-type]
        assert found is not None and left_px[0] <= found[0] <= left_px[1] and found[1] == 4096, path.name
