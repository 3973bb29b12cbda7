"""Cameras, one kind a file.

A kind is a member of `CameraConfig` (pipeline/config/cameras.py), a row of CAMERAS, and its module (protocol.py).
"""

from __future__ import annotations

from contextlib import closing
from pkgutil import resolve_name
from typing import Any

from pipeline.cameras.protocol import Camera, CameraLost, Shot
from pipeline.config.cameras import CameraConfig
from pipeline.config.cards import camera_cards

__all__ = ["Camera", "CameraLost", "Shot", "ask_camera", "make_camera"]

CAMERAS = {
    "basler": "pipeline.cameras.basler:BaslerCamera",
    "replay": "pipeline.cameras.replay:ReplayCamera",
    "weave": "pipeline.cameras.synthetic.weave:WeaveCamera",
}
"""The class of each kind, imported only where it is used: its library is not everybody's."""


def make_camera(config: CameraConfig) -> Camera:
    """The camera that one `cameras:` entry describes, seen through its cards, not yet opened."""
    camera: Camera = resolve_name(CAMERAS[config.source])(config)
    cards = camera_cards(config)
    if not cards:
        return camera
    from pipeline.cameras.corrected import CorrectedCamera

    return CorrectedCamera(camera, cards)


def ask_camera(config: CameraConfig) -> dict[str, Any]:
    """What a camera says of itself when it is opened, which is only for a moment; InputError where it cannot be,
    AbsentError where it is not there now."""
    with closing(make_camera(config)) as camera:
        return camera.open()
