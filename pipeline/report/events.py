"""The seams, leads, stop marks and wrinkles of a roll: where each lies, and what became of the defects in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from pydantic import BaseModel, ConfigDict

from pipeline.messages.cloth import SpanEvent
from pipeline.messages.verdicts import Verdict
from pipeline.report.tables import section, table

LISTED = 500


class EventRow(BaseModel):
    """A span that is no plain cloth, from the start of its roll."""

    model_config = ConfigDict(frozen=True)

    kind: str
    action: str
    from_m: float
    to_m: float
    cause: str
    """Who told of it: command, the contact, or the camera whose picture shows it."""
    rejects_suppressed: int
    """Frames with a defect in it that would have been rejects on plain cloth."""


def event_rows(events: Iterable[SpanEvent], verdicts: Sequence[Verdict], start_mm: float) -> tuple[EventRow, ...]:
    """The rows of a roll that begins at `start_mm`; `verdicts` are its DEFECT ones, of cloth that was new."""
    own = list(events)
    suppressed = dict.fromkeys(range(len(own)), 0)
    for v in verdicts:
        if v.event is None or v.counts_as_defect or v.start_mm is None or v.end_mm is None:
            continue
        touched = (n for n, e in enumerate(own) if e.kind is v.event and e.start_mm <= v.end_mm and v.start_mm <= e.end_mm)
        if (last := max(touched, default=None)) is not None:  # the one told last is the one that was asked
            suppressed[last] += 1
    return tuple(
        EventRow(
            kind=e.kind, action=e.action, from_m=round((e.start_mm - start_mm) / 1000, 6),
            to_m=round((e.end_mm - start_mm) / 1000, 6), cause=e.cause, rejects_suppressed=suppressed[n],
        )
        for n, e in enumerate(own)
    )  # fmt: skip


def event_section(rows: Sequence[EventRow]) -> str:
    """The rows as a table; nothing where there are none."""
    cells = [
        [
            r.kind, f"{r.from_m:.3f}", f"{r.to_m:.3f}", escape(r.cause),
            "a defect like any other" if r.action == "grade" else f"no reject ({r.action})", r.rejects_suppressed,
        ]
        for r in rows[:LISTED]
    ]  # fmt: skip
    cut = f"<p class='note'>The first {LISTED} of {len(rows):,}; all are in report.json.</p>" if len(rows) > LISTED else ""
    head = ["kind", "from, m", "to, m", "told by", "a defect in it is", "rejects suppressed"]
    return section("Seams and other special cloth", cut + table(head, cells, numbers={1, 2, 5})) if rows else ""
