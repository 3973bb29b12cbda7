"""A name server that hangs until the test lets it answer."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class NameServer:
    """Which names were asked for; `answers` lets all of them through."""

    asked: list[str] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)


def hang_name_server(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    """From now on no name is found in this process, for half a minute at most, until it may answer."""
    server, look_up = NameServer(), socket.getaddrinfo

    def hang(host: str, *rest: Any, **more: Any) -> Any:
        server.asked.append(host)
        server.answers.wait(30)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    return server
