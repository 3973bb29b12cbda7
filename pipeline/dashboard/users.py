"""Who may act on the page: a file with each user's name, role, and the hash of a token.

A token is 256 bits of chance, so that its plain SHA-256 tells nobody what it is.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from pipeline.messages.domains import NAME

Role = Literal["operator", "engineer"]
"""An engineer may also set rejects aside; whoever is signed in may take that back."""
MAX_BYTES = 1 << 16
MAX_USERS = 200
MAKE = "make one with `glassline keys user NAME --role operator`"


class User(BaseModel):
    """One person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    role: Role
    token_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    made: datetime


class Users(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    users: tuple[User, ...] = Field(default=(), max_length=MAX_USERS)

    def by_token(self, token: str) -> User | None:
        """Whose token it is; null: nobody's. All are compared, so that the time taken tells nothing."""
        digest = hash_of(token)
        found = [u for u in self.users if hmac.compare_digest(u.token_sha256, digest)]
        return found[0] if found else None


def users_file() -> Path:
    """Where this user's own is."""
    told = os.environ.get("XDG_CONFIG_HOME")
    return (Path(told) if told else Path.home() / ".config") / "glassline" / "users.json"


def hash_of(token: str) -> str:
    """As the file has it."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_user(path: Path, name: str, role: str) -> str:
    """Add a user, or give one a new token and that role: the token, which nobody can read again.

    The old token of that name is of no use from then on. Raises InputError.
    """
    users = [u for u in read_users(path).users if u.name != name]
    token = secrets.token_urlsafe(32)
    try:
        made = User.model_validate(
            {"name": name, "role": role, "token_sha256": hash_of(token), "made": datetime.now(UTC).replace(microsecond=0)}
        )
        file = Users(users=(*users, made))
    except ValidationError:
        raise InputError(
            f"no such user can be, {name!r} with role {role!r}, use letters, digits, - and _ for the name, "
            f"{' or '.join(get_args(Role))} as role, and at most {MAX_USERS} users"
        ) from None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.touch(mode=0o600)
            part.chmod(0o600)
            part.write_text(file.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
    except OSError as e:
        raise InputError(f"users not writable ({e.strerror}), {path}, choose another file") from None
    return token


def read_users(path: Path) -> Users:
    """Those of a file; nobody where there is none. InputError where it is damaged, or open to others."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise InputError(f"users are open to others, {path}, make it a file of yours alone: `chmod 600`")
        with path.open("rb") as file:
            return Users.model_validate_json(file.read(MAX_BYTES))
    except FileNotFoundError:
        return Users()
    except (OSError, ValidationError) as e:
        what = e.strerror if isinstance(e, OSError) else "it is no list of users"
        raise InputError(f"users not readable ({what}), {path}, restore it, or delete it and {MAKE}") from None
