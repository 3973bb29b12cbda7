"""The figures of `python -m tools.studies.path` as tables for a person."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def show_path(path: dict[str, Any], console: Console) -> None:
    """One shape's figures."""
    speed = f"{path['frames_per_s']:.0f} frames/s" if path["frames_per_s"] else "too few frames for a rate"
    counts = f"{path['pass']} pass, {path['defect']} defect, {path['not_inspected']} not inspected"
    table = Table(title=f"{path['width_px']} x {path['height_px']} px, {path['frames']} frames: {counts}; {speed}")
    before, after = path["rss_frames"]
    for head in (
        "process",
        "CPU us/frame",
        "of scoring (wall)",
        "of scoring (CPU)",
        "CPU ms/s at rest",
        f"MiB after {before}",
        f"after {after}",
        "KiB/1000 frames",
    ):
        table.add_column(head, justify="left" if head == "process" else "right")
    walls, cpus = path["share_of_scoring_wall"], path["share_of_scoring_cpu"]
    for role in path["cpu_us_per_frame"]:
        row = [role, f"{path['cpu_us_per_frame'][role]:.0f}", *(f"{s[role]:.2%}" if s else "-" for s in (walls, cpus))]
        if role != "all":
            slope = path["rss_kib_per_1000_frames"][role]
            row += [
                f"{path['cpu_ms_per_s_at_rest'][role]:.0f}",
                *(f"{mib:.1f}" for mib in path["rss_mib"][role]),
                "-" if slope is None else f"{slope:+.1f}",
            ]
        table.add_row(*row)
    console.print(table)
    if scoring := path["scoring"]:
        how = f"{scoring['backend']} {scoring['precision']} on {scoring['device']}, {scoring['tiles']} tiles"
        console.print(f"scoring ({how}): {scoring['wall_us'] / 1e3:.1f} ms wall, {scoring['cpu_us'] / 1e3:.1f} ms CPU")


def show_training(rows: list[dict[str, Any]], console: Console) -> None:
    """Seconds for each backbone."""
    table = Table("backbone", "ascent", "s/iteration", "CPU s/iteration", title="training, 8 tiles of 256 px")
    for row in rows:
        times = (f"{row[key]:.2f}" if row[key] is not None else "no weights" for key in ("wall_s", "cpu_s"))
        table.add_row(row["backbone"], "yes" if row["ascent"] else "no", *times)
    console.print(table)
