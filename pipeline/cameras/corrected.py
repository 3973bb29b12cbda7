"""A camera seen through its cards: shading and distortion taken out of every picture, for all who look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.camera_card import CameraCard
from calibration.flatfield import FlatfieldCard
from calibration.scale import ScaleCard
from pipeline.cameras.protocol import Camera, Shot
from pipeline.config.styles import Scalar


class CorrectedCamera:
    """Another camera, its pictures corrected; InputError from `shots` where they are not as wide as the cards say."""

    def __init__(self, camera: Camera, cards: dict[str, CameraCard]) -> None:
        self._camera, self._cards = camera, cards
        self._shading = shading if isinstance(shading := cards.get("flatfield"), FlatfieldCard) else None
        self._scale = scale if isinstance(scale := cards.get("scale"), ScaleCard) else None
        self._maps: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self._mapped: tuple[int, int] | None = None
        self.self_timed, self.noisy = camera.self_timed, camera.noisy

    def open(self) -> dict[str, Any]:
        """The camera's facts, and the hashes of the cards."""
        self.self_timed = self._camera.self_timed
        return {**self._camera.open(), "cards": {kind: card.sha for kind, card in self._cards.items()}}

    def trigger(self) -> None:
        """As the camera does."""
        self._camera.trigger()

    def adjust(self, features: dict[str, Scalar]) -> int | None:
        """As the camera does."""
        return self._camera.adjust(features)

    def switch(self, on: bool) -> None:
        """As the camera does."""
        self._camera.switch(on)

    def shots(self) -> Iterator[Shot | None]:
        """The camera's, corrected."""
        for shot in self._camera.shots():
            yield shot if shot is None or shot.pixels is None else replace(shot, pixels=self._correct(shot.pixels))

    def close(self) -> None:
        """Close the camera."""
        self._camera.close()

    def _correct(self, pixels: np.ndarray) -> np.ndarray:
        if self._shading is not None:
            pixels = self._shading.apply(pixels)
        if self._scale is not None and self._mapped != pixels.shape[:2]:
            self._mapped = pixels.shape[:2]
            self._maps = self._scale.maps(*self._mapped)
        return (
            pixels if self._maps is None else cv2.remap(pixels, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
