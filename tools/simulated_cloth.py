"""Rolls for a simulation, as folders of pictures that two overlapping cameras play, and the defects known to be in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from glass_core.data import read_image
from glass_core.errors import InputError
from pipeline.cameras.picture import write_png
from pipeline.cameras.weave import ground_truth, render
from pipeline.config import WeaveConfig
from pipeline.report import Injected

OVERLAP_PX = 192
"""Both cameras see so much of the cloth between them."""
SPACING_MM = 150.0
NEAR_PX = 16
"""Marked places of a mask so near each other are one defect, as the joining holds them."""
SIZES_MM = {"missing_yarn": (20.0, 60.0), "slub": (8.0, 24.0), "hole": (3.0, 10.0), "stain": (8.0, 24.0), "float": (6.0, 20.0)}


@dataclass(frozen=True)
class Cloth:
    """What was written: each camera's name and first column, the scale, and what is in the cloth."""

    cameras: tuple[tuple[str, int], ...]
    width_px: int
    rows: int
    frames: int
    mm_per_px: float
    inspect_x_px: tuple[tuple[int, int] | None, ...]
    truth: tuple[Injected, ...]

    @property
    def length_m(self) -> float:
        """Of the roll."""
        return self.frames * self.rows * self.mm_per_px / 1000

    @property
    def width_mm(self) -> float:
        """That the cameras see together."""
        return self.width_px * self.mm_per_px


def weave_cloth(out: Path, frames: int, seed: int, console: Console, width_px: int = 1856, rows: int = 224) -> Cloth:
    """Generated twill with defects of every kind at drawn places, plain and weak; a third lie where both cameras look."""
    mm_per_px = 0.2
    rng = np.random.default_rng(seed)
    seam_mm = width_px / 2 * mm_per_px
    defects: list[dict[str, Any]] = []
    at_mm = SPACING_MM
    while at_mm < frames * rows * mm_per_px - SPACING_MM:
        kind = str(rng.choice(list(SIZES_MM)))
        x_mm = seam_mm + rng.uniform(-15, 15) if rng.random() < 1 / 3 else rng.uniform(40, width_px * mm_per_px - 40)
        defects.append({
            "kind": kind, "at_mm": round(float(at_mm), 2), "x_mm": round(float(x_mm), 2),
            "size_mm": round(float(rng.uniform(*SIZES_MM[kind])), 1), "strength": float(rng.choice([1.0, 0.5])),
        })  # fmt: skip
        at_mm += SPACING_MM * rng.uniform(0.7, 1.3)
    config = WeaveConfig.model_validate({
        "name": "cloth", "source": "weave", "weave": "twill", "width_px": width_px, "frame_rows": rows, "seed": seed,
        "mm_per_px_x": mm_per_px, "mm_per_px_y": mm_per_px, "defects": defects,
    })  # fmt: skip
    cameras = _cameras(width_px)
    known: dict[int, dict[str, Any]] = {}
    for n in track(range(frames), "weaving", console=console, transient=True):
        _write(out, n, render(config, n * rows, rows), cameras, width_px)
        for label in ground_truth(config, n * rows, rows)[1]:
            first = known.setdefault(label["number"], label)
            x0, y0, x1, y1 = zip(first["box_mm"], label["box_mm"], strict=True)
            first["box_mm"] = [min(x0), min(y0), max(x1), max(y1)]
    truth = tuple(_injected(d["kind"], d["strength"], *d["box_mm"]) for d in known.values())
    return Cloth(cameras, width_px, rows, frames, mm_per_px, (None, None), truth)


def aitex_cloth(out: Path, folder: Path, mm_per_px: float, inspect_x_px: tuple[int, int], console: Console) -> Cloth:
    """The strips of one AITEX fabric end to end, good and defective in turn; the masks are the truth, the scale is assumed."""
    good, bad = (sorted((folder / kind).glob("*.png")) for kind in ("good", "defect"))
    if not bad:
        raise InputError(f"no strips, {folder}, give a folder with good/, defect/ and mask/")
    strips = [p for pair in zip(bad, [*good, *[None] * len(bad)], strict=False) for p in pair if p is not None]
    height, width_px = read_image(strips[0]).shape[:2]
    cameras = _cameras(width_px)
    truth = []
    for n, strip in enumerate(track(strips, "cutting strips", console=console, transient=True)):
        _write(out, n, read_image(strip), cameras, width_px)
        mask = folder / "mask" / strip.name
        if mask.is_file():
            boxes = _marked(read_image(mask), NEAR_PX)
            truth += [_injected("marked", 1.0, *(mm_per_px * np.add(b, (0, n * height, 0, n * height)))) for b in boxes]
    inspect = tuple((max(inspect_x_px[0] - x, 0), min(inspect_x_px[1] - x, width_px, _camera_px(width_px))) for _, x in cameras)
    return Cloth(cameras, width_px, height, len(strips), mm_per_px, inspect, tuple(truth))


def _injected(kind: str, strength: float, x0: float, y0: float, x1: float, y1: float) -> Injected:
    return Injected(camera="", kind=kind, strength=strength, x0_mm=x0, x1_mm=x1, y0_mm=y0, y1_mm=y1)


def _camera_px(width_px: int) -> int:
    return (width_px + OVERLAP_PX) // 2 // 32 * 32


def _cameras(width_px: int) -> tuple[tuple[str, int], ...]:
    return ("left", 0), ("right", width_px - _camera_px(width_px))


def _write(out: Path, number: int, picture: np.ndarray, cameras: Sequence[tuple[str, int]], width_px: int) -> None:
    for name, x in cameras:
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{number:06d}.png", np.ascontiguousarray(picture[:, x : x + _camera_px(width_px)]))


def _marked(mask: np.ndarray, near_px: int) -> list[tuple[int, int, int, int]]:
    """The boxes [x0, y0, x1, y1) of what is marked in a mask (H, W)."""
    plain = (mask if mask.ndim == 2 else mask.max(axis=2)) > 0
    count, labels = cv2.connectedComponents(cv2.dilate(plain.astype(np.uint8), np.ones((near_px + 1, near_px + 1), np.uint8)))
    boxes = []
    for label in range(1, count):
        x, y, w, h = cv2.boundingRect(((labels == label) & plain).astype(np.uint8))
        boxes.append((x, y, x + w, y + h))
    return boxes
