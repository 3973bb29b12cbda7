"""The option `--out`, alike in every verb: a folder that is new or empty, or what the user says is to become of its content."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from glass_core.errors import InputError
from glass_core.files.claimed_folder import claimed_folder
from pipeline.ledger.writer_lock import check_free


def add_out(
    p: argparse.ArgumentParser, metavar: str, text: str, default: Path | None = None, required: bool = False, adds: str = ""
) -> None:
    """`--out`, `--replace`, and `--append` where the verb `adds` something to what an earlier call has left."""
    p.add_argument("--out", type=Path, metavar=metavar, default=default, required=required, help=text)
    how = p.add_mutually_exclusive_group()
    how.add_argument("--replace", action="store_true", help="delete what an earlier call has left there")
    if adds:
        how.add_argument("--append", action="store_true", help=adds)


def claimed_out(args: argparse.Namespace, *marks: str) -> AbstractContextManager[None]:
    """Refuses a folder that is not empty, and sees to `--replace`; one of the files `marks` is in every folder of this verb."""
    append = getattr(args, "append", None)
    if args.out is None:
        if append or args.replace:
            raise InputError("--append and --replace are about --out, the command line, name a folder")
        return nullcontext()
    if args.replace:
        for lock in (*args.out.glob("ledger.sqlite.lock"), *args.out.glob("*/ledger.sqlite.lock")):
            check_free(lock.with_suffix(""))  # what a line still writes is not to be taken from under it
    return claimed_folder(args.out, marks, args.replace, append)
