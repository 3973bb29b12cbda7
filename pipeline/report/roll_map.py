"""The roll as a drawing to scale: each camera's strip at its place across, the cloth running downwards, defects and gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.cloth.joining import Defect
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.report.pictures import AMBER, BLUE, GREEN, GREY, RED, svg
from pipeline.report.truth import Comparison

ROWS = 720
INSPECTED = "inspected"
MARKS, NUMBERED = 2000, 80
HATCHES = ("//", "xx", "\\\\", "..", "++", "oo", "--", "||", "**")
"""One for each reason: they are told apart on paper, too."""


@dataclass
class Strip:
    """One camera's strip: what became of each row of the drawing, and its place across: mm, or side by side."""

    camera: str
    rows: list[str] = field(default_factory=lambda: [""] * ROWS)
    width_px: int = 0
    x: tuple[float, float] | None = None


class RollMap:
    """Collects the verdicts of a roll and draws them; along in mm where known for all frames, else in frames.

    `scales` has each camera's mm per px across the cloth and its x offset in mm, where configured.
    """

    def __init__(self, along: tuple[float, float], in_mm: bool, scales: dict[str, tuple[float | None, float]]) -> None:
        self._start, self._end = along[0], max(along[1], along[0] + 1e-6)
        self._in_mm, self._scales = in_mm, scales
        self.strips: dict[str, Strip] = {}

    def add(self, verdict: Verdict) -> None:
        """Paint one verdict; what was not inspected is never painted over, however short it is."""
        strip = self.strips.setdefault(verdict.camera, Strip(verdict.camera))
        if verdict.frame_shape is not None:
            strip.width_px = max(strip.width_px, verdict.frame_shape[1])
            mm_per_px, offset_mm = self._scales.get(verdict.camera, (None, 0.0))
            if mm_per_px is not None and self._in_mm:
                strip.x = offset_mm, offset_mm + strip.width_px * mm_per_px
        span = self._span(verdict)
        if span is not None:
            self._fill(strip, span, INSPECTED if verdict.result is not Result.NOT_INSPECTED else str(verdict.reason))

    def lose(self, camera: str, start_mm: float, end_mm: float) -> None:
        """Paint cloth of which the record is lost."""
        self._fill(self.strips.setdefault(camera, Strip(camera)), (start_mm, end_mm), Reason.RECORD_LOST)

    def _fill(self, strip: Strip, span: tuple[float, float], kind: str) -> None:
        first = min(int(self._row(span[0])), ROWS - 1)
        last = max(math.ceil(self._row(span[1]) - 1e-6), first + 1)
        for row in range(max(first, 0), min(last, ROWS)):
            if kind != INSPECTED or not strip.rows[row]:
                strip.rows[row] = kind

    def svg(self, numbered: Sequence[tuple[int, Defect]], comparison: Comparison | None) -> str:
        """The drawing; marks carry the defects' numbers and lead to their cards."""
        strips = sorted(self.strips.values(), key=lambda s: (s.x or (math.inf,), s.camera))
        if not strips:
            return ""
        in_place = all(s.x is not None for s in strips)
        if not in_place:
            for i, strip in enumerate(strips):
                strip.x = i * 1.1, i * 1.1 + 1
        figure = Figure(figsize=(7.0, 7.5))
        ax = figure.add_subplot()
        used: set[str] = set()
        for strip in strips:
            self._paint(ax, strip, used)
        self._truth(ax, comparison if in_place and self._in_mm else None)
        self._marks(ax, numbered[:MARKS])
        unit = 1000.0 if self._in_mm else 1.0
        ax.set_ylim(self._end / unit, self._start / unit)
        ax.set_ylabel("m along the cloth" if self._in_mm else "frame")
        ax.set_xlabel("mm across the cloth" if in_place else "cameras side by side, no scale known")
        if not in_place:
            ax.set_xticks([])
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8, frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(0, -0.08))
        return svg(figure, "Map of the roll, cloth running downwards")

    def _span(self, verdict: Verdict) -> tuple[float, float] | None:
        if self._in_mm:
            return None if verdict.start_mm is None or verdict.end_mm is None else (verdict.start_mm, verdict.end_mm)
        return None if verdict.seq is None else (verdict.seq, verdict.seq + 1)

    def _row(self, along: float) -> float:
        return ROWS * (along - self._start) / (self._end - self._start)

    def _y(self, row: float) -> float:
        """A row of the drawing on its axis: m, or frames."""
        return (self._start + (self._end - self._start) * row / ROWS) / (1000.0 if self._in_mm else 1.0)

    def _paint(self, ax: Axes, strip: Strip, used: set[str]) -> None:
        left, right = strip.x or (0.0, 1.0)
        row = 0
        for kind, rows in groupby(strip.rows):
            end = row + len(list(rows))
            place = (left, self._y(row)), right - left, self._y(end) - self._y(row)
            label = None if kind in used else kind if kind == INSPECTED else f"not inspected: {kind}"
            if kind == INSPECTED:
                ax.add_patch(Rectangle(*place, facecolor=GREEN, edgecolor="none", label=label))
            elif kind:
                hatch = HATCHES[list(Reason).index(Reason(kind)) % len(HATCHES)]
                ax.add_patch(Rectangle(*place, facecolor="#f8ecd2", edgecolor=AMBER, hatch=hatch, linewidth=0.8, label=label))
            used.add(kind)
            row = end
        top, bottom = self._y(0), self._y(ROWS)
        ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=GREY, linewidth=0.6))
        ax.annotate(
            strip.camera,
            ((left + right) / 2, top),
            (0, 5),
            textcoords="offset points",
            ha="center",
            weight="bold",
            parse_math=False,
        )

    def _centre(self, defect: Defect) -> tuple[float, float] | None:
        box, region, strip = defect.box_mm, defect.strongest.region, self.strips.get(defect.camera)
        if strip is None or strip.x is None:
            return None
        if box is not None and self._in_mm:
            y = (box[0] + box[1]) / 2000
            if strip.camera in self._scales and self._scales[strip.camera][0] is not None:
                return (box[2] + box[3]) / 2, y
        elif (span := self._span(defect.strongest.verdict)) is not None:
            y = (span[0] + span[1]) / 2
        else:
            return None
        share = (region.x0_px + region.x1_px) / 2 / max(strip.width_px, 1)
        return strip.x[0] + share * (strip.x[1] - strip.x[0]), y

    def _marks(self, ax: Axes, numbered: Sequence[tuple[int, Defect]]) -> None:
        at = [(n, d, c) for n, d in numbered if (c := self._centre(d)) is not None]
        if not at:
            return
        for _, defect, _ in at:
            if self._in_mm and defect.box_mm is not None and self._scales.get(defect.camera, (None,))[0] is not None:
                y0, y1, x0, x1 = defect.box_mm
                ax.add_patch(Rectangle((x0, y0 / 1000), x1 - x0, (y1 - y0) / 1000, facecolor=RED, edgecolor=RED, alpha=0.6))
        marks = ax.scatter(
            [c[0] for *_, c in at], [c[1] for *_, c in at], s=16, marker="s", color=RED, alpha=0.75, label="defect"
        )
        marks.set_urls([f"#defect-{n}" for n, *_ in at])
        for n, _, centre in at[:NUMBERED]:
            ax.annotate(str(n), centre, (4, 3), textcoords="offset points", fontsize=7, color=RED)

    def _truth(self, ax: Axes, comparison: Comparison | None) -> None:
        if comparison is None:
            return
        for label, wanted, style in (("known defect, found", True, "solid"), ("known defect, missed", False, "dotted")):
            own = [t for t, hits in zip(comparison.injected, comparison.hits, strict=True) if bool(hits) is wanted]
            if own:
                ax.scatter(
                    [(t.x0_mm + t.x1_mm) / 2 for t in own], [(t.y0_mm + t.y1_mm) / 2000 for t in own], s=110,
                    facecolors="none", edgecolors=BLUE, linestyle=style, linewidth=1.3, label=label,
                )  # fmt: skip
