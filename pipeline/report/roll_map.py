"""The roll as a drawing to scale: each camera's strip at its place across, the cloth running downwards, defects and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.cloth.joining import Defect
from pipeline.grading import CutProposal
from pipeline.messages.reasons import Reason
from pipeline.report.pictures import AMBER, BLUE, GREEN, GREY, RED, svg
from pipeline.report.strips import INSPECTED, ROWS, Strip, Strips
from pipeline.report.truth import Comparison

MARKS, NUMBERED = 2000, 80
LINES, SPOTS = ("//", "xx", "\\\\", "++", "--", "||"), ("..", "oo", "**")
HATCHES = dict(zip(Reason, (*LINES, *SPOTS, *map("".join, product(LINES, SPOTS))), strict=False))
"""Each reason has its own: they are told apart on paper, too. Lines over lines would look like others of them."""


class RollMap(Strips):
    """The strips of a roll as a drawing, which counts from the roll's beginning."""

    def svg(self, numbered: Sequence[tuple[int, Defect]], comparison: Comparison | None, cut: CutProposal | None = None) -> str:
        """The drawing; marks carry the defects' numbers and lead to their cards, pieces of a cut their numbers and class."""
        if not self.strips:
            return ""
        in_place = self.place()
        strips = list(self.strips.values())
        figure = Figure(figsize=(7.0, 7.5))
        ax = figure.add_subplot()
        used: set[str] = set()
        for strip in strips:
            self._paint(ax, strip, used)
        self._truth(ax, comparison if in_place and self.in_mm else None)
        self._marks(ax, numbered[:MARKS])
        across = min(s.x[0] for s in strips), max(s.x[1] for s in strips)
        self._cut(ax, cut, across)
        ax.set_xlim(*across)
        ax.set_ylim(self.y(self.end), 0)
        ax.set_ylabel("m along the roll" if self.in_mm else "frame")
        ax.set_xlabel("mm across the cloth" if in_place else "cameras side by side, no scale known")
        if not in_place:
            ax.set_xticks([])
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.08))
        return svg(figure, "Map of the roll, cloth running downwards")

    def _paint(self, ax: Axes, strip: Strip, used: set[str]) -> None:
        (left, right), height = strip.x, self.y(self.end) / ROWS
        for row, end, kind in strip.runs():
            place = (left, height * row), right - left, height * (end - row)
            label = None if kind in used else kind if kind == INSPECTED else f"not inspected: {kind}"
            if kind == INSPECTED:
                ax.add_patch(Rectangle(*place, facecolor=GREEN, edgecolor="none", label=label))
            else:
                ax.add_patch(
                    Rectangle(*place, facecolor="#f8ecd2", edgecolor=AMBER, hatch=HATCHES[Reason(kind)], linewidth=0.8,
                              label=label)
                )  # fmt: skip
            used.add(kind)
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

    def _marks(self, ax: Axes, numbered: Sequence[tuple[int, Defect]]) -> None:
        at = [(n, d, c) for n, d in numbered if (c := self.centre(d)) is not None]
        if not at:
            return
        for _, defect, _ in at:
            if self.in_mm and defect.box_mm is not None and self._scales.get(defect.camera, (None,))[0] is not None:
                y0, y1, x0, x1 = defect.box_mm
                place = (x0, self.y(y0)), x1 - x0, (y1 - y0) / 1000
                ax.add_patch(Rectangle(*place, facecolor=RED, edgecolor=RED, alpha=0.6))
        marks = ax.scatter(
            [c[0] for *_, c in at], [c[1] for *_, c in at], s=16, marker="s", color=RED, alpha=0.75, label="defect"
        )
        marks.set_urls([f"#defect-{n}" for n, *_ in at])
        for n, _, centre in at[:NUMBERED]:
            ax.annotate(str(n), centre, (4, 3), textcoords="offset points", fontsize=7, color=RED)

    def _cut(self, ax: Axes, cut: CutProposal | None, across: tuple[float, float]) -> None:
        if cut is None:
            return
        places = sorted({at_m for p in cut.pieces for at_m in (p.from_m, p.to_m)})
        if places:  # one collection: a roll may have thousands
            ax.hlines(places, *across, color=BLUE, linewidth=0.8, linestyle=(0, (6, 3)), label="proposed cut")
        for n, p in enumerate(cut.pieces[:NUMBERED], 1):
            ax.annotate(
                f"{n}: {p.kind}", (across[1], (p.from_m + p.to_m) / 2), (4, 0), textcoords="offset points", fontsize=7,
                color=BLUE, va="center", annotation_clip=False,
            )  # fmt: skip

    def _truth(self, ax: Axes, comparison: Comparison | None) -> None:
        if comparison is None:
            return
        for fate, style in (("found", "solid"), ("missed", "dotted"), ("not inspected", "dashed")):
            own = [
                t for t, became in zip(comparison.injected, comparison.fates, strict=True)
                if became.startswith(fate) and self.start <= (t.y0_mm + t.y1_mm) / 2 < self.end
            ]  # fmt: skip
            if own:
                ax.scatter(
                    [(t.x0_mm + t.x1_mm) / 2 for t in own], [self.y((t.y0_mm + t.y1_mm) / 2) for t in own], s=110,
                    facecolors="none", edgecolors=BLUE, linestyle=style, linewidth=1.3, label=f"known defect, {fate}",
                )  # fmt: skip
