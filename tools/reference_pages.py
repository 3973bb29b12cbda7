"""The pages of docs/reference, made from the types: verbs, configuration, messages; `tools.protocol_pages` writes them."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from pipeline.config.schema import Described, config_schema
from pipeline.link.wire import TYPES, VERSION
from pipeline.messages.domains import MAX_HEADER_BYTES
from pipeline.messages.line import STALE_NS
from tools.cli import parser

FOLDER = Path("docs/reference")
UNITS = {
    "mm_per_px": "mm/px", "us": "µs", "mm_s": "mm/s", "mm": "mm", "m": "m", "ms": "ms", "ns": "ns",
    "px": "px", "s": "s", "hz": "Hz", "mib": "MiB", "gb": "GB", "mb": "MB", "percent": "%",
    "m_per_min": "m/min", "m2": "m²", "hours": "h", "days": "d", "minutes": "min",
}  # fmt: skip
"""By the end of a key's name, the longest first where several fit."""
PUBLISHED = (
    "Verdict", "Reject", "Action", "LineState", "Heartbeat", "Totals", "Roll", "SpanEvent", "Alignment", "Answer",
)  # fmt: skip
"""By decision, to whoever subscribes; the other kinds pass between the line's own processes."""
COMMON = {
    "number": "Of this kind, from 0 within a generation.",
    "generation": "Which start of decision said it.",
    "t_mono_ns": "When, by the machine's monotonic clock.",
    "t_utc_ns": "When, in UTC, since 1970.",
    "camera": "Its name in the configuration.",
    "boot_id": "Which start of the camera's grabber.",
    "seq": "The frame's number within `boot_id`, from 0; null: no frame came.",
    "reason": "Why it was not inspected; null unless the result is NOT_INSPECTED.",
    "detail": "A sentence for people.",
    "start_mm": "Where it begins along the cloth; null: not known.",
    "end_mm": "Where it ends along the cloth; null: not known.",
    "x0_mm": "Its left edge; null: not known.",
    "x1_mm": "Its right edge; null: not known.",
    "y0_mm": "Its beginning along the cloth; null: not known.",
    "y1_mm": "Its end along the cloth; null: not known.",
    "x0_px": "Its left edge in the picture.",
    "y0_px": "Its upper edge in the picture.",
    "x1_px": "Its right edge in the picture.",
    "y1_px": "Its lower edge in the picture.",
    "roll_id": "The roll's name; empty: none has begun, or it has ended.",
    "style": "The style of the cloth.",
    "inspection_ok": "Whether passing cloth is judged.",
    "not_inspected": "Verdicts that are NOT_INSPECTED.",
    "passed": "Verdicts that are PASS.",
    "defect": "Verdicts that are DEFECT.",
    "inspected_m": "Cloth that was judged; null: lengths are not known.",
    "lanes": "The highest score in each lane of the width, from left to right.",
    "cells": "How many cells of the score map it has.",
}
"""What a key says wherever it stands, unless its class says more."""
OF_KIND = {
    "Verdict": {
        "result": "What was decided.",
        "score": "The highest of the frame; null: it has none.",
        "regions": "Where its defects are, the strongest first.",
        "action": "What becomes of a defect in that event.",
        "lost": "How many frames were lost just before it.",
        "origin": "The file or device that the picture came from.",
        "tiles": "How many tiles were scored.",
        "level": "The picture's mean grey level.",
        "texture": "Mean step from column to column in grey levels: it falls when the lens goes out of focus.",
        "lamp_gain": "What the picture was multiplied by, where a reference strip tells the lamp's ageing; else null.",
        "weights_sha": "SHA-256 of the model's weights.",
        "engine_sha": "SHA-256 of the engine.",
        "card_sha": "SHA-256 of the threshold card.",
        "inspect_x_px": "The columns that were scored; null: all.",
        "frame_shape": "Rows and columns of the picture; colour has a third.",
        "cells_shape": "Always null as it is published: the score map goes to the record alone.",
        "cell_px": "The side of a cell of the score map.",
        "from_ns": "When a silence began; see `to_ns`.",
    },
    "Region": {"score": "Its highest.", "extent_px": "Its edges, measured finer than cells: x0, y0, x1, y1."},
    "Reject": {"verdict": "The number of its verdict.", "cause": "The result of that verdict."},
    "Action": {
        "kind": "What to do.", "cause": "What it answers.", "phase": "How far it is.",
        "verdict": "The number of its verdict; null: it answers none.",
    },
    "LineState": {"state": "The state of the whole line."},
    "Heartbeat": {"state": "The state of the whole line.", "verdicts": "How many decision has given."},
    "Totals": {
        "verdicts": "How many decision has given.",
        "reasons": "How often each reason of NOT_INSPECTED was given.",
        "late_scores": "Scores that came after their verdict.",
        "duplicates": "Frames that were announced again.",
        "rejects": "Rejects that were sent.",
        "rejects_inhibited": "Rejects that were set aside in bypass.",
        "not_inspected_m": "Cloth that passed unjudged; null: lengths are not known.",
        "position_mm": "Where the cloth is; null: not known.",
        "speed_mm_s": "How fast it runs; null: not known.",
        "latency_ms": "Percentiles, from the picture's arrival to its verdict.",
        "cameras": "The same for each camera, by its name.",
        "last_defect": "The last defect, as a sentence.",
    },
    "CameraCounts": {"frames": "Frames that have their verdict.", "last": "Its last result, or the reason of a NOT_INSPECTED."},
    "SpanEvent": {"kind": "What it is.", "action": "What becomes of a defect in it."},
    "Alignment": {
        "left": "The left camera.", "right": "The right camera.", "along_mm": "As `across_mm`, along the cloth.",
        "fit": "How well the two pictures agree there.",
    },
    "Answer": {"ticket": "That of the command."},
}  # fmt: skip
"""What a key says in one kind."""
BOUNDS = {"minimum": "≥ ", "exclusiveMinimum": "> ", "maximum": "≤ ", "exclusiveMaximum": "< "}
WIDE = 1 << 40
"""A bound from there on is that of the number's type, and tells a reader nothing."""


def pages(head: str) -> dict[str, str]:
    """Each page by its name, each begun with `head`."""
    return {"verbs.md": head + _verbs(), "configuration.md": head + _configuration(), "messages.md": head + _messages()}


def _verbs() -> str:
    top = parser()
    verbs = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    said = {choice.dest: choice.help or "" for choice in verbs._choices_actions}
    text = "# Verbs and options\n\nExit status: 0 done; 1 the answer is no; 2 bad input; 3 a part is missing.\n"
    for name, verb in sorted(verbs.choices.items()):
        text += f"\n## {name}\n\n{_sentence(said.get(name, ''))}\n\n" + _options(verb, name)
    return text


def _options(verb: argparse.ArgumentParser, name: str) -> str:
    """A table of its words and options; then those of each word that has its own."""
    rows, below = [], ""
    for action in verb._actions:
        if isinstance(action, argparse._SubParsersAction):
            said = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for word, part in action.choices.items():
                below += f"\n### {name} {word}\n\n{_sentence(said.get(word, ''))}\n\n" + _options(part, f"{name} {word}")
        elif not isinstance(action, argparse._HelpAction):
            rows.append((_call(action), _default(action), _cell((action.help or "").replace("%%", "%"))))
    return (_table(("word or option", "default", "what it is"), rows) if rows else "") + below


def _call(action: argparse.Action) -> str:
    taken = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    if action.choices and not action.metavar:
        taken = ", ".join(map(str, action.choices))
    return f"`{_cell(' '.join(filter(None, (', '.join(action.option_strings), taken))))}`"


def _default(action: argparse.Action) -> str:
    if action.required or (not action.option_strings and action.nargs not in ("?", "*")):
        return "needed"
    return "" if action.default in (None, False, argparse.SUPPRESS, []) else f"`{_cell(str(action.default))}`"


def _configuration() -> str:
    schema = config_schema()
    text = f"""# Configuration

{_sentence(schema["description"])} A key that is not listed here is refused.
[A commented line](../../configs/line.yaml) shows the keys that most lines need.
`glassline validate CONFIG` says what is in force.

## The whole file

"""
    text += _keys(schema, "key", "default")
    for name, section in sorted(schema["$defs"].items()):
        text += f"\n## {name}\n\n{_sentence(section.get('description', ''))}\n\n"
        text += _keys(section, "key", "default") if "properties" in section else _words(section)
    return text


def _messages() -> str:
    kinds = [TYPES[name] for name in PUBLISHED]
    _, found = models_json_schema([(kind, "serialization") for kind in kinds], schema_generator=Described)
    within = {name: part for name, part in found["$defs"].items() if name not in PUBLISHED}
    text = f"""# Messages on the wire

[A program that consumes verdicts](../how-to/consume-verdicts.md) hears these kinds.

* **Parts.** First the kind's name, then a header, then payloads; a published message has none.
* **Header.** A msgpack map of at most {MAX_HEADER_BYTES} bytes. It has `v`, {VERSION}; `t`, the kind; and the keys below.
* **Left out.** A key is left out while it is at its default. One that is always sent has no default below.
* **Numbers.** Each kind that has a `number` counts from 0 within a `generation`, so a gap shows what was lost. These do not:
  {", ".join(f"`{k.__name__}`" for k in kinds if "number" not in k.model_fields)}.
* **Generation.** Within a run of the line it is higher each time that decision has been started. Numbers then begin at 0 anew,
  and so do the counters of `Totals`. A new run of the line begins at generation 0 again: a lower generation, or a heartbeat
  whose number falls back, is a new run. An `Alignment` has number and generation of the worker.
* **Welcome.** Whoever subscribes gets the present `LineState` and `Roll`, and the actions that are open. The other subscribers
  hear them again, with their old numbers. Of these three kinds a number that is not higher than the last is a repeat.
* **Silence.** Heartbeats come ten times a second. Without one for {STALE_NS // 10**6} ms, act as on a reject.
* **Clock.** `t_mono_ns` is the machine's monotonic clock. It cannot be compared with another machine's, or with one before a
  boot. `t_utc_ns` counts from 1970 in UTC. It may jump where the machine's clock is set.
* **Units.** They end a key's name. A place along the cloth is in mm of the line's position. One across it is in mm from the
  line's zero.
"""
    for kind in kinds:
        text += f"\n## {kind.__name__}\n\n{_sentence(kind.__doc__ or '')}\n\n" + _keys(
            found["$defs"][kind.__name__], "key", "left out at"
        )
    text += "\n# Types within\n"
    for name, part in sorted(within.items()):
        text += f"\n## {name}\n\n{_sentence(part.get('description', ''))}\n\n"
        text += _keys(part, "key", "left out at") if "properties" in part else _words(part)
    return text


def _keys(section: dict[str, Any], *head: str) -> str:
    needed = set(section.get("required", ()))
    whole = section.get("title") in TYPES
    rows = [
        (f"`{key}`", _kind(field), _stated(field, key in needed, whole), _unit(key), _meaning(section, key, field))
        for key, field in section.get("properties", {}).items()
    ]
    return _table((head[0], "type and allowed", head[1], "unit", "what it is"), rows)


def _meaning(section: dict[str, Any], key: str, field: dict[str, Any]) -> str:
    """The words of its class first; those of another kind of section are never lent to the configuration."""
    kind = section.get("title", "")
    if said := field.get("description"):
        return _sentence(said)
    lent = COMMON if kind in (*PUBLISHED, *OF_KIND) else {}
    return OF_KIND.get(kind, {}).get(key, lent.get(key, ""))


def _stated(field: dict[str, Any], needed: bool, whole: bool) -> str:
    if "default" not in field:
        return "always sent" if whole else "needed" if needed else ""
    value = field["default"]
    return "see there" if isinstance(value, dict) and value else f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in field:
            return " or ".join(dict.fromkeys(map(_kind, field[several])))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    if field.get("type") == "array":
        parts = field.get("prefixItems")
        most = f", {field['maxItems']} at most" if "maxItems" in field and not parts else ""
        return f"({', '.join(map(_kind, parts))})" if parts else f"list of {_kind(field.get('items', {}))}{most}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map to {_kind(field['additionalProperties'])}"
    bounds = [f"{sign}{field[key]:g}" for key, sign in BOUNDS.items() if key in field and abs(field[key]) < WIDE]
    longest = [f"{field['maxLength']} characters at most"] if "maxLength" in field else []
    return _cell(", ".join([str(field.get("type", "anything")), *bounds, *longest]))


def _words(part: dict[str, Any]) -> str:
    return _kind(part | {"description": ""}) + "\n"


def _unit(key: str) -> str:
    """By how the key ends."""
    return next((UNITS[end] for end in sorted(UNITS, key=len, reverse=True) if re.search(rf"(^|_){end}(_[xy])?$", key)), "")


def _sentence(text: str) -> str:
    """The first paragraph, on one line."""
    return _cell(" ".join(text.strip().split("\n\n")[0].split()))


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"
