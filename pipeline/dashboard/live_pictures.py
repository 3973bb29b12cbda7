"""What each camera saw last, and how it was scored: small pictures, kept only while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from pipeline.ledger.crops import as_bgr, png, under_heat
from pipeline.messages.frames import Frame, ScoreMap
from pipeline.messages.message import Message, Payload

LOOK_S = 5.0
"""So long after somebody asked the pictures are still sent for."""
HEAT_PX = 512
"""About so large is a heat map drawn, so that the outline of a small defect is seen."""
HIGHEST_SHARE = 2.0
"""At so many times the threshold the colours end."""


@dataclass
class Seen:
    """One small picture; with `shares`, the scores of its cells."""

    number: int
    at_s: float
    pixels: np.ndarray
    shares: np.ndarray | None = None
    file: bytes | None = None
    """Once somebody has asked for it."""


class LivePictures:
    """The last picture of each of these cameras, and the last one that was scored; one thread feeds it, any may ask.

    `judged`: scores are shares of a threshold, else they are plain scores of 0 to 1.
    """

    def __init__(self, cameras: Collection[str], judged: bool, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self.expect(cameras, judged)
        self._seen: dict[tuple[str, bool], Seen] = {}
        """By camera, and whether it is the one that was scored."""
        self._number = 0
        self._looked_s = -LOOK_S

    def expect(self, cameras: Collection[str], judged: bool) -> None:
        """The line has these cameras from here on."""
        self._cameras, self._judged = cameras, judged

    @property
    def wanted(self) -> bool:
        """Whether somebody has asked a moment ago."""
        return self._now_s() - self._looked_s < LOOK_S

    def see(self, message: Message, payloads: tuple[Payload, ...]) -> None:
        """A small picture that has come; what is none is left out."""
        if not isinstance(message, Frame | ScoreMap) or message.camera not in self._cameras or not payloads:
            return
        shape = message.shape if isinstance(message, Frame) else message.frame_shape
        self._number += 1
        seen = Seen(self._number, self._now_s(), np.frombuffer(bytes(payloads[-1]), np.uint8).reshape(shape))
        if isinstance(message, ScoreMap) and message.cells_shape is not None:
            seen.shares = np.frombuffer(bytes(payloads[0]), "<f4").reshape(message.cells_shape)
        self._seen[message.camera, seen.shares is not None] = seen

    def told(self) -> dict[str, Any]:
        """Which pictures there are, as JSON takes it; to ask is to look."""
        self._looked_s = self._now_s()
        return {"judged": self._judged, "cameras": [
            {"name": name, "plain": self._told(name, scored=False), "heat": self._told(name, scored=True)}
            for name in self._cameras
        ]}  # fmt: skip

    def file(self, camera: str, heat: bool) -> bytes | None:
        """A picture as PNG, or under its heat map; null: there is none yet."""
        seen = self._seen.get((camera, heat))
        if seen is not None and seen.file is None:
            seen.file = png(as_bgr(seen.pixels) if seen.shares is None else _drawn(seen.pixels, seen.shares, self._judged))
        return seen.file if seen else None

    def _told(self, camera: str, scored: bool) -> dict[str, Any] | None:
        seen = self._seen.get((camera, scored))
        return None if seen is None else {"number": seen.number, "age_s": round(self._now_s() - seen.at_s, 1)}


def _drawn(pixels: np.ndarray, shares: np.ndarray, judged: bool) -> np.ndarray:
    """The picture under its heat map; what is above the threshold has an outline as well, light beside dark."""
    side = max(1, HEAT_PX // max(pixels.shape[:2]))
    large = pixels.repeat(side, axis=0).repeat(side, axis=1)
    across = cv2.resize(np.nan_to_num(shares, nan=np.inf), large.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    drawn = under_heat(large, np.clip(across / (HIGHEST_SHARE if judged else 1.0), 0, 1))
    if judged:
        outlines = cv2.findContours((across > 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.drawContours(drawn, outlines, -1, colour, width)
    return drawn
