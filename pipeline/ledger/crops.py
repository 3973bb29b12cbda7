"""Pictures of a defect for the record: the cloth as it was, and the same place under its heat map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.cloth.joining import Defect, Sighting
from pipeline.messages.message import Payload
from pipeline.messages.verdicts import Region, Verdict

CONTEXT_PX = 32
SMALLEST_PX = 128
LARGEST_PX = 1024


@dataclass(frozen=True)
class Crop:
    """One place cut out of a frame, not yet encoded: pixels (h, w) or (h, w, 3) RGB, scores (h, w) in 0..1."""

    path: Path
    pixels: np.ndarray
    scores: np.ndarray

    def encode(self) -> dict[Path, bytes]:
        """The heat map and the crop as PNG files, in the order in which to write them: a crop on disk has its heat map."""
        return {map_path(self.path): png(under_heat(self.pixels, self.scores)), self.path: png(as_bgr(self.pixels))}


def as_bgr(pixels: np.ndarray) -> np.ndarray:
    """Grey (h, w) or RGB (h, w, 3) pixels in the order that `png` takes, (h, w, 3)."""
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels[..., ::-1]


def under_heat(pixels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """A picture under its scores (h, w) in 0..1, BGR; the colours also differ for those who see no red or green."""
    heat = cv2.applyColorMap((255 * scores).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = 0.7 * scores[..., None]
    return ((1 - weight) * as_bgr(pixels) + weight * heat).astype(np.uint8)


def crop_path(folder: Path, run_id: str, verdict: Verdict, region: int) -> Path:
    """Where the crop of a verdict's n-th region lies, under the folder of the ledger."""
    name = f"{verdict.generation}-{verdict.number}_{verdict.camera}_{verdict.seq}_{region}.png"
    return folder / "crops" / run_id / name


def crop_paths(folder: Path, run_id: str, defect: Defect) -> list[Path]:
    """Where the picture of a defect may lie: that of its strongest sighting first."""
    return [crop_path(folder, run_id, shown.verdict, shown.index) for shown in defect.pictured]


def kept_path(folder: Path, run_id: str, defect: Defect) -> Path | None:
    """The picture of a defect that is on the disk; null: none was kept."""
    return next((path for path in crop_paths(folder, run_id, defect) if path.is_file()), None)


def box_in_crop(folder: Path, run_id: str, defect: Defect, kept: Path) -> tuple[int, int, int, int]:
    """Where the defect lies in its kept picture: x0, y0, x1, y1, px."""
    shown = defect.pictured[crop_paths(folder, run_id, defect).index(kept)]
    region, shape = shown.region, shown.verdict.frame_shape
    assert shape is not None
    y, x = crop_window(region, shape)
    return (
        max(region.x0_px, x.start) - x.start, max(region.y0_px, y.start) - y.start,
        min(region.x1_px, x.stop) - x.start, min(region.y1_px, y.stop) - y.start,
    )  # fmt: skip


def map_path(crop: Path) -> Path:
    """The heat map that belongs to a crop."""
    return crop.with_name(f"{crop.stem}_map.png")


def crop_window(region: Region, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a frame (H, W, ...) that a region's crop shows."""
    return _side(region.y0_px, region.y1_px, shape[0]), _side(region.x0_px, region.x1_px, shape[1])


def cut_crop(folder: Path, run_id: str, sighting: Sighting, payloads: tuple[Payload, ...]) -> Crop:
    """The place of a sighting that has a picture, with some cloth around it; `payloads`: its verdict's cells and pixels."""
    verdict, region = sighting.verdict, sighting.region
    assert verdict.cells_shape is not None and verdict.frame_shape is not None
    pixels = np.frombuffer(payloads[1], np.uint8).reshape(verdict.frame_shape)  # (H, W) or (H, W, 3)
    cells = np.frombuffer(payloads[0], np.float32).reshape(verdict.cells_shape)  # (rows, cols)
    left = verdict.inspect_x_px[0] if verdict.inspect_x_px else 0
    y, x = crop_window(region, pixels.shape)
    rows, cols = np.arange(y.start, y.stop) // verdict.cell_px, (np.arange(x.start, x.stop) - left) // verdict.cell_px
    path = crop_path(folder, run_id, verdict, sighting.index)
    return Crop(path, pixels[y, x].copy(), _scores(cells, rows, cols))


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


def png(picture: np.ndarray) -> bytes:
    """A BGR picture as a file, made fast rather than small."""
    return cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
