"""What the line publishes, heard by a socket of our own, and the output of the reference consumer, each with the time."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import msgpack
import zmq

from tests.shared_data import ROOT

Said = dict[str, Any]


class Ear:
    """A subscriber to everything, in a thread of its own; used as a context manager."""

    def __init__(self, endpoint: str) -> None:
        self.heard: list[tuple[int, Said]] = []
        self._endpoint, self._over = endpoint, threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Ear:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    def _listen(self) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.RCVHWM, 0)
            socket.setsockopt(zmq.RECONNECT_IVL, 20)
            socket.setsockopt(zmq.SUBSCRIBE, b"")
            socket.connect(self._endpoint)
            while not self._over.is_set():
                if socket.poll(50):
                    self.heard.append((time.monotonic_ns(), msgpack.unpackb(socket.recv_multipart()[1])))


class Consumer:
    """configs/consumer.py as a process, and when its output changed; used as a context manager."""

    def __init__(self, endpoint: str, cameras: tuple[str, ...]) -> None:
        self.changes: list[tuple[int, bool]] = []
        self._words = [sys.executable, str(ROOT / "configs" / "consumer.py"), endpoint, *cameras]

    def __enter__(self) -> Consumer:
        self._process = subprocess.Popen(self._words, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.changes.append((time.monotonic_ns(), line.startswith("ON")))
