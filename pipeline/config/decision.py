"""The `decision:` section, and when a gap in inspection becomes a reject."""

from __future__ import annotations

from pydantic import Field

from glass_core.settings.section import Section
from pipeline.messages.domains import MAX_BUDGET_MS, MAX_EVENT_MM


class InspectionOkConfig(Section):
    """When a gap in inspection becomes a reject."""

    tolerate_not_inspected_mm: float = Field(default=500.0, ge=0)


class DecisionConfig(Section):
    """The process that decides."""

    budget_ms: float = Field(default=500.0, gt=0, le=MAX_BUDGET_MS)
    """From the picture's arrival in the grabber (`t_mono_ns`) to its verdict: a score that comes later counts for nothing.

    With a camera's actuator_mm, time for which the cloth has stood since then is taken off."""
    recording_floor: float = Field(default=0.5, ge=0, le=1)
    longest_event_m: float = Field(default=50.0, gt=0, le=MAX_EVENT_MM / 1000)
    """No seam, lead, stop mark or wrinkle is longer, whoever tells of it: a lead cloth is some tens of metres."""
