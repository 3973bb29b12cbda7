"""What `glassline init` asks: each question with its option, what it takes for an answer, and what it proposes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from glass_core.errors import InputError
from pipeline.config.draft import CameraKind, Encoder, Wire
from pipeline.messages.domains import M_PER_MIN, MAX_MM_PER_PX, MAX_MM_S, MAX_OFFSET_MM, MIN_MM_PER_PX, NAME
from pipeline.supervision.validation.addresses import can_be_a_host

UNKNOWN = "unknown"
MIN_COUNTS, MAX_COUNTS = 1e-3, 1e6
Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """`read` takes what was typed, or the option's value, and raises InputError for what cannot be meant."""

    key: str
    words: str
    metavar: str
    help: str
    read: Callable[[Any], Any]
    default: Callable[[Answers, Sequence[str]], str]
    """What is proposed, by the answers so far and the serials found; empty: nothing can be."""
    applies: Callable[[Answers], bool] = lambda answers: True
    many: bool = False
    is_path: bool = False

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return f"--{self.key.replace('_', '-')}"


def _kind(said: str) -> CameraKind:
    if said not in get_args(CameraKind):
        raise InputError(f"no such kind {said}, --kind, give one of {', '.join(get_args(CameraKind))}")
    kind: CameraKind = said  # type: ignore[assignment]
    return kind


def _name(said: str) -> str:
    if not re.fullmatch(NAME, said):
        raise InputError(f"a name of letters, digits, - and _ is wanted, --name {said}, give 1 to 32 of them")
    return said


def _serials(said: Sequence[str]) -> tuple[str, ...]:
    serials = tuple(part for word in said for part in word.replace(",", " ").split())
    if not serials or len(set(serials)) < len(serials):
        raise InputError("each camera has a serial of its own, --serials, see `glassline camera list`")
    return serials


def _footage(said: Path) -> Path:
    if not said.exists() or said == Path():
        raise InputError(f"nothing there, --footage {said}, name a folder of pictures, a data set, a recording or a video")
    return said


def _number(option: str, low: float, high: float, unknown: bool = False) -> Callable[[str], float | None]:
    def read(said: str) -> float | None:
        if unknown and said == UNKNOWN:
            return None
        try:
            number = float(said)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise InputError(f"not usable, {option} {said}, give {low:g} to {high:g}{f', or {UNKNOWN}' if unknown else ''}")
        return number

    return read


def _encoder(said: str) -> Encoder:
    """`none`, or source and counts of a millimetre: udp,10 or modbus:HOST,10."""
    if said == "none":
        return Encoder()
    source, _, counts = said.partition(",")
    kind, _, host = source.partition(":")
    good = (kind in ("camera", "udp") and not host) or (kind == "modbus" and can_be_a_host(host))
    try:
        number = float(counts)
    except ValueError:
        number = 0.0
    if not good or not MIN_COUNTS <= abs(number) <= MAX_COUNTS:
        allowed = "none, camera,COUNTS, udp,COUNTS or modbus:HOST,COUNTS, in counts a mm"
        raise InputError(f"no encoder is {said}, --encoder, give {allowed}")
    return Encoder(source=kind, host=host, counts_per_mm=number)  # type: ignore[arg-type]


def _outputs(said: Sequence[str]) -> tuple[Wire, ...]:
    """`none`, or KIND:WHERE of each."""
    wires = []
    for word in (part for one in said for part in one.split() if part != "none"):
        kind, _, where = word.partition(":")
        if not where or not (kind == "folder" or (kind in ("modbus", "mqtt") and can_be_a_host(where))):
            raise InputError(f"no output is {word}, --outputs, give none, modbus:HOST, mqtt:HOST or folder:PATH")
        wires.append(Wire(kind, where))  # type: ignore[arg-type]
    return tuple(wires)


def _live(answers: Answers) -> bool:
    return answers.get("kind") in ("area", "line")


QUESTIONS = (
    Question(
        "kind", "Where do pictures come from (area: area-scan cameras, line: line-scan cameras, replay: a folder)",
        "area|line|replay",
        "area, line or replay: area-scan cameras, line-scan cameras, or pictures of a folder",
        _kind, lambda answers, serials: "area" if serials else "replay",
    ),
    Question(
        "name", "Name of the line", "NAME", "name of the line", _name,
        lambda answers, serials: "line-1" if _live(answers) else "replayed",
    ),
    Question(
        "serials", "Serials of the cameras, from left to right", "SERIAL", "a camera's serial; repeated, from left to right",
        _serials, lambda answers, serials: " ".join(serials), _live, many=True,
    ),
    Question(
        "footage", "Folder of pictures, data set, recording or video", "PATH", "what is replayed",
        _footage, lambda answers, serials: "", lambda answers: answers.get("kind") == "replay", is_path=True,
    ),
    Question(
        "mm_per_px", "Scale in mm a pixel (unknown: lengths are null)", "MM", "size of a pixel on the cloth, or unknown",
        _number("--mm-per-px", MIN_MM_PER_PX, MAX_MM_PER_PX, unknown=True), lambda answers, serials: UNKNOWN,
    ),
    Question(
        "width_mm", "Width of the cloth in mm (unknown: all that the cameras see)", "MM", "width of the cloth, or unknown",
        _number("--width-mm", 1, MAX_OFFSET_MM, unknown=True), lambda answers, serials: UNKNOWN,
        lambda answers: answers.get("mm_per_px", 1.0) is not None,
    ),
    Question(
        "speed_m_min", "Highest speed in m/min", "M_MIN", "highest speed of the cloth",
        _number("--speed-m-min", 0.01, MAX_MM_S * M_PER_MIN), lambda answers, serials: "30",
    ),
    Question(
        "encoder", "Encoder (none, camera,COUNTS_PER_MM, udp,COUNTS_PER_MM or modbus:HOST,COUNTS_PER_MM)", "ENCODER",
        "what counts the cloth on: none, camera,COUNTS, udp,COUNTS or modbus:HOST,COUNTS, in counts a mm",
        _encoder, lambda answers, serials: "camera,10" if answers.get("kind") == "line" else "none", _live,
    ),
    Question(
        "outputs", "Outputs beside the publisher (none, modbus:HOST, mqtt:HOST, folder:PATH)", "OUTPUT",
        "none, or modbus:HOST, mqtt:HOST or folder:PATH; may be repeated",
        _outputs, lambda answers, serials: "none", many=True,
    ),
)  # fmt: skip
"""In the order in which they are asked; a later one may hang on the answers to those before."""
