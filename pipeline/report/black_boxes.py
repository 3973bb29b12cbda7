"""Black boxes as HTML: what a line said and saw in the seconds around a fault."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from pipeline.ledger.black_box import BlackBox, Fault, Picture, Printed, Published, read_box
from pipeline.ledger.box_folder import FOLDER, boxes, page_of
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Roll
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.message import Message
from pipeline.messages.verdicts import Verdict
from pipeline.report.pictures import clock, timeline
from pipeline.report.style import STYLE
from pipeline.report.tables import number, section, sha, table

LISTED = 400
"""Rows of the time line; the last ones."""
PICTURES_MB = 6
"""Of all boxes of one page; the newest come first."""


def show_box(path: Path) -> Path:
    """Write the page of one black box beside it and return where; InputError where it is none or the disk refuses."""
    box, page = read_box(path), page_of(path)
    title = escape(f"Black box of {box.opening.line}")
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main><h1>{title}</h1><p class='lead'>{escape(_title(box))}</p>{_shown(box, _pictures(box))}"
        "</main></body></html>\n"
    )
    try:
        with whole_file(page) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as e:
        raise InputError(f"page not writable ({e.strerror}), {page}, copy the box to a folder of your own") from None
    return page


def box_section(folder: Path, facts: dict[str, Any]) -> str:
    """The boxes beside a ledger that are of the run with those facts, the newest first; the others by name."""
    shown, others, room = list[str](), list[str](), PICTURES_MB * 1_000_000
    try:
        found = boxes(folder)
    except OSError as e:
        return section("Black boxes", f'<p class="warn">Not readable ({escape(str(e.strerror))}): {FOLDER}.</p>')
    for path in reversed(found):
        try:
            box = read_box(path)
        except InputError as e:
            others.append(f"{path.name}: {e}")
            continue
        if not _is_of(box, facts):
            others.append(f"{path.name}: of another run, {_title(box)}")
            continue
        pictures = _pictures(box)
        room -= len(pictures)
        if room < 0:
            pictures = f"<p>No room for its pictures here: <code>glassline report {FOLDER}/{path.name}</code> shows them.</p>"
        words = f"{escape(_title(box))} <span class='sha'>{path.name}</span>"
        shown.append(f"<details><summary>{words}</summary>{_shown(box, pictures)}</details>")
    if others:
        items = "".join(f"<li>{escape(words)}</li>" for words in others)
        shown.append(f"<details><summary>{len(others)} more in the folder {FOLDER}</summary><ul>{items}</ul></details>")
    return section("Black boxes", "".join(shown))


def _is_of(box: BlackBox, facts: dict[str, Any]) -> bool:
    """Whether the box is by the supervisor that started the run's recorder."""
    try:
        started_s = datetime.fromisoformat(str(facts.get("started"))).timestamp()
    except (ValueError, OverflowError):
        return False
    return box.opening.supervisor_pid == facts.get("parent_pid") and box.opening.t_utc_ns / 1e9 >= started_s


def _title(box: BlackBox) -> str:
    day = datetime.fromtimestamp(box.utc_ns(box.fault.t_mono_ns) / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{day} UTC: {box.fault.process} {box.fault.why}"


def _shown(box: BlackBox, pictures: str) -> str:
    """Faults, last words, processes, time line, pictures and the machine."""
    states = box.states
    end_utc_ns = box.utc_ns(box.opening.t_mono_ns)
    bar = f'<div class="panel">{timeline(states, end_utc_ns)}</div>' if states else ""
    head = ["s from the fault", "what happened"]
    rows = [[f"{at_s:+.3f}", escape(words)] for at_s, words in _rows(box)][-LISTED:]
    cut = f"<p class='note'>Older entries that had no room: {box.opening.left_out:,}.</p>" if box.opening.left_out else ""
    return "".join([
        _faults(box),
        _printed(box),
        _part("How each process was", _processes(box)),
        _part("Around the fault", bar + cut + table(head, rows, numbers={0})),
        _part("What the cameras saw", pictures),
        _part("The machine", _machine(box)),
    ])  # fmt: skip


def _faults(box: BlackBox) -> str:
    rows = [
        [f"{_from_fault(box, f.t_mono_ns):+.3f}", clock(box.utc_ns(f.t_mono_ns)), escape(f.process), escape(f.why)]
        for f in box.faults
    ]
    return _part("Faults", table(["s", "UTC", "process", "what"], rows, numbers={0}))


def _printed(box: BlackBox) -> str:
    """What each process printed, first the one that failed first."""
    own: dict[str, list[Printed]] = {}
    for line in box.printed:
        own.setdefault(line.process, []).append(line)
    parts = []
    for name in sorted(own, key=lambda name: (name != box.fault.process, name)):
        text = "\n".join(f"{_from_fault(box, p.t_mono_ns):+9.3f}  {p.text}" for p in own[name])
        opened = " open" if name == box.fault.process else ""
        parts.append(f"<details{opened}><summary>{escape(name)}</summary><pre>{escape(text)}</pre></details>")
    if box.fault.process not in own:
        parts.insert(0, f"<p>{escape(box.fault.process)} printed nothing.</p>")
    return _part("Last words", "".join(parts))


def _processes(box: BlackBox) -> str:
    rows = []
    for word in box.processes:
        p = word.progress
        figures = "" if p is None else ", ".join(f"{name} {value:g}" for name, value in p.counters.items())
        said = ("", "nothing", "", "") if p is None else (p.generation, p.state, f"{p.handled:,}", f"{p.waiting:,}")
        rows.append([escape(word.name), *said, f"{_from_fault(box, word.t_mono_ns):+.3f}", escape(figures)])
    head = ["process", "generation", "said it was", "handled", "waiting", "s from the fault", "figures"]
    return table(head, rows, numbers={1, 3, 4, 5})


def _rows(box: BlackBox) -> Iterator[tuple[float, str]]:
    """Time and words of each fault and each rare message; verdicts and heartbeats between them by second and counted."""
    events: list[Published | Fault] = sorted([*box.published, *box.faults], key=lambda event: event.t_mono_ns)

    def second(event: Published | Fault) -> tuple[bool, float]:
        many = isinstance(event, Published) and isinstance(event.message, Verdict | Heartbeat)
        at_s = _from_fault(box, event.t_mono_ns)
        return many, at_s // 1 if many else 0.0

    for (many, _), group in groupby(events, second):
        own = list(group)
        if many:
            counted = Counter(_words(event.message) for event in own if isinstance(event, Published))
            yield _from_fault(box, own[0].t_mono_ns), ", ".join(f"{n:,} x {words}" for words, n in counted.items())
            continue
        for event in own:
            words = f"FAULT: {event.process} {event.why}" if isinstance(event, Fault) else _words(event.message)
            yield _from_fault(box, event.t_mono_ns), words


def _words(message: Message) -> str:
    match message:
        case Verdict():
            return f"{message.result} of {message.camera}" + (f" ({message.reason})" if message.reason else "")
        case Heartbeat():
            return "heartbeat" if message.inspection_ok else "heartbeat, inspection not ok"
        case LineState():
            return f"{message.state}, inspection {'ok' if message.inspection_ok else 'NOT ok'}, {message.detail}".rstrip(", ")
        case Reject():
            return f"reject of {message.camera}: {message.cause}" + (f" ({message.reason})" if message.reason else "")
        case Action():
            return f"action {message.kind} {message.phase}: {message.cause} {message.camera}".rstrip()
        case Roll():
            return f"roll {message.roll_id} begins" if message.roll_id else "the roll ends"
    return type(message).__name__


def _pictures(box: BlackBox) -> str:
    if not box.pictures:
        return "<p>No picture had come.</p>"
    cards = "".join(
        f'<div class="defect"><div class="pictures"><div><img src="data:image/png;base64,{_png(p)}" alt="the cloth" '
        f'tabindex="0"></div></div><div class="text"><b>{escape(p.frame.camera)}, frame {p.frame.seq}</b><br>'
        f"{_from_fault(box, p.t_mono_ns):+.3f} s</div></div>"
        for p in box.pictures
    )
    note = "Every so-many-eth pixel of a frame: enough to see whether there was light and cloth, not to judge it."
    return f'<p class="note">{note}</p><div class="defects">{cards}</div>'


def _png(picture: Picture) -> str:
    pixels = picture.pixels
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return b64encode(cv2.imencode(".png", np.ascontiguousarray(bgr))[1].tobytes()).decode()


def _machine(box: BlackBox) -> str:
    def gigabytes(size: int | None) -> str:
        return number(None if size is None else size / 1e9, 2, " GB")

    rows: list[list[object]] = [
        ["disk of the record, free", gigabytes(box.ending.free_disk_bytes)],
        ["memory, available", gigabytes(box.ending.available_memory_bytes)],
        ["config", sha(box.opening.config_sha)],
    ]
    versions = [[escape(name), escape(value)] for name, value in box.ending.versions.items()]
    return table(["", ""], [*rows, *versions])


def _part(title: str, content: str) -> str:
    return f"<h3>{title}</h3>{content}"


def _from_fault(box: BlackBox, t_mono_ns: int) -> float:
    return (t_mono_ns - box.fault.t_mono_ns) / 1e9
