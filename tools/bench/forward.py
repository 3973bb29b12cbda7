"""Forward and paper mode: one engine, one batch size, nothing but computing, in turn with what the machine can do at most."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glass_core.engines.speed import Timing, timed

PAPER_IMAGES_PER_S = 1327
PAPER_BATCH = 8
PAIRS = 3
ROUNDS = 5
CEILING_S = 0.1
"""For each ceiling in each round."""


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
        gmac = gmac_per_image(point.model)
        timing, ceilings = against_ceilings(call, batch, seconds, gmac, math.prod(tiles.shape), backend_name, precision)
        beside = compare(call, point.model, batch, shape) if against else None
    return {
        "mode": mode, "arch": point.arch, "backend": backend_name, "precision": precision, "image_size": list(shape[:2]),
        "batch": batch, "device": str(device), "synchronised": synchronised, **rates(timing.images_per_s, timing.latency_ms),
        "gmac_per_image": round(gmac, 3), **ceilings, "against": beside,
    }  # fmt: skip


def against_ceilings(
    call: Callable[[], object], batch: int, seconds: float, gmac: float, batch_bytes: int, backend: str, precision: str
) -> tuple[Timing, dict[str, float]]:
    """The engine's times, and its shares of this machine's matrix products and copies: medians over rounds in which engine,
    product and copy take turns. `gmac` is an image's work, `batch_bytes` are copied for each batch."""
    from glass_core.engines.ceiling import copy, product

    (multiply, product_gmac), (move, copy_gb) = product(backend, precision), copy()
    own, rows = list[Timing](), list[tuple[float, float, float]]()
    for _ in range(ROUNDS):
        own.append(timed(call, batch, seconds / ROUNDS, least=1))
        ceiling = product_gmac * timed(multiply, 1, CEILING_S, least=3).images_per_s
        copied = copy_gb * timed(move, 1, CEILING_S, least=3).images_per_s
        images_per_s = own[-1].images_per_s
        rows.append((ceiling, images_per_s * gmac / ceiling, images_per_s * batch_bytes / batch / 1e9 / copied))
    ceiling, share, share_of_copying = (float(v) for v in np.median(rows, axis=0))
    return Timing(batch, np.concatenate([t.batch_s for t in own])), {
        "ceiling_gmac_per_s": ceiling, "ceiling_images_per_s": ceiling / gmac, "share_of_ceiling": share,
        "share_of_copy_ceiling": share_of_copying,
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
    from glass_core.engines.subjects import drawn
    from glass_core.paper.plain_network import plain_form

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
