"""`glassline outputs`: try the wires to the machine, and answer it by hand."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from glass_core.errors import InputError
from pipeline.config import LineConfig, ModbusConfig, load_config
from pipeline.link import ZmqLink
from pipeline.messages import Acknowledge, Message, Reset
from pipeline.outputs.modbus import COILS, Plc, PlcLost
from pipeline.supervisor import is_running, runtime_folder

PULSE_S = 0.5
SEND_S = 2.0


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


def pulse(output: ModbusConfig) -> list[str]:
    """Switch each coil on and off again, and all off at the end; the coils. PlcLost where it does not answer."""
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
    return list(COILS)


def tell(config: LineConfig, message: Message) -> None:
    """Say something to the decision stage of a running line; InputError where none hears it."""
    link = ZmqLink(runtime_folder(config.line.name))
    try:
        outbox, end_s = link.outbox("decision"), time.monotonic() + SEND_S
        while not outbox.send(message):
            if time.monotonic() > end_s:
                raise InputError(f"line does not answer, {config.line.name}, look at its screen")
            time.sleep(0.02)
    finally:
        link.close()


def run(args: argparse.Namespace) -> int:
    """Exit 0 when it was done; 1 when an output does not answer."""
    config = load_config(args.config)
    running = is_running(config.line.name)
    pulsed: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    if args.word == "test":
        if not config.modbus:
            raise InputError(f"no outputs to test, {args.config}, add `- {{kind: modbus, host: ...}}` under `outputs:`")
        if running:
            raise InputError(f"line runs, {config.line.name}, stop it before its outputs are tested")
        for output in config.modbus:
            try:
                pulsed[output.name] = pulse(output)
            except PlcLost as e:
                failed[output.name] = str(e)
                print(f"glassline: output does not answer, {output.name}, {e}", file=sys.stderr)
    elif not running:
        raise InputError(f"no such line runs, {config.line.name}, start it with `glassline run {args.config}`")
    else:
        tell(config, Reset() if args.word == "reset" else Acknowledge())
    if args.json:
        print(json.dumps({"schema": 1, "did": args.word, "pulsed": pulsed, "failed": failed}))
    return int(bool(failed))
