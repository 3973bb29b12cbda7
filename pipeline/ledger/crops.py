"""Pictures of a defect for the record: the cloth as it was, and the same place under its heat map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from glass_core.files.whole_file import whole_file
from pipeline.messages.message import Payload
from pipeline.messages.verdicts import Verdict

CONTEXT_PX = 32
SMALLEST_PX = 128
LARGEST_PX = 1024


@dataclass(frozen=True)
class Crop:
    """One place cut out of a frame, not yet encoded: pixels (h, w) or (h, w, 3) RGB, scores (h, w) in 0..1."""

    path: Path
    pixels: np.ndarray
    scores: np.ndarray

    def write(self) -> int:
        """Write the crop and its heat map, each beside its place and then renamed; bytes written, OSError if not."""
        files = {self.path: self._bgr(), map_path(self.path): self._overlay()}
        return sum(_write_png(path, picture) for path, picture in files.items())

    def _bgr(self) -> np.ndarray:
        return np.repeat(self.pixels[..., None], 3, axis=2) if self.pixels.ndim == 2 else self.pixels[..., ::-1]

    def _overlay(self) -> np.ndarray:
        heat = cv2.applyColorMap((255 * self.scores).astype(np.uint8), cv2.COLORMAP_INFERNO)
        weight = 0.7 * self.scores[..., None]
        return ((1 - weight) * self._bgr() + weight * heat).astype(np.uint8)


def crop_path(folder: Path, run_id: str, verdict: Verdict, region: int) -> Path:
    """Where the crop of a verdict's n-th region lies, under the folder of the ledger."""
    name = f"{verdict.generation}-{verdict.number}_{verdict.camera}_{verdict.seq}_{region}.png"
    return folder / "crops" / run_id / name


def map_path(crop: Path) -> Path:
    """The heat map that belongs to a crop."""
    return crop.with_name(f"{crop.stem}_map.png")


def cut_crops(folder: Path, run_id: str, verdict: Verdict, payloads: tuple[Payload, ...], most: int) -> list[Crop]:
    """The strongest regions of a DEFECT verdict that came with its cells and pixels, with some cloth around each."""
    if verdict.cells_shape is None or verdict.frame_shape is None:
        return []
    pixels = np.frombuffer(payloads[1], np.uint8).reshape(verdict.frame_shape)  # (H, W) or (H, W, 3)
    cells = np.frombuffer(payloads[0], np.float32).reshape(verdict.cells_shape)  # (rows, cols)
    left = verdict.inspect_x_px[0] if verdict.inspect_x_px else 0
    crops = []
    for i, region in enumerate(verdict.regions[:most]):
        y, x = _side(region.y0_px, region.y1_px, pixels.shape[0]), _side(region.x0_px, region.x1_px, pixels.shape[1])
        rows, cols = np.arange(y.start, y.stop) // verdict.cell_px, (np.arange(x.start, x.stop) - left) // verdict.cell_px
        scores = _scores(cells, rows, cols)
        crops.append(Crop(crop_path(folder, run_id, verdict, i), pixels[y, x].copy(), scores))
    return crops


def _scores(cells: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """The scores (h, w) of those map rows and columns: 0 outside the map, 1 where a score is not finite."""
    shown = np.clip(np.nan_to_num(cells, nan=1.0), 0, 1)
    inside = np.ix_((rows >= 0) & (rows < cells.shape[0]), (cols >= 0) & (cols < cells.shape[1]))
    scores = np.zeros((len(rows), len(cols)), np.float32)
    scores[inside] = shown[np.ix_(rows[inside[0].ravel()], cols[inside[1].ravel()])]
    return scores


def _side(start: int, end: int, limit: int) -> slice:
    length = min(max(end - start + 2 * CONTEXT_PX, SMALLEST_PX), LARGEST_PX, limit)
    first = min(max((start + end - length) // 2, 0), limit - length)
    return slice(first, first + length)


def _write_png(path: Path, picture: np.ndarray) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
    with whole_file(path) as part:
        part.write_bytes(data)
    return len(data)
