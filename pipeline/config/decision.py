"""The `decision:` section, and when a gap in inspection becomes a reject."""

from __future__ import annotations

from pydantic import Field

from glass_core.settings.section import Section


class InspectionOkConfig(Section):
    """When a gap in inspection becomes a reject."""

    tolerate_not_inspected_mm: float = Field(default=500.0, ge=0)


class DecisionConfig(Section):
    """The process that decides."""

    budget_ms: float = Field(default=500.0, gt=0)
    """From a frame's arrival to its verdict; with a camera's actuator_mm it runs only while the cloth moves."""
    recording_floor: float = Field(default=0.5, ge=0, le=1)
