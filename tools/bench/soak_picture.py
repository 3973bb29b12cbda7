"""The picture of a soak: each figure over time, a curve for each process, thick where it grows more than it may."""

from __future__ import annotations

from pathlib import Path

from glass_core.files.whole_file import whole_file
from pipeline.supervision.soaking import Soaked, read_samples
from pipeline.supervision.trend import DAY_S

COLUMNS = 3


def draw(soaked: Soaked, path: Path) -> None:
    """A panel for each figure; the trend is dashed over the half that it was taken from. OSError is left to the caller."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    series = read_samples(Path(soaked.out))
    kinds = list(dict.fromkeys(name.rsplit(" ", 1)[1] for name in series))
    rows = -(-len(kinds) // COLUMNS)
    figure = Figure(figsize=(5 * COLUMNS, 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for panel, kind in zip(panels, kinds, strict=False):
        for name, (times_s, values) in series.items():
            process, of = name.rsplit(" ", 1)
            if of != kind:
                continue
            found = soaked.trends.get(name)
            grows = found is not None and found.grows
            minutes = [t / 60 for t in times_s]
            label, width = (f"{process} grows", 3) if grows else (process, 1)
            (drawn,) = panel.plot(minutes, values, label=label, linewidth=width)
            if found is not None:
                half, end = minutes[0] + (minutes[-1] - minutes[0]) / 2, minutes[-1]
                rise = found.per_day * (end - half) * 60 / DAY_S / 2
                panel.plot([half, end], [found.level - rise, found.level + rise], "--", color=drawn.get_color(), linewidth=2)
        panel.set(title=kind.replace("_", " "), xlabel="minutes")
        panel.set_ylim(bottom=0)
        panel.grid(True, alpha=0.3)
        panel.legend(fontsize="x-small")
    for panel in panels[len(kinds) :]:
        panel.set_visible(False)
    with whole_file(path) as part:
        figure.savefig(part, dpi=100, format="png")
