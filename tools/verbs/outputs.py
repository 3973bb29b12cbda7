"""`glassline outputs`: try the wires to the machine."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pipeline
from pipeline.config.cards import load_config
from tools.verbs.display import Display
from tools.verbs.tell import ANSWERS, say_answer


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("outputs", help="pulse the outputs of a line")
    words = p.add_subparsers(dest="word", required=True, metavar="test")
    test = words.add_parser(
        "test",
        help="switch everything that each output and reject line has on for half a second, in turn; the line must not run",
    )
    for word in (test, *(words.add_parser(name) for name in ANSWERS)):  # their old place: answered until the next release
        word.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
        word.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when it was done; 1 when an output does not answer."""
    config = load_config(args.config)
    if args.word in ANSWERS:
        if not (status := say_answer(config, args.word, args.json)):
            print(f"glassline: from the next release on this is `glassline tell {args.config} {args.word}`", file=sys.stderr)
        return status
    with Display() as display:
        facts = asdict(pipeline.pulse_outputs(config, display))
    for name, why in facts["failed"].items():
        print(f"glassline: output does not answer, {name}, {why}", file=sys.stderr)
    if args.json:
        print(json.dumps({"schema": 1, "did": args.word, **facts}))
    return int(bool(facts["failed"]))
