"""Shows the highest-scoring good tiles, so that a person finds the defects that hid among the good pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.pictures.anomaly_map import smooth_map
from glass_core.pictures.drawn import write_png
from glass_core.pictures.scoring import ScoreDefinition

TILES_SHOWN = 24
_COLUMNS, _SIDE_PX, _CAPTION_PX, _GAP_PX = 3, 224, 34, 8


@dataclass(frozen=True)
class Suspect:
    """A good tile with a high score: where it is (x, y: its left upper corner in picture px), how it looks."""

    key: str
    path: Path
    x_px: int
    y_px: int
    score: float
    pixels: NDArray[np.uint8]
    cells: NDArray[np.float32]
    cell_px: int


class Suspects:
    """Keeps the highest-scoring tiles of all pictures shown to it; a place that two tiles share counts once."""

    def __init__(self, definition: ScoreDefinition) -> None:
        self._definition = definition
        self._kept: list[Suspect] = []

    def add(self, key: str, path: Path, image: NDArray[np.uint8], score_map: NDArray[np.float32]) -> None:
        """Takes in a picture (H, W[, 3]) and its cell map (rows, cols); `key` is the name to exclude it by."""
        height, width = image.shape[:2]
        layout = self._definition.tiling.layout(height, width, self._definition.inspect_x_px)
        cell_px, side_px = self._definition.tiling.cell_px, self._definition.tiling.scored_px
        peaks = set()
        for y, x in layout.tiles:
            rows, cols = slice(y // cell_px, (y + side_px) // cell_px), slice(x // cell_px, (x + side_px) // cell_px)
            cells = score_map[rows, cols]
            row, col = divmod(int(cells.argmax()), cells.shape[1])
            score = float(cells[row, col])
            peak = (rows.start + row, cols.start + col)
            if peak in peaks or (len(self._kept) == TILES_SHOWN and score <= self._kept[-1].score):
                continue
            peaks.add(peak)
            left = layout.x0_px + x
            pixels = image[y : y + side_px, left : min(left + side_px, layout.x1_px)]
            self._kept.append(Suspect(key, path, left, y, score, pixels.copy(), cells.copy(), cell_px))
            self._kept = sorted(self._kept, key=lambda suspect: -suspect.score)[:TILES_SHOWN]

    @property
    def highest(self) -> Sequence[Suspect]:
        """The tiles kept, highest score first."""
        return tuple(self._kept)


def write_contact_sheet(path: Path, suspects: Sequence[Suspect]) -> None:
    """A PNG of the tiles, each beside its heat map, with rank, score, file and position; whole or not at all."""
    rows = -(-max(len(suspects), 1) // _COLUMNS)
    height, width = _SIDE_PX + _CAPTION_PX + _GAP_PX, 2 * _SIDE_PX + _GAP_PX
    sheet = np.full((rows * height + _GAP_PX, _COLUMNS * width + _GAP_PX, 3), 255, dtype=np.uint8)
    for index, suspect in enumerate(suspects):
        top, left = (index // _COLUMNS) * height + _GAP_PX, (index % _COLUMNS) * width + _GAP_PX
        sheet[top : top + _SIDE_PX, left : left + 2 * _SIDE_PX] = _tile_and_heat(suspect)
        first = f"{index + 1}.  score {suspect.score:.4f}   x {suspect.x_px} y {suspect.y_px}"
        for line, text in enumerate((first, suspect.path.name)):
            origin = (left, top + _SIDE_PX + 14 + 15 * line)
            cv2.putText(sheet, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    write_png(path, sheet)


def _tile_and_heat(suspect: Suspect) -> NDArray[np.uint8]:
    """The tile and the tile under its heat map, BGR, (side, 2 side, 3)."""
    code = cv2.COLOR_GRAY2BGR if suspect.pixels.ndim == 2 else cv2.COLOR_RGB2BGR
    tile = np.asarray(cv2.cvtColor(suspect.pixels, code), dtype=np.uint8)
    heat = smooth_map(suspect.cells, suspect.cell_px)[: tile.shape[0], : tile.shape[1]]
    warm = under_heat(tile, heat, float(heat.max()))
    sides = [cv2.resize(picture, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA) for picture in (tile, warm)]
    return np.concatenate(sides, axis=1).astype(np.uint8)


def under_heat(picture: NDArray[np.uint8], heat: NDArray[np.float32], hottest: float) -> NDArray[np.uint8]:
    """A picture (H, W, 3) BGR under its map (H, W), of which `hottest` is red."""
    levels = np.clip(heat / max(hottest, 1e-6) * 255, 0, 255).astype(np.uint8)
    colours = np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_JET))
    return np.asarray(cv2.addWeighted(picture, 0.6, colours, 0.4, 0), dtype=np.uint8)
