"""Synthetic woven cloth as a camera: endless, the same for a seed, with known defects and their ground truth."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from pipeline.cameras.picture import write_png
from pipeline.cameras.protocol import Shot
from pipeline.cameras.synthetic.defects import BEHIND, Placed, Window, place, push, spoil
from pipeline.cameras.synthetic.yarn import BLOCK_ROWS, MARGIN_ROWS, Floats, interlace, lay
from pipeline.config.cameras import WeaveConfig
from pipeline.config.styles import Scalar

Pixels = NDArray[np.uint8]
FIBRE_ROWS = 1021
"""Rows after which the fibres' fine texture (not the yarns) comes again."""


class WeaveCamera:
    """A camera over synthetic cloth; each `next` is the next picture of the cloth."""

    self_timed = False
    noisy = False

    def __init__(self, config: WeaveConfig) -> None:
        self._config = config

    def open(self) -> dict[str, Any]:
        """The cloth's settings; InputError where defects are asked for and no scale says where they are."""
        loom(self._config)
        size = {"height": self._config.frame_rows, "width": self._config.width_px}
        return {"source": "weave", **size, **self._config.model_dump(mode="json", exclude={"source", "name"})}

    def trigger(self) -> None:
        """Nothing: the next picture is always ready."""

    def adjust(self, features: dict[str, Scalar]) -> None:
        """Nothing: drawn cloth is not exposed."""

    def switch(self, on: bool) -> None:
        """Nothing: it has no output."""

    def shots(self) -> Iterator[Shot]:
        """Pictures of `frame_rows` rows, each beginning where the one before ended."""
        rows, number = self._config.frame_rows, 0
        while self._config.frames is None or number < self._config.frames:
            pixels = render(self._config, number * rows, rows)
            yield Shot(
                pixels=pixels,
                rows=rows,
                block_id=number,
                t_mono_ns=time.monotonic_ns(),
                t_utc_ns=time.time_ns(),
                origin=f"weave#{number}",
            )
            number += 1

    def close(self) -> None:
        """Nothing to release."""


def render(config: WeaveConfig, row0: int, rows: int) -> Pixels:
    """Rows [row0, row0 + rows) of the cloth: (rows, width) uint8, the same each time."""
    return loom(config).rows(row0, rows)[0]


def ground_truth(config: WeaveConfig, row0: int, rows: int) -> tuple[Pixels, list[dict[str, Any]]]:
    """Where those rows are defective: mask (rows, width) of 0 and 255, and a label for each defect seen in them.

    A label holds the defect as configured, `in_warp` (the yarn set it lies in), `box_px` [x0, y0, x1, y1) within
    the mask, and `box_mm` on the cloth, x_offset_mm included.
    """
    marks = loom(config).rows(row0, rows)[1]
    labels = []
    for placed in (p for p in loom(config).placed if p.touches(row0, rows)):
        seen = (marks == placed.number + 1).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(seen)
        if width:
            mm_x, mm_y = config.mm_per_px_x or 0.0, config.mm_per_px_y or 0.0
            box_mm = [
                config.x_offset_mm + x * mm_x,
                (row0 + y) * mm_y,
                config.x_offset_mm + (x + width) * mm_x,
                (row0 + y + height) * mm_y,
            ]
            labels.append(
                {
                    "number": placed.number,
                    **placed.defect.model_dump(),
                    "in_warp": placed.in_warp,
                    "box_px": [x, y, x + width, y + height],
                    "box_mm": box_mm,
                }
            )
    return (marks > 0).astype(np.uint8) * np.uint8(255), labels


def write_folder(config: WeaveConfig, frames: int, out: Path) -> list[dict[str, Any]]:
    """Write pictures to OUT/frames/000000.png ..., their masks to OUT/mask/, and OUT/truth.json; the defects seen.

    The frames lie apart because pylon's emulator takes everything in a folder for a picture.
    truth.json: {"schema": 1, "config": ..., "defects": [...]}; each defect with `frames`: {frame number: box_px}.
    """
    defects: dict[int, dict[str, Any]] = {}
    try:
        for folder in ("frames", "mask"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        for number in range(frames):
            row0 = number * config.frame_rows
            write_png(out / "frames" / f"{number:06d}.png", render(config, row0, config.frame_rows))
            mask, labels = ground_truth(config, row0, config.frame_rows)
            write_png(out / "mask" / f"{number:06d}.png", mask)
            for label in labels:
                box_px, box_mm = label.pop("box_px"), label.pop("box_mm")
                known = defects.setdefault(label["number"], {**label, "box_mm": box_mm, "frames": {}})
                known["frames"][str(number)] = box_px
                known["box_mm"] = [
                    *np.minimum(known["box_mm"][:2], box_mm[:2]).tolist(),
                    *np.maximum(known["box_mm"][2:], box_mm[2:]).tolist(),
                ]
        found = list(defects.values())
        truth = {"schema": 1, "config": config.model_dump(mode="json"), "defects": found}
        with whole_file(out / "truth.json") as part:
            part.write_text(json.dumps(truth, indent=1), encoding="utf-8")
    except OSError as e:
        raise InputError(f"cloth not written: {e.strerror}, {out}, make room or name another folder") from None
    return found


@lru_cache(maxsize=4)
def loom(config: WeaveConfig) -> Loom:
    """The loom for these settings, kept while it is in use."""
    return Loom(config)


class Loom:
    """Makes the cloth of one configuration, a block at a time, and looks at it through a line-scan camera."""

    def __init__(self, config: WeaveConfig) -> None:
        self._config = config
        self._made: dict[int, tuple[Pixels, NDArray[np.int16]]] = {}
        mm_y, mm_x = config.mm_per_px_y, config.mm_per_px_x
        if config.defects and (mm_y is None or mm_x is None):
            raise InputError(f"defects without a scale, camera {config.name}, set mm_per_px_x and mm_per_px_y")
        self.placed: list[Placed] = (
            []
            if mm_y is None or mm_x is None
            else [place(number, defect, config.weave, config.seed, mm_y, mm_x) for number, defect in enumerate(config.defects)]
        )
        rng = np.random.default_rng((config.seed & 0xFFFFFFFF, 1))
        x = np.linspace(-1, 1, config.width_px, dtype=np.float32)
        gain = 1 + 0.004 * rng.standard_normal(config.width_px, np.float32)  # pixels of a line sensor differ
        self._light: Floats = gain * (1 + rng.uniform(-0.06, 0.06) * x - 0.10 * x**2)
        fibre = rng.standard_normal((FIBRE_ROWS, config.width_px), np.float32)
        self._warp_fibre: Floats = 1 + 0.085 * cv2.blur(fibre, (1, 3))
        self._weft_fibre: Floats = 1 + 0.085 * cv2.blur(fibre[:, ::-1], (3, 1))

    def rows(self, row0: int, rows: int) -> tuple[Pixels, NDArray[np.int16]]:
        """Pixels and ground truth marks of rows [row0, row0 + rows), both the receiver's own."""
        first, last = row0 // BLOCK_ROWS, (row0 + rows - 1) // BLOCK_ROWS
        blocks = [self._block(n) for n in range(first, last + 1)]
        cut = np.s_[row0 - first * BLOCK_ROWS : row0 - first * BLOCK_ROWS + rows]
        return np.concatenate([b[0] for b in blocks])[cut].copy(), np.concatenate([b[1] for b in blocks])[cut].copy()

    def _block(self, number: int) -> tuple[Pixels, NDArray[np.int16]]:
        if number not in self._made:
            while len(self._made) >= 4:  # ground truth and unaligned pictures ask for the same blocks again
                del self._made[next(iter(self._made))]
            self._made[number] = self._weave(number)
        return self._made[number]

    def _weave(self, number: int) -> tuple[Pixels, NDArray[np.int16]]:
        config, row0, rows = self._config, number * BLOCK_ROWS - MARGIN_ROWS, BLOCK_ROWS + 2 * MARGIN_ROWS
        cloth = lay(config.seed, config.width_px, row0, rows)
        windows = [Window(placed, cloth) for placed in self.placed if placed.touches(row0, rows)]
        windows = [window for window in windows if cloth.tint[window.at].size]
        for window in windows:
            push(window)
        interlace(cloth, config.weave)
        for window in windows:
            spoil(window)

        fibre = np.arange(row0, row0 + rows) % FIBRE_ROWS
        warp = cloth.warp_light * self._warp_fibre[fibre]
        weft = cloth.weft_light * self._weft_fibre[fibre]
        if windows:
            warp, weft = (
                warp + cloth.no_warp * (weft * (1 - cloth.no_weft) + BEHIND * cloth.no_weft - warp),
                weft + cloth.no_weft * (warp * (1 - cloth.no_warp) + BEHIND * cloth.no_warp - weft),
            )
        seen = np.clip(1.3 * cloth.warp_above + 0.5, 0, 1)  # 1 where the warp is on top
        seen *= warp - weft
        seen += weft
        seen *= cloth.tint
        signal = cv2.GaussianBlur(seen, (3, 3), 0.55)[MARGIN_ROWS:-MARGIN_ROWS] * (255 * self._light)
        rng = np.random.default_rng((config.seed & 0xFFFFFFFF, 2, number & 0xFFFFFFFF))
        signal += rng.standard_normal(signal.shape, np.float32) * np.sqrt(1 + 0.012 * signal)  # read-out and photon noise
        return np.clip(signal + 0.5, 0, 255).astype(np.uint8), cloth.truth[MARGIN_ROWS:-MARGIN_ROWS]
