"""The roll as a drawing to scale: each camera's strip at its place across, the cloth running downwards, defects and gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, product

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
LINES, SPOTS = ("//", "xx", "\\\\", "++", "--", "||"), ("..", "oo", "**")
HATCHES = dict(zip(Reason, (*LINES, *SPOTS, *map("".join, product(LINES, SPOTS))), strict=False))
"""Each reason has its own: they are told apart on paper, too. Lines over lines would look like others of them."""


@dataclass
class Strip:
    """One camera's strip: what became of each row of the drawing, and its place across: mm, or side by side."""

    camera: str
    rows: list[str] = field(default_factory=lambda: [""] * ROWS)
    width_px: int = 0
    x: tuple[float, float] = (0.0, 1.0)


class RollMap:
    """Collects the verdicts of a roll and draws them; along in mm where known for all frames, else in frames.

    `along` is where the roll begins and ends, on the line's cloth; the drawing counts from its beginning. `scales` has the
    cameras, each with its mm per px across the cloth and its x offset in mm, where configured.
    """

    def __init__(self, along: tuple[float, float], in_mm: bool, scales: dict[str, tuple[float | None, float]]) -> None:
        self._start, self._end = along[0], max(along[1], along[0] + 1e-6)
        self._in_mm, self._scales = in_mm, scales
        self.strips = {camera: Strip(camera) for camera in scales}

    def add(self, verdict: Verdict) -> None:
        """Paint one verdict; what was not inspected is never painted over, however short it is."""
        strip = self.strips.setdefault(verdict.camera, Strip(verdict.camera))
        if verdict.frame_shape is not None:
            strip.width_px = max(strip.width_px, verdict.frame_shape[1])
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
        if not self.strips:
            return ""
        in_place = self._place()
        strips = list(self.strips.values())
        figure = Figure(figsize=(7.0, 7.5))
        ax = figure.add_subplot()
        used: set[str] = set()
        for strip in strips:
            self._paint(ax, strip, used)
        self._truth(ax, comparison if in_place and self._in_mm else None)
        self._marks(ax, numbered[:MARKS])
        ax.set_xlim(min(s.x[0] for s in strips), max(s.x[1] for s in strips))
        ax.set_ylim(self._y(self._end), 0)
        ax.set_ylabel("m along the roll" if self._in_mm else "frame")
        ax.set_xlabel("mm across the cloth" if in_place else "cameras side by side, no scale known")
        if not in_place:
            ax.set_xticks([])
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.08))
        return svg(figure, "Map of the roll, cloth running downwards")

    def _span(self, verdict: Verdict) -> tuple[float, float] | None:
        if self._in_mm:
            return None if verdict.start_mm is None or verdict.end_mm is None else (verdict.start_mm, verdict.end_mm)
        return None if verdict.seq is None else (verdict.seq, verdict.seq + 1)

    def _place(self) -> bool:
        """Give each strip its place: in mm where all scales are known, else side by side. Whether in mm."""
        widest_px = max(s.width_px for s in self.strips.values())
        in_mm = self._in_mm and widest_px > 0
        for strip in self.strips.values():
            mm_per_px, offset_mm = self._scales.get(strip.camera, (None, 0.0))
            in_mm = in_mm and mm_per_px is not None
            # Of a camera without a judged frame no width is known: it is drawn as wide as the widest.
            strip.x = offset_mm, offset_mm + (strip.width_px or widest_px) * (mm_per_px or 0.0)
        if not in_mm:
            for i, strip in enumerate(self.strips.values()):
                strip.x = i * 1.1, i * 1.1 + 1
        return in_mm

    def _row(self, along: float) -> float:
        return ROWS * (along - self._start) / (self._end - self._start)

    def _y(self, along: float) -> float:
        """A place along the cloth on the drawing's axis: m from the roll's beginning, or frames."""
        return (along - self._start) / (1000.0 if self._in_mm else 1.0)

    def _paint(self, ax: Axes, strip: Strip, used: set[str]) -> None:
        (left, right), height = strip.x, self._y(self._end) / ROWS
        row = 0
        for kind, rows in groupby(strip.rows):
            end = row + len(list(rows))
            place = (left, height * row), right - left, height * (end - row)
            label = None if kind in used else kind if kind == INSPECTED else f"not inspected: {kind}"
            if kind == INSPECTED:
                ax.add_patch(Rectangle(*place, facecolor=GREEN, edgecolor="none", label=label))
            elif kind:
                ax.add_patch(
                    Rectangle(*place, facecolor="#f8ecd2", edgecolor=AMBER, hatch=HATCHES[Reason(kind)], linewidth=0.8,
                              label=label)
                )  # fmt: skip
            used.add(kind)
            row = end
        ax.add_patch(Rectangle((left, 0), right - left, height * ROWS, fill=False, edgecolor=GREY, linewidth=0.6))
        ax.annotate(
            strip.camera,
            ((left + right) / 2, 0),
            (0, 12),
            textcoords="offset points",
            ha="center",
            weight="bold",
            parse_math=False,
        )

    def _centre(self, defect: Defect) -> tuple[float, float] | None:
        box, region, strip = defect.box_mm, defect.strongest.region, self.strips.get(defect.camera)
        if strip is None:
            return None
        if box is not None and self._in_mm:
            y = self._y((box[0] + box[1]) / 2)
            if strip.camera in self._scales and self._scales[strip.camera][0] is not None:
                return (box[2] + box[3]) / 2, y
        elif (span := self._span(defect.strongest.verdict)) is not None:
            y = self._y((span[0] + span[1]) / 2)
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
                place = (x0, self._y(y0)), x1 - x0, (y1 - y0) / 1000
                ax.add_patch(Rectangle(*place, facecolor=RED, edgecolor=RED, alpha=0.6))
        marks = ax.scatter(
            [c[0] for *_, c in at], [c[1] for *_, c in at], s=16, marker="s", color=RED, alpha=0.75, label="defect"
        )
        marks.set_urls([f"#defect-{n}" for n, *_ in at])
        for n, _, centre in at[:NUMBERED]:
            ax.annotate(str(n), centre, (4, 3), textcoords="offset points", fontsize=7, color=RED)

    def _truth(self, ax: Axes, comparison: Comparison | None) -> None:
        if comparison is None:
            return
        for fate, style in (("found", "solid"), ("missed", "dotted"), ("not inspected", "dashed")):
            own = [
                t for t, became in zip(comparison.injected, comparison.fates, strict=True)
                if became.startswith(fate) and self._start <= (t.y0_mm + t.y1_mm) / 2 < self._end
            ]  # fmt: skip
            if own:
                ax.scatter(
                    [(t.x0_mm + t.x1_mm) / 2 for t in own], [self._y((t.y0_mm + t.y1_mm) / 2) for t in own], s=110,
                    facecolors="none", edgecolors=BLUE, linestyle=style, linewidth=1.3, label=f"known defect, {fate}",
                )  # fmt: skip
