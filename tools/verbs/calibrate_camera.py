"""`glassline calibrate flatfield | scale | align | encoder`: cards and figures of a camera, from its pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from calibration.alignment import AlignmentCard, align
from calibration.camera_card import VALID_DAYS, CameraCard
from calibration.flatfield import make_flatfield, picture_of
from calibration.scale import ScaleCard, counts_per_mm, scale_from_board, scale_from_ruler
from glass_core.errors import InputError
from glass_core.pictures.datasets import images_in
from glass_core.pictures.reading import read_image
from pipeline.cameras.picture import write_png
from pipeline.config.cameras import BaslerConfig, CameraConfig
from pipeline.config.cards import load_config


def add(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the kinds beside `threshold`."""
    f = kinds.add_parser("flatfield", help="shading of a camera, from pictures of plain white and of dark")
    s = kinds.add_parser("scale", help="mm per pixel, distortion and squareness, from a board or a ruler")
    for p in (f, s):
        p.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
        p.add_argument("camera", metavar="CAMERA", help="its name there")
        p.add_argument("--out", type=Path, required=True, metavar="CARD", help="the card, JSON; its picture lies beside it")
        p.add_argument("--valid-days", type=float, default=VALID_DAYS, help=f"default: {VALID_DAYS}")
    f.add_argument("--white", type=Path, required=True, metavar="PICTURES", help="a picture, or a folder of them")
    f.add_argument("--dark", type=Path, metavar="PICTURES", help="the same with the lens covered")
    f.set_defaults(func=run_flatfield)
    s.add_argument("picture", type=Path, metavar="PICTURE")
    s.add_argument("--board", metavar="COLSxROWS", help="inner corners of the board, e.g. 9x6")
    s.add_argument("--square-mm", type=float, metavar="MM", help="side of a square")
    s.add_argument("--charuco", metavar="DICT", help="the board is a ChArUco board of this dictionary, e.g. DICT_4X4_50")
    s.add_argument(
        "--ruler", type=float, nargs=5, action="append", default=[], metavar=("X0", "Y0", "X1", "Y1", "MM"),
        help="two marks in the picture and their distance; once across the cloth, once along it",
    )  # fmt: skip
    s.set_defaults(func=run_scale)
    a = kinds.add_parser("align", help="where the right of two neighbouring cameras looks, from pictures of one mark at rest")
    a.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
    a.add_argument("left", metavar="LEFT", help="camera")
    a.add_argument("right", metavar="RIGHT", help="camera")
    a.add_argument("pictures", type=Path, nargs=2, metavar="PICTURE", help="of the left and of the right one")
    a.add_argument("--out", type=Path, required=True, metavar="CARD", help="the right one's card; its picture lies beside it")
    a.add_argument("--valid-days", type=float, default=VALID_DAYS, help=f"default: {VALID_DAYS}")
    a.add_argument("--overlap-px", type=int, default=256, metavar="PX", help="about how much both see (default: 256)")
    a.set_defaults(func=run_align)
    e = kinds.add_parser("encoder", help="counts per mm and direction, from its counts before and after a known length")
    e.add_argument("first", type=int, metavar="COUNT")
    e.add_argument("last", type=int, metavar="COUNT")
    e.add_argument("mm", type=float, metavar="MM", help="how far the cloth ran forward")
    e.add_argument("--bits", type=int, default=32, help="of the counter (default: 32)")
    e.set_defaults(func=run_encoder)
    for p in (f, s, a, e):
        p.add_argument("--json", action="store_true", help="print one JSON object")


def run_flatfield(args: argparse.Namespace) -> int:
    """Exit 0 with a card."""
    camera, serial = _camera(args.config, args.camera)
    white, dark = _rows(args.white), None if args.dark is None else _rows(args.dark)
    card = make_flatfield(white, dark, camera.name, serial, str(args.white), args.valid_days)
    words = f"light uneven by {card.unevenness:.0%} before; plain white becomes grey level {card.level:.0f}"
    return _done(args, card, picture_of(card), words, key="flatfield")


def run_scale(args: argparse.Namespace) -> int:
    """Exit 0 with a card."""
    camera, serial = _camera(args.config, args.camera)
    picture = _grey(read_image(args.picture))
    known: dict[str, Any] = {
        "line_scan": camera.rows is not None, "camera": camera.name, "serial": serial, "source": str(args.picture),
        "valid_days": args.valid_days,
    }  # fmt: skip
    drawn = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    if args.ruler:
        card = scale_from_ruler([tuple(r) for r in args.ruler], picture.shape, **known)
        for x0, y0, x1, y1, _ in args.ruler:
            cv2.line(drawn, (round(x0), round(y0)), (round(x1), round(y1)), (0, 0, 255), 2)
    else:
        card = scale_from_board(picture, _board(args.board), _square(args.square_mm), charuco=args.charuco, **known)
        drawn = _corrected(card, drawn)
    along = "not measured" if card.mm_per_px_y is None else f"{card.mm_per_px_y:.5f}"
    words = f"{card.mm_per_px_x:.5f} mm per px across the cloth, {along} along it"
    if card.residual_px is not None:
        bent = "corrected" if card.bend_x else "none to correct"
        words += f"; off square by {card.squareness_deg:+.2f} degrees, edges {card.blur_px:.1f} px wide, distortion {bent}"
        words += f", residual {card.residual_px:.2f} px"
    return _done(args, card, drawn, words, key="scale")


def run_align(args: argparse.Namespace) -> int:
    """Exit 0 with the card of the right camera."""
    left, _ = _camera(args.config, args.left)
    right, serial = _camera(args.config, args.right)
    if left.mm_per_px_x is None or left.mm_per_px_y is None:
        raise InputError(f"no scale, camera {left.name}, calibrate its scale first")
    seen, beside = (_grey(read_image(path)) for path in args.pictures)
    column, row, fit = align(seen, beside, args.overlap_px)
    card = AlignmentCard.measured(
        valid_days=args.valid_days, camera=right.name, serial=serial, source=f"{args.pictures[0]}, {args.pictures[1]}",
        width_px=beside.shape[1], neighbour=left.name, right_mm=round(column * left.mm_per_px_x, 4),
        up_mm=round(row * left.mm_per_px_y, 4), fit=round(fit, 4),
    )  # fmt: skip
    words = (
        f"{right.name}: {card.right_mm:.3f} mm to the right of {left.name}, {card.up_mm:+.3f} mm up the cloth (fit {fit:.2f})"
    )
    return _done(args, card, _together(seen, beside, round(column), round(row)), words, key="alignment")


def run_encoder(args: argparse.Namespace) -> int:
    """Exit 0 with signed counts per mm."""
    value = counts_per_mm(args.first, args.last, args.bits, args.mm)
    way = "up" if value > 0 else "down"
    _print(
        args,
        {"counts_per_mm": value},
        f"counts_per_mm: {value:.6g} (counts {way} as the cloth runs forward); write it under `motion:`",
    )
    return 0


def _together(left: np.ndarray, right: np.ndarray, column: int, row: int) -> np.ndarray:
    """Both pictures where they lie, the left one red, the right one green: what both see alike is yellow."""
    up = max(0, -row)
    drawn = np.zeros(
        (max(left.shape[0] + up, right.shape[0] + max(0, row)), max(left.shape[1], column + right.shape[1]), 3), np.uint8
    )
    drawn[up : up + left.shape[0], : left.shape[1], 2] = left
    drawn[up + row : up + row + right.shape[0], column : column + right.shape[1], 1] = right
    return drawn


def _done(args: argparse.Namespace, card: CameraCard, picture: np.ndarray, words: str, key: str) -> int:
    card.save(args.out)
    drawing = args.out.with_suffix(".png")
    try:
        write_png(drawing, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    except OSError as e:
        raise InputError(f"picture not written ({e.strerror}), {drawing}, make room") from None
    facts = {**card.model_dump(mode="json", by_alias=True), "card": str(args.out), "picture": str(drawing)}
    lines = f"card: {args.out}, picture: {drawing}\n{words}\nvalid until {card.valid_until:%Y-%m-%d}"
    _print(args, facts, f"{lines}; name it in the config as `{key}: {args.out}`")
    return 0


def _print(args: argparse.Namespace, facts: dict[str, Any], words: str) -> None:
    if args.json:
        print(json.dumps({"schema": 1, **facts}))
    else:
        print(words)


def _camera(config: Path, name: str) -> tuple[CameraConfig, str]:
    cameras = load_config(config).cameras
    for camera in cameras:
        if camera.name == name:
            return camera, camera.serial if isinstance(camera, BaslerConfig) else ""
    raise InputError(f"no such camera {name}, {config}, choose one of {', '.join(c.name for c in cameras)}")


def _grey(picture: np.ndarray) -> np.ndarray:
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def _rows(path: Path) -> np.ndarray:
    """All rows of a picture or of a folder's pictures, one under the other."""
    paths = images_in(path) if path.is_dir() else [path]
    pictures = [_grey(read_image(p)) for p in paths]
    if not pictures:
        raise InputError(f"no pictures, {path}, give a picture or a folder of them")
    if len({p.shape[1] for p in pictures}) > 1:
        raise InputError(f"pictures of different widths, {path}, give those of one camera")
    return np.concatenate(pictures)


def _board(words: str | None) -> tuple[int, int]:
    try:
        columns, rows = (int(n) for n in (words or "").lower().split("x"))
    except ValueError:
        raise InputError("board not understood, --board, give its inner corners like 9x6, or give --ruler") from None
    if min(columns, rows) < 3:
        raise InputError(f"board of {columns}x{rows} inner corners, --board, use one of at least 3x3")
    return columns, rows


def _square(square_mm: float | None) -> float:
    if square_mm is None or square_mm <= 0:
        raise InputError("no size of a square, --square-mm, measure one in mm")
    return square_mm


def _corrected(card: ScaleCard, drawn: np.ndarray) -> np.ndarray:
    """The picture as it will be seen, with a grid that straight lines should follow."""
    maps = card.maps(*drawn.shape[:2])
    if maps is not None:
        drawn = cv2.remap(drawn, *maps, cv2.INTER_LINEAR)
    step = max(16, drawn.shape[1] // 16)
    drawn[:, ::step] = (0, 0, 255)
    drawn[::step] = (0, 0, 255)
    return drawn
