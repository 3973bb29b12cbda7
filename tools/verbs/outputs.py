"""`glassline outputs`: try the wires to the machine, and answer it by hand."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pipeline
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.supervision.telling import NotConfirmed
from tools.verbs.display import Display


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("outputs", help="pulse the outputs of a line; acknowledge its events; reset a fault")
    words = p.add_subparsers(dest="word", required=True, metavar="test|acknowledge|reset")
    for word, text in (
        ("test", "switch everything that each output has on for half a second, one after the other; the line must not run"),
        ("acknowledge", "acknowledge every open stop and lamp of a running line"),
        ("reset", "reset the latched FAULT of a running line, once its cause is gone; or accept a roll called WRONG_STYLE"),
    ):
        w = words.add_parser(word, help=text)
        w.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
        w.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when it was done; 1 when an output does not answer, or the line does not confirm: its fault persists."""
    config = load_config(args.config)
    pulsed, failed = _pulse(config) if args.word == "test" else ({}, _answer(config, args.word))
    what = "output does not answer" if args.word == "test" else f"{args.word} not done"
    for name, why in failed.items():
        print(f"glassline: {what}, {name}, {why}", file=sys.stderr)
    if args.json:
        print(json.dumps({"schema": 1, "did": args.word, "pulsed": pulsed, "failed": failed}))
    return int(bool(failed))


def _pulse(config: LineConfig) -> tuple[dict[str, list[str]], dict[str, str]]:
    with Display() as display:
        found = pipeline.pulse_outputs(config, display)
    return found.pulsed, found.failed


def _answer(config: LineConfig, word: str) -> dict[str, str]:
    try:
        {"acknowledge": pipeline.acknowledge, "reset": pipeline.reset}[word](config)
    except NotConfirmed as e:
        return {config.line.name: str(e)}
    return {}
