"""The report's pictures, drawn by matplotlib as SVG that stands inside the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.messages.line import LineState
from pipeline.messages.states import State
from pipeline.report.sheet import RollSheet

RED, GREEN, AMBER, BLUE, GREY = "#c0332b", "#cfe3d6", "#c98a1b", "#2b62a8", "#8a8f95"
SEVERITIES = {1: "#e8b9b5", 2: "#d9807a", 3: "#c0332b", 4: "#7d1712", None: GREY}
STATES = {
    State.RUNNING: "#9fcbb0", State.READY: "#dedbd3", State.STARTING: "#dedbd3", State.STOPPED: "#b9bdc2",
    State.DEGRADED: "#e3ad4c", State.BYPASS: "#e3ad4c", State.FAULT: RED,
}  # fmt: skip
NOTHING = dict.fromkeys(("Date", "Creator", "Format", "Type"))
BINS = 60
SEGMENTS = 2000
SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "glassline", "font.family": "sans-serif", "font.size": 9.0}


def svg(figure: Figure, label: str) -> str:
    """The drawing as an element of a page, the same for the same content."""
    out = io.StringIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(out, format="svg", bbox_inches="tight", metadata=NOTHING)
    text = out.getvalue()
    return text[text.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{label}" class="picture" ', 1)


def histogram(roll: RollSheet) -> str:
    """Defects along the roll by severity, and the stretches that were not inspected; empty without lengths."""
    if roll.start_mm is None or roll.end_mm is None:
        return ""
    length_m = max((roll.end_mm - roll.start_mm) / 1000, 1e-6)
    figure, ax = _axes(9.0, 2.0)
    for unseen in roll.not_inspected:
        ax.axvspan(unseen.from_m, unseen.to_m, color=AMBER, alpha=0.35, linewidth=0.8)
    classes = [s for s in SEVERITIES if any(d.severity == s and d.at_m is not None for d in roll.defects)]
    if classes:
        at_m = [[d.at_m for d in roll.defects if d.severity == s and d.at_m is not None] for s in classes]
        names = ["unknown" if s is None else f"severity {s}" for s in classes]
        colours = [SEVERITIES[s] for s in classes]
        ax.hist(at_m, bins=BINS, range=(0, length_m), stacked=True, color=colours, label=names)
        ax.legend(fontsize=8, frameon=False, ncols=len(classes), loc="lower right", bbox_to_anchor=(1, 1))
    ax.set_xlim(0, length_m)
    ax.set_xlabel("m along the roll")
    ax.set_ylabel("defects")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return svg(figure, "Defects along the roll")


def timeline(states: Sequence[LineState], end_utc_ns: int) -> str:
    """Each state from its message to the next, the last to `end_utc_ns`, and inspection not ok; empty without states."""
    if not states:
        return ""
    shown = states[-SEGMENTS:]
    start_s = shown[0].t_utc_ns / 1e9
    ends = [s.t_utc_ns / 1e9 for s in shown[1:]] + [max(end_utc_ns, shown[-1].t_utc_ns + 1) / 1e9]
    figure, ax = _axes(9.0, 0.9)
    seen: set[State] = set()
    for state, end_s in zip(shown, ends, strict=True):
        span = (state.t_utc_ns / 1e9 - start_s, end_s - state.t_utc_ns / 1e9)
        label = None if state.state in seen else str(state.state)
        seen.add(state.state)
        ax.broken_barh([span], (0.25, 0.75), color=STATES[state.state], label=label, linewidth=0.4)
        if not state.inspection_ok:
            ax.broken_barh([span], (0, 0.18), color=RED, linewidth=0.4)
    ax.set_xlim(0, max(ends[-1] - start_s, 1e-3))
    ax.set_yticks([])
    ax.set_xlabel(f"s after {clock(shown[0].t_utc_ns)} UTC")
    ax.legend(fontsize=8, frameon=False, ncols=len(seen), loc="lower right", bbox_to_anchor=(1, 1))
    return svg(figure, "States of the line")


def clock(t_utc_ns: int) -> str:
    """Time of day, UTC."""
    return datetime.fromtimestamp(t_utc_ns / 1e9, UTC).strftime("%H:%M:%S")


def _axes(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_in, height_in))
    ax = figure.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    return figure, ax
