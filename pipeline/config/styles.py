"""Styles of cloth: the model, the exposure and the rules that come into force with a roll of a style."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from glass_core.settings.section import Section
from pipeline.messages.states import EventAction, EventKind

Scalar = bool | int | float | str


class EventsConfig(Section):
    """What becomes of a defect within a span that is no plain cloth; the span itself is always told and recorded."""

    SEAM: EventAction = EventAction.RECORD
    LEAD: EventAction = EventAction.IGNORE
    STOP_MARK: EventAction = EventAction.RECORD
    WRINKLE: EventAction = EventAction.GRADE
    transverse: EventKind | None = None
    """What a defect over a camera's full width is taken for; null: a defect like any other."""
    transverse_most_mm: float = Field(default=60.0, gt=0)
    """Only while it is no longer than this."""

    def action(self, kind: EventKind) -> EventAction:
        """Of a kind."""
        action: EventAction = getattr(self, kind)
        return action


class StyleConfig(Section):
    """What a style of cloth brings; what it leaves out is the line's own."""

    model: Path | None = None
    """A RUN or BUNDLE, its threshold card in it; the worker loads the models of all styles at its start."""
    features: dict[str, dict[str, Scalar]] = Field(default_factory=dict)
    """For a camera, by its name: GenICam features such as ExposureTime, set where the roll begins and read back."""
    events: EventsConfig | None = None

    def taken_as(self, other: StyleConfig) -> bool:
        """Whether pictures for one are as good for the other: same model, same features."""
        return (self.model, self.features) == (other.model, other.features)


def check_styles(styles: Mapping[str, StyleConfig], cameras: Mapping[str, Mapping[str, Scalar] | None]) -> None:
    """ValueError where a style sets a camera that is not there, or a feature that nothing sets back.

    `cameras`: the features of each camera's own entry; null for one that has none to set (replayed, woven).
    """
    for name, style in styles.items():
        for camera, features in style.features.items():
            where = f"styles.{name}.features.{camera}"
            if camera not in cameras:
                raise ValueError(f"{where}: no such camera, choose one of {', '.join(cameras) or 'none'}")
            own = cameras[camera]
            if own is not None and (lacking := sorted(features.keys() - own.keys())):
                raise ValueError(
                    f"{where}: {', '.join(lacking)} must stand under the camera's own `features`, for other styles"
                )
