"""Forward and paper mode: one engine, one batch size, nothing but computing."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glass_core.engines.speed import timed

PAPER_IMAGES_PER_S = 1327
PAPER_BATCH = 8
PAIRS = 3


@dataclass(frozen=True)
class Point:
    """One combination of a sweep."""

    model: Path
    arch: str
    backend: str
    precision: str
    batch: int


def measure(point: Point, mode: str, seconds: float, against: bool) -> dict[str, Any]:
    """The keys of the benchmark's JSON that belong to a point; raises InputError and MissingError as engines do.

    In paper mode a GPU is not waited for, as in the snippet that the paper's authors published: on a GPU that times the
    handing over of work, not the work.
    """
    from glass_core.engines.backend import backend
    from glass_core.engines.subjects import drawn, engine_for, forward, gmac_per_image, tile_shape

    batch = PAPER_BATCH if mode == "paper" else point.batch
    shape = tile_shape(point.model)
    tiles = drawn(batch, shape)
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        runner, backend_name, precision = engine_for(point.model, point.backend, point.precision, Path(name) / "engine")
        device = backend(backend_name).device()
        synchronised = mode != "paper" or device.kind == "cpu"  # on a processor a call returns when it is done
        call = forward(runner, tiles, wait=synchronised)
        timing = timed(call, batch, seconds)
        beside = compare(call, point.model, batch, shape) if against else None
    return {
        "mode": mode, "arch": point.arch, "backend": backend_name, "precision": precision, "image_size": list(shape[:2]),
        "batch": batch, "device": str(device), "synchronised": synchronised, **rates(timing.images_per_s, timing.latency_ms),
        "gmac_per_image": round(gmac_per_image(point.model), 3), "against": beside,
    }  # fmt: skip


def rates(images_per_s: float, latency_ms: dict[str, float]) -> dict[str, Any]:
    """Throughput and latency of a point."""
    return {
        "images_per_s": images_per_s,
        "latency_ms": latency_ms,
        "paper_images_per_s": PAPER_IMAGES_PER_S,
        "ratio_to_paper": images_per_s / PAPER_IMAGES_PER_S,
    }


def compare(call: Callable[[], object], model: Path, batch: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """The official form beside ours, pair by pair, so that a moment's load falls on both."""
    from glass_core.engines.subjects import drawn, plain_form

    plain = plain_form(model, drawn(batch, shape))
    plain()
    pairs = []
    for _ in range(PAIRS):
        slow = timed(plain, batch, 0.0, least=1)
        quick = timed(call, batch, 0.2, least=3)
        pairs.append((slow.images_per_s, quick.images_per_s))
    return {
        "images_per_s": statistics.median(slow for slow, _ in pairs),
        "ratio": statistics.median(quick / slow for slow, quick in pairs),
        "ratios": [quick / slow for slow, quick in pairs],
        "form": "official: whole trunk, unfolded patches, head unfused, float32 eager",
    }
