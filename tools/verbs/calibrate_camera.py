"""`glassline calibrate flatfield | scale | align | encoder`: cards and figures of a camera, from its pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import calibration
from calibration.camera_card import VALID_DAYS, CameraCard, Picture, picture_path
from glass_core.errors import InputError
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
    card, picture = calibration.make_flatfield(args.white, args.dark, camera.name, serial, args.valid_days)
    words = f"light uneven by {card.unevenness:.0%} before; plain white becomes grey level {card.level:.0f}"
    return _done(args, card, picture, words, key="flatfield")


def run_scale(args: argparse.Namespace) -> int:
    """Exit 0 with a card."""
    camera, serial = _camera(args.config, args.camera)
    whose = (camera.rows is not None, camera.name, serial, args.valid_days)
    if args.ruler:
        card, picture = calibration.scale_from_ruler(args.picture, [tuple(r) for r in args.ruler], *whose)
    else:
        board, square_mm = _board(args.board), _square(args.square_mm)
        card, picture = calibration.scale_from_board(args.picture, board, square_mm, *whose, args.charuco)
    along = "not measured" if card.mm_per_px_y is None else f"{card.mm_per_px_y:.5f}"
    words = f"{card.mm_per_px_x:.5f} mm per px across the cloth, {along} along it"
    if card.residual_px is not None:
        bent = "corrected" if card.bend_x else "none to correct"
        words += f"; off square by {card.squareness_deg:+.2f} degrees, edges {card.blur_px:.1f} px wide, distortion {bent}"
        words += f", residual {card.residual_px:.2f} px"
    return _done(args, card, picture, words, key="scale")


def run_align(args: argparse.Namespace) -> int:
    """Exit 0 with the card of the right camera."""
    left, _ = _camera(args.config, args.left)
    right, serial = _camera(args.config, args.right)
    scale, (seen, beside) = (left.mm_per_px_x, left.mm_per_px_y), args.pictures
    card, picture = calibration.align(seen, beside, args.overlap_px, left.name, scale, right.name, serial, args.valid_days)
    words = f"{right.name}: {card.right_mm:.3f} mm to the right of {left.name}, {card.up_mm:+.3f} mm up the cloth"
    return _done(args, card, picture, f"{words} (fit {card.fit:.2f})", key="alignment")


def run_encoder(args: argparse.Namespace) -> int:
    """Exit 0 with signed counts per mm."""
    value = calibration.counts_per_mm(args.first, args.last, args.bits, args.mm)
    way = "up" if value > 0 else "down"
    _print(
        args,
        {"counts_per_mm": value},
        f"counts_per_mm: {value:.6g} (counts {way} as the cloth runs forward); write it under `motion:`",
    )
    return 0


def _done(args: argparse.Namespace, card: CameraCard, picture: Picture, words: str, key: str) -> int:
    card.save(args.out, picture)
    drawing = picture_path(args.out)
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


def _board(words: str | None) -> tuple[int, int]:
    try:
        columns, rows = (int(n) for n in (words or "").lower().split("x"))
    except ValueError:
        raise InputError("board not understood, --board, give its inner corners like 9x6, or give --ruler") from None
    return columns, rows


def _square(square_mm: float | None) -> float:
    if square_mm is None:
        raise InputError("no size of a square, --square-mm, measure one in mm")
    return square_mm
