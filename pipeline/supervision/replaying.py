"""Judges recorded cloth with a model, in one process, every frame, as fast as it goes."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from glass_core.events import LeftOut, Pass, keep_quiet
from glass_core.pictures.datasets import left_below
from glass_core.settings.explanation import changed
from pipeline.cameras import make_camera
from pipeline.cameras.recording import INDEX
from pipeline.cameras.replay import list_pictures
from pipeline.config.cameras import ReplayConfig
from pipeline.config.ledger import LedgerConfig
from pipeline.config.line import LineConfig
from pipeline.report.roll import Summary, summarise
from pipeline.supervision.bundles import make_for_here
from pipeline.supervision.process import run_in_one_process

GEOMETRY = (
    "rows", "overlap_rows", "mm_per_px_x", "mm_per_px_y", "x_offset_mm", "inspect_x_px", "inspect_x_mm", "selvage_mm",
)  # fmt: skip
"""What a replay takes over from a line's first camera."""


def replay(
    source: Path,
    model: Path,
    out: Path | None = None,
    line: LineConfig | None = None,
    report: Callable[[object], None] = keep_quiet,
) -> Summary:
    """Judge a folder, data set, video or recording with a calibrated RUN or a BUNDLE; the figures of what was found.

    The record is left in `out` (None: a new folder in the temporary one). Of `line` its worker, decision and the geometry of
    its first camera are used. `report` hears of progress; Ctrl-C ends early with what was judged so far. Raises InputError
    for a source, model or card that cannot be used.

    >>> summary = replay(folder / "good", folder / "run", folder / "record")
    >>> summary.frames, summary.not_inspected
    (12, 0)
    """
    out = out or Path(tempfile.mkdtemp(prefix="glassline-replay-"))
    config = line_of(source, model, line or LineConfig(), out)
    make_for_here(config, report)
    if left := left_out(source):
        report(left)
    return judge(config, "judging", report)


def line_of(source: Path, model: Path, base: LineConfig, out: Path) -> LineConfig:
    """The given line with a single camera: the source, with the geometry of the base's first camera.

    There is no machine beside recorded cloth: motion, actions, inputs, outputs and what styles set are left out. Raises
    InputError for what does not fit.
    """
    where = f"the line as {source} is replayed"
    geometry = {key: getattr(base.cameras[0], key) for key in GEOMETRY} if base.cameras else {}
    camera = changed(ReplayConfig(name="replay", source="replay", path=source), where, **geometry)
    styles = {name: changed(style, where, model=None, features={}) for name, style in base.styles.items()}
    return changed(
        base, where, model=model, styles=styles, motion=None, cameras=(camera,), actions=(), inputs=(),
        outputs=(base.publisher,), ledger=LedgerConfig(path=out / "ledger.sqlite"),
    )  # fmt: skip


def left_out(source: Path) -> LeftOut | None:
    """Pictures in a folder's subfolders, which are not replayed; None for a recording, a video or a single picture."""
    if not source.is_dir() or (source / INDEX).is_file():
        return None
    return left_below({file.parent for file in list_pictures(source)})


def count_frames(config: LineConfig) -> int | None:
    """How many pictures the source has, where it knows; opening it also refuses a bad source early."""
    camera = make_camera(config.cameras[0])
    try:
        total = camera.open().get("frames")
    finally:
        camera.close()
    return total if isinstance(total, int) else None


def judge(config: LineConfig, title: str, report: Callable[[Pass], None] = keep_quiet) -> Summary:
    """Replay the line's only camera; Ctrl-C ends early with what was judged so far."""
    total = count_frames(config)
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda signum, frame: stopped.append(signum))
    try:
        run_in_one_process(config, observe=False, stop=lambda: bool(stopped), heard=lambda n: report(Pass(title, n, total)))
    finally:
        signal.signal(signal.SIGINT, before)
    return summarise(config.ledger.path)
