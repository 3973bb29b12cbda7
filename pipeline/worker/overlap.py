"""Whether neighbouring cameras still look where their offsets say: the cloth that both see, compared now and then."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np

from calibration.alignment import MIN_FIT, place_in
from pipeline.messages.cloth import Alignment
from pipeline.messages.domains import MAX_CAMERAS
from pipeline.messages.frames import Frame

INTERVAL_NS = 10_000_000_000
STRIPS = 32
"""Frames of each camera that wait for their neighbour's, while a comparison is due."""
MAX_PX = 256
"""Of an overlap, in each direction: more cloth would make no difference."""
SEARCH_PX = 40
MIN_PX = 48
"""Side of the patch that is looked for."""
RIVAL = 0.95
"""A weave fits itself at every repeat; the same cloth fits better still, by its yarns' irregularity."""
APART_PX = 4
MAX_RATIO = 8.0
"""Of two cameras' scales: what one sees in a px, the other sees in so many at most, or they are not compared."""


@dataclass(frozen=True)
class Strip:
    """The part of a frame that a neighbour sees too: its first pixel's place, its scale, and its pixels (h, w)."""

    x_mm: float
    y_mm: float
    mm_per_px_x: float
    mm_per_px_y: float
    pixels: np.ndarray

    @property
    def end_mm(self) -> float:
        """Where it ends along the cloth."""
        return self.y_mm + self.pixels.shape[0] * self.mm_per_px_y


@dataclass
class Pair:
    """Two neighbours."""

    due_ns: int
    strips: dict[str, deque[Strip]] = field(default_factory=dict)


class Overlaps:
    """All pairs of a line; what overlaps follows from the frames' own places, so that nothing is to be configured."""

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._number = 0
        self._last: dict[str, Frame] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}

    def look(self, frame: Frame, pixels: np.ndarray, now_ns: int) -> list[Alignment]:
        """One more frame (H, W) or (H, W, 3); what it showed of its camera's neighbours, for each pair every ten seconds."""
        if frame.start_mm is None or frame.mm_per_px_x is None or frame.mm_per_px_y is None:
            return []
        self._last[frame.camera] = frame
        if len(self._last) > MAX_CAMERAS:  # no line has so many: some of them are not its own
            self._last = {frame.camera: frame}
            self._pairs.clear()
        found = []
        for other in self._last.values():
            first, second = sorted((frame, other), key=lambda f: (f.x_offset_mm, f.camera))
            left_mm, right_mm = second.x_offset_mm, min(_right_mm(first), _right_mm(second))
            if other is frame or right_mm - left_mm < MIN_PX * frame.mm_per_px_x:
                continue
            right_mm = min(right_mm, left_mm + MAX_PX * frame.mm_per_px_x)
            pair = self._pairs.setdefault((first.camera, second.camera), Pair(now_ns))
            if now_ns < pair.due_ns:
                continue
            strip = _cut(frame, pixels, left_mm, right_mm)
            for beside in pair.strips.get(other.camera, ()):
                if min(strip.end_mm, beside.end_mm) - max(strip.y_mm, beside.y_mm) >= MIN_PX * strip.mm_per_px_y:
                    seen = (strip, beside) if first is frame else (beside, strip)
                    found.append(self._alignment(first.camera, second.camera, *seen, now_ns))
                    self._pairs[first.camera, second.camera] = Pair(now_ns + INTERVAL_NS)
                    break
            else:
                pair.strips.setdefault(frame.camera, deque(maxlen=STRIPS)).append(strip)
        return found

    def _alignment(self, left: str, right: str, a: Strip, b: Strip, now_ns: int) -> Alignment:
        apart, fit = compare(a, b)
        self._number += 1
        return Alignment(
            number=self._number - 1, generation=self._generation, left=left, right=right, place_mm=max(a.y_mm, b.y_mm),
            across_mm=None if apart is None else round(apart[0], 3), along_mm=None if apart is None else round(apart[1], 3),
            fit=round(fit, 3), t_mono_ns=now_ns,
        )  # fmt: skip


def compare(a: Strip, b: Strip) -> tuple[tuple[float, float] | None, float]:
    """How much further right and along `b` places the cloth that `a` shows too, in mm, and the fit; None where no place fits
    clearly better than others."""
    x_mm, y_mm = max(a.x_mm, b.x_mm), max(a.y_mm, b.y_mm)
    shown, searched = _from(a, x_mm, y_mm), _from(b, x_mm, y_mm)
    ratio = b.mm_per_px_x / a.mm_per_px_x, b.mm_per_px_y / a.mm_per_px_y
    if max(ratio) > MAX_RATIO or min(ratio) < 1 / MAX_RATIO:
        return None, 0.0
    if max(abs(r - 1) for r in ratio) > 1e-3:
        pixels = cv2.resize(searched.pixels, None, fx=ratio[0], fy=ratio[1], interpolation=cv2.INTER_LINEAR)
        searched = Strip(searched.x_mm, searched.y_mm, a.mm_per_px_x, a.mm_per_px_y, np.asarray(pixels, np.uint8))
    h, w = (min(MAX_PX, m, n) for m, n in zip(shown.pixels.shape, searched.pixels.shape, strict=True))
    sx, sy = min(SEARCH_PX, (w - MIN_PX) // 2), min(SEARCH_PX, (h - MIN_PX) // 2)
    if sx < 1 or sy < 1:
        return None, 0.0
    column, row, fit, rival = place_in(searched.pixels[:h, :w], shown.pixels[sy : h - sy, sx : w - sx], APART_PX)
    if fit < MIN_FIT or rival > RIVAL * fit:
        return None, fit
    across_mm = searched.x_mm - shown.x_mm + (column - sx) * a.mm_per_px_x
    return (across_mm, searched.y_mm - shown.y_mm + (row - sy) * a.mm_per_px_y), fit


def _from(strip: Strip, x_mm: float, y_mm: float) -> Strip:
    """The strip from the pixel on that lies nearest to that place."""
    column, row = round((x_mm - strip.x_mm) / strip.mm_per_px_x), round((y_mm - strip.y_mm) / strip.mm_per_px_y)
    x_mm, y_mm = strip.x_mm + column * strip.mm_per_px_x, strip.y_mm + row * strip.mm_per_px_y
    return Strip(x_mm, y_mm, strip.mm_per_px_x, strip.mm_per_px_y, strip.pixels[row:, column:])


def _cut(frame: Frame, pixels: np.ndarray, left_mm: float, right_mm: float) -> Strip:
    assert frame.start_mm is not None and frame.mm_per_px_x is not None and frame.mm_per_px_y is not None
    first, last = (round((mm - frame.x_offset_mm) / frame.mm_per_px_x) for mm in (left_mm, right_mm))
    columns = pixels[:, max(0, first) : last]
    grey = columns.copy() if columns.ndim == 2 else np.asarray(cv2.cvtColor(columns, cv2.COLOR_RGB2GRAY), np.uint8)
    x_mm = frame.x_offset_mm + max(0, first) * frame.mm_per_px_x
    return Strip(x_mm, frame.start_mm, frame.mm_per_px_x, frame.mm_per_px_y, grey)


def _right_mm(frame: Frame) -> float:
    return frame.x_offset_mm + frame.shape[1] * (frame.mm_per_px_x or 0.0)
