"""Rolls for a simulation, as folders of pictures that two overlapping cameras play, and the defects known to be in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from glass_core.errors import InputError
from glass_core.pictures.reading import read_image
from pipeline.cameras.picture import write_png
from pipeline.cameras.synthetic.weave import ground_truth, render
from pipeline.config.cameras import WeaveConfig
from pipeline.report import Injected

OVERLAP_PX = 192
"""Both cameras see so much of the cloth between them."""
SPACING_MM = 150.0
NEAR_PX = 16
"""Marked places of a mask so near each other are one defect, as the joining holds them."""
AROUND_PX = 24
"""Contrast is held against the cloth within so much of a marked place."""
CONTRASTS = ((0.05, "under 5 %"), (0.15, "5 to 15 %"), (math.inf, "over 15 %"))
AITEX_TYPES = {
    "002": "broken end", "006": "broken yarn", "010": "broken pick", "016": "weft curling", "019": "fuzzy ball",
    "022": "cut selvage", "023": "crease", "025": "warp ball", "027": "knot", "029": "contamination", "030": "nep",
    "036": "weft crack",
}  # fmt: skip
"""The middle part of a strip's name, as the data set's authors (Silvestre-Blanes et al., 2019) list them."""
SAME_LIGHT = 0.05
"""Of the grey level: fabric 02 was recorded twice, in lights that differ by a tenth, and all its good strips in one of them."""
SEAM_PX = 24
SIZES_MM = {"missing_yarn": (20.0, 60.0), "slub": (8.0, 24.0), "hole": (3.0, 10.0), "stain": (8.0, 24.0), "float": (6.0, 20.0)}


@dataclass(frozen=True)
class Cloth:
    """What was written: each camera's name and first column, the scale, and what is in the cloth.

    The kind of what is known says its contrast, too: the strength of a generated defect, or as measured around the mask.
    """

    cameras: tuple[tuple[str, int], ...]
    width_px: int
    rows: int
    frames: int
    mm_per_px: float
    inspect_x_px: tuple[tuple[int, int] | None, ...]
    truth: tuple[Injected, ...]
    seam_mm: float
    """Where two pieces are sewn together: its middle."""

    @property
    def length_m(self) -> float:
        """Of the roll."""
        return self.frames * self.rows * self.mm_per_px / 1000

    @property
    def camera_px(self) -> int:
        """Width of one camera's pictures."""
        return _camera_px(self.width_px)

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
    labels: list[list[dict[str, Any]]] = []
    for n in track(range(frames), "weaving", console=console, transient=True):
        _write(out, n, render(config, n * rows, rows), cameras, width_px)
        labels.append(ground_truth(config, n * rows, rows)[1])
        for label in labels[n]:
            first = known.setdefault(label["number"], label)
            x0, y0, x1, y1 = zip(first["box_mm"], label["box_mm"], strict=True)
            first["box_mm"] = [min(x0), min(y0), max(x1), max(y1)]
    truth = tuple(_injected(f"{d['kind']}, strength {d['strength']:g}", d["box_mm"]) for d in known.values())
    seam_mm = _sew(out, [n for n in range(frames) if not any(labels[max(n - 1, 0) : n + 2])], cameras, rows, mm_per_px)
    return Cloth(cameras, width_px, rows, frames, mm_per_px, (None, None), truth, seam_mm)


def aitex_cloth(
    out: Path, folder: Path, mm_per_px: float, inspect_x_px: tuple[int, int], same_light: bool, console: Console
) -> Cloth:
    """The strips of one AITEX fabric end to end, good and defective in turn; the masks are the truth, the scale is assumed.

    With `same_light` defective strips of another light are left out: their cloth is more than SAME_LIGHT brighter or darker
    than that of every good strip.
    """
    good, bad = (sorted((folder / kind).glob("*.png")) for kind in ("good", "defect"))
    if not good or not bad:
        raise InputError(f"no strips, {folder}, give a folder with good/, defect/ and mask/")
    if same_light:
        levels = [grey_of(strip, inspect_x_px) for strip in good]
        low, high = min(levels) * (1 - SAME_LIGHT), max(levels) * (1 + SAME_LIGHT)
        bad = [strip for strip in bad if low <= grey_of(strip, inspect_x_px) <= high]
    if not bad:
        raise InputError(f"all defective strips are of another light, {folder}, leave --same-light out")
    strips = [p for pair in zip(bad, [*good, *[None] * len(bad)], strict=False) for p in pair if p is not None]
    height, width_px = read_image(strips[0]).shape[:2]
    cameras = _cameras(width_px)
    truth: list[Injected] = []
    for n, strip in enumerate(track(strips, "cutting strips", console=console, transient=True)):
        picture, mask = read_image(strip), folder / "mask" / strip.name
        _write(out, n, picture, cameras, width_px)
        if mask.is_file():
            what = AITEX_TYPES.get(strip.stem[5:8], "unknown type")
            for box, contrast in _marked(picture, read_image(mask)):
                kind = f"{what}, contrast {next(name for most, name in CONTRASTS if contrast < most)}"
                truth.append(_injected(kind, mm_per_px * np.add(box, (0, n * height, 0, n * height))))
    seam_mm = _sew(out, [n for n, strip in enumerate(strips) if strip in good], cameras, height, mm_per_px)
    inspect = tuple((max(inspect_x_px[0] - x, 0), min(inspect_x_px[1] - x, width_px, _camera_px(width_px))) for _, x in cameras)
    return Cloth(cameras, width_px, height, len(strips), mm_per_px, inspect, tuple(truth), seam_mm)


def grey_of(strip: Path, inspect_x_px: tuple[int, int]) -> float:
    """Mean grey level of a strip's cloth."""
    return float(read_image(strip)[:, slice(*inspect_x_px)].mean())


def _injected(kind: str, box_mm: Sequence[float] | np.ndarray) -> Injected:
    x0, y0, x1, y1 = box_mm
    return Injected(camera="", kind=kind, x0_mm=x0, x1_mm=x1, y0_mm=y0, y1_mm=y1)


def _camera_px(width_px: int) -> int:
    return (width_px + OVERLAP_PX) // 2 // 32 * 32


def _cameras(width_px: int) -> tuple[tuple[str, int], ...]:
    return ("left", 0), ("right", width_px - _camera_px(width_px))


def _write(out: Path, number: int, picture: np.ndarray, cameras: Sequence[tuple[str, int]], width_px: int) -> None:
    for name, x in cameras:
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{number:06d}.png", np.ascontiguousarray(picture[:, x : x + _camera_px(width_px)]))


def _sew(out: Path, good: Sequence[int], cameras: Sequence[tuple[str, int]], rows: int, mm_per_px: float) -> float:
    """Sews two pieces together in the middle of the middle one of the good pictures: dark, with two rows of stitches."""
    if not good:
        raise InputError("no good picture to put a seam into, the roll, give more --frames or good strips")
    number, top = good[len(good) // 2], (rows - SEAM_PX) // 2
    for name, x in cameras:
        path = out / name / f"{number:06d}.png"
        picture = read_image(path).copy()
        band = picture[top : top + SEAM_PX]
        band[...] = band * 0.45
        stitched = (np.arange(x, x + picture.shape[1]) // 8) % 2 == 0
        for row in (SEAM_PX // 3, 2 * SEAM_PX // 3):
            band[row : row + 3, stitched] = 230
        write_png(path, picture)
    return (number * rows + rows / 2) * mm_per_px


def _marked(picture: np.ndarray, mask: np.ndarray) -> list[tuple[tuple[int, int, int, int], float]]:
    """The boxes [x0, y0, x1, y1) of what is marked in a mask (H, W), and the contrast there: the step of the mean grey level
    to the cloth around, as a share of the latter."""
    plain = (mask if mask.ndim == 2 else mask.max(axis=2)) > 0
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    joined = cv2.dilate(plain.astype(np.uint8), np.ones((NEAR_PX + 1, NEAR_PX + 1), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    found = []
    for label in range(1, count):
        own = (labels == label) & plain
        x, y, w, h = cv2.boundingRect(own.astype(np.uint8))
        window = np.s_[max(y - AROUND_PX, 0) : y + h + AROUND_PX, max(x - AROUND_PX, 0) : x + w + AROUND_PX]
        around = float(grey[window][~plain[window]].mean())
        found.append(((x, y, x + w, y + h), abs(float(grey[own].mean()) - around) / max(around, 1.0)))
    return found
