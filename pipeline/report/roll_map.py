"""The roll as a drawing: one strip a camera, across to the right and along downwards, defects and gaps at their place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from pipeline.joining import Defect
from pipeline.messages import Reason, Result, Verdict
from pipeline.report.truth import Comparison

HEIGHT = 720
LEFT, TOP, GAP = 76, 44, 22
STRIPS_WIDTH = 600
INSPECTED = "inspected"
MARKS = 1000


@dataclass
class Strip:
    """One camera's strip: what became of each row of the drawing, and the width of web across it."""

    camera: str
    rows: list[str]
    width_px: int
    x_mm: tuple[float, float] | None


class RollMap:
    """Collects the verdicts of a run and draws them; along in mm where known for all frames, else in frames.

    `scales` has each camera's mm per px across the web and its x offset in mm, where configured.
    """

    def __init__(self, along: tuple[float, float], in_mm: bool, scales: dict[str, tuple[float | None, float]]) -> None:
        self._start, self._end = along[0], max(along[1], along[0] + 1e-6)
        self._in_mm, self._scales = in_mm, scales
        self._strips: dict[str, Strip] = {}

    def add(self, verdict: Verdict) -> None:
        """Paint one verdict; what was not inspected is never painted over, however short it is."""
        strip = self._strips.setdefault(verdict.camera, Strip(verdict.camera, [""] * HEIGHT, 0, None))
        if verdict.frame_shape is not None:
            strip.width_px = max(strip.width_px, verdict.frame_shape[1])
            mm_per_px, offset_mm = self._scales.get(verdict.camera, (None, 0.0))
            if mm_per_px is not None:
                strip.x_mm = offset_mm, offset_mm + strip.width_px * mm_per_px
        span = self._span(verdict)
        if span is None:
            return
        first = min(int(self._y(span[0])), HEIGHT - 1)
        last = max(math.ceil(self._y(span[1]) - 1e-6), first + 1)
        judged = verdict.result is not Result.NOT_INSPECTED
        for row in range(max(first, 0), min(last, HEIGHT)):
            if not judged:
                strip.rows[row] = str(verdict.reason)
            elif not strip.rows[row]:
                strip.rows[row] = INSPECTED

    def svg(self, defects: Sequence[Defect], comparison: Comparison | None) -> str:
        """The drawing as inline SVG; marks are numbered as in the list of defects."""
        strips = sorted(self._strips.values(), key=lambda s: (s.x_mm or (math.inf,), s.camera))
        if not strips:
            return ""
        width = (STRIPS_WIDTH - GAP * (len(strips) - 1)) / len(strips)
        parts = [_patterns(), *self._axis()]
        for i, strip in enumerate(strips):
            x = LEFT + i * (width + GAP)
            parts += [*_frame(strip, x, width), *_runs(strip, x, width)]
            parts += self._truth(strip, x, width, comparison)
            own = [(n, d) for n, d in enumerate(defects[:MARKS], 1) if d.camera == strip.camera]
            parts += self._marks(own, strip, x, width)
        total_width, total_height = LEFT + STRIPS_WIDTH + 16, TOP + HEIGHT + 12
        label = "Map of the roll: one strip a camera, web running downwards"
        return (
            f'<svg class="map" viewBox="0 0 {total_width} {total_height}" role="img" aria-label="{label}">'
            f"{''.join(parts)}</svg>"
        )

    def _span(self, verdict: Verdict) -> tuple[float, float] | None:
        if self._in_mm:
            return None if verdict.start_mm is None or verdict.end_mm is None else (verdict.start_mm, verdict.end_mm)
        return None if verdict.seq is None else (verdict.seq, verdict.seq + 1)

    def _y(self, along: float) -> float:
        return HEIGHT * (along - self._start) / (self._end - self._start)

    def _axis(self) -> Iterable[str]:
        unit, scale = ("m", 1000.0) if self._in_mm else ("frame", 1.0)
        yield f'<text class="unit" x="{LEFT - 10}" y="{TOP - 8}" text-anchor="end">{unit}</text>'
        for value in ticks(self._start / scale, self._end / scale):
            y = TOP + self._y(value * scale)
            yield f'<line class="tick" x1="{LEFT - 6}" x2="{LEFT + STRIPS_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'

    def _box(self, defect: Defect, strip: Strip, width: float) -> tuple[float, float, float, float] | None:
        """Centre and size of a mark within its strip."""
        region, box = defect.strongest.region, defect.box_mm
        if box is not None and strip.x_mm is not None and self._in_mm:
            low, high = strip.x_mm
            left, right = (width * (mm - low) / (high - low) for mm in box[2:])
            above, below = self._y(box[0]), self._y(box[1])
        elif strip.width_px and (span := self._span(defect.strongest.verdict)):
            left, right = (width * px / strip.width_px for px in (region.x0_px, region.x1_px))
            above, below = map(self._y, span)
        else:
            return None
        return (left + right) / 2, (above + below) / 2, max(right - left, 5.0), max(below - above, 5.0)

    def _marks(self, defects: Sequence[tuple[int, Defect]], strip: Strip, x: float, width: float) -> Iterable[str]:
        labels: list[tuple[float, float, list[int]]] = []
        for number, defect in defects:
            box = self._box(defect, strip, width)
            if box is None:
                continue
            cx, cy, w, h = x + box[0], TOP + box[1], *box[2:]
            yield (
                f'<a href="#defect-{number}"><rect class="mark" x="{cx - w / 2:.1f}" y="{cy - h / 2:.1f}" '
                f'width="{w:.1f}" height="{h:.1f}" rx="1.5"><title>defect {number}, score '
                f"{defect.strongest.region.score:.3f}</title></rect></a>"
            )
            near = (own for lx, ly, own in labels if abs(lx - cx) < 40 and abs(ly - cy) < 12)
            if (own := next(near, None)) is not None:
                own.append(number)
            else:
                labels.append((cx + w / 2 + 9, cy + 4, [number]))
        for lx, ly, own in labels:
            yield f'<text class="number" x="{lx:.1f}" y="{ly:.1f}">{_together(own)}</text>'

    def _truth(self, strip: Strip, x: float, width: float, comparison: Comparison | None) -> Iterable[str]:
        if comparison is None or strip.x_mm is None or not self._in_mm:
            return
        low, high = strip.x_mm
        for truth, hits in zip(comparison.injected, comparison.hits, strict=True):
            if truth.camera == strip.camera:
                cx = x + width * ((truth.x0_mm + truth.x1_mm) / 2 - low) / (high - low)
                cy = TOP + self._y((truth.y0_mm + truth.y1_mm) / 2)
                kind = "found" if hits else "missed"
                yield (
                    f'<circle class="truth {kind}" cx="{cx:.1f}" cy="{cy:.1f}" r="9"><title>'
                    f"{escape(truth.kind)}, {kind}</title></circle>"
                )


def ticks(start: float, end: float, most: int = 10) -> list[float]:
    """Round numbers from `start` to `end`, a step of 1, 2 or 5 times a power of ten apart."""
    rough = (end - start) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
    first, last = math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9)
    return [round(i * step, 9) for i in range(first, last + 1)]


def _together(numbers: Sequence[int]) -> str:
    """Numbers of marks that lie together: 4, 5 and 6 are "4-6"."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def _frame(strip: Strip, x: float, width: float) -> Iterable[str]:
    yield f'<rect class="strip" x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT}"/>'
    yield f'<text class="camera" x="{x:.1f}" y="{TOP - 24}">{escape(strip.camera)}</text>'
    left, right = strip.x_mm or (0, strip.width_px)
    if right > left:
        yield f'<text x="{x:.1f}" y="{TOP - 8}">{left:g}</text>'
        unit = "mm" if strip.x_mm else "px"
        yield f'<text x="{x + width:.1f}" y="{TOP - 8}" text-anchor="end">{right:g} {unit}</text>'


def _runs(strip: Strip, x: float, width: float) -> Iterable[str]:
    """Rows of the same kind as one rectangle, so that the drawing stays small however long the roll is."""
    row = 0
    for kind, rows in groupby(strip.rows):
        height = len(list(rows))
        place = f'x="{x:.1f}" y="{TOP + row}" width="{width:.1f}" height="{height}"'
        row += height
        if kind == INSPECTED:
            yield f'<rect class="ok" {place}/>'
        elif kind:
            name = escape(kind)
            yield f'<rect class="gap" fill="url(#hatch-{name})" {place}><title>not inspected: {name}</title></rect>'
            if height >= 10:
                yield f'<text class="reason" x="{x + 6:.1f}" y="{TOP + row - height / 2 + 4:.1f}">{name}</text>'


def _patterns() -> str:
    """One hatching a reason: the angle tells them apart on paper, too."""

    def pattern(i: int, reason: str) -> str:
        return (
            f'<pattern id="hatch-{reason}" width="7" height="7" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate({25 + 35 * i % 180})"><rect width="7" height="7" class="hatch-ground"/>'
            '<line x1="0" y1="0" x2="0" y2="7" class="hatch-line"/></pattern>'
        )

    return f"<defs>{''.join(pattern(i, r) for i, r in enumerate(Reason))}</defs>"
