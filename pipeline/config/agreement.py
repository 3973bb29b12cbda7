"""What the sections of a line must agree on. Each check raises ValueError that names the key and what to do."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.config.actions import DefectAction
from pipeline.config.motion import CameraMotion
from pipeline.config.styles import check_styles

if TYPE_CHECKING:
    from pipeline.config.line import LineConfig

STAGES = {"recorder", "decision", "worker", "motion", "rolls", "metrics", "recording"}
"""Processes that every line may have."""


def check_camera_names(line: LineConfig) -> None:
    """Each camera's process is known by the camera's name."""
    names = [c.name for c in line.cameras]
    if len(set(names)) < len(names):
        raise ValueError(f"cameras: names must differ, got {names}")


def check_wire_names(line: LineConfig) -> None:
    """So is that of each output and input, beside the processes that every line has."""
    wired = _wire_names(line)
    if len(set(wired)) < len(wired) or set(wired) & STAGES:
        raise ValueError(f"outputs and inputs: names must differ, also from {', '.join(sorted(STAGES))}, got {wired}")


def check_contact_names(line: LineConfig) -> None:
    """The record names a contact alone, without its device."""
    contacts = [c.name for i in line.inputs for c in i.contacts]
    if len(set(contacts)) < len(contacts):
        raise ValueError(f"inputs: contacts' names must differ, got {contacts}")


def check_no_camera_is_a_process(line: LineConfig) -> None:
    """No camera may have the name of another process."""
    if taken := {c.name for c in line.cameras} & {*STAGES, *_wire_names(line)}:
        raise ValueError(f"cameras: {', '.join(sorted(taken))} is another process's name, choose a different one")


def check_no_cloth_is_judged_twice(line: LineConfig) -> None:
    """The inspected ranges of two cameras may touch and not overlap."""
    ranges = sorted((*c.inspect_x_mm, c.name) for c in line.cameras if c.inspect_x_mm)
    for (_, end_mm, left), (start_mm, _, right) in pairwise(ranges):
        if start_mm < end_mm:
            raise ValueError(f"inspect_x_mm of {left} and {right} overlap: cloth from {start_mm:g} mm would be judged twice")


def check_motion_camera(line: LineConfig) -> None:
    """The camera that counts the encoder is one of the line's."""
    names = [c.name for c in line.cameras]
    if isinstance(line.motion, CameraMotion) and line.motion.camera not in names:
        raise ValueError(f"motion.camera: {line.motion.camera} is none of the cameras {names}")


def check_publisher(line: LineConfig) -> None:
    """Verdicts are published in one place."""
    if len(line.outputs) - len(line.wired) != 1:
        raise ValueError("outputs: exactly one publisher")


def check_distances(line: LineConfig) -> None:
    """An action at a distance waits for the cloth to get there."""
    if line.motion is None and any(isinstance(a, DefectAction) and a.distance_mm is not None for a in line.actions):
        raise ValueError("actions: distance_mm needs `motion:`, nothing else says when the cloth is there")


def check_first_style(line: LineConfig) -> None:
    """Where styles are listed, the first roll's is one of them."""
    if line.styles and line.line.style not in ("", *line.styles):
        raise ValueError(f"line.style: no such style {line.line.style}, choose one of {', '.join(line.styles)}")


def check_style_features(line: LineConfig) -> None:
    """A style sets only what can be set back."""
    check_styles(line.styles, line.own_features)


def check_lamps(line: LineConfig) -> None:
    """A lamp's level was measured under one setting of its camera."""
    trimmed = {c.name for c in line.cameras if c.lamp}
    for name, style in line.styles.items():
        if both := sorted(trimmed & style.features.keys()):
            raise ValueError(f"styles.{name}.features.{both[0]}: the level of that camera's lamp holds for one setting only")


def check_event_lengths(line: LineConfig) -> None:
    """No event suppresses rejects for longer than the line allows, whoever tells of it."""
    most_mm = line.decision.longest_event_m * 1000
    rules = {"line": line.line.events, **{f"styles.{name}": style.events for name, style in line.styles.items()}}
    told = {f"{where}.events.transverse_most_mm": e.transverse_most_mm for where, e in rules.items() if e and e.transverse}
    told |= {f"inputs: length_mm of contact {c.name}": c.length_mm for i in line.inputs for c in i.contacts if c.length_mm}
    for where, length_mm in told.items():
        if length_mm > most_mm:
            raise ValueError(f"{where}: {length_mm:g} is over decision.longest_event_m, {most_mm:g} mm")


CHECKS = (
    check_camera_names,
    check_wire_names,
    check_contact_names,
    check_no_camera_is_a_process,
    check_no_cloth_is_judged_twice,
    check_motion_camera,
    check_publisher,
    check_distances,
    check_first_style,
    check_style_features,
    check_lamps,
    check_event_lengths,
)


def _wire_names(line: LineConfig) -> list[str]:
    return [*(o.name for o in line.wired), *(i.name for i in line.inputs)]
