"""The small model, the cloth that the cameras see, and what its true scores are: made once, without the line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2

from glass_core.engines import load_engine
from glass_core.network.checkpoint import read_info
from glass_core.pictures.scoring import score_image
from tests.line.conftest import good_frame, make_bundle

PICTURES = {"a": (100, 12, 4), "b": (300, 10, 7)}
"""By camera: the first one's number on the cloth, how many there are, and which has a white bar."""


@dataclass(frozen=True)
class Truth:
    """Of one bundle and its pictures."""

    bundle: Path
    footage: dict[str, Path]
    scores: dict[str, dict[str, float]]
    """Of each camera's pictures, by file name."""
    barred: dict[str, str]
    """Which of them must never pass."""
    weights_sha: str
    engine_sha: str
    card_sha: str


def make(folder: Path) -> Truth:
    """Half a minute's work."""
    bundle = make_bundle(folder / "model", "openvino")
    engine, definition = load_engine(bundle, backend="openvino"), read_info(bundle).score
    footage: dict[str, Path] = {}
    scores: dict[str, dict[str, float]] = {}
    barred: dict[str, str] = {}
    for camera, (first, count, bar) in PICTURES.items():
        footage[camera], scores[camera] = folder / camera, {}
        footage[camera].mkdir()
        for n in range(count):
            picture, name = good_frame(first + n), f"{camera}{n:02d}.png"
            if n == bar:
                picture[20:40, 100:140] = 255
                barred[camera] = name
            cv2.imwrite(str(footage[camera] / name), picture)
            scores[camera][name] = float(max(score_image(engine, definition, picture)[1]))
    card = json.loads((bundle / "card.json").read_text(encoding="utf-8"))
    model = card["model"]
    return Truth(bundle, footage, scores, barred, model["weights_sha"], model["engine_sha"], card["sha"])
