"""A first configuration of a line, commented, from what a person says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glass_core.errors import InputError

CameraKind = Literal["area", "line", "replay"]
MM_S = 1000 / 60
"""Of a m/min."""
ROWS, OVERLAP_ROWS = 512, 32
"""New rows of a line-scan camera's frame, and those carried over from the one before."""
COMMENTS_AT = 48
BUDGET_MS, REPLAYED_BUDGET_MS = 500, 5000


@dataclass(frozen=True)
class Encoder:
    """What counts the cloth on."""

    source: Literal["none", "camera", "udp", "modbus"] = "none"
    host: str = ""
    """Of Modbus."""
    counts_per_mm: float = 10.0


@dataclass(frozen=True)
class Wire:
    """An output beside the publisher: where the machine, a broker or an MES is."""

    kind: Literal["modbus", "mqtt", "folder"]
    where: str


@dataclass(frozen=True)
class Draft:
    """What is known of a line before anything of it was tried."""

    name: str
    kind: CameraKind
    serials: tuple[str, ...] = ()
    footage: Path | None = None
    """What is replayed."""
    mm_per_px: float | None = None
    width_mm: float | None = None
    """Of the cloth; null: not known."""
    speed_m_min: float = 30.0
    """The highest."""
    encoder: Encoder = Encoder()
    outputs: tuple[Wire, ...] = ()
    model: Path | None = None


def written(draft: Draft, path: str, schema: str) -> str:
    """The draft as YAML; `path` is where it will stand, `schema` where editors find the JSON Schema."""
    return "\n".join(map(_aligned, _lines(draft, path, schema)))


def _lines(draft: Draft, path: str, schema: str) -> Iterator[str]:
    """A tab stands before what is said of a line."""
    yield f"# glassline run {path}"
    yield f"# yaml-language-server: $schema={schema}"
    yield "# A first draft by `glassline init`. Paths are meant from the folder the program is started in."
    yield f"# `glassline validate {path}` says what is wrong or missing."
    yield "line:"
    yield f"  name: {_text(draft.name)}"
    yield f"  roll_id: R-0001\t# the first roll; the next begins with `glassline tell {path} roll start ID`"
    yield from _model(draft)
    yield from _motion(draft)
    yield "cameras:"
    yield from _cameras(draft)
    yield "worker: {backend: auto}\t# `glassline doctor` says what that is on this machine"
    yield f"decision: {{budget_ms: {_budget_ms(draft)}}}\t# from a picture to its verdict; a later one counts for nothing"
    yield "grading: {rules: d5430-inch-1, accept: 40}\t# the four-point system, up to 40 points in 100 square yards"
    yield from _actions(draft)
    yield from _outputs(draft)
    yield f"ledger: {{path: out/{draft.name}/ledger.sqlite}}\t# the record; pictures and reports lie beside it"
    yield ""


def _aligned(line: str) -> str:
    text, tab, said = line.partition("\t")
    return f"{text:<{COMMENTS_AT}} {said}" if tab else line


def _model(draft: Draft) -> Iterator[str]:
    if draft.model is not None:
        yield f"model: {_text(draft.model)}"
        return
    yield f"# model: {_text(Path('runs') / draft.name)}\t# take the # away when `glassline train` has made it"


def _motion(draft: Draft) -> Iterator[str]:
    encoder, top = draft.encoder, round(draft.speed_m_min * MM_S, 3)
    limits = f"counts_per_mm: {_number(encoder.counts_per_mm)}, max_speed_mm_s: {_number(top)}"
    told = f"# {_number(draft.speed_m_min)} m/min"
    if draft.kind == "replay":
        yield f"motion: {{source: simulated, speed_mm_s: {_number(top)}}}\t{told}, in the program alone"
        return
    match encoder.source:
        case "camera":
            yield f"motion: {{source: camera, camera: {_names(draft)[0]}, {limits}}}   {told} at most"
        case "udp":
            yield f'motion: {{source: udp, listen: "127.0.0.1:9100", {limits}}}   {told} at most'
        case "modbus":
            yield f"motion: {{source: modbus, host: {_text(encoder.host)}, register: 0, words: 2, {limits}}}   {told} at most"
        case "none":
            yield "# Without an encoder nothing has a place along the cloth, and silence of a camera is not noticed:"
            yield f'# motion: {{source: udp, listen: "127.0.0.1:9100", {limits}}}'


def _cameras(draft: Draft) -> Iterator[str]:
    names = _names(draft)
    for number, name in enumerate(names):
        yield f"  - name: {name}"
        yield from _source(draft, number)
        if draft.mm_per_px is None:
            yield "    # mm_per_px_x: 0.2\t# lengths are not known until both are set, or a card is named:"
            yield f"    # scale: {name}.scale.json\t# of `glassline calibrate scale`"
            continue
        yield f"    mm_per_px_x: {_number(draft.mm_per_px)}"
        yield f"    mm_per_px_y: {_number(draft.mm_per_px)}"
        if draft.width_mm is not None:
            left, right = (round(draft.width_mm * edge / len(names), 3) for edge in (number, number + 1))
            yield f"    x_offset_mm: {_number(left)}\t# where its picture begins across the cloth"
            yield f"    inspect_x_mm: [{_number(left)}, {_number(right)}]\t# its share of the width: no cloth is judged twice"


def _source(draft: Draft, number: int) -> Iterator[str]:
    if draft.kind == "replay":
        yield "    source: replay"
        yield f"    path: {_text(draft.footage or Path())}"
        return
    yield "    source: basler"
    yield f"    serial: {_text(draft.serials[number])}"
    yield "    features: {ExposureTime: 100.0}\t# GenICam names; the .pfs of the vendor's viewer goes under `pfs:`"
    if draft.kind == "line":
        yield "    trigger: {selector: LineStart, source: Line1, activation: RisingEdge}\t# the encoder's pulse, a line each"
        period_us = 0 if draft.mm_per_px is None else int(draft.mm_per_px / (draft.speed_m_min * MM_S) * 1e6)
        if period_us:  # no camera takes a line each microsecond
            yield f"    line_period_us: {period_us}\t# at the highest speed; the exposure is checked against it"
        yield f"    rows: {ROWS}\t# new rows of a frame"
        yield f"    overlap_rows: {OVERLAP_ROWS}\t# carried over, so that a defect on the border is seen whole"
    elif draft.encoder.source != "none":
        yield "    trigger: {selector: FrameStart, source: Line1, activation: RisingEdge}\t# a pulse of the encoder's divider"
    if draft.encoder.source == "camera" and number == 0:
        yield "    encoder_chunk: ChunkCounterValue\t# switched on by features or the .pfs file"


def _actions(draft: Draft) -> Iterator[str]:
    """Where a wire to the machine is known, else as a comment."""
    mark = "" if any(wire.kind == "modbus" for wire in draft.outputs) else "# "
    yield f"{mark}actions:"
    yield f"{mark}  - {{when: DEFECT, severity: 4, do: stop}}\t# severity 1 to 4, the points of a defect's length"
    yield f"{mark}  - {{when: NOT_INSPECTED, after_mm: 2000, do: stop}}"
    yield f"{mark}  - {{when: FAULT, do: stop}}"


def _outputs(draft: Draft) -> Iterator[str]:
    yield "outputs:"
    yield "  - {kind: publisher}"
    names = {"modbus": "plc", "mqtt": "mqtt", "folder": "mes"}
    for number, wire in enumerate(draft.outputs):
        again = sum(other.kind == wire.kind for other in draft.outputs[:number])
        name = names[wire.kind] + (f"-{again + 1}" if again else "")
        where = f"path: {_text(wire.where)}" if wire.kind == "folder" else f"host: {_text(wire.where)}"
        yield f"  - {{kind: {wire.kind}, name: {name}, {where}}}"
    if not draft.outputs:
        yield "  # - {kind: modbus, name: plc, host: 192.168.0.10}\t# a PLC or remote I/O, which stops the machine"


def _names(draft: Draft) -> list[str]:
    return [f"camera-{n}" for n in range(1, len(draft.serials) + 1)] if draft.kind != "replay" else ["cloth"]


def _budget_ms(draft: Draft) -> int:
    return REPLAYED_BUDGET_MS if draft.kind == "replay" else BUDGET_MS


def _text(value: str | Path) -> str:
    """Quoted, so that no word of it reads as something else, and with escapes for what YAML would refuse or fold."""
    quoted = json.dumps(str(value), ensure_ascii=False)
    try:
        quoted.encode()
    except UnicodeEncodeError:
        raise InputError(f"no YAML file can name it, {value}, give it a name in UTF-8") from None
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in quoted)


def _number(value: float) -> str:
    """As it was said."""
    return f"{value:.12g}"
