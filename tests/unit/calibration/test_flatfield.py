"""Shading: what a drawn lamp does is measured and taken out, and bad references are refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration import make_flatfield
from glass_core.errors import InputError
from tests.references import RNG, WIDTH, covered, lamp, picture


def test_shading_is_taken_out_and_dark_stays_dark(tmp_path: Path) -> None:
    white, dark = picture(tmp_path / "white.png", lamp()), picture(tmp_path / "dark.png", covered())
    card, _ = make_flatfield(white, dark, "left")
    after = card.apply(lamp())
    columns = after.mean(axis=0)
    assert np.ptp(columns) < 3.0 and abs(columns.mean() - card.level) < 1.0 and card.unevenness > 0.4
    assert card.apply(covered()).mean() < 2.5
    half = card.apply((lamp().astype(np.float32) * 0.5 + 6).astype(np.uint8))  # half the light
    assert abs(half.mean() / after.mean() - 0.5) < 0.01
    colour = np.repeat(lamp()[:, :, None], 3, axis=2)
    assert np.array_equal(card.apply(colour)[:, :, 1], card.apply(colour[:, :, 1]))


def test_a_folder_of_pictures_is_read_as_one(tmp_path: Path) -> None:
    whole = lamp(rows=200)
    picture(tmp_path / "whole.png", whole)
    (tmp_path / "parts").mkdir()
    for number, rows in enumerate((whole[:40], whole[40:])):
        picture(tmp_path / f"parts/{number}.png", np.repeat(rows[:, :, None], 3, axis=2) if number else rows)
    one, other = (make_flatfield(tmp_path / name, None, "left")[0] for name in ("whole.png", "parts"))
    assert (one.gain, one.level, one.structure) == (other.gain, other.level, other.structure)
    picture(tmp_path / "parts/2.png", whole[:, 1:])
    with pytest.raises(InputError, match="different widths"):
        make_flatfield(tmp_path / "parts", None, "left")


def test_a_card_is_saved_with_a_drawing_of_the_shading(tmp_path: Path) -> None:
    card, shown = make_flatfield(picture(tmp_path / "white.png", lamp()), picture(tmp_path / "dark.png", covered()), "left")
    card.save(tmp_path / "new/card.json", shown)
    drawn = cv2.imread(str(tmp_path / "new/card.png"))
    assert np.array_equal(drawn, shown) and drawn.shape == (256, WIDTH, 3)
    red = (drawn == (60, 60, 220)).all(axis=2)  # grey levels before: higher in the picture where the lamp is bright
    assert red[:, 256].argmax() < red[:, 4].argmax() < red[:, WIDTH - 5].argmax()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="card not written"):
        card.save(tmp_path / "file/card.json", shown)


@pytest.mark.parametrize(
    ("white", "dark", "words"),
    [
        (lamp(300), None, "saturated"),
        (lamp(20), None, "give more light"),
        (lamp(rows=10), None, "10 rows"),
        (lamp(), lamp(), "cover the lens"),
        (lamp(), covered()[:, 1:], "take both with one camera"),
        (np.where(np.arange(WIDTH) < 20, 3, lamp()).astype(np.uint8), None, "light the whole width"),
        (np.clip(lamp() * RNG.choice([0.7, 1.0], (200, WIDTH)), 0, 255).astype(np.uint8), None, "use plain white"),
    ],
)
def test_bad_references_are_refused(tmp_path: Path, white: np.ndarray, dark: np.ndarray | None, words: str) -> None:
    lit = picture(tmp_path / "white.png", white)
    covered_lens = None if dark is None else picture(tmp_path / "dark.png", dark)
    with pytest.raises(InputError, match=words):
        make_flatfield(lit, covered_lens, "left")
