"""`glassline tell`: a word to a running line: a roll begins or ends, a seam passes, rejects are set aside."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.commands import Bypass, MarkEvent, RollStart
from pipeline.messages.line import Heartbeat
from pipeline.messages.message import Message
from pipeline.messages.states import EventKind
from pipeline.supervision.telling import NotConfirmed, tell

EVENT_MM = 200.0


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("tell", help="tell a running line of rolls, seams and bypass")
    p.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line that runs")
    p.add_argument("--json", action="store_true", help="print the line's answer as one JSON object")
    words = p.add_subparsers(dest="word", required=True, metavar="WORD")
    roll = words.add_parser("roll", help="a roll begins or ends").add_subparsers(dest="what", required=True, metavar="WHAT")
    start = roll.add_parser("start", help="a roll begins; the one before ends there")
    start.add_argument("roll_id", metavar="ID")
    start.add_argument("--style", help="the cloth's style, one of the config's `styles` (default: that of the roll before)")
    end = roll.add_parser("end", help="the present roll ends; the cloth that follows belongs to none")
    event = words.add_parser("event", help="it is no plain cloth here")
    event.add_argument("kind", choices=[str(k) for k in EventKind])
    event.add_argument("--length-mm", type=float, default=EVENT_MM, metavar="MM", help="how far (default: 200)")
    for place in (start, end, event):
        place.add_argument("--at-mm", type=float, metavar="MM", help="the line's position (default: here and now)")
    bypass = words.add_parser("bypass", help="set rejects aside, or take that back")
    bypass.add_argument("switch", choices=["on", "off"])
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 when the line has confirmed, 1 when it did not."""
    config = load_config(args.config)
    message, confirms = _message(args, config)
    try:
        answer = tell(config, message, confirms)
    except NotConfirmed as e:
        if args.json:
            print(json.dumps({"schema": 1, "answer": None, "detail": str(e)}))
        else:
            print(f"glassline: not confirmed, {config.line.name}, {e}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"schema": 1, "answer": type(answer).__name__, **answer.model_dump(mode="json")}))
    else:
        print(_words(answer))
    return 0


def _message(args: argparse.Namespace, config: LineConfig) -> tuple[Message, Callable[[Message], bool]]:
    if args.word == "bypass":
        on = args.switch == "on"
        return Bypass(on=on), lambda m: isinstance(m, Heartbeat) and m.bypass == on
    if args.word == "event":
        if args.length_mm <= 0:
            raise InputError(f"a length of {args.length_mm:g} mm, --length-mm, give one above 0")
        kind = EventKind(args.kind)
        mark = MarkEvent(kind=kind, at_mm=args.at_mm, length_mm=args.length_mm)
        return mark, lambda m: isinstance(m, SpanEvent) and m.kind is kind and m.cause == "command"
    roll_id, style = ("", None) if args.what == "end" else (args.roll_id, args.style)
    if (not roll_id and args.what == "start") or len(roll_id) > 64:
        raise InputError(f"a roll's name of {len(roll_id)} characters, ID, give 1 to 64")
    if style and config.styles and style not in config.styles:
        raise InputError(f"no such style {style}, the config, choose one of {', '.join(config.styles)}")
    start = RollStart(roll_id=roll_id, style=style, at_mm=args.at_mm)
    return start, lambda m: isinstance(m, Roll) and m.roll_id == roll_id and m.cause == "command"


def _words(answer: Message) -> str:
    match answer:
        case Roll():
            at = "" if answer.start_mm is None else f" at {answer.start_mm / 1000:.3f} m"
            return f"roll {answer.roll_id} begun{at}" if answer.roll_id else f"roll ended{at}"
        case SpanEvent():
            span = f"{answer.start_mm / 1000:.3f} m to {answer.end_mm / 1000:.3f} m"
            return f"{answer.kind} from {span}: {answer.action}"
        case Heartbeat():
            return f"the line is in state {answer.state}, rejects are {'set aside' if answer.bypass else 'given'}"
    return type(answer).__name__
