"""`glassline service`: print or install the systemd unit of a line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pipeline.config.cards import load_config
from pipeline.supervision.service import USER, install_unit, next_commands, unit_path, unit_text


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("service", help="print or install the systemd unit of a line")
    p.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line; its paths are meant from this folder")
    p.add_argument("--user", default=USER, metavar="NAME", help=f"whom the line runs as (default: {USER})")
    p.add_argument("--install", action="store_true", help="write it to where systemd looks for it, and start nothing")
    p.add_argument("--replace", action="store_true", help="with --install: take the place of another unit of that name")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with the unit on stdout, or installed; which commands come next is said, and left to the administrator."""
    config = load_config(args.config)
    text, path, commands = unit_text(config, args.config, args.user), unit_path(config), next_commands(config, args.user)
    written = install_unit(path, text, args.replace) if args.install else False
    if args.json:
        print(json.dumps({"schema": 1, "path": str(path), "written": written, "unit": text, "next": commands}))
        return 0
    if not args.install:
        print(text, end="")
        return 0
    print(f"unit: {path}{'' if written else ', as it was'}")
    print("\n".join(["next, as root:", *(f"  {command}" for command in commands)]))
    tell = f"sudo -u {args.user} {Path(sys.executable).with_name('glassline')} tell {args.config.resolve()} ..."
    print(f"a word to the line comes from the user that it runs as: {tell}")
    return 0
