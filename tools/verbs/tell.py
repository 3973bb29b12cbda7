"""`glassline tell`: a word to a running line: a roll, a seam, bypass, an acknowledgement, a reset."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pipeline
from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.commands import Bypass, Command, MarkEvent, RollStart
from pipeline.messages.domains import MAX_LABEL, MAX_MM
from pipeline.messages.line import Heartbeat
from pipeline.messages.message import Message
from pipeline.messages.states import EventKind
from pipeline.supervision.telling import NotConfirmed, tell

EVENT_MM = 200.0
ANSWERS = {
    "acknowledge": "acknowledge every open stop and lamp",
    "reset": "reset the latched FAULT once its cause is gone; or accept a roll called WRONG_STYLE",
}
"""What a person says to what the line has done."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser(
        "tell", help="tell a running line of rolls, seams and bypass; acknowledge its events; reset a fault"
    )
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
    for word, text in ANSWERS.items():
        words.add_parser(word, help=text)
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 when the line has done it, 1 when it refused or did not answer."""
    config = load_config(args.config)
    if args.word in ANSWERS:
        return say_answer(config, args.word, args.json)
    word, made = _word(args, config)
    try:
        said = tell(config, word)
    except NotConfirmed as e:
        if args.json:
            print(json.dumps({"schema": 1, "answer": None, "detail": str(e)}))
        else:
            print(f"glassline: not confirmed, {config.line.name}, {e}", file=sys.stderr)
        return 1
    answer = next((m for m in reversed(said) if isinstance(m, made)), said[-1])
    if args.json:
        print(json.dumps({"schema": 1, "answer": type(answer).__name__, **answer.model_dump(mode="json")}))
    else:
        print(_words(answer))
    return 0


def say_answer(config: LineConfig, word: str, as_json: bool) -> int:
    """Acknowledge or reset, and say what was done; 1 where the line does not confirm: its fault persists."""
    try:
        done = pipeline.reset(config) if word == "reset" else pipeline.acknowledge(config)
    except NotConfirmed as e:
        print(f"glassline: {word} not done, {config.line.name}, {e}", file=sys.stderr)
        if as_json:
            print(json.dumps({"schema": 1, "did": word, "pulsed": {}, "failed": {config.line.name: str(e)}}))
        return 1
    print(json.dumps({"schema": 1, "did": word, "pulsed": {}, "failed": {}, **asdict(done)}) if as_json else done)
    return 0


def _word(args: argparse.Namespace, config: LineConfig) -> tuple[Command, type[Message]]:
    """The word, and of which kind the state is that it makes; InputError for what no line of this configuration can be told.

    What the line alone can know, such as how far a place is from the cloth, it sees to itself.
    """
    if args.word == "bypass":
        return Bypass(on=args.switch == "on"), Heartbeat
    if args.at_mm is not None and not abs(args.at_mm) <= MAX_MM:
        reach_m = config.line.roll_length_m
        raise InputError(f"a place of {args.at_mm:g} mm, --at-mm, give one within {reach_m:g} m of the cloth under the cameras")
    if args.word == "event":
        most_mm = config.decision.longest_event_m * 1000
        if not 0 < args.length_mm <= most_mm:
            allowed = f"above 0 and up to {most_mm:g}, decision.longest_event_m"
            raise InputError(f"a length of {args.length_mm:g} mm, --length-mm, give one {allowed}")
        return MarkEvent(kind=EventKind(args.kind), at_mm=args.at_mm, length_mm=args.length_mm), SpanEvent
    roll_id, style = ("", None) if args.what == "end" else (args.roll_id, args.style)
    if (not roll_id and args.what == "start") or len(roll_id) > MAX_LABEL or not roll_id.isprintable():
        raise InputError(f"a roll's name of {len(roll_id)} characters, ID, give 1 to {MAX_LABEL}, all of them printable")
    if style not in (None, *config.known_styles):
        known = ", ".join(filter(None, config.known_styles))
        advice = f"choose one of {known}" if known else "it lists no styles, leave --style out"
        raise InputError(f"no such style {style}, the config, {advice}")
    return RollStart(roll_id=roll_id, style=style, at_mm=args.at_mm), Roll


def _words(answer: Message) -> str:
    match answer:
        case Roll():
            at = "" if answer.start_mm is None else f" at {answer.start_mm / 1000:.3f} m"
            return f"roll {answer.roll_id} begun{at}" if answer.roll_id else f"roll ended{at}"
        case SpanEvent():
            span = f"{answer.start_mm / 1000:.3f} m to {answer.end_mm / 1000:.3f} m"
            return f"{answer.kind} from {span}: {answer.action}{', no rejects there' if answer.action.suppresses else ''}"
        case Heartbeat():
            return f"the line is in state {answer.state}, rejects are {'set aside' if answer.bypass else 'given'}"
    return type(answer).__name__
