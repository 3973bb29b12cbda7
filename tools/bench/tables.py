"""The benchmark's figures as tables for a person."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from tools.bench.speed import PITCHES_MM, WIDTHS_MM


def show(result: dict[str, Any], console: Console) -> None:
    """Every point, the speed of cloth, and the line where one was given."""
    show_machine(result["environment"], console)
    console.print(_points(result))
    if result["weights"] == "random":
        console.print("random weights: the speed is real, scores mean nothing")
    if not result["synchronised"]:
        console.print("the paper's method does not wait for the GPU: this is the handing over of work, not the work")
    if beside := result["against"]:
        console.print(f"official form, in turns with the quickest: {beside['images_per_s']:.2f} images/s")
    if "pipeline" in result:
        console.print(_pipeline(result))
    console.print(_cloth(result))
    if "line" in result:
        _show_line(result["line"], console)


def show_machine(environment: dict[str, Any], console: Console) -> None:
    """What the figures were taken on, and how busy it was."""
    during = environment["during"]
    console.print(
        f"{environment.get('gpu') or environment['cpu']}, {environment['cores']} cores; "
        + ", ".join(f"{name} {v}" for name, v in environment["versions"].items()),
        highlight=False,
    )
    console.print(
        f"machine {during['busy_share']:.0%} busy during the run, {during['others_share']:.0%} by others than this process"
    )


def _points(result: dict[str, Any]) -> Table:
    title = f"{result['arch']}, {result['gmac_per_image']:.1f} GMAC an image, mode {result['mode']}"
    table = Table("engine", "px", title=title, caption="ceiling: of matrix products and of copying, measured in this run")
    of_official = ("of official",) if result["against"] else ()
    for name in ("batch", "images/s", "p50 / p95 / p99 ms", "of ceiling", "of paper", *of_official):
        table.add_column(name, justify="right", min_width=max(map(len, name.split())))
    for row in result["sweep"]:
        times = (f"{row['against']['ratio']:.1f} x",) if of_official else ()
        table.add_row(
            f"{row['backend']} {row['precision']}", "x".join(map(str, row["image_size"])), str(row["batch"]),
            f"{row['images_per_s']:.1f}", _latency(row), f"{row['share_of_ceiling']:.0%}, {row['share_of_copy_ceiling']:.2%}",
            f"{row['ratio_to_paper']:.1%}", *times,
        )  # fmt: skip
    return table


def _latency(row: dict[str, Any]) -> str:
    return " / ".join(f"{row['latency_ms'][p]:.1f}" for p in ("p50", "p95", "p99"))


def _pipeline(result: dict[str, Any]) -> Table:
    pipeline = result["pipeline"]
    table = Table("load", title=f"{pipeline['cameras']} cameras, {pipeline['tiles_per_frame']} tiles a frame")
    for name in ("images/s", "of forward", "p50 / p95 / p99 ms", "batch", "infer ms"):
        table.add_column(name, justify="right")
    for name in ("saturation", "at_70_percent"):
        load, worker = pipeline[name], pipeline[name]["worker"]
        table.add_row(
            name.replace("_", " "), f"{load['images_per_s']:.1f}", f"{load['images_per_s'] / pipeline['forward']:.0%}",
            _latency(load), f"{worker.get('batch_tiles', 0):.0f}", f"{worker.get('infer_ms', 0):.1f}",
        )  # fmt: skip
    table.caption = f"batch wait + 2 x inference at 70 percent: {pipeline['p99_bound_ms']:.0f} ms"
    return table


def _cloth(result: dict[str, Any]) -> Table:
    table = Table("cloth", title="metres per minute, cloth inspected over its whole width")
    for pitch_mm in PITCHES_MM:
        table.add_column(f"{pitch_mm:g} mm/px", justify="right")
    speeds = result["line_speed_m_per_min"]
    for width_mm in WIDTHS_MM:
        width = f"{width_mm / 1000:g} m"
        table.add_row(width, *(f"{speeds[f'{width} at {pitch_mm:g} mm/px']:.1f}" for pitch_mm in PITCHES_MM))
    return table


def _show_line(line: dict[str, Any], console: Console) -> None:
    verdict = "keeps up" if line["keeps_up"] else "DOES NOT KEEP UP"
    console.print(f"line: needs {line['needed_tiles_per_s']:.1f} tiles/s of {line['measured_tiles_per_s']:.1f}: {verdict}")
    if line["highest_speed_m_per_min"] is not None:
        console.print(f"highest speed: {line['highest_speed_m_per_min']:.1f} m/min")
    table = Table("reaction", title="from slab to output")
    table.add_column("ms", justify="right")
    for name, ms in line["reaction_ms"].items():
        table.add_row(name.replace("_", " "), "not known" if ms is None else f"{ms:.1f}")
    console.print(table)
    console.print("guaranteed: the enforced budget, from a frame's arrival; without a verdict by then it is NOT_INSPECTED")
