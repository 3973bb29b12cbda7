"""Reads a line's file and puts its cameras' cards in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calibration.alignment import AlignmentCard
from calibration.camera_card import CameraCard
from calibration.flatfield import FlatfieldCard
from calibration.scale import ScaleCard
from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.settings.document import read_document
from glass_core.settings.explanation import changed, checked
from pipeline.config.cameras import BaslerConfig, CameraConfig
from pipeline.config.line import LineConfig
from pipeline.messages.domains import MAX_MM_PER_PX, MAX_OFFSET_MM, MIN_MM_PER_PX


def camera_cards(config: CameraConfig, now: datetime | None = None) -> dict[str, CameraCard]:
    """The cards that a camera's entry names, by kind; InputError where one is of another camera, or no card.

    With `now` a card past its date is refused, too, as it is when a line starts. Without, each must be the very card that
    the line was started with: a camera that comes back next week goes on with it.
    """
    serial = config.serial if isinstance(config, BaslerConfig) else ""
    kinds: dict[str, type[CameraCard]] = {"flatfield": FlatfieldCard, "scale": ScaleCard, "alignment": AlignmentCard}
    cards: dict[str, CameraCard] = {}
    for kind, of in kinds.items():
        if (path := getattr(config, kind)) is not None:
            cards[kind] = of.load(path)
            cards[kind].check(path, config.name, serial, now)
            if now is None and cards[kind].sha != getattr(config, f"{kind}_sha"):
                raise InputError(f"card is another one than when the line was started, {path}, start the line again")
    return cards


def with_cards(line: LineConfig) -> LineConfig:
    """The line with what its cameras' cards say put in: scales, offsets and the cards' hashes."""
    cameras: dict[str, CameraConfig] = {}
    for camera in line.cameras:
        cards, where = camera_cards(camera, datetime.now(UTC)), f"camera {camera.name} with its cards"
        known: dict[str, Any] = {f"{kind}_sha": card.sha for kind, card in cards.items()}
        if camera.lamp and camera.lamp.level is None and isinstance(shading := cards.get("flatfield"), FlatfieldCard):
            known["lamp"] = changed(camera.lamp, where, level=shading.level)
        measured: dict[str, float | None] = {}
        if isinstance(scale := cards.get("scale"), ScaleCard):
            measured |= {"mm_per_px_x": scale.mm_per_px_x, "mm_per_px_y": scale.mm_per_px_y}
        if isinstance(place := cards.get("alignment"), AlignmentCard):
            if (beside := cameras.get(place.neighbour)) is None:
                raise InputError(f"no camera {place.neighbour} before {camera.name}, {camera.alignment}, list it first")
            measured |= {"x_offset_mm": beside.x_offset_mm + place.right_mm, "y_offset_mm": beside.y_offset_mm + place.up_mm}
        for key, mm in measured.items():
            low, high = (MIN_MM_PER_PX, MAX_MM_PER_PX) if key.startswith("mm_per_px") else (-MAX_OFFSET_MM, MAX_OFFSET_MM)
            if mm is not None and not low <= mm <= high:
                raise InputError(
                    f"{key} {mm:g} of its card, camera {camera.name}, {low:g} to {high:g} are allowed: make it anew"
                )
            if key in camera.model_fields_set and getattr(camera, key) not in (None, mm):
                raise InputError(f"{key} differs from the card's {mm}, camera {camera.name}, take it out of the config")
        cameras[camera.name] = changed(camera, where, **known | measured)
    return changed(line, "the line with its cameras' cards", cameras=tuple(cameras.values()))


def load_config(path: Path) -> LineConfig:
    """The line that a YAML file describes; InputError names file, key, value and what is allowed."""
    return with_cards(read_line(path))


def read_line(path: Path) -> LineConfig:
    """The same without what its cameras' cards say, which are not looked at."""
    document = read_document(path)
    if not document.body:
        raise InputError(f"config is empty, {path}, begin with `line:`")
    line = checked(document, LineConfig, document.body)
    checked(document, TrainConfig, line.train, under=("train",))
    return line
