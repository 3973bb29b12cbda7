"""Judges recorded cloth with a model, in one process, every frame, as fast as it goes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from glass_core.errors import InputError
from glass_core.events import LeftOut, Note, Pass, keep_quiet
from glass_core.pictures.datasets import left_below
from glass_core.settings.explanation import changed
from pipeline.cameras import ask_camera
from pipeline.cameras.recording import INDEX, Recording
from pipeline.cameras.replay import list_pictures
from pipeline.config.cameras import ReplayConfig
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_verdicts
from pipeline.recording.contents import is_mcap
from pipeline.recording.reading import McapRecording
from pipeline.report.roll import Summary, summarise
from pipeline.supervision.bundles import make_for_here
from pipeline.supervision.process import run_in_one_process
from pipeline.supervision.shortfalls import shortfalls
from pipeline.supervision.signals import asked_to_stop, interrupted

GEOMETRY = (
    "rows", "overlap_rows", "mm_per_px_x", "mm_per_px_y", "x_offset_mm", "inspect_x_px", "inspect_x_mm", "selvage_mm",
)  # fmt: skip
"""What is taken over of a line's camera."""


def replay(
    source: Path,
    model: Path,
    out: Path | None = None,
    line: LineConfig | None = None,
    report: Callable[[object], None] = keep_quiet,
    camera: str | None = None,
) -> Summary:
    """Judge a folder, data set, video or recording with a calibrated RUN or a BUNDLE; the figures of what was found.

    The record is left in `out` (None: a new folder in the temporary one). Of a recording all cameras are judged, or
    `camera` alone. Of `line` its worker, decision and the geometry of its cameras are used. `report` hears of progress;
    Ctrl-C ends early with what was judged so far. Raises InputError for a source, model or card that cannot be used.

    >>> summary = replay(folder / "good", folder / "run", folder / "record")
    >>> summary.frames, summary.not_inspected
    (12, 0)
    """
    with place_for_record(out, "replay") as place:
        config = line_of(source, model, line or LineConfig(), place, camera)
        make_for_here(config, report)
        if left := left_out(source):
            report(left)
        sources = {entry.name: ask_camera(entry) for entry in config.cameras}
        judge(config, "judging", report)
        for words in shortfalls(sources, read_verdicts(config.ledger.path)):
            report(Note(words))
        return summarise(config.ledger.path)


@contextmanager
def place_for_record(out: Path | None, verb: str) -> Iterator[Path]:
    """`out`; where it is None, a new folder in the temporary one, which goes again when anything fails or ends it early."""
    if out is not None:
        yield out
        return
    with interrupted():
        made = Path(tempfile.mkdtemp(prefix=f"glassline-{verb}-"))
        try:
            yield made
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise


def line_of(source: Path, model: Path, base: LineConfig, out: Path, camera: str | None = None) -> LineConfig:
    """The given line with the source as its cameras: one, or those of a recording, or of these `camera` alone.

    The geometry of each is that of the base's camera of its name; else a single one has that of the base's first, and
    where there is none, what the recording says. There is no machine beside recorded cloth: motion, actions, inputs, outputs
    and what styles set are left out. Raises InputError for a recording that cannot be read, and for what does not fit.
    """
    if recording := _recording(source):
        names = list(recording.cameras) if camera is None and recording.cameras else [recording.camera(camera)]
        try:
            cameras = tuple(_recorded_camera(recording, name, base, alone=len(names) == 1) for name in names)
        except ValidationError as e:
            fault = e.errors(include_url=False)[0]
            where = ".".join(str(step) for step in fault["loc"])
            raise InputError(f"recording damaged: {where}: {fault['msg']}, {recording.index}, record again") from None
    elif camera is not None:
        raise InputError(f"camera {camera} of what is no recording, {source}, leave --camera out")
    else:
        plain = ReplayConfig(name="replay", source="replay", path=source)
        geometry = _geometry(base.cameras[0].model_dump()) if base.cameras else {}
        cameras = (changed(plain, f"the line as {source} is replayed", **geometry),)
    where = f"the line as {source} is replayed"
    styles = {name: changed(style, where, model=None, features={}) for name, style in base.styles.items()}
    return changed(
        base, where, model=model, styles=styles, motion=None, cameras=cameras, actions=(), inputs=(),
        outputs=(base.publisher,), ledger=changed(base.ledger, where, path=out / "ledger.sqlite"),
    )  # fmt: skip


def left_out(source: Path) -> LeftOut | None:
    """Pictures in a folder's subfolders, which are not replayed; None for a recording, a video or a single picture."""
    if not source.is_dir() or (source / INDEX).is_file() or is_mcap(source):
        return None
    return left_below({file.parent for file in list_pictures(source)})


def _recording(source: Path) -> Recording | McapRecording | None:
    if (source / INDEX).is_file():
        return Recording(source)
    return McapRecording(source) if is_mcap(source) else None


def _recorded_camera(recording: Recording | McapRecording, name: str, base: LineConfig, alone: bool) -> ReplayConfig:
    """A camera of a recording; one whose places are not recorded begins at its own offset along the cloth."""
    known = next((c for c in base.cameras if c.name == name), base.cameras[0] if alone and base.cameras else None)
    facts = known.model_dump() if known else recording.config(name)
    geometry = _geometry(facts) | {"y_offset_mm": facts.get("y_offset_mm", 0.0)}
    if isinstance(recording, McapRecording):  # its pictures are frames already
        geometry |= {"rows": None, "overlap_rows": 0}
    return _replayed(name, recording.path, name, geometry)


def _replayed(name: str, source: Path, camera: str | None, geometry: Mapping[str, Any]) -> ReplayConfig:
    return ReplayConfig.model_validate({"name": name, "source": "replay", "path": source, "camera": camera, **geometry})


def _geometry(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: facts[key] for key in GEOMETRY if key in facts}


def count_frames(config: LineConfig, report: Callable[[Note], None] = keep_quiet) -> int | None:
    """How many pictures the sources have, where they know; opening them also refuses a bad source early.

    `report` hears of recordings that were cut short.
    """
    total: int | None = 0
    for entry in config.cameras:
        facts = ask_camera(entry)
        if facts.get("shortfall"):
            report(Note(f"the recording of camera {entry.name} was cut short: {facts['shortfall']}"))
        frames = facts.get("frames")
        total = total + frames if total is not None and isinstance(frames, int) else None
    return total


def judge(config: LineConfig, title: str, report: Callable[[object], None] = keep_quiet) -> bool:
    """Replay the line's cameras to their end; false: Ctrl-C ended it early, with what was judged so far on record."""
    total = count_frames(config, report)
    with asked_to_stop() as stopped:
        run_in_one_process(config, observe=False, stop=stopped, heard=lambda n: report(Pass(title, n, total)))
        return not stopped()
