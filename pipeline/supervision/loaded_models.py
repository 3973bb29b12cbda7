"""A line's models made ready to score, each with the card that belongs to its engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.threshold import ThresholdCard, load_card
from glass_core.engines import Engine, load_engine
from glass_core.engines.cache import cache_folder
from pipeline.config.line import LineConfig


@dataclass(frozen=True)
class LoadedModel:
    """An engine that is warm, and its card; none where a line observes without one."""

    engine: Engine
    card: ThresholdCard | None


def load_models(config: LineConfig, observe: bool) -> dict[Path, LoadedModel]:
    """By folder; InputError for one that cannot judge here, or whose card is of another engine."""
    models: dict[Path, LoadedModel] = {}
    w = config.worker
    for folder in config.models:
        engine = load_engine(
            folder, backend=w.backend, precision=w.precision, threads=w.threads, cache=cache_folder(),
            report=lambda note: print(f"glassline: {note}", flush=True),
        )  # fmt: skip
        card = load_card(folder, required=not observe)
        if card is not None:
            card.check(engine.weights_sha, engine.sha, engine.definition)
        side_px = engine.definition.tiling.tile_px
        if engine.pixel_format is None:  # what a run's engine makes at its first call is made before READY; a bundle is proven
            for tiles in (1, w.max_batch):
                engine.score(np.zeros((tiles, side_px, side_px), np.uint8))
        models[folder] = LoadedModel(engine, card)
    return models
