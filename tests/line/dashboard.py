"""Draws configs/dashboard.json for the documentation: `python -m tests.line.dashboard docs/pictures/dashboard.png`.

A real line runs for a minute or two, and its worker is killed once; a real Prometheus scrapes it and answers each panel's own
queries. Grafana draws them otherwise: here it is matplotlib.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import matplotlib
from matplotlib import pyplot
from PIL import Image

from tests.line.conftest import good_frame, make_model
from tests.line.test_line import config, running
from tests.mosquitto import Mosquitto, free_port
from tests.prometheus import Prometheus, Series, panels

SECONDS = 75
COLUMNS, ROW = 24, 8
"""Of Grafana's grid."""
UNITS = {"velocityms": "m/s", "lengthm": "m", "ops": "1/s", "s": "s", "percentunit": "share", "short": ""}


def main(out: Path) -> int:
    """1 where a panel shows nothing."""
    with TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        footage = folder / "footage"
        footage.mkdir()
        for n in range(12):
            picture = good_frame(100 + n)
            if n == 4:
                picture[20:40, 100:140] = 255
            cv2.imwrite(str(footage / f"{n:03d}.png"), picture)
        with Mosquitto(folder) as broker, Prometheus(folder, f"127.0.0.1:{port}") as prometheus:
            outputs = [{"kind": "publisher"}, {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port}]
            line = config(
                make_model(folder / "model"), footage, folder / "out", loop=True, outputs=outputs,
                metrics={"bind": f"127.0.0.1:{port}"}, line={"name": "loom-1", "roll_id": "R-0815"},
            )  # fmt: skip
            with running(line) as run:
                run.until(lambda: len(run.verdicts()) > 4)
                begun_ns = time.monotonic_ns()
                since_s = time.time_ns() / 1e9
                run.until(lambda: _passed_s(begun_ns) > SECONDS / 3, 2 * SECONDS)
                os.kill(run.pid("worker"), signal.SIGKILL)
                run.until(lambda: _passed_s(begun_ns) > SECONDS, 2 * SECONDS)
                empty = prometheus.empty(since_s)
                _draw(prometheus, since_s, out)
    if empty:
        print(f"these panels show nothing: {', '.join(empty)}", file=sys.stderr)
    return int(bool(empty))


def _passed_s(begun_ns: int) -> float:
    return (time.monotonic_ns() - begun_ns) / 1e9


def _draw(prometheus: Prometheus, since_s: float, out: Path) -> None:
    matplotlib.use("Agg")
    shown = panels()
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in shown) // ROW
    figure = pyplot.figure(figsize=(13, 2.3 * rows), dpi=80)
    grid = figure.add_gridspec(rows, COLUMNS, left=0.05, right=0.98, top=0.97, bottom=0.05, wspace=3.0, hspace=0.4)
    for panel in shown:
        place = panel["gridPos"]
        axes = figure.add_subplot(grid[place["y"] // ROW, place["x"] : place["x"] + place["w"]])
        axes.set_title(panel["title"], fontsize=9, loc="left")
        found = [series for target in panel["targets"] for series in prometheus.series(target, since_s)]
        _panel(axes, panel, found, since_s)
    note = "Drawn from the queries of configs/dashboard.json, as Prometheus answers them; in Grafana it looks otherwise."
    figure.text(0.5, 0.015, note, fontsize=9, ha="center")
    figure.savefig(out)
    with Image.open(out) as picture:
        small = picture.convert("RGB").quantize(32)
    small.save(out, optimize=True)


def _panel(axes: Any, panel: dict[str, Any], found: list[Series], since_s: float) -> None:
    words = ""
    if not found:
        words = panel["fieldConfig"]["defaults"].get("noValue", "No data")
    elif panel["type"] == "stat":
        latest = max(found, key=lambda series: series.times_s[-1])
        words = f"{latest.legend}: {latest.values[-1]:g}"
    elif panel["type"] == "table":
        words = "\n".join(
            "  ".join(f"{k}={v[:12]}" for k, v in series.labels.items() if k not in ("__name__", "job")) for series in found
        )
    if words:
        axes.set_axis_off()
        axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=11, transform=axes.transAxes)
        return
    for series in found:
        named = series.legend if any(series.values) or len(found) < 4 else None  # what stays at 0 would hide the rest
        axes.plot([t - since_s for t in series.times_s], series.values, linewidth=1, label=named)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(UNITS[panel["fieldConfig"]["defaults"]["unit"]], fontsize=7)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=6, loc="upper left", ncols=2)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
