"""`bench --layers`: where the work of a pass is, and what share of this machine's products and copies each layer reaches."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from glass_core.engines.speed import timed
from tools.bench.forward import CEILING_S, ROUNDS, Point


def measure_layers(point: Point, seconds: float) -> dict[str, Any]:
    """The layers of one pass over as many tiles as the engine takes at once, `point.batch` at most; ceilings, the pass that is
    profiled and the engine as it runs take turns. Raises InputError and MissingError as engines do."""
    from glass_core.engines.backend import backend
    from glass_core.engines.bundle import is_bundle
    from glass_core.engines.ceiling import copy, product
    from glass_core.engines.layers import mean_pass, profiled
    from glass_core.engines.subjects import drawn, engine_for, tile_shape

    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        scratch = Path(name) / "engine"
        runner, backend_name, precision = engine_for(point.model, point.backend, point.precision, scratch)
        module = backend(backend_name)
        tiles = drawn(min(point.batch, module.BUCKETS[-1]), tile_shape(point.model))
        source = scratch if scratch.exists() and not is_bundle(point.model) else point.model
        timed_pass = profiled(backend_name, source, tiles, precision)
    (multiply, product_gmac), (move, copy_gb) = product(backend_name, precision), copy()
    passes, plain_ms, ceilings, copies = [], list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        passes.append(mean_pass(timed_pass, seconds / ROUNDS))
        plain_ms.append(timed(lambda: runner(tiles), len(tiles), seconds / ROUNDS, least=1).latency_ms["p50"])
        ceilings.append(product_gmac * timed(multiply, 1, CEILING_S, least=3).images_per_s)
        copies.append(2 * copy_gb * timed(move, 1, CEILING_S, least=3).images_per_s)
    told = sorted(passes, key=lambda each: each.whole_ms)[ROUNDS // 2]
    ceiling, copied = statistics.median(ceilings), statistics.median(copies)
    rows = [
        asdict(layer) | {
            "ms": ms, "share_of_time": ms / told.whole_ms,
            "share_of_ceiling": layer.gmac / ceiling * 1e3 / ms if ms else 0.0,
            "share_of_copy_ceiling": layer.moved_bytes / 1e9 / copied * 1e3 / ms if ms else 0.0,
        }
        for layer, ms in zip(told.layers, told.layer_ms, strict=True)
    ]  # fmt: skip
    return {
        "arch": point.arch, "backend": backend_name, "precision": precision, "batch": len(tiles),
        "image_size": list(tiles.shape[1:3]), "device": str(module.device()), "layers": rows, "outside_ms": told.outside_ms,
        "whole_ms": told.whole_ms, "unprofiled_ms": statistics.median(plain_ms), "ceiling_gmac_per_s": ceiling,
        "copy_ceiling_gb_per_s": copied,
    }  # fmt: skip


def show_layers(point: dict[str, Any], console: Console) -> None:
    """One table: every layer, the parts that they add up to, and what lies between them."""
    height, width = point["image_size"]
    table = Table(
        "layer", "kernel", "writes", "reads",
        title=f"{point['arch']}, {point['backend']} {point['precision']}, {point['batch']} tiles of {height}x{width} px",
        caption=f"ceilings of this machine in this run: {point['ceiling_gmac_per_s']:.0f} GMAC/s in products, "
        f"{point['copy_ceiling_gb_per_s']:.1f} GB/s read and written in copies; "
        f"a pass without profiling {point['unprofiled_ms']:.1f} ms",
    )  # fmt: skip
    for name in ("GMAC", "MB", "ms", "of time", "of products", "of copies"):
        table.add_column(name, justify="right")
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in point["layers"]:
        parts[row["module"].partition(".")[0]].append(row)
        table.add_row(
            row["module"], " + ".join(row["operations"]), "x".join(map(str, row["output"])), row["precision"],
            f"{row['gmac']:.3f}" if row["gmac"] else "", f"{row['moved_bytes'] / 1e6:.1f}", f"{row['ms']:.2f}",
            f"{row['share_of_time']:.1%}", f"{row['share_of_ceiling']:.0%}" if row["gmac"] else "",
            f"{row['share_of_copy_ceiling']:.0%}",
        )  # fmt: skip
    table.add_section()
    for name, rows in (parts | {"all layers": point["layers"]}).items():
        _add_sum(table, name, rows, point)
    outside = point["outside_ms"]
    table.add_row("outside the layers", "", "", "", "", "", f"{outside:.2f}", f"{outside / point['whole_ms']:.1%}", "", "")
    table.add_row("whole pass", "", "", "", "", "", f"{point['whole_ms']:.2f}", "100.0%", "", "")
    console.print(table)


def _add_sum(table: Table, name: str, rows: list[dict[str, Any]], point: dict[str, Any]) -> None:
    gmac, moved, ms = (sum(row[key] for row in rows) for key in ("gmac", "moved_bytes", "ms"))
    table.add_row(
        name, f"{len(rows)} kernels", "", "", f"{gmac:.3f}", f"{moved / 1e6:.1f}", f"{ms:.2f}", f"{ms / point['whole_ms']:.1%}",
        f"{gmac / point['ceiling_gmac_per_s'] * 1e3 / ms:.0%}" if ms else "",
        f"{moved / 1e9 / point['copy_ceiling_gb_per_s'] * 1e3 / ms:.0%}" if ms else "",
    )  # fmt: skip
