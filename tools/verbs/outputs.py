"""`glassline outputs`: try the wires to the machine, and answer it by hand."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig, ModbusConfig
from pipeline.decision.line_state import UNLIKE
from pipeline.messages.frames import Acknowledge, Heartbeat, LineState, Message, Reset, State
from pipeline.outputs.modbus import COILS, Plc, PlcLost
from pipeline.supervision.supervisor import is_running
from pipeline.supervision.telling import tell

PULSE_S = 0.5


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("outputs", help="pulse the outputs of a line; acknowledge its events; reset a fault")
    words = p.add_subparsers(dest="word", required=True, metavar="test|acknowledge|reset")
    for word, text in (
        ("test", "switch each coil of each output on for half a second, one after the other; the line must not run"),
        ("acknowledge", "acknowledge every open stop and lamp of a running line"),
        ("reset", "reset the latched FAULT of a running line, once its cause is gone; or accept a roll called WRONG_STYLE"),
    ):
        w = words.add_parser(word, help=text)
        w.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
        w.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def pulse(output: ModbusConfig) -> None:
    """Switch each coil on and off again, and all off at the end; PlcLost where it does not answer."""
    plc = Plc(output)
    try:
        plc.connect()
        for i, name in enumerate(COILS):
            print(f"{output.name}: coil {output.coils_at + i}, {name}, on", file=sys.stderr, flush=True)
            plc.coils([i == j for j in range(len(COILS))])
            time.sleep(PULSE_S)
        plc.coils([False] * len(COILS))
    finally:
        plc.close()


def run(args: argparse.Namespace) -> int:
    """Exit 0 when it was done; 1 when an output does not answer, or the line does not confirm: its fault persists."""
    config = load_config(args.config)
    failed = pulse_all(config, args.config) if args.word == "test" else answer(config, args.word)
    what = "output does not answer" if args.word == "test" else f"{args.word} not done"
    for name, why in failed.items():
        print(f"glassline: {what}, {name}, {why}", file=sys.stderr)
    pulsed = {o.name: list(COILS) for o in config.modbus if args.word == "test" and o.name not in failed}
    if args.json:
        print(json.dumps({"schema": 1, "did": args.word, "pulsed": pulsed, "failed": failed}))
    return int(bool(failed))


def pulse_all(config: LineConfig, path: Path) -> dict[str, str]:
    """Try every output of a line that does not run; those that do not answer, and why."""
    if not config.modbus:
        raise InputError(f"no outputs to test, {path}, add `- {{kind: modbus, host: ...}}` under `outputs:`")
    if is_running(config.line.name):
        raise InputError(f"line runs, {config.line.name}, stop it before its outputs are tested")
    failed = {}
    for output in config.modbus:
        try:
            pulse(output)
        except PlcLost as e:
            failed[output.name] = str(e)
    return failed


def answer(config: LineConfig, word: str) -> dict[str, str]:
    """Acknowledge or reset; the line's name and why it did not confirm, or nothing."""
    unlike = False

    def done(message: Message) -> bool:
        nonlocal unlike
        if isinstance(message, LineState):
            unlike = message.detail.startswith(UNLIKE)
        if not isinstance(message, Heartbeat):
            return False
        return message.state is not State.FAULT and not unlike if word == "reset" else not message.unacknowledged

    told = tell(config, Reset() if word == "reset" else Acknowledge(), done)
    return {config.line.name: told} if isinstance(told, str) else {}
