"""What nemesis does to a line, and undoes."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from tests.nemesis.processes.line import DISK_GB, Line
from tests.nemesis.processes.record import Deed
from tests.nemesis.processes.schedule import Act

Undo = Callable[[], object]
SUBSCRIBER = """\
import sys, time, zmq
socket = zmq.Context().socket(zmq.XSUB)
socket.setsockopt(zmq.RCVHWM, 1)
socket.setsockopt(zmq.RCVBUF, 2048)
socket.connect(sys.argv[1])
socket.send(b"\\x01")
n = 0
while True:  # it never reads
    if sys.argv[2] == "flood":
        n += 1
        socket.send(bytes([n // 2 % 2]) + (b"Verdict" if n % 2 else str(n).encode() * 50))
        time.sleep(0.0002)
    else:
        time.sleep(1)
"""


class Nemesis:
    """Does acts to a line at their time, and undoes them when they are over; `step` called again and again."""

    def __init__(self, line: Line, acts: tuple[Act, ...], say: Callable[[str], object]) -> None:
        self._line, self._say = line, say
        self._acts = sorted(acts, key=lambda act: act.at_s)
        self._lasting: list[tuple[int, int, Act, Undo]] = []
        self._began_ns = time.monotonic_ns()

    @property
    def over(self) -> bool:
        """Nothing is left to do, or to undo."""
        return not self._acts and not self._lasting

    def step(self) -> None:
        """What is due."""
        now_ns = time.monotonic_ns()
        for lasting in [each for each in self._lasting if now_ns >= each[1]]:
            self._lasting.remove(lasting)
            began_ns, _, act, undo = lasting
            undo()
            self._note(act, began_ns)
        while self._acts and now_ns >= self._began_ns + self._acts[0].at_s * 1e9:
            act = self._acts.pop(0)
            self._say(f"{(now_ns - self._began_ns) / 1e9:6.2f} s: {act}")
            undo = do(self._line, act)
            if act.lasts_s:
                self._lasting.append((now_ns, now_ns + int(act.lasts_s * 1e9), act, undo))
            else:
                self._note(act, now_ns)

    def end(self) -> None:
        """Undo all, whatever happened."""
        for began_ns, _, act, undo in self._lasting:
            undo()
            self._note(act, began_ns)
        self._lasting.clear()

    def _note(self, act: Act, began_ns: int) -> None:
        self._line.record.deeds.append(Deed(act.kind, act.target, began_ns, time.monotonic_ns()))


def do(line: Line, act: Act) -> Undo:
    """Do it now; what undoes it."""
    pid = line.pids.get(act.target, 0)
    match act.kind:
        case "kill":
            _signal(pid, signal.SIGKILL)
        case "pause":
            _signal(pid, signal.SIGSTOP)
            return lambda: _signal(pid, signal.SIGCONT)
        case "stalled" | "flood":
            stranger = subprocess.Popen([sys.executable, "-c", SUBSCRIBER, line.endpoint, act.kind])
            return lambda: _end(stranger)
        case "disk":
            return _fill(line) if line.mounted else _forbid_growth(pid)
        case "folder":
            shutil.rmtree(line.sockets, ignore_errors=True)
            _signal(pid, signal.SIGKILL)
        case "unplug":
            (line.site / "cameras").write_text("1")
            _signal(pid, signal.SIGKILL)
            return lambda: (line.site / "cameras").unlink(missing_ok=True)  # another that overlaps may have plugged it in
        case "damage":
            return _spoil(line)
    return lambda: None


def _signal(pid: int, number: signal.Signals) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _fill(line: Line) -> Undo:
    """It is not larger than what is on it."""
    there = os.statvfs(line.disk)
    line.mount(f"remount,size={(there.f_blocks - there.f_bfree) * there.f_frsize}")
    return lambda: line.mount(f"remount,size={DISK_GB}g")


def _forbid_growth(pid: int) -> Undo:
    """Without a disk of our own: no file of that process grows."""
    if not pid:
        return lambda: None
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))

    def undo() -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    return undo


def _spoil(line: Line) -> Undo:
    """The emulated camera's pictures cannot be read: its buffers fail, as of a bad cable."""
    pictures = sorted((line.folder / "b").glob("*.png"))
    whole = [picture.read_bytes() for picture in pictures]
    for picture in pictures:
        picture.write_bytes(b"no picture")

    def undo() -> None:
        for picture, data in zip(pictures, whole, strict=True):
            picture.write_bytes(data)

    return undo
