"""Cards of a camera: what is measured on drawn boards and lamps is what they were drawn with, and what cannot be is refused."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from calibration.alignment import AlignmentCard, align
from calibration.flatfield import FlatfieldCard, make_flatfield
from calibration.scale import ScaleCard, counts_per_mm, scale_from_board, scale_from_ruler
from glass_core.errors import InputError
from pipeline.cameras import make_camera
from pipeline.cameras.picture import write_png
from pipeline.config.cards import load_config
from tools.cli import main

RNG = np.random.default_rng(5)
WHO: dict[str, Any] = {"camera": "left", "serial": "", "source": "test", "valid_days": 30.0}
WIDTH, HEIGHT = 640, 480


def lamp(level: float = 180.0, rows: int = 200) -> np.ndarray:
    """Rows of plain white under a lamp that is brightest left of the middle, pixels of unlike gain, noise."""
    x = np.linspace(-1, 1, WIDTH)
    column = level * (1 - 0.35 * (x + 0.2) ** 2) * (1 + 0.02 * np.sin(np.arange(WIDTH)))
    return np.clip(column + 12 + RNG.normal(0, 1.5, (rows, WIDTH)), 0, 255).astype(np.uint8)


def covered() -> np.ndarray:
    return np.clip(12 + RNG.normal(0, 1.5, (100, WIDTH)), 0, 255).astype(np.uint8)


def test_shading_is_taken_out_and_dark_stays_dark() -> None:
    card = make_flatfield(lamp(), covered(), **WHO)
    after = card.apply(lamp())
    columns = after.mean(axis=0)
    assert np.ptp(columns) < 3.0 and abs(columns.mean() - card.level) < 1.0 and card.unevenness > 0.4
    assert card.apply(covered()).mean() < 2.5
    half = card.apply((lamp().astype(np.float32) * 0.5 + 6).astype(np.uint8))  # half the light
    assert abs(half.mean() / after.mean() - 0.5) < 0.01
    colour = np.repeat(lamp()[:, :, None], 3, axis=2)
    assert np.array_equal(card.apply(colour)[:, :, 1], card.apply(colour[:, :, 1]))


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
def test_bad_references_are_refused(white: np.ndarray, dark: np.ndarray | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_flatfield(white, dark, **WHO)


def board(
    mm_per_px: tuple[float, float] = (0.25, 0.25),
    bend: float = 0.0,
    blur: float = 0.8,
    turn_deg: float = 0.0,
    shear: float = 0.0,
) -> np.ndarray:
    """A board of 12x9 squares of 12.5 mm as a camera sees it; `bend`: columns are pushed by up to 0.4 of it between
    the middle and the edges."""
    fine = 2  # drawn so much finer, then averaged, as a sensor does
    v, u = (np.mgrid[0 : HEIGHT * fine, 0 : WIDTH * fine] + 0.5) / fine - 0.5
    n = u / (WIDTH / 2) - 1
    straight = u - bend * n**3 + bend * n
    x, y = straight * mm_per_px[0] - 4 + shear * v * mm_per_px[1], v * mm_per_px[1] - 4
    a = np.deg2rad(turn_deg)
    x, y = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    inside = (x >= 0) & (y >= 0) & (x < 12 * 12.5) & (y < 9 * 12.5)
    dark = inside & ((x // 12.5 + y // 12.5) % 2 == 0)
    drawn = np.where(dark, 40, 200).astype(np.float32).reshape(HEIGHT, fine, WIDTH, fine).mean(axis=(1, 3))
    return cv2.GaussianBlur(drawn, (0, 0), blur).round().astype(np.uint8)


@pytest.mark.parametrize(("line_scan", "scale"), [(True, (0.25, 0.24)), (False, (0.25, 0.25))])
def test_scale_is_that_of_the_drawing(line_scan: bool, scale: tuple[float, float]) -> None:
    card = scale_from_board(board(scale), (11, 8), 12.5, line_scan, **WHO)
    assert card.mm_per_px_x == pytest.approx(scale[0], rel=1e-3)
    assert card.mm_per_px_y == pytest.approx(scale[1], rel=1e-3)
    assert abs(card.squareness_deg or 9) < 0.1 and (card.residual_px or 9) < 0.2
    assert card.bend_x == () and card.maps(HEIGHT, WIDTH) is None


def test_a_board_askew_has_the_same_scale_and_a_sheared_web_is_told() -> None:
    turned = scale_from_board(board(turn_deg=2.0), (11, 8), 12.5, True, **WHO)
    assert turned.mm_per_px_x == pytest.approx(0.25, rel=2e-3) and abs(turned.squareness_deg or 9) < 0.1
    sheared = scale_from_board(board(shear=0.02), (11, 8), 12.5, True, **WHO)
    assert abs(sheared.squareness_deg or 0) == pytest.approx(np.degrees(np.arctan(0.02)), abs=0.1)


@pytest.mark.parametrize("line_scan", [True, False])
def test_distortion_is_measured_and_taken_out(line_scan: bool) -> None:
    seen = board(bend=8.0)
    card = scale_from_board(seen, (11, 8), 12.5, line_scan, **WHO)
    maps = card.maps(HEIGHT, WIDTH)
    assert maps is not None and (card.residual_px or 9) < 0.5
    again = scale_from_board(cv2.remap(seen, *maps, cv2.INTER_LINEAR), (11, 8), 12.5, line_scan, **WHO)
    assert again.bend_x == () or np.abs(np.array(again.maps(HEIGHT, WIDTH)[0]) - np.arange(WIDTH)).max() < 1.5  # type: ignore[index]
    assert again.mm_per_px_x == pytest.approx(card.mm_per_px_x, rel=2e-3)


def test_a_charuco_board_may_be_seen_in_part() -> None:
    made = cv2.aruco.CharucoBoard((11, 8), 13.0, 9.75, cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50))
    whole = made.generateImage((1100, 800))  # 100 px a square: 0.13 mm a px
    card = scale_from_board(cv2.GaussianBlur(whole[:, :800], (0, 0), 0.8), (10, 7), 13.0, False, charuco="DICT_4X4_50", **WHO)
    assert card.method == "charuco" and card.mm_per_px_x == pytest.approx(0.13, rel=2e-3)
    with pytest.raises(InputError, match="no such ArUco dictionary"):
        scale_from_board(whole, (10, 7), 13.0, False, charuco="DICT_9", **WHO)
    with pytest.raises(InputError, match="only 0 corners"):
        scale_from_board(np.full((200, 200), 99, np.uint8), (10, 7), 13.0, False, charuco="DICT_4X4_50", **WHO)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.full((HEIGHT, WIDTH), 120, np.uint8), "no board of 11x8 inner corners found"),
        (np.full((HEIGHT, WIDTH), 255, np.uint8), "saturated"),
        (board(blur=4.0), "focus the lens"),
    ],
)
def test_pictures_without_a_usable_board_are_refused(picture: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        scale_from_board(picture, (11, 8), 12.5, False, **WHO)


def test_rulers_across_and_along() -> None:
    both = scale_from_ruler([(10, 5, 510, 8, 100.0), (50, 20, 50, 420, 100.0)], (HEIGHT, WIDTH), True, **WHO)
    assert (both.mm_per_px_x, both.mm_per_px_y) == (0.2, 0.25)
    assert scale_from_ruler([(10, 5, 510, 8, 100.0)], (HEIGHT, WIDTH), True, **WHO).mm_per_px_y is None
    for bad in ([(0, 0, 300, 300, 50.0)], [(0, 0, 0, 300, 50.0)], [(0, 0, 300, 0, -1.0)]):
        with pytest.raises(InputError, match="ruler"):
            scale_from_ruler(bad, (HEIGHT, WIDTH), True, **WHO)


@pytest.mark.parametrize(
    ("first", "last", "bits", "mm", "expected"),
    [(0, 1000, 32, 100.0, 10.0), (32_000, 232, 15, 100.0, 10.0), (500, -500 % 65536, 16, 100.0, -10.0)],
)
def test_counts_of_a_known_length(first: int, last: int, bits: int, mm: float, expected: float) -> None:
    assert counts_per_mm(first, last, bits, mm) == expected
    with pytest.raises(InputError, match="0 counts"):
        counts_per_mm(first, first, bits, mm)


def test_neighbours_are_aligned_by_a_mark_and_not_by_cloth_that_repeats() -> None:
    cloth = cv2.GaussianBlur(RNG.integers(0, 255, (120, 900)).astype(np.uint8), (0, 0), 2.0)
    column, row, fit = align(cloth[10:110, :500], cloth[5:105, 420:900], overlap_px=90)
    assert (column, row) == (pytest.approx(420, abs=0.2), pytest.approx(-5, abs=0.2)) and fit > 0.9
    yarn = (128 + 100 * np.sin(np.arange(900) * 2 * np.pi / 8)).astype(np.uint8)[None].repeat(120, axis=0)
    with pytest.raises(InputError, match="several places"):
        align(yarn[:, :500], yarn[:, 420:], overlap_px=90)


LINE = """
cameras:
  - {name: left, source: replay, path: %s, flatfield: %s, lamp: {columns_px: [0, 8]}}
"""


def test_cards_are_checked_when_a_line_is_read(tmp_path: Path) -> None:
    path, config = tmp_path / "left.json", tmp_path / "line.yaml"
    config.write_text(LINE % (tmp_path, path))
    card = make_flatfield(lamp(), None, **WHO)
    card.save(path)
    read = load_config(config).cameras[0]
    assert read.flatfield_sha == card.sha and read.lamp is not None and read.lamp.level == card.level
    now = datetime.now(UTC)
    card.check(path, "left", "", now + timedelta(days=29))
    with pytest.raises(InputError, match=r"past its date, valid until \d{4}"):
        card.check(path, "left", "", now + timedelta(days=31))
    make_flatfield(lamp(), None, **{**WHO, "camera": "right", "serial": "4711"}).save(path)
    with pytest.raises(InputError, match=r"card of another camera, right \(4711\) instead of left"):
        load_config(config)
    bright = card.model_dump(exclude={"schema_version", "created", "sha"}, by_alias=False) | {"level": 255.0}
    FlatfieldCard.sealed(**bright).save(path)
    with pytest.raises(
        InputError, match=r"^settings that do not fit together \(level: it should be less than 255\), camera left"
    ):
        load_config(config)
    make_flatfield(lamp(), None, **WHO).save(path)
    path.write_text(path.read_text().replace('"saturated": 0', '"saturated": 1'))
    with pytest.raises(InputError, match="changed by hand"):
        load_config(config)
    path.write_text("{}")
    with pytest.raises(InputError, match="not a card of this kind"):
        load_config(config)
    path.unlink()
    with pytest.raises(InputError, match="card not readable"):
        load_config(config)


def test_the_verbs_make_cards_that_the_cameras_pictures_are_seen_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, footage = tmp_path / "line.yaml", tmp_path / "footage"
    config.write_text(f"cameras:\n  - {{name: left, source: replay, path: {footage}}}\n")
    for folder in ("footage", "white"):
        (tmp_path / folder).mkdir()
        write_png(tmp_path / folder / "0.png", lamp())
    write_png(tmp_path / "board.png", board(bend=8.0))
    shade, scale = tmp_path / "shade.json", tmp_path / "scale.json"
    where = [str(config), "left", "--json", "--out"]
    assert main(["calibrate", "flatfield", *where, str(shade), "--white", str(tmp_path / "white")]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema"] == 1 and Path(made["picture"]).is_file() and made["sha"] == FlatfieldCard.load(shade).sha
    words = [str(tmp_path / "board.png"), "--board", "11x8", "--square-mm", "12.5"]
    assert main(["calibrate", "scale", *where, str(scale), *words]) == 0
    card = ScaleCard.load(scale)
    assert json.loads(capsys.readouterr().out)["mm_per_px_x"] == card.mm_per_px_x and scale.with_suffix(".png").is_file()

    config.write_text(f"cameras:\n  - {{name: left, source: replay, path: {footage}, flatfield: {shade}, scale: {scale}}}\n")
    (entry,) = load_config(config).cameras
    assert (entry.mm_per_px_x, entry.mm_per_px_y) == (card.mm_per_px_x, card.mm_per_px_y)
    camera = make_camera(entry)
    assert camera.open()["cards"] == {"flatfield": entry.flatfield_sha, "scale": entry.scale_sha}
    (shot,) = camera.shots()
    camera.close()
    assert shot is not None and shot.pixels is not None and np.ptp(shot.pixels[:, 20:-20].mean(axis=0)) < 3.0
    write_png(footage / "0.png", lamp()[:, 1:])
    narrow = make_camera(entry)
    narrow.open()
    with pytest.raises(InputError, match="gives 639 px"):
        list(narrow.shots())
    config.write_text(config.read_text().replace("scale:", "mm_per_px_x: 1, scale:"))
    assert main(["calibrate", "scale", *where, str(scale), *words]) == 2
    assert "mm_per_px_x differs from the card's" in capsys.readouterr().err


def test_the_encoders_verb_and_its_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "encoder", "500", "64536", "100", "--bits", "16"]) == 0
    assert capsys.readouterr().out.startswith("counts_per_mm: -15")
    config = tmp_path / "line.yaml"
    config.write_text("cameras:\n  - {name: left, source: replay, path: .}\n")
    for words, expected in [
        (["scale", str(config), "left", "no.png", "--out", "x"], "unreadable picture"),
        (["scale", str(config), "middle", "no.png", "--out", "x"], "no such camera middle"),
        (["flatfield", str(config), "left", "--white", str(tmp_path), "--out", "x"], "no pictures"),
    ]:
        assert main(["calibrate", *words]) == 2
        assert expected in capsys.readouterr().err


def test_an_alignment_card_places_the_right_camera_and_stands_in_its_facts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloth = cv2.GaussianBlur(RNG.integers(0, 255, (120, 900)).astype(np.uint8), (0, 0), 2.0)
    for name, seen in (("left", cloth[10:110, :500]), ("right", cloth[5:105, 420:900])):
        (tmp_path / name).mkdir()
        write_png(tmp_path / name / "0.png", seen)
    config, path = tmp_path / "line.yaml", tmp_path / "aligned.json"
    cameras = f"""
cameras:
  - {{name: left, source: replay, path: {tmp_path}/left, mm_per_px_x: 0.2, mm_per_px_y: 0.2, x_offset_mm: 30, y_offset_mm: 7}}
  - {{name: right, source: replay, path: {tmp_path}/right, mm_per_px_x: 0.2, mm_per_px_y: 0.2}}
"""
    config.write_text(cameras)
    pictures = [str(tmp_path / name / "0.png") for name in ("left", "right")]
    words = ["calibrate", "align", str(config), "left", "right", *pictures, "--overlap-px", "90"]
    assert main([*words, "--out", str(path), "--json"]) == 0
    told, card = json.loads(capsys.readouterr().out), AlignmentCard.load(path)
    assert (told["schema"], told["sha"], Path(told["picture"]).is_file()) == (1, card.sha, True)
    assert (card.camera, card.neighbour) == ("right", "left")
    assert (card.right_mm, card.up_mm) == (pytest.approx(84, abs=0.05), pytest.approx(-1, abs=0.05))
    config.write_text(cameras[:-2] + f", alignment: {path}}}\n")
    right = load_config(config).cameras[1]
    assert (right.x_offset_mm, right.y_offset_mm) == (30 + card.right_mm, 7 + card.up_mm)
    assert right.alignment_sha == card.sha and make_camera(right).open()["cards"] == {"alignment": card.sha}
    for change, said in [
        (("{name: right,", "{name: right, x_offset_mm: 100,"), "x_offset_mm differs from the card's"),
        (("name: left", "name: other"), "no camera left before right"),
        (("name: right", "name: third"), "card of another camera, right instead of third"),
    ]:
        config.write_text((cameras[:-2] + f", alignment: {path}}}\n").replace(*change))
        with pytest.raises(InputError, match=said):
            load_config(config)


def test_every_kind_of_card_is_held_against_its_date_and_another_kind_is_none(tmp_path: Path) -> None:
    old = {**WHO, "valid_days": -1.0}
    path, config = tmp_path / "card.json", tmp_path / "line.yaml"
    aligned = {"neighbour": "x", "right_mm": 1.0, "up_mm": 0.0, "fit": 1.0, "width_px": 9}
    cards = {
        "flatfield": make_flatfield(lamp(), None, **old),
        "scale": scale_from_ruler([(10, 5, 510, 8, 100.0)], (HEIGHT, WIDTH), True, **old),
        "alignment": AlignmentCard.measured(**old, **aligned),
    }
    for kind, card in cards.items():
        card.save(path)
        config.write_text(f"cameras:\n  - {{name: left, source: replay, path: {tmp_path}, {kind}: {path}}}\n")
        with pytest.raises(InputError, match=r"card past its date, valid until .*, calibrate the camera again"):
            load_config(config)
        other = "scale" if kind == "flatfield" else "flatfield"
        config.write_text(config.read_text().replace(f"{kind}:", f"{other}:"))
        with pytest.raises(InputError, match="not a card of this kind"):
            load_config(config)


def test_a_line_that_runs_goes_on_with_its_card_past_the_date_but_not_with_another_card(tmp_path: Path) -> None:
    path, config = tmp_path / "card.json", tmp_path / "line.yaml"
    config.write_text(LINE % (tmp_path, path))
    write_png(tmp_path / "0.png", lamp())
    make_flatfield(lamp(), None, **{**WHO, "valid_days": 1e-4}).save(path)
    (entry,) = load_config(config).cameras
    old = FlatfieldCard.load(path)
    past = old.model_copy(update={"valid_until": old.created - timedelta(days=1)})
    past.model_copy(update={"sha": past.content_sha()}).save(path)
    with pytest.raises(InputError, match=r"card is another one than when the line was started, .*, start the line again"):
        make_camera(entry)
    with pytest.raises(InputError, match="card past its date"):
        load_config(config)
    make_camera(entry.model_copy(update={"flatfield_sha": past.content_sha()}))  # as one whose date came while the line ran
