"""`glassline page`: the operator's page of a line, or of a finished record, for browsers."""

from __future__ import annotations

import argparse
from pathlib import Path

from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.dashboard.page import Page, of_line, of_record
from pipeline.dashboard.server import serve
from pipeline.dashboard.terms import Terms
from pipeline.dashboard.users import users_file

BIND = "127.0.0.1:8420"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("page", help="the operator's page of a line, or of a finished record, for browsers")
    p.add_argument("what", type=Path, metavar="CONFIG|LEDGER", help="YAML of a line, or what run, replay or demo wrote")
    p.add_argument("--bind", default=BIND, metavar="ADDRESS:PORT", help=f"where browsers reach it (default: {BIND})")
    p.add_argument("--tls", type=Path, nargs=2, metavar=("CERT", "KEY"), help="PEM files; needed beyond this machine")
    p.add_argument(
        "--behind-proxy",
        action="store_true",
        help="a proxy on this machine speaks TLS with the browsers; with --bind on loopback",
    )
    p.add_argument("--name", action="append", default=[], help="a name by which browsers reach it; may be repeated")
    p.add_argument("--users", type=Path, metavar="FILE", help="who may act (default: the one `glassline keys user` writes)")
    p.add_argument("--strings", type=Path, metavar="FILE", help="a translation of the page's strings.json")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 after Ctrl-C; the page's address is printed once it can be opened."""
    host, colon, port = args.bind.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise InputError(f"no address to serve on, --bind {args.bind}, give ADDRESS:PORT, for example {BIND}")
    terms = Terms(
        host=host.strip("[]"), port=int(port), users=args.users or users_file(), tls=tuple(args.tls) if args.tls else None,
        behind_proxy=args.behind_proxy, names=tuple(args.name), strings=args.strings,
    )  # fmt: skip
    terms.check()
    serve(_page(args.what), terms, lambda address: print(f"page: {address}", flush=True))
    return 0


def _page(what: Path) -> Page:
    if what.is_dir():
        return of_record(what / "ledger.sqlite")
    return of_record(what) if what.suffix == ".sqlite" else of_line(load_config(what))
