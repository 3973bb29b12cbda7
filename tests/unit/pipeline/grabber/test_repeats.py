"""A camera that repeats its picture is found; pictures that may well come twice are not taken for that."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.cameras.protocol import Shot
from pipeline.grabber.repeats import Repeats
from pipeline.messages.frames import Frame
from pipeline.messages.states import FrameStatus
from tests.fakes import ScriptCamera, shot
from tests.unit.pipeline.grabber.test_stage import Bench

SAID = "the camera repeats its picture"


def cloth(seed: int, rows: int = 5, width: int = 300, level: int = 120) -> np.ndarray:
    """Wide but short, with a sensor's noise."""
    return (np.random.default_rng(seed).normal(level, 1.0, (rows, width))).clip(0, 255).astype(np.uint8)


def told(*pictures: np.ndarray) -> list[str]:
    repeats = Repeats()
    return [repeats.look(picture) for picture in pictures]


def test_a_picture_is_told_as_repeated_until_another_comes() -> None:
    a, b = cloth(1), cloth(2)
    assert told(a, a.copy(), a.copy(), b, a) == ["", SAID, SAID, "", ""]


@pytest.mark.parametrize("place", [(0, 0), (4, 299), (4, 0)])
def test_one_grey_level_in_one_pixel_makes_another_picture(place: tuple[int, int]) -> None:
    other = cloth(1)
    other[place] += 1
    assert told(cloth(1), other) == ["", ""]


def test_pictures_of_another_shape_are_others() -> None:
    assert told(cloth(1), cloth(1)[:4], cloth(1)[:4, :200], cloth(1)[::-1]) == ["", "", "", ""]
    colour = np.stack([cloth(1)] * 3, axis=-1)
    assert told(cloth(1), colour, colour.copy()) == ["", "", SAID]


@pytest.mark.parametrize("value", [0, 5, 31, 251, 255])
def test_where_noise_is_cut_off_pictures_may_be_alike(value: int) -> None:
    dark = np.full((40, 300), value, np.uint8)
    edge = dark.copy()
    edge[:, 150:] = 0 if value > 128 else 255
    assert told(dark, dark.copy(), edge, edge.copy()) == ["", "", "", ""]
    edge[3:, 17] = 120  # a stripe of cloth is less than one in a hundred
    assert told(edge, edge.copy()) == ["", ""]
    edge[:, 17:22] = 120
    assert told(edge, edge.copy()) == ["", SAID]


@pytest.mark.parametrize("noisy", [True, False])
def test_only_a_sensor_s_repeated_picture_is_damaged(noisy: bool) -> None:
    frozen = [Shot(cloth(3, 64, 64), 64, n, n, n) for n in range(2)]
    torn = Shot(None, 64, 2, 2, 2, error="half a buffer")
    script = [*frozen, torn, Shot(cloth(3, 64, 64), 64, 3, 3, 3), shot(4), Shot(cloth(3, 64, 64), 64, 5, 5, 5)]
    bench = Bench(ScriptCamera(script, noisy=noisy))
    damaged = [(a.seq, a.error) for a in bench.run() if a.status is FrameStatus.DAMAGED]
    assert damaged == ([(1, SAID), (2, "half a buffer"), (3, SAID)] if noisy else [(2, "half a buffer")])
    assert [f.seq for f in bench.worker.take(Frame)] == ([0, 4, 5] if noisy else [0, 1, 3, 4, 5])
