"""Who is signed in, and how often somebody may try: the part of the page that says no, without any web framework."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.dashboard.users import User, read_users

SHIFT_S = 12 * 3600.0
"""After so long a person signs in again."""
MAX_SESSIONS, MAX_KNOWN = 200, 1000
TRIES, PER_S = 20, 10.0
"""Of one address: so many requests that would change something, in so long."""


@dataclass(frozen=True)
class Session:
    """One browser in which somebody has signed in."""

    name: str
    token_sha256: str
    csrf: str
    """Sent back with each act: a page of somebody else cannot read it."""
    ends_s: float


class Gate:
    """Sessions by their secret, in memory: after a restart of the page people sign in again."""

    def __init__(self, users: Path, hosts: frozenset[str], now_s: Callable[[], float] = time.monotonic) -> None:
        self.users, self.hosts, self._now_s = users, hosts, now_s
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()

    def sign_in(self, token: str) -> tuple[str, Session] | None:
        """A new session for whoever has that token; null: nobody has. InputError where the users cannot be read."""
        user = read_users(self.users).by_token(token)
        if user is None:
            return None
        session = Session(user.name, user.token_sha256, secrets.token_urlsafe(24), self._now_s() + SHIFT_S)
        secret = secrets.token_urlsafe(32)
        self._sessions[secret] = session
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return secret, session

    def sign_out(self, secret: str) -> None:
        """That session ends."""
        self._sessions.pop(secret, None)

    def who(self, secret: str) -> tuple[User, Session] | None:
        """The user of a session, as the file has him now: who was deleted, or has a new token, is out at once."""
        session = self._sessions.get(secret)
        if session is None or self._now_s() > session.ends_s:
            self._sessions.pop(secret, None)
            return None
        user = next((u for u in read_users(self.users).users if u.token_sha256 == session.token_sha256), None)
        return None if user is None else (user, session)

    def too_often(self, address: str) -> bool:
        """Counts a try of that address, and says whether it was one too many."""
        tries = self._tries.setdefault(address, deque(maxlen=TRIES))
        self._tries.move_to_end(address)
        while len(self._tries) > MAX_KNOWN:
            self._tries.popitem(last=False)
        now_s = self._now_s()
        often = len(tries) == TRIES and now_s - tries[0] < PER_S
        if not often:
            tries.append(now_s)
        return often

    def is_host(self, host: str) -> bool:
        """Whether that is a name of this page: another page's name that leads here must not work (DNS rebinding)."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name is not None and name in self.hosts

    @staticmethod
    def is_own(origin: str, host: str) -> bool:
        """Whether a request comes from a page that this program served."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    @staticmethod
    def same(one: str, other: str) -> bool:
        """Compared in a time that tells nothing."""
        return hmac.compare_digest(one.encode(), other.encode())
