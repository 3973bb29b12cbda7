"""The roll to scale, before anybody draws it: each camera's strip at its place across, and what became of its rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from pipeline.cloth.joining import Defect
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict

ROWS = 720
INSPECTED = "inspected"


@dataclass
class Strip:
    """One camera's strip: what became of each row of the drawing, and its place across: mm, or side by side."""

    camera: str
    rows: list[str] = field(default_factory=lambda: [""] * ROWS)
    width_px: int = 0
    x: tuple[float, float] = (0.0, 1.0)

    def runs(self) -> Iterator[tuple[int, int, str]]:
        """First row, row after the last, and what became of them; rows that nobody told of are left out."""
        row = 0
        for kind, rows in groupby(self.rows):
            end = row + len(list(rows))
            if kind:
                yield row, end, kind
            row = end


class Strips:
    """Collects the verdicts of a roll; along in mm where known for all frames, else in frames.

    `along` is where the roll begins and ends, on the line's cloth; rows count from its beginning. `scales` has the
    cameras, each with its mm per px across the cloth and its x offset in mm, where configured.
    """

    def __init__(self, along: tuple[float, float], in_mm: bool, scales: dict[str, tuple[float | None, float]]) -> None:
        self.start, self.end = along[0], max(along[1], along[0] + 1e-6)
        self.in_mm, self._scales = in_mm, scales
        self.strips = {camera: Strip(camera) for camera in scales}

    def add(self, verdict: Verdict) -> None:
        """Paint one verdict; what was not inspected is never painted over, however short it is."""
        strip = self.strips.setdefault(verdict.camera, Strip(verdict.camera))
        if verdict.frame_shape is not None:
            strip.width_px = max(strip.width_px, verdict.frame_shape[1])
        span = self.span(verdict)
        if span is not None:
            self._fill(strip, span, INSPECTED if verdict.result is not Result.NOT_INSPECTED else str(verdict.reason))

    def lose(self, camera: str, start_mm: float, end_mm: float) -> None:
        """Paint cloth of which the record is lost."""
        self._fill(self.strips.setdefault(camera, Strip(camera)), (start_mm, end_mm), Reason.RECORD_LOST)

    def reach(self, end: float) -> None:
        """Make room for cloth up to there: the rows stand for twice as much each, until it is enough."""
        while end > self.end:
            self.end += self.end - self.start
            for strip in self.strips.values():
                pairs = zip(strip.rows[::2], strip.rows[1::2], strict=True)
                strip.rows = [_worse(a, b) for a, b in pairs] + [""] * (ROWS // 2)

    def place(self) -> bool:
        """Give each strip its place: in mm where all scales are known, else side by side. Whether in mm."""
        widest_px = max((s.width_px for s in self.strips.values()), default=0)
        in_mm = self.in_mm and widest_px > 0
        for strip in self.strips.values():
            mm_per_px, offset_mm = self._scales.get(strip.camera, (None, 0.0))
            in_mm = in_mm and mm_per_px is not None
            # Of a camera without a judged frame no width is known: it is drawn as wide as the widest.
            strip.x = offset_mm, offset_mm + (strip.width_px or widest_px) * (mm_per_px or 0.0)
        if not in_mm:
            for i, strip in enumerate(self.strips.values()):
                strip.x = i * 1.1, i * 1.1 + 1
        return in_mm

    def span(self, verdict: Verdict) -> tuple[float, float] | None:
        """From where to where along the roll a verdict speaks; null: that is not known."""
        if self.in_mm:
            return None if verdict.start_mm is None or verdict.end_mm is None else (verdict.start_mm, verdict.end_mm)
        return None if verdict.seq is None else (verdict.seq, verdict.seq + 1)

    def y(self, along: float) -> float:
        """A place along the cloth as people read it: m from the roll's beginning, or frames."""
        return (along - self.start) / (1000.0 if self.in_mm else 1.0)

    def centre(self, defect: Defect) -> tuple[float, float] | None:
        """The middle of a defect, across and along, once the strips have their places; null: it is not known."""
        box, region, strip = defect.box_mm, defect.strongest.region, self.strips.get(defect.camera)
        if strip is None:
            return None
        if box is not None and self.in_mm:
            y = self.y((box[0] + box[1]) / 2)
            if strip.camera in self._scales and self._scales[strip.camera][0] is not None:
                return (box[2] + box[3]) / 2, y
        elif (span := self.span(defect.strongest.verdict)) is not None:
            y = self.y((span[0] + span[1]) / 2)
        else:
            return None
        share = (region.x0_px + region.x1_px) / 2 / max(strip.width_px, 1)
        return strip.x[0] + share * (strip.x[1] - strip.x[0]), y

    def _fill(self, strip: Strip, span: tuple[float, float], kind: str) -> None:
        first = min(int(self._row(span[0])), ROWS - 1)
        last = max(math.ceil(self._row(span[1]) - 1e-6), first + 1)
        for row in range(max(first, 0), min(last, ROWS)):
            if kind != INSPECTED or not strip.rows[row]:
                strip.rows[row] = kind

    def _row(self, along: float) -> float:
        return ROWS * (along - self.start) / (self.end - self.start)


def _worse(one: str, other: str) -> str:
    """What is told of two rows that become one."""
    return next((kind for kind in (one, other) if kind not in ("", INSPECTED)), one or other)
