"""The action table as configured: what a machine is asked to do, and when."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from glass_core.settings.section import Section
from pipeline.messages.domains import MAX_OFFSET_MM


class DefectAction(Section):
    """What follows from a defect, once for each joined defect."""

    when: Literal["DEFECT"]
    do: Literal["stop", "mark", "lamp"]
    severity: int = Field(default=1, ge=1, le=4)
    """From this severity on (the points of its length); one of unknown size is held to be severe."""
    lanes: tuple[int, ...] | None = None
    """Only where it touches one of these lanes; null: anywhere."""
    distance_mm: float | None = Field(default=None, ge=0, le=MAX_OFFSET_MM)
    """From the camera along the cloth to the actuator; null: at once."""


class NotInspectedAction(Section):
    """What follows from cloth that passes a camera unjudged, once for each gap."""

    when: Literal["NOT_INSPECTED"]
    do: Literal["stop", "mark", "lamp"]
    after_mm: float = Field(default=500.0, ge=0)


class FaultAction(Section):
    """What follows when the line goes to FAULT."""

    when: Literal["FAULT"]
    do: Literal["stop", "lamp"]


class DriftAction(Section):
    """What follows when good cloth no longer looks or scores as it did at calibration, once each time a warning comes up."""

    when: Literal["DRIFT"]
    do: Literal["lamp"]


ActionConfig = Annotated[DefectAction | NotInspectedAction | FaultAction | DriftAction, Field(discriminator="when")]
