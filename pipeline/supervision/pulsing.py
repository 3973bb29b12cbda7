"""Tries the wires to the machine while the line does not run: everything on for a moment, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from glass_core.errors import InputError
from glass_core.events import Note, keep_quiet
from pipeline.cameras import Camera, CameraLost, make_camera
from pipeline.config.line import LineConfig
from pipeline.devices import DeviceLost
from pipeline.outputs import OUTPUTS, output_kind
from pipeline.supervision.runtime_folder import is_running

PULSE_S = 0.5


@dataclass(frozen=True)
class Pulsed:
    """By output, or `camera NAME` for its reject line: the names of what was switched on, or why it did not answer."""

    pulsed: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def pulse_outputs(config: LineConfig, report: Callable[[Note], None] = keep_quiet) -> Pulsed:
    """Switch everything that each output of a line has on for half a second, one after the other; all is off at the end.

    A camera with a reject line is opened for it, as the line would open it: nobody else has it while no line runs.
    `report` hears of each. Raises InputError for a line without such outputs, and for one that runs.

    >>> pulse_outputs(config).pulsed
    {'plc': ['run permit', 'inspection ok', 'mark', 'lamp']}
    """
    lines = [camera for camera in config.cameras if getattr(camera, "reject_line", None) is not None]
    if not config.wired and not lines:
        raise InputError(f"no outputs to test, the config, add one of kind {' or '.join(OUTPUTS)} under `outputs:`")
    if is_running(config.line.name):
        raise InputError(f"line runs, {config.line.name}, stop it before its outputs are tested")
    found = Pulsed()
    for output in config.wired:
        names = []
        try:
            for name, words in output_kind(output.kind).trials(output):
                report(Note(f"{output.name}: {words}"))
                time.sleep(PULSE_S)
                names.append(name)
            found.pulsed[output.name] = names
        except DeviceLost as e:
            found.failed[output.name] = str(e)
    for camera in lines:
        name = f"camera {camera.name}"
        try:
            _pulse(make_camera(camera), partial(report, Note(f"{name}: reject line, on: cloth may pass")))
            found.pulsed[name] = ["reject line"]
        except (InputError, CameraLost) as e:
            found.failed[name] = str(e)
    return found


def _pulse(camera: Camera, told: Callable[[], None]) -> None:
    try:
        camera.open()
        camera.switch(True)
        told()
        time.sleep(PULSE_S)
        camera.switch(False)
    finally:
        camera.close()
