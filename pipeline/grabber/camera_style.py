"""For which style of cloth a camera is set: it follows the rolls, and what it changes is read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.cameras.protocol import Camera
from pipeline.cloth.rolls import Rolls
from pipeline.config.styles import Scalar
from pipeline.link.protocol import Inbox, portion
from pipeline.messages.cloth import Roll


class CameraStyle:
    """The style of the pictures that one camera takes; `rolls` brings where each roll begins.

    `features` says what a style asks of the camera; styles that are not named there ask for what "" does. All of them are
    set once at the start, so that what the camera refuses is refused then, and not when that roll begins.
    """

    def __init__(
        self, camera: Camera, present: str, features: Mapping[str, dict[str, Scalar]], rolls: Inbox | None = None
    ) -> None:
        self._camera, self._features, self._inbox = camera, features, rolls
        self._rolls = Rolls("", present, math.inf)
        self.present = present
        self.unsettled = 0
        """Shots to come that may have been begun before the camera was set."""
        self.facts: dict[str, Any] = {}
        """What to record beside the camera's own facts."""
        for style in (*features, present) if any(features.values()) else ():
            self._set(style)

    def coming(self, place_mm: float | None) -> str:
        """The style of the cloth at that place; of the present roll where no place is known."""
        for message, _ in portion(self._inbox) if self._inbox else ():
            if isinstance(message, Roll):
                self._rolls.begin(message.roll_id, message.style, message.start_mm)
        return self._rolls.at(place_mm, place_mm).style

    def sets_camera(self, style: str) -> bool:
        """Whether it asks for other features than the present one."""
        return self._of(style) != self._of(self.present)

    def change(self, style: str) -> None:
        """The pictures that follow are of that style."""
        if self.sets_camera(style):
            self._set(style)
        self.present = style

    def _of(self, style: str) -> dict[str, Scalar]:
        return self._features.get(style, self._features.get("", {}))

    def _set(self, style: str) -> None:
        unsettled = self._camera.adjust(self._of(style))
        self.unsettled = unsettled or 0
        self.facts = {"style": style, "features_ignored" if unsettled is None else "features_set": self._of(style)}
