"""What an evaluation looks like: how far apart the scores of good and defective pictures lie, and where the maps glow."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.evaluation.contact_sheet import under_heat
from glass_core.evaluation.scores import Scores
from glass_core.pictures.drawn import write_png
from glass_core.pictures.reading import read_image

_GOOD, _DEFECTIVE, _BLACK = (90, 160, 60), (60, 60, 210), (0, 0, 0)
_BINS, _PLOT_PX, _MARGIN_PX = 60, (300, 720), 44
_SIDE_PX, _CAPTION_PX, _GAP_PX, _VIEW_PX = 200, 20, 6, 512


def draw_map(picture: Path | NDArray[np.uint8], scores: Scores, out: Path) -> None:
    """Write a PNG of a picture, a file or (H, W[, 3]), under the map of its scores; the highest place is red.

    >>> draw_map(folder / "picture.png", load(folder / "run").score(folder / "picture.png"), folder / "map.png")
    """
    picture = read_image(picture) if isinstance(picture, Path) else picture
    colour = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR if picture.ndim == 2 else cv2.COLOR_RGB2BGR), np.uint8)
    heat = np.nan_to_num(scores.map)  # what is not inspected is cold
    write_png(out, under_heat(colour, heat, float(heat.max())))


class Panel(NamedTuple):
    """A picture (H, W[, 3]), its mask (H, W) in 0..255 where there is one, its map (H, W), and what to write below."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    pixels: NDArray[np.float32]
    caption: str


def write_histogram(path: Path, good: NDArray[np.float64], defective: NDArray[np.float64], threshold: float | None) -> None:
    """A PNG of the scores of good and defective pictures, each as shares of its own number (GLASS, figure 5)."""
    scores = np.concatenate([good, defective, [] if threshold is None else [threshold]])
    low, high = float(scores.min()), float(scores.max())
    high = high if high > low else low + 1
    height, width = _PLOT_PX
    shares = [np.histogram(part, _BINS, (low, high))[0] / max(len(part), 1) for part in (good, defective)]
    top = max(float(share.max()) for share in shares) or 1.0
    plot = np.full((height + 2 * _MARGIN_PX, width + 2 * _MARGIN_PX, 3), 255, dtype=np.uint8)
    base, step = height + _MARGIN_PX, width / _BINS
    for share, colour in zip(shares, (_GOOD, _DEFECTIVE), strict=True):
        bars = plot.copy()
        for index in np.flatnonzero(share):
            left, right = (_MARGIN_PX + round(step * (index + side)) for side in (0, 1))
            cv2.rectangle(bars, (left, base - round(height * share[index] / top)), (right - 1, base), colour, -1)
        plot = np.asarray(cv2.addWeighted(plot, 0.35, bars, 0.65, 0), dtype=np.uint8)
    cv2.line(plot, (_MARGIN_PX, base), (_MARGIN_PX + width, base), _BLACK, 1)
    _write(plot, f"good ({len(good)})", (_MARGIN_PX, 24), _GOOD)
    _write(plot, f"defective ({len(defective)})", (_MARGIN_PX + 130, 24), _DEFECTIVE)
    _write(plot, f"{low:.3f}", (_MARGIN_PX - 20, base + 20))
    _write(plot, f"{high:.3f}", (_MARGIN_PX + width - 24, base + 20))
    _write(plot, "score", (_MARGIN_PX + width // 2 - 20, base + 20))
    if threshold is not None:
        x = _MARGIN_PX + round(width * (threshold - low) / (high - low))
        cv2.line(plot, (x, _MARGIN_PX - 10), (x, base), _BLACK, 1)
        _write(plot, f"threshold {threshold:.3f}", (min(x + 4, _MARGIN_PX + width - 110), _MARGIN_PX - 2))
    write_png(path, plot)


def write_panels(path: Path, panels: Sequence[Panel]) -> None:
    """A PNG with a row for each panel: picture, mask, picture under its map (GLASS, figures 6 and 7); one scale for all.

    Of a picture larger than 512 px the part around its defect is shown, or without one that around its highest score.
    """
    peaks = [float(np.nanmax(panel.pixels)) for panel in panels if not np.isnan(panel.pixels).all()]
    rows = [_row(panel, max(peaks, default=1.0)) for panel in panels]
    half = -(-len(rows) // 2)
    columns = [np.concatenate(part) for part in (rows[:half], rows[half:]) if part]
    sheet = np.full((len(columns[0]), sum(column.shape[1] for column in columns), 3), 255, dtype=np.uint8)
    for index, column in enumerate(columns):
        sheet[: len(column), index * column.shape[1] : (index + 1) * column.shape[1]] = column
    write_png(path, sheet)


def _row(panel: Panel, hottest: float) -> NDArray[np.uint8]:
    code = cv2.COLOR_GRAY2BGR if panel.picture.ndim == 2 else cv2.COLOR_RGB2BGR
    picture = np.asarray(cv2.cvtColor(panel.picture, code), dtype=np.uint8)
    heat = np.nan_to_num(panel.pixels)
    marked = panel.mask is not None and panel.mask.any()
    shown = panel.mask if panel.mask is not None and marked else heat
    y, x = (int(v) for v in np.unravel_index(int(shown.argmax()), shown.shape))
    top, left = (min(max(at - _VIEW_PX // 2, 0), max(size - _VIEW_PX, 0)) for at, size in zip((y, x), heat.shape, strict=True))
    view = np.s_[top : top + _VIEW_PX, left : left + _VIEW_PX]
    mask = np.zeros(heat.shape, np.uint8) if panel.mask is None else panel.mask
    parts = [
        picture[view],
        np.asarray(cv2.cvtColor(mask[view], cv2.COLOR_GRAY2BGR)),
        under_heat(picture[view], heat[view], hottest),
    ]
    row = np.full((_SIDE_PX + _CAPTION_PX + _GAP_PX, 3 * (_SIDE_PX + _GAP_PX) + 3 * _GAP_PX, 3), 255, dtype=np.uint8)
    scale = _SIDE_PX / max(parts[0].shape[:2])
    size = (max(round(parts[0].shape[1] * scale), 1), max(round(parts[0].shape[0] * scale), 1))
    for index, part in enumerate(parts):
        at = _GAP_PX + index * (_SIDE_PX + _GAP_PX)
        row[: size[1], at : at + size[0]] = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    _write(row, panel.caption[:86], (_GAP_PX, _SIDE_PX + 14))
    return row


def _write(picture: NDArray[np.uint8], text: str, origin: tuple[int, int], colour: tuple[int, int, int] = _BLACK) -> None:
    cv2.putText(picture, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
