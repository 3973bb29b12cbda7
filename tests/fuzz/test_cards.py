"""Cards broken by chance and sealed again: what is accepted can be used, and everything else is one line."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from calibration.alignment import AlignmentCard
from calibration.camera_card import CameraCard
from calibration.false_alarms import Budget
from calibration.flatfield import FlatfieldCard
from calibration.good import GoodFrame
from calibration.scale import ScaleCard
from calibration.threshold import CARD_FILE, Model, ThresholdCard, calibrate, load_card
from glass_core.errors import InputError
from glass_core.files.sealed import Sealed
from glass_core.pictures.scoring import ScoreDefinition
from tests.fuzz.mutation import broken_bytes, broken_document, dumped

MAX_TILES = 4096
OWNER: dict[str, Any] = {"camera": "left", "serial": "", "source": "white", "width_px": 24, "valid_days": 30}


def _threshold() -> ThresholdCard:
    scores = 1 / (1 + np.exp(-np.random.default_rng(0).gumbel(-5, 0.5, (40, 3))))
    model = Model(weights_sha="w" * 64, engine_sha="e" * 64, backbone="b", engine="e", score_definition=ScoreDefinition())
    return calibrate([GoodFrame(each.astype(np.float32)) for each in scores], model, Budget(per_1000_frames=1.0), "good cloth")


def _flatfield() -> FlatfieldCard:
    shading: dict[str, Any] = {
        "dark": (1.5,) * 24,
        "gain": (1.25,) * 24,
        "level": 180.0,
        "unevenness": 0.2,
        "structure": 0.01,
        "saturated": 0.0,
    }
    return FlatfieldCard.measured(**OWNER, **shading)


def _scale() -> ScaleCard:
    measured: dict[str, Any] = {
        "mm_per_px_x": 0.2,
        "mm_per_px_y": 0.25,
        "squareness_deg": 0.1,
        "residual_px": 0.3,
        "blur_px": 1.5,
        "line_scan": False,
        "height_px": 16,
        "bend_x": (11.5, 12.0, *[0.1] * 8),
        "bend_y": (7.5, 0.0, 8.0, *[0.1] * 7),
    }
    return ScaleCard.measured(**OWNER, method="checkerboard", **measured)


def _alignment() -> AlignmentCard:
    return AlignmentCard.measured(**OWNER, neighbour="right", right_mm=300.0, up_mm=-2.5, fit=0.9)


def _use_threshold(path: Path) -> None:
    card = load_card(path.parent)
    assert card is not None
    assert all(0 < t < 1 for t in card.thresholds), "else a score is never above it, or always"
    layout = card.score_definition.tiling.layout(256, 600)
    assert layout.cols * layout.rows <= 256 * 600 and layout.lanes <= MAX_TILES


def _use_flatfield(path: Path) -> None:
    card = FlatfieldCard.load(path)
    pixels = np.full((8, card.width_px), 100, np.uint8)
    assert card.apply(pixels).shape == pixels.shape


def _use_scale(path: Path) -> None:
    card = ScaleCard.load(path)
    maps = card.maps(16, card.width_px)
    assert maps is None or all(np.isfinite(each).all() for each in maps)
    assert 0 < card.mm_per_px_x < 1e3


def _use_alignment(path: Path) -> None:
    card = AlignmentCard.load(path)
    assert abs(card.right_mm) < 1e6 and abs(card.up_mm) < 1e6


KINDS: list[tuple[Callable[[], Sealed], Callable[[Path], None]]] = [
    (_threshold, _use_threshold), (_flatfield, _use_flatfield), (_scale, _use_scale), (_alignment, _use_alignment),
]  # fmt: skip


def sealed_again(body: Any) -> Any:
    """With the hash that an attacker who knows the format would give it."""
    if not isinstance(body, dict):
        return body
    rest = {key: value for key, value in body.items() if key != "sha"}
    return {**rest, "sha": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}


def fuzz(seed: int, count: int) -> None:
    """Every kind of card in turn."""
    rng = random.Random(seed)
    kinds = [(json.loads(make().model_dump_json(by_alias=True)), use) for make, use in KINDS]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / CARD_FILE
        for n in range(count):
            body, use = kinds[n % len(kinds)]
            content = (
                broken_bytes(dumped(body), rng) if rng.random() < 0.2 else dumped(sealed_again(broken_document(body, rng)))
            )
            path.write_bytes(content)
            try:
                use(path)
            except InputError as error:
                assert str(error).isprintable(), repr(error)


def test_broken_cards_are_one_line() -> None:
    fuzz(seed=1, count=400)


def test_whole_cards_are_accepted(tmp_path: Path) -> None:
    for make, use in KINDS:
        card = make()
        assert isinstance(card, CameraCard | ThresholdCard)
        path = tmp_path / CARD_FILE
        path.write_bytes(card.model_dump_json(by_alias=True).encode())
        use(path)
