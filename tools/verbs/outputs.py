"""`glassline outputs`: try the wires to the machine, and answer it by hand."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.devices import DeviceLost
from pipeline.messages.commands import Acknowledge, Reset
from pipeline.messages.line import Heartbeat
from pipeline.outputs import OUTPUTS, output_kind
from pipeline.supervision.supervisor import is_running
from pipeline.supervision.telling import tell

PULSE_S = 0.5


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
    pulsed, failed = pulse_all(config, args.config) if args.word == "test" else ({}, answer(config, args.word))
    what = "output does not answer" if args.word == "test" else f"{args.word} not done"
    for name, why in failed.items():
        print(f"glassline: {what}, {name}, {why}", file=sys.stderr)
    if args.json:
        print(json.dumps({"schema": 1, "did": args.word, "pulsed": pulsed, "failed": failed}))
    return int(bool(failed))


def pulse_all(config: LineConfig, path: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Try every output of a line that does not run: what was switched on of each, and why others do not answer."""
    if not config.wired:
        raise InputError(f"no outputs to test, {path}, add one of kind {' or '.join(OUTPUTS)} under `outputs:`")
    if is_running(config.line.name):
        raise InputError(f"line runs, {config.line.name}, stop it before its outputs are tested")
    pulsed, failed = {}, {}
    for output in config.wired:
        names = []
        try:
            for name, words in output_kind(output.kind).trials(output):
                print(f"{output.name}: {words}", file=sys.stderr, flush=True)
                time.sleep(PULSE_S)
                names.append(name)
            pulsed[output.name] = names
        except DeviceLost as e:
            failed[output.name] = str(e)
    return pulsed, failed


def answer(config: LineConfig, word: str) -> dict[str, str]:
    """Acknowledge or reset; the line's name and why it did not confirm, or nothing."""
    told = tell(config, Reset() if word == "reset" else Acknowledge(), Heartbeat)
    return {config.line.name: told} if isinstance(told, str) else {}
