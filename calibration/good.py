"""Good cloth as calibration sees it: frames, and the units in which their scores are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glass_core.pictures.split import MIN_CARD_SCORES

METRE_MM = 1000.0
HIGH_SHARE = 0.1
"""Samples so high tell how the highest hang together: few enough to be high, enough of them to count."""
Unit = Literal["lane of one frame", "metre of one lane"]


@dataclass(frozen=True)
class GoodFrame:
    """The scores of one good frame, and where and how it was seen, as far as that is known."""

    lanes: NDArray[np.floating]  # (lanes,)
    camera: str = ""
    """Empty: any."""
    start_mm: float | None = None
    end_mm: float | None = None
    level: float | None = None
    texture: float | None = None
    patches: NDArray[np.floating] | None = None  # (patches,)
    """Layout.patch_scores, where the whole map is at hand."""
    learned: bool = False
    """The model was fitted on it."""
    area_m2: float | None = None
    """Of the inspected cloth in it."""

    @property
    def length_mm(self) -> float | None:
        """Along the cloth."""
        return None if self.start_mm is None or self.end_mm is None else self.end_mm - self.start_mm


@dataclass(frozen=True)
class Samples:
    """Scores by the unit that is counted: one array for each lane, or a single one where frames differ in their lanes."""

    unit: Unit
    by_lane: tuple[NDArray[np.float64], ...]
    units: int
    """Frames, or metres of the cloth."""
    dispersion: float = 1.0
    """How much more than that of independent samples the number of high ones varies."""
    area_m2: float | None = None
    """Of one unit with all its lanes, on average; None where the scale of any frame is not known."""

    @property
    def count(self) -> int:
        """Of all lanes."""
        return sum(map(len, self.by_lane))


def by_frame(frames: Sequence[GoodFrame]) -> Samples:
    """Lanes of frames, held to be independent: of pictures nobody knows the order."""
    lanes = [np.asarray(frame.lanes, dtype=np.float64) for frame in frames]
    same = len({len(scores) for scores in lanes}) == 1
    by_lane = tuple(np.stack(lanes).T) if same else (np.concatenate([np.empty(0), *lanes]),)
    areas_m2 = [frame.area_m2 for frame in frames if frame.area_m2 is not None]
    area_m2 = fmean(areas_m2) if frames and len(areas_m2) == len(frames) else None
    return Samples("lane of one frame", by_lane, len(frames), area_m2=area_m2)


def of_width(frame: GoodFrame, width_mm: float | None) -> GoodFrame:
    """The same with its area, where its length and its width are known."""
    if width_mm is None or frame.length_mm is None:
        return frame
    return replace(frame, area_m2=width_mm * frame.length_mm / 1e6)


def width_m(frames: Sequence[GoodFrame]) -> float | None:
    """What all cameras of these frames inspect across the cloth; None where the area or length of any frame is not known."""
    widths: dict[str, list[float]] = {}
    for frame in frames:
        if frame.area_m2 is None or not frame.length_mm:
            return None
        widths.setdefault(frame.camera, []).append(frame.area_m2 / frame.length_mm * METRE_MM)
    return sum(map(median, widths.values())) or None


def by_metre(frames: Sequence[GoodFrame]) -> Samples | None:
    """The highest score of each lane in each metre that every camera saw; None where lengths or lanes do not allow it.

    Frames stand in the order in which a camera took them. A metre is so much cloth not seen before, so gaps and cloth seen
    again shorten nothing. A frame at the end of a metre counts for the next one too.
    """
    metres: dict[str, list[NDArray[np.float64]]] = {}
    for camera in {frame.camera: None for frame in frames}:
        own = [frame for frame in frames if frame.camera == camera]
        if len({len(frame.lanes) for frame in own}) > 1:
            return None
        found = _metres(own)
        if found is None:
            return None
        metres[camera] = found
    units = min(map(len, metres.values()), default=0)
    if units < MIN_CARD_SCORES:
        return None
    cameras = [np.stack(each[:units]).T for each in metres.values()]  # (lanes, units) each
    cloth = np.concatenate(cameras)  # (all lanes, units)
    alike = len({len(lanes) for lanes in cameras}) == 1
    by_lane = tuple(np.concatenate(cameras, axis=1)) if alike else (cloth.ravel(),)
    return Samples("metre of one lane", by_lane, units, dispersion(cloth), width_m(frames))


def _metres(frames: Sequence[GoodFrame]) -> list[NDArray[np.float64]] | None:
    found: list[NDArray[np.float64]] = []
    seen_to_mm, length_mm, highest = -np.inf, 0.0, np.full(len(frames[0].lanes), -np.inf)
    for frame in frames:
        if frame.start_mm is None or frame.end_mm is None:
            return None
        if frame.end_mm < seen_to_mm - METRE_MM:  # another run
            seen_to_mm = -np.inf
        new_mm = frame.end_mm - max(frame.start_mm, seen_to_mm)
        if new_mm <= 0:
            continue
        seen_to_mm = frame.end_mm
        highest = np.maximum(highest, frame.lanes)  # (lanes,)
        length_mm += new_mm
        while length_mm >= METRE_MM:
            found.append(highest)
            length_mm -= METRE_MM
            highest = np.asarray(frame.lanes, dtype=np.float64) if length_mm else np.full(len(frame.lanes), -np.inf)
    return found


def dispersion(cloth: NDArray[np.float64]) -> float:
    """The variance of the number of high samples, against that of independent ones; (lanes, metres) scores in order, >= 1.

    High are the highest tenth of each lane. Lanes of one metre hang together, and so do neighbouring metres: the
    autocovariances of the number in each metre are summed until they are first no longer positive (initial positive
    sequence, Geyer 1992).
    """
    lanes, metres = cloth.shape
    high = max(1, round(HIGH_SHARE * metres))
    ranks = (-cloth).argsort(axis=1, kind="stable").argsort(axis=1)
    number = (ranks < high).sum(axis=0) - lanes * high / metres  # (metres,)
    covariances = np.correlate(number, number, "full")[metres - 1 :] / metres  # (metres,)
    alone = np.flatnonzero(covariances[1:] <= 0)
    together = covariances[1 : 1 + (alone[0] if len(alone) else metres - 1)].sum()
    share = high / metres
    return max(1.0, float((covariances[0] + 2 * together) / (lanes * share * (1 - share))))


def look(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean grey level of a picture, and its mean step from column to column, which falls when the lens goes out of focus.

    From every eighth row: what drifts is slow, and pictures are large.
    """
    some = pixels[::8].astype(np.int16)
    return float(some.mean()), float(np.abs(np.diff(some, axis=1)).mean()) if some.shape[1] > 1 else 0.0
