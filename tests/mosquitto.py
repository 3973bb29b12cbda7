"""A real broker on loopback, which can be stopped, started again where it was, and frozen; and a client that listens."""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/sbin")
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="needs a real peer, mosquitto: .ci/peers installs it")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(done: Callable[[], Any], limit_s: float = 20.0, meanwhile: Callable[[], Any] = lambda: None) -> None:
    end_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end_s, f"not within {limit_s} s"
        meanwhile()
        time.sleep(0.005)


class Mosquitto:
    """A broker; `settings` are further lines of its configuration."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true", port: int | None = None) -> None:
        self.port = port or free_port()
        self._conf = folder / "mosquitto.conf"
        self._conf.write_text(f"listener {self.port} 127.0.0.1\nuser {getpass.getuser()}\n{settings}\n")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def start(self) -> None:
        assert PROGRAM is not None
        words = [PROGRAM, "-c", str(self._conf)]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self.port)) == 0

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Listener:
    """Hears everything on a broker, with a thread of its own; `heard` is topic, payload, retained, and when."""

    def __init__(self, port: int, **said: str) -> None:
        self.heard: list[tuple[str, bytes, bool, float]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        if said:
            self.client.username_pw_set(said["user"], said["password"])
        self.joined = False
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        until(lambda: self.joined)

    def _on_subscribe(self, *_: object) -> None:
        self.joined = True

    def _on_message(self, client: object, data: object, message: Any) -> None:
        self.heard.append((message.topic, message.payload, message.retain, time.monotonic()))

    def topics(self) -> list[str]:
        return [topic for topic, *_ in self.heard]

    def bodies(self, topic: str) -> list[bytes]:
        return [body for found, body, *_ in self.heard if found == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self.client.reinitialise()  # closes what its thread was woken by
