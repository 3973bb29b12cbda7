"""Cameras, one kind a file; a kind's library is imported only when that kind is opened."""

from __future__ import annotations

from pipeline.cameras.protocol import Camera, CameraLost, Shot
from pipeline.config.cameras import BaslerConfig, CameraConfig, ReplayConfig
from pipeline.config.cards import camera_cards

__all__ = ["Camera", "CameraLost", "Shot", "make_camera"]


def make_camera(config: CameraConfig) -> Camera:
    """The camera that one `cameras:` entry describes, seen through its cards, not yet opened."""
    camera = _raw(config)
    cards = camera_cards(config)
    if not cards:
        return camera
    from pipeline.cameras.corrected import CorrectedCamera

    return CorrectedCamera(camera, cards)


def _raw(config: CameraConfig) -> Camera:
    if isinstance(config, BaslerConfig):
        from pipeline.cameras.basler import BaslerCamera

        return BaslerCamera(config)
    if isinstance(config, ReplayConfig):
        from pipeline.cameras.replay import ReplayCamera

        return ReplayCamera(config)
    from pipeline.cameras.synthetic.weave import WeaveCamera

    return WeaveCamera(config)
