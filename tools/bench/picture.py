"""The benchmark's one plot: throughput against latency, with the paper's point and the machine's ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from tools.bench.forward import PAPER_BATCH, PAPER_IMAGES_PER_S


def plot(points: Sequence[dict[str, Any]], path: Path) -> None:
    """One curve for each engine, a mark for each batch; latency is that of a whole batch (of a frame in pipeline mode).

    Raises InputError where the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    curves: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        size = "x".join(map(str, point["image_size"]))
        curves.setdefault(f"{point['backend']} {point['precision']}, {size}", []).append(point)
    for name, curve in curves.items():
        curve = sorted(curve, key=lambda p: p["batch"])
        xs, ys = [p["latency_ms"]["p50"] for p in curve], [p["images_per_s"] for p in curve]
        (drawn,) = axes.plot(xs, ys, "o-", label=name)
        for point, x, y in zip(curve, xs, ys, strict=True):
            axes.annotate(str(point["batch"]), (x, y), textcoords="offset points", xytext=(5, 5))
        axes.axhline(curve[0]["ceiling_images_per_s"], color=drawn.get_color(), linestyle=":", label=f"ceiling, {name}")
    paper_ms = PAPER_BATCH / PAPER_IMAGES_PER_S * 1e3
    axes.plot([paper_ms], [PAPER_IMAGES_PER_S], "k*", markersize=12, label="paper: A800, batch 8, not synchronised")
    axes.set(
        xscale="log", yscale="log", xlabel="latency p50, ms", ylabel="images/s", title=f"{points[0]['arch']}, batch at marks"
    )
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    try:
        with whole_file(path) as part:
            figure.savefig(part, dpi=120, format=path.suffix.removeprefix(".") or "png")
    except (OSError, ValueError) as error:
        raise InputError(f"the plot cannot be written ({error}), {path}, name a .png or .svg file") from None
