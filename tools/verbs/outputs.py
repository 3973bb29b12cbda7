"""`glassline outputs`: try the wires to the machine, and answer it by hand."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
    facts: dict[str, Any]
    if args.word == "test":
        with Display() as display:
            facts = asdict(pipeline.pulse_outputs(config, display))
        what = "output does not answer"
    else:
        facts = {"pulsed": {}, "failed": {}} | _answer(config, args)
        what = f"{args.word} not done"
    for name, why in facts["failed"].items():
        print(f"glassline: {what}, {name}, {why}", file=sys.stderr)
    if args.json:
        print(json.dumps({"schema": 1, "did": args.word, **facts}))
    return int(bool(facts["failed"]))


def _answer(config: LineConfig, args: argparse.Namespace) -> dict[str, Any]:
    """What was acknowledged or reset, said to a person at once."""
    try:
        done = pipeline.reset(config) if args.word == "reset" else pipeline.acknowledge(config)
    except NotConfirmed as e:
        return {"failed": {config.line.name: str(e)}}
    if not args.json:
        print(done)
    return asdict(done)
