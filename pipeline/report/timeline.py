"""The line's states over time, as a bar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from pipeline.messages import LineState

WIDTH, HEIGHT = 1000, 30
SEGMENTS = 2000


def clock(t_utc_ns: int) -> str:
    """Time of day, UTC."""
    return datetime.fromtimestamp(t_utc_ns / 1e9, UTC).strftime("%H:%M:%S")


def timeline(states: Sequence[LineState], end_utc_ns: int) -> str:
    """Each state from its message to the next, the last to `end_utc_ns`; inline SVG, empty without states."""
    if not states:
        return ""
    shown = states[-SEGMENTS:]
    start = shown[0].t_utc_ns
    end = max(end_utc_ns, shown[-1].t_utc_ns, start + 1)
    edges = [WIDTH * (s.t_utc_ns - start) / (end - start) for s in shown] + [float(WIDTH)]
    parts = []
    for state, left, right in zip(shown, edges, edges[1:], strict=False):
        width = max(right - left, 1.0)
        title = f"{clock(state.t_utc_ns)} {state.state} {escape(state.detail)}"
        parts.append(
            f'<rect class="{state.state}" x="{left:.1f}" y="0" width="{width:.1f}" height="{HEIGHT}">'
            f"<title>{title}</title></rect>"
        )
        if not state.inspection_ok:
            parts.append(f'<rect class="FAULT" x="{left:.1f}" y="{HEIGHT + 3}" width="{width:.1f}" height="4"/>')
        if width > 9 * len(state.state):
            parts.append(f'<text class="state" x="{left + 7:.1f}" y="{HEIGHT / 2 + 4}">{state.state}</text>')
    foot = HEIGHT + 22
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {foot + 4}" role="img" aria-label="States of the line">'
        f'{"".join(parts)}<text x="0" y="{foot}">{clock(start)} UTC</text>'
        f'<text x="{WIDTH}" y="{foot}" text-anchor="end">{clock(end)} UTC</text></svg>'
    )
