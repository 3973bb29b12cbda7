"""The keys of CURVE, as files in the form of ZeroMQ's own certificates: who may hear a line over TCP.

DIR/server.key, DIR/server.key_secret    the line's own pair
DIR/NAME.key                             a client that may listen; whoever's file is not here may not
DIR/NAME.key_secret                      for that client alone, to be taken there
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from glass_core.errors import InputError
from pipeline.messages.domains import NAME

SERVER = "server"
PUBLIC, SECRET = ".key", ".key_secret"
MAX_BYTES = 4096
MAKE = "make them with `glassline keys`"


@dataclass(frozen=True)
class Keys:
    """What the line needs to know, each key as its 32 bytes."""

    public: bytes
    secret: bytes
    clients: frozenset[bytes]


def make_keys(folder: Path, clients: Sequence[str]) -> list[Path]:
    """Make one pair for each client, and the line's own where there is none: the files that were written.

    Nothing is overwritten. Raises InputError, and then leaves no file of this call.
    """
    for name in clients:
        if not re.fullmatch(NAME, name) or name == SERVER:
            raise InputError(f"no name for a client, {name!r}, use letters, digits, - and _, and not {SERVER!r}")
    names = list(dict.fromkeys(clients))
    made: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder, folder=True)
        if _is_missing(folder):
            names.insert(0, SERVER)
        for name in names:
            public, secret = zmq.curve_keypair()
            for suffix, lines in ((PUBLIC, _text(public)), (SECRET, _text(public, secret))):
                path = folder / f"{name}{suffix}"
                with os.fdopen(_new(path), "w") as file:
                    made.append(path)
                    file.write(lines)
    except (OSError, InputError) as e:
        for path in made:
            with suppress(OSError):
                path.unlink()
        if isinstance(e, FileExistsError):
            raise InputError(
                f"already there, {e.filename}, delete that client's two files first, or choose another name"
            ) from None
        if isinstance(e, OSError):
            raise InputError(f"not writable ({e.strerror}), {e.filename or folder}, choose another folder") from None
        raise
    return made


def read_keys(folder: Path) -> Keys:
    """The line's own pair and its clients. Raises InputError where one is missing, damaged, or open to others."""
    try:
        _check_private(folder, folder=True)
        public = _read(folder / f"{SERVER}{PUBLIC}", "public-key")
        secret = _read(folder / f"{SERVER}{SECRET}", "secret-key")
        listed = [p for p in sorted(folder.iterdir()) if p.suffix == PUBLIC and p.stem != SERVER]
        clients = frozenset(_read(p, "public-key") for p in listed)
    except OSError as e:
        raise InputError(f"keys not readable ({e.strerror}), {e.filename or folder}, {MAKE}") from None
    if zmq.curve_public(z85.encode(secret)) != z85.encode(public):
        raise InputError(f"the two keys of the line are no pair, {folder}, {MAKE} in another folder")
    if not listed:
        raise InputError(f"no client may listen, {folder}, {MAKE}")
    return Keys(public, secret, clients)


def _text(public: bytes, secret: bytes | None = None) -> str:
    both = {"public-key": public, **({"secret-key": secret} if secret else {})}
    return "\n".join(["metadata", "curve", *(f'    {what} = "{key.decode()}"' for what, key in both.items()), ""])


def _new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def _is_missing(folder: Path) -> bool:
    """Whether the line has no pair; InputError where it has lost one of the two."""
    lost = [name for name in (f"{SERVER}{PUBLIC}", f"{SERVER}{SECRET}") if not (folder / name).exists()]
    if len(lost) == 1:
        raise InputError(
            f"{lost[0]} is lost, {folder}, restore it, or make all keys in another folder: no client knows a new one"
        )
    return bool(lost)


def _check_private(path: Path, folder: bool = False) -> None:
    found = path.lstat()
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(found.st_mode):
        raise InputError(f"not a {'folder' if folder else 'file'} of its own, {path}, {MAKE}")
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(f"keys are open to others, {path}, make it yours alone: `chmod {'700' if folder else '600'}`")


def _read(path: Path, what: str) -> bytes:
    _check_private(path)
    with path.open("rb") as file:
        text = file.read(MAX_BYTES)
    match = re.search(rf'^\s*{what}\s*=\s*"([!-~]{{40}})"\s*$'.encode(), text, re.MULTILINE)
    try:
        if match is not None and len(key := z85.decode(match[1])) == 32:
            return key
    except (KeyError, struct.error):  # a character that Z85 does not have, or a number over 32 bits
        pass
    raise InputError(f"no {what} in it, {path}, {MAKE}")
