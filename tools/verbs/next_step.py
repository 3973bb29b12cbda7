"""What a verb of the first hour says last: the command that comes next, whole, to be copied."""

from __future__ import annotations

import shlex
from pathlib import Path

from pipeline.config.cameras import ReplayConfig
from pipeline.config.cards import read_line
from pipeline.config.line import LineConfig

RECORDED_METRES, RECORDED_FRAMES = 50, 500


def next_step(*words: object) -> str:
    """A command as a line."""
    return f"next: glassline {shlex.join(str(word) for word in words if word is not None)}"


def after_validate(path: Path, line: LineConfig) -> str:
    """A line with a model runs; one without needs footage of good cloth, and then a model."""
    if line.model is not None:
        return next_step("run", path)
    if (footage := footage_of(line)) is not None:
        return next_step("train", footage, "--config", path, "--out", run_of(line))
    scaled = line.cameras and all(camera.mm_per_px_y for camera in line.cameras)
    limit = ("--metres", RECORDED_METRES) if scaled else ("--frames", RECORDED_FRAMES)
    return next_step("record", path, "--out", "footage", *limit)


def after_train(model: Path, path: Path | None) -> str:
    """A card; of the file for training the line is of use, if it has one."""
    line = path and read_line(path)
    return next_step("calibrate", "threshold", model, *(("--config", path) if line and line.cameras else ()))


def after_report(folder: Path, waiting: int) -> str:
    """What people say of the defects belongs to the grade; after that the record is for looking at."""
    return next_step("review" if waiting else "page", folder)


def after_calibrate(model: Path, path: Path | None, line: LineConfig | None) -> str:
    """With a line whose cloth lies in a folder that is judged; a live line is looked at once more, then runs."""
    if path is None or line is None:
        return f"{next_step('replay', 'SOURCE', '--model', model, '--out', 'out')}, or run a line with `model: {model}`"
    if (footage := footage_of(line)) is not None:
        return next_step("replay", footage, "--model", model, "--config", path, "--out", Path("out") / line.line.name)
    if line.model is None:
        return f"write `model: {model}` into {path}; {next_step('validate', path)}"
    return next_step("validate", path)


def footage_of(line: LineConfig) -> Path | None:
    """Where its cloth lies, if its only camera replays it."""
    (*others, camera) = line.cameras or (None,)
    return camera.path if isinstance(camera, ReplayConfig) and not others else None


def run_of(line: LineConfig) -> Path:
    """Where its model is put."""
    return Path("runs") / line.line.name
