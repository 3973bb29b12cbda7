"""`glassline keys`: make the keys by which other machines may hear a line, or a user of the operator's page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import get_args

from glass_core.errors import InputError
from pipeline.dashboard.users import Role, make_user, users_file
from pipeline.link.keys import PUBLIC, SECRET, SERVER, make_keys


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("keys", help="make the keys by which other machines may hear a line, or a user of its page")
    p.add_argument(
        "folder", type=Path, metavar="DIR|user", help="folder of the line's keys, which need not be there yet; or `user`"
    )
    p.add_argument("clients", nargs="+", metavar="NAME", help="a client that may listen, for example plc or office; or a user")
    p.add_argument("--role", choices=get_args(Role), help="of a user of `glassline page`; with the word `user` before the name")
    p.add_argument("--users", type=Path, metavar="FILE", help="where users are kept (default: in your own configuration)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a new pair for each client, and the line's own where there was none."""
    if args.role is not None or args.users is not None or args.folder == Path("user"):
        return _make_users(args)
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


def _make_users(args: argparse.Namespace) -> int:
    """The token of each is printed this once."""
    if args.folder != Path("user") or args.role is None:
        raise InputError(
            "a user has a name and a role, the command line, use `glassline keys user NAME --role operator`, or engineer"
        )
    path = args.users or users_file()
    tokens = {name: make_user(path, name, args.role) for name in dict.fromkeys(args.clients)}
    if args.json:
        print(json.dumps({"schema": 1, "users": str(path), "role": args.role, "tokens": tokens}))
        return 0
    for name, token in tokens.items():
        print(f"{name}, {args.role}: {token}")
    print(f"whoever has this token acts under that name; it is not shown again, and {path} holds its hash alone")
    print("to shut a user out: delete the entry there; a new token for the same name makes the old one useless")
    return 0
