"""`glassline keys`: make the keys by which other machines may hear a line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pipeline.link.keys import PUBLIC, SECRET, SERVER, make_keys


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("keys", help="make the keys by which other machines may hear a line")
    p.add_argument("folder", type=Path, metavar="DIR", help="folder of the line's keys, which need not be there yet")
    p.add_argument("clients", nargs="+", metavar="NAME", help="a client that may listen, for example plc or office")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a new pair for each client, and the line's own where there was none."""
    made = make_keys(args.folder, args.clients)
    if args.json:
        print(json.dumps({"schema": 1, "made": [str(path) for path in made]}))
        return 0
    folder = args.folder
    print(f"keys: {folder}, {len(made)} files, yours alone")
    print("in the line's config:")
    print("  outputs:")
    print(f"    - {{kind: publisher, bind: 'tcp://ADDRESS:PORT', keys: {json.dumps(str(folder.resolve()))}}}")
    for name in dict.fromkeys(args.clients):
        print(f"for {name}: take {name}{SECRET} and {SERVER}{PUBLIC} there by a safe way, then delete {name}{SECRET} here")
    print(f"to shut a client out: delete its {PUBLIC} file; a running line reads the folder again when it is restarted")
    return 0
