"""Where the page is served, to whom, and in which words."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from glass_core.errors import InputError


@dataclass(frozen=True)
class Terms:
    """As the command line gives them."""

    host: str
    port: int
    users: Path
    tls: tuple[Path, Path] | None = None
    """Certificate and its key."""
    behind_proxy: bool = False
    """Another program on this machine, which is trusted, speaks TLS with browsers."""
    names: tuple[str, ...] = ()
    """By which browsers reach it, beside its address."""
    strings: Path | None = None
    """A translation of static/strings.json; what it lacks stays English."""

    def check(self) -> None:
        """InputError for what would be open to a network without TLS."""
        if is_loopback(self.host):
            return
        if self.behind_proxy:
            raise InputError(f"whoever passes the proxy by would speak plain text, --bind {self.host}, bind to 127.0.0.1")
        if self.tls is None:
            raise InputError(f"tokens would cross the network as plain text, --bind {self.host}, give --tls CERT KEY")

    @property
    def hosts(self) -> frozenset[str]:
        """The names that a browser may ask for."""
        own = {"localhost", "127.0.0.1", "::1"} if is_loopback(self.host) else {socket.gethostname().lower()}
        return frozenset({self.host.lower(), *own, *(name.lower() for name in self.names)})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
