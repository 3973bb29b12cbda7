"""The course of a training as a picture: losses, cells told right, and held-out tiles, epoch by epoch."""

from collections.abc import Sequence
from pathlib import Path

from glass_core.files.whole_file import whole_file
from glass_core.network.checkpoint import EpochFigures

CURVES_PICTURE = "training.png"
ROWS = (
    ("loss", (("loss", "loss of the heads"),)),
    ("cells told right", (("p_true", "good cloth"), ("p_fake", "synthetic defects"))),
    (
        "held-out tiles",
        (("selection_auroc", "defects told apart (AUROC)"), ("selection_good_q99", "score of good cloth (99 %)")),
    ),
)
"""Each row of the picture: its title, and which figures it shows by what name."""


def write_curves(path: Path, curve: Sequence[EpochFigures], selected: int | None) -> None:
    """Draw the epochs so far as a PNG, `selected` (counted from 1) marked; OSError where it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 8), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, lines) in zip(figure.subplots(len(ROWS), sharex=True), ROWS, strict=True):
        for name, label in lines:
            points = [(row.epoch, value) for row in curve if (value := getattr(row, name)) is not None]
            axes.plot([epoch for epoch, _ in points], [value for _, value in points], marker=".", label=label)
        if selected is not None:
            axes.axvline(selected, color="grey", linestyle=":", label=f"the model: epoch {selected}")
        axes.set_title(title, loc="left", fontsize="medium")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=100)
