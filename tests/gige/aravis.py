"""A camera of the tests' own for GigE Vision, through libaravis (LGPL, Debian's `aravis-tools`), called by ctypes.

pylon finds Aravis' fake camera neither by discovery nor by address, so the product's own Basler source cannot be tried with it.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pipeline.cameras.blocks import Blocks
from pipeline.cameras.protocol import CameraLost, Shot
from pipeline.config.styles import Scalar

PROGRAM, LIBRARY, ADDRESS = "arv-fake-gv-camera-0.8", "libaravis-0.8.so.0", "127.0.0.1"
BUFFERS = 8
WAIT_US = 50_000
STALL_S = 3.0
SUCCESS, MISSING_PACKETS = 0, 3
"""Of ArvBufferStatus."""


def usable() -> bool:
    """Whether program and library are on this machine."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return shutil.which(PROGRAM) is not None


@contextmanager
def camera_on_loopback(lost_per_thousand: int) -> Iterator[subprocess.Popen[bytes]]:
    """A fake camera in a process of its own that leaves out so many packets."""
    words = [PROGRAM, "-i", ADDRESS, "-r", str(lost_per_thousand)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


class AravisCamera:
    """Shots of the fake camera until so many blocks were counted; lost packets are not asked for again."""

    self_timed, noisy = True, False

    def __init__(self, width: int, height: int, rate_hz: float, blocks: int) -> None:
        self._size, self._rate_hz, self._most = (height, width), rate_hz, blocks
        self._arv, self._gobject = ctypes.CDLL(LIBRARY), ctypes.CDLL("libgobject-2.0.so.0")
        self._camera: ctypes.c_void_p | None = None
        self._stream: ctypes.c_void_p | None = None
        self.damaged = 0
        """Buffers in which packets were missing."""
        self.late = 0
        """Those of them that came after newer ones."""
        self.blocks: list[int] = []
        """Of all buffers, as the camera counts them: from 1 to 65535, and again from 1."""

    def _call(self, name: str, *args: Any, gives: Any = None) -> Any:
        function = getattr(self._arv, name)
        function.restype = gives
        return function(*args)

    def open(self) -> dict[str, Any]:
        """Wait for it to be there, and start it."""
        end_s = time.monotonic() + STALL_S
        while (pointer := self._call("arv_camera_new", ADDRESS.encode(), None, gives=ctypes.c_void_p)) is None:
            if time.monotonic() > end_s:
                raise CameraLost("it does not answer")
            time.sleep(0.05)
        self._camera = camera = ctypes.c_void_p(pointer)
        height, width = self._size
        self._call("arv_camera_set_region", camera, 0, 0, width, height, None)
        self._call("arv_camera_set_frame_rate", camera, ctypes.c_double(self._rate_hz), None)
        self._call("arv_camera_gv_set_packet_size", camera, 1500, None)
        self._stream = stream = ctypes.c_void_p(
            self._call("arv_camera_create_stream", camera, None, None, None, gives=ctypes.c_void_p)
        )
        self._gobject.g_object_set(stream, b"packet-resend", 0, None)
        for _ in range(BUFFERS):
            buffer = self._call("arv_buffer_new_allocate", ctypes.c_size_t(height * width), gives=ctypes.c_void_p)
            self._give_back(buffer)
        self._call("arv_camera_start_acquisition", camera, None)
        return {"source": "aravis", "width": width, "height": height}

    def trigger(self) -> None:
        """It times itself."""

    def adjust(self, features: dict[str, Scalar]) -> int | None:
        """It has none to set."""
        return None

    def shots(self) -> Iterator[Shot | None]:
        """As they come, whole or with packets missing."""
        counted, heard_s = Blocks(BUFFERS), time.monotonic()
        first: int | None = None
        while True:
            wait = ctypes.c_uint64(WAIT_US)
            buffer = self._call("arv_stream_timeout_pop_buffer", self._stream, wait, gives=ctypes.c_void_p)
            if buffer is None:
                if time.monotonic() - heard_s > STALL_S:
                    raise CameraLost("it sends nothing")
                yield None
                continue
            heard_s = time.monotonic()
            block = int(self._call("arv_buffer_get_frame_id", ctypes.c_void_p(buffer), gives=ctypes.c_uint64))
            number = counted.count(block)
            if number is None:
                self.late += 1
                self._give_back(buffer)
                continue
            first = number if first is None else first
            if number - first >= self._most:
                return
            self.blocks.append(block)
            shot = self._shot(buffer, number)
            self.damaged += shot.pixels is None
            self._give_back(buffer)
            yield shot

    def _shot(self, buffer: int, number: int) -> Shot:
        height, width = self._size
        status = int(self._call("arv_buffer_get_status", ctypes.c_void_p(buffer), gives=ctypes.c_int))
        pixels, now_ns, utc_ns = None, time.monotonic_ns(), time.time_ns()
        error = {SUCCESS: "", MISSING_PACKETS: "missing packets"}.get(status, f"status {status}")
        if status == SUCCESS:
            size = ctypes.c_size_t()
            at = self._call("arv_buffer_get_data", ctypes.c_void_p(buffer), ctypes.byref(size), gives=ctypes.c_void_p)
            pixels = np.frombuffer(ctypes.string_at(at, height * width), np.uint8).reshape(height, width)
        return Shot(pixels, height, number, now_ns, utc_ns, error=error)

    def _give_back(self, buffer: int) -> None:
        self._call("arv_stream_push_buffer", self._stream, ctypes.c_void_p(buffer))

    def close(self) -> None:
        """May be called twice."""
        if self._stream is not None:
            self._call("arv_camera_stop_acquisition", self._camera, None)
            self._gobject.g_object_unref(self._stream)
            self._gobject.g_object_unref(self._camera)
            self._stream = self._camera = None
            self._call("arv_shutdown")
