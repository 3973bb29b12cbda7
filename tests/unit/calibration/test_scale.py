"""Scale: what is measured on drawn boards and rulers is what they were drawn with, and what cannot be is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration import counts_per_mm, scale_from_board, scale_from_ruler
from calibration.scale import ScaleCard
from glass_core.errors import InputError
from tests.references import HEIGHT, WIDTH, board, picture


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def measured(drawn: np.ndarray, line_scan: bool, inner: tuple[int, int] = (11, 8), mm: float = 12.5) -> ScaleCard:
    return scale_from_board(picture(Path("board.png"), drawn), inner, mm, line_scan, "left")[0]


@pytest.mark.parametrize(("line_scan", "scale"), [(True, (0.25, 0.24)), (False, (0.25, 0.25))])
def test_scale_is_that_of_the_drawing(line_scan: bool, scale: tuple[float, float]) -> None:
    card = measured(board(scale), line_scan)
    assert card.mm_per_px_x == pytest.approx(scale[0], rel=1e-3)
    assert card.mm_per_px_y == pytest.approx(scale[1], rel=1e-3)
    assert abs(card.squareness_deg or 9) < 0.1 and (card.residual_px or 9) < 0.2
    assert card.bend_x == () and card.maps(HEIGHT, WIDTH) is None


def test_a_board_askew_has_the_same_scale_and_a_sheared_web_is_told() -> None:
    turned = measured(board(turn_deg=2.0), True)
    assert turned.mm_per_px_x == pytest.approx(0.25, rel=2e-3) and abs(turned.squareness_deg or 9) < 0.1
    sheared = measured(board(shear=0.02), True)
    assert abs(sheared.squareness_deg or 0) == pytest.approx(np.degrees(np.arctan(0.02)), abs=0.1)


@pytest.mark.parametrize("line_scan", [True, False])
def test_distortion_is_measured_and_taken_out(line_scan: bool) -> None:
    seen = board(bend=8.0)
    card = measured(seen, line_scan)
    maps = card.maps(HEIGHT, WIDTH)
    assert maps is not None and (card.residual_px or 9) < 0.5
    again = measured(cv2.remap(seen, *maps, cv2.INTER_LINEAR), line_scan)
    assert again.bend_x == () or np.abs(np.array(again.maps(HEIGHT, WIDTH)[0]) - np.arange(WIDTH)).max() < 1.5
    assert again.mm_per_px_x == pytest.approx(card.mm_per_px_x, rel=2e-3)


def test_the_picture_beside_the_card_is_seen_without_distortion_under_a_grid() -> None:
    bent = board(bend=8.0)
    card, shown = scale_from_board(picture(Path("board.png"), bent), (11, 8), 12.5, True, "left")
    maps = card.maps(HEIGHT, WIDTH)
    assert maps is not None and shown.shape == (HEIGHT, WIDTH, 3)
    grid = (shown == (0, 0, 255)).all(axis=2)
    assert grid[:, 40].all() and grid[80].all() and not grid[1:40, 1:40].any()
    straight = cv2.remap(bent, *maps, cv2.INTER_LINEAR)
    assert np.array_equal(shown[~grid][:, 0], straight[~grid]) and not np.array_equal(straight[~grid], bent[~grid])


def test_a_charuco_board_may_be_seen_in_part() -> None:
    made = cv2.aruco.CharucoBoard((11, 8), 13.0, 9.75, cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50))
    whole = made.generateImage((1100, 800))  # 100 px a square: 0.13 mm a px
    seen = picture(Path("seen.png"), cv2.GaussianBlur(whole[:, :800], (0, 0), 0.8))
    card, _ = scale_from_board(seen, (10, 7), 13.0, False, "left", charuco="DICT_4X4_50")
    assert card.method == "charuco" and card.mm_per_px_x == pytest.approx(0.13, rel=2e-3)
    with pytest.raises(InputError, match="no such ArUco dictionary"):
        scale_from_board(seen, (10, 7), 13.0, False, "left", charuco="DICT_9")
    grey = picture(Path("grey.png"), np.full((200, 200), 99, np.uint8))
    with pytest.raises(InputError, match="only 0 corners"):
        scale_from_board(grey, (10, 7), 13.0, False, "left", charuco="DICT_4X4_50")


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        (np.full((HEIGHT, WIDTH), 120, np.uint8), "no board of 11x8 inner corners found"),
        (np.full((HEIGHT, WIDTH), 255, np.uint8), "saturated"),
        (board(blur=4.0), "focus the lens"),
    ],
)
def test_pictures_without_a_usable_board_are_refused(drawn: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        measured(drawn, False)


@pytest.mark.parametrize(("inner", "mm", "words"), [((9, 2), 12.5, "9x2 inner corners"), ((11, 8), 0.0, "square of 0 mm")])
def test_boards_that_measure_nothing_are_refused(inner: tuple[int, int], mm: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        measured(board(), False, inner, mm)


def test_rulers_across_and_along() -> None:
    across, along = (10.0, 5.0, 510.0, 8.0, 100.0), (50.0, 20.0, 50.0, 420.0, 100.0)
    grey = picture(Path("ruler.png"), np.full((HEIGHT, WIDTH), 99, np.uint8))
    both, drawn = scale_from_ruler(grey, [across, along], True, "left")
    assert (both.mm_per_px_x, both.mm_per_px_y, both.width_px, both.height_px) == (0.2, 0.25, WIDTH, HEIGHT)
    red = (drawn == (0, 0, 255)).all(axis=2)
    assert red[300, 50] and red[6, 300] and not red[300, 300] and drawn.shape == (HEIGHT, WIDTH, 3)
    assert scale_from_ruler(grey, [across], True, "left")[0].mm_per_px_y is None
    for bad in ((0, 0, 300, 300, 50.0), (0, 0, 0, 300, 50.0), (0, 0, 300, 0, -1.0)):
        with pytest.raises(InputError, match="ruler"):
            scale_from_ruler(grey, [bad], True, "left")


@pytest.mark.parametrize(
    ("first", "last", "bits", "mm", "expected"),
    [(0, 1000, 32, 100.0, 10.0), (32_000, 232, 15, 100.0, 10.0), (500, -500 % 65536, 16, 100.0, -10.0)],
)
def test_counts_of_a_known_length(first: int, last: int, bits: int, mm: float, expected: float) -> None:
    assert counts_per_mm(first, last, bits, mm) == expected
    with pytest.raises(InputError, match="0 counts"):
        counts_per_mm(first, first, bits, mm)


@pytest.mark.parametrize(
    ("ruler", "days", "words"),
    [
        ((0, 20, 100, 20, 2000.0), 30, r"measured what no camera has \(mm_per_px_x: .* less than or equal to 10\)"),
        ((0, 20, 100, 20, float("nan")), 30, "lay the ruler along an axis"),
        ((float("nan"), 20, 100, 20, 9.0), 30, "give places in the picture"),
        ((0, 20, 1e12, 20, 9.0), 30, "give places in the picture"),
        ((0, 20, 100, 20, 9.0), float("inf"), "a card for inf days"),
        ((0, 20, 100, 20, 9.0), float("nan"), "a card for nan days"),
        ((0, 20, 100, 20, 9.0), 0, "a card for 0 days"),
    ],
)
def test_what_no_camera_has_is_one_line(ruler: tuple[float, float, float, float, float], days: float, words: str) -> None:
    grey = picture(Path("ruler.png"), np.full((HEIGHT, WIDTH), 99, np.uint8))
    with pytest.raises(InputError, match=rf"^[^\n]*{words}[^\n]*$"):
        scale_from_ruler(grey, [ruler], True, "left", valid_days=days)


@pytest.mark.parametrize(("bits", "mm"), [(0, 10.0), (65, 10.0), (16, float("nan")), (16, float("inf"))])
def test_a_counter_or_length_that_cannot_be_is_refused(bits: int, mm: float) -> None:
    with pytest.raises(InputError):
        counts_per_mm(0, 100, bits, mm)


def test_a_card_never_replaces_the_picture_it_was_made_from() -> None:
    grey = picture(Path("board.png"), np.full((HEIGHT, WIDTH), 99, np.uint8))
    before = Path("board.png").read_bytes()
    card, drawn = scale_from_ruler(grey, [(10.0, 5.0, 510.0, 8.0, 100.0)], True, "left")
    with pytest.raises(InputError, match="would replace the one it was made from"):
        card.save(Path("board.json"), drawn)
    assert Path("board.png").read_bytes() == before and not Path("board.json").exists()
