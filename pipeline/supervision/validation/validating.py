"""Looks at everything about a line that can be known without starting it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from calibration.bundle import is_foreign
from calibration.threshold import load_card
from glass_core.engines.bundle import is_bundle
from glass_core.errors import AbsentError, InputError
from glass_core.events import Note, keep_quiet
from glass_core.network.checkpoint import read_info
from pipeline.cameras import ask_camera
from pipeline.config.cameras import BaslerConfig, CameraConfig
from pipeline.config.cards import camera_cards, read_line, with_cards
from pipeline.config.line import LineConfig
from pipeline.messages.domains import M_PER_MIN
from pipeline.supervision.demand import Demand, highest_speed_mm_s, needed_tiles_per_s, refuse_slow
from pipeline.supervision.reach import reaches, top_speed
from pipeline.supervision.running import most_asked_of
from pipeline.supervision.runtime_folder import is_running
from pipeline.supervision.validation.addresses import check_addresses
from pipeline.supervision.validation.files import check_files
from pipeline.supervision.validation.finding import Finding, answered
from pipeline.supervision.validation.measuring import measure_engines

Sizes = dict[str, tuple[int, int]]
"""Of each camera's pictures: (height, width) px."""


class Validation(BaseModel):
    """What was found of a configuration, as `--json` prints it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    config: str
    line: str
    valid: bool
    """There is no error: the line can be started, or recorded where there is no model yet."""
    findings: tuple[Finding, ...]


def validate(path: Path, report: Callable[[Note], None] = keep_quiet) -> Validation:
    """Look at a configuration: keys, files, cards, cameras, addresses, speeds, and its engine against what cameras ask of it.

    Nothing is started; each camera is opened for a moment, unless the line runs. `report` hears what takes long. Raises
    InputError for a file that is no configuration.

    >>> found = validate(config_file)
    >>> found.valid, found.findings[0].text
    (True, 'line example, 1 camera')
    """
    line = read_line(path)
    findings = [*_findings(line, report)]
    valid = not any(finding.status == "error" for finding in findings)
    return Validation(config=str(path), line=line.line.name, valid=valid, findings=tuple(findings))


def _findings(line: LineConfig, report: Callable[[Note], None]) -> Iterator[Finding]:
    if line.train and line.model_fields_set <= {"train"}:
        yield Finding(about="settings", status="ok", text="settings of a training alone, no line")
        return
    count = len(line.cameras)
    text = (
        f"line {line.line.name}, {count} camera{'' if count == 1 else 's'}" if count else "no cameras, add one under `cameras:`"
    )
    yield Finding(about="settings", status="ok" if count else "error", text=text)
    running = is_running(line.line.name)
    if running:
        text = f"line {line.line.name} runs: its cameras are not opened and its engine is not measured beside it"
        yield Finding(about="settings", status="warning", text=text)
    cards = answered("cards", lambda: _check_cards(line))
    yield from cards
    if not any(finding.status == "error" for finding in cards):
        line = with_cards(line)
    yield from answered("files", lambda: check_files(line, running))
    yield from answered("addresses", lambda: check_addresses(line, running))
    yield from _check_machine(line)
    yield from _check_cloth(line)
    yield from _check_serials(line)
    sizes: Sizes = {}
    if not running:
        for camera in line.cameras:
            yield from answered("cameras", partial(_check_camera, camera, sizes))
    yield from answered("reach", lambda: _check_reach(line))
    models = [finding for model in line.models for finding in answered("model", partial(_check_model, model))]
    yield from models
    if line.model is None:
        text = "no `model:` yet: the line can record; train one, then name its folder"
        yield Finding(about="model", status="warning", text=text)
    elif sizes and not running and not any(finding.status == "error" for finding in models):
        yield from answered("engine", lambda: _check_engine(line, sizes, report))


def _check_cards(line: LineConfig) -> Iterator[Finding]:
    for camera in line.cameras:
        for kind in camera_cards(camera, datetime.now(UTC)):
            yield Finding(about="cards", status="ok", text=f"{getattr(camera, kind)}, {kind} of camera {camera.name}")
    with_cards(line)


def _check_machine(line: LineConfig) -> Iterator[Finding]:
    """Whether what is asked of the machine can reach it."""
    asked = sorted({action.do for action in line.actions} & {"stop", "mark"})
    if asked and not any(output.carries_rejects for output in line.wired):
        text = f"actions {' and '.join(asked)}, and no output carries them: add one of kind modbus, or have a program subscribe"
        yield Finding(about="machine", status="warning", text=text)


def _check_cloth(line: LineConfig) -> Iterator[Finding]:
    """Whether lengths are known, and silence is noticed."""
    if unscaled := [camera.name for camera in line.cameras if camera.mm_per_px_y is None]:
        text = f"lengths are not known, camera {', '.join(unscaled)}, set mm_per_px_x and mm_per_px_y, or its `scale:` card"
        yield Finding(about="cloth", status="warning", text=text)
    if line.motion is None:
        text = "no `motion:`: cloth that passes while a camera is silent is not noticed, and nothing has a distance"
        yield Finding(about="cloth", status="warning", text=text)


def _check_serials(line: LineConfig) -> Iterator[Finding]:
    """Opened one after the other they would all be there; a line opens them together."""
    owners: dict[str, str] = {}
    for camera in line.cameras:
        if isinstance(camera, BaslerConfig) and (owner := owners.setdefault(camera.serial, camera.name)) != camera.name:
            text = f"one device for two, cameras {owner} and {camera.name}, serial {camera.serial}, see `glassline camera list`"
            yield Finding(about="cameras", status="error", text=text)


def _check_camera(camera: CameraConfig, sizes: Sizes) -> Iterator[Finding]:
    """Opens it for a moment; its size is noted in `sizes`."""
    try:
        facts = ask_camera(camera)
    except AbsentError as absent:
        yield Finding(about="cameras", status="warning", text=f"{absent}; the line waits for it")
        return
    sizes[camera.name] = facts["height"], facts["width"]
    yield Finding(about="cameras", status="ok", text=f"{camera.name}, {camera.source}, {facts['width']} x {facts['height']} px")


def _check_reach(line: LineConfig) -> Iterator[Finding]:
    for reach in reaches(line):
        yield Finding(about="reach", status="ok", text=f"{reach} ({reach.most_mm_s * M_PER_MIN:.0f} m/min)")
    if not any(camera.actuator_mm for camera in line.cameras):
        text = f"no camera has actuator_mm: a verdict is due {line.decision.budget_ms:g} ms after its picture"
        yield Finding(about="reach", status="ok", text=text)


def _check_model(model: Path) -> Iterator[Finding]:
    if not model.is_dir():
        raise InputError(f"no such model, {model}, give the folder that `glassline train` wrote")
    info, card = read_info(model), load_card(model)
    assert card is not None
    kind = "bundle" if is_bundle(model) else "run"
    if card.provisional:
        text = f"{model}, its threshold is provisional: collect more good cloth with `glassline run CONFIG --observe`"
        yield Finding(about="model", status="warning", text=text)
    else:
        yield Finding(about="model", status="ok", text=f"{model}, {kind}, {info.arch}, with its card")


def _check_engine(line: LineConfig, sizes: Sizes, report: Callable[[Note], None]) -> Iterator[Finding]:
    """What the worker is asked for, beside what its engine is measured to do now."""
    asked = most_asked_of(line, sizes)
    bundles = [model for model in line.models if is_bundle(model) and line.worker.on_foreign_device == "recompile"]
    if foreign := [reason for bundle in bundles if (reason := is_foreign(bundle.resolve()))]:
        text = f"{str(foreign[0]).split(', ')[0]}: the line compiles it again before it starts, so it is not measured"
        yield Finding(about="engine", status="warning", text=text)
        return
    report(Note("measuring the engine"))
    measured = measure_engines(line)
    needed = needed_tiles_per_s(asked, line.decision.budget_ms)
    refuse_slow(needed, measured.tiles_per_s)
    highest = highest_speed_mm_s(asked, measured.tiles_per_s)
    speed = "" if highest is None else f", enough for {highest * M_PER_MIN:.1f} m/min"
    text = f"{measured.engine}: {measured.tiles_per_s:.1f} tiles/s{speed}; cameras and budget ask for {needed:.1f}"
    yield Finding(about="engine", status="ok", text=text)
    yield from _check_rates(line, asked)


def _check_rates(line: LineConfig, asked: list[Demand]) -> Iterator[Finding]:
    if unknown := [demand.camera for demand in asked if demand.tiles_per_s is None]:
        text = f"how fast pictures come is not known, camera {', '.join(unknown)}, its share of the demand is left out: set "
        text += "`rate`" if top_speed(line) else "`rate`, or `motion:` with the highest speed"
        yield Finding(about="engine", status="warning", text=text)
