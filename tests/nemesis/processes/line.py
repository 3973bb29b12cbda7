"""The line under test: `glassline run` as a service holds it, its processes found by /proc, its record on a disk of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tests.nemesis.processes.record import Footprint, Record
from tests.nemesis.processes.truth import Truth
from tests.shared_data import ROOT

FRAME_MM, SPEED_MM_S, RATE, BUDGET_MS = 25.6, 100.0, 4.0, 3000.0
MM = {"mm_per_px_x": 0.2, "mm_per_px_y": 0.2}
LOOK_NS, WEIGH_NS = 20_000_000, 1_000_000_000
STOP_S = 15.0
"""After that systemd kills what is left."""
DISK_GB = 8
"""As much as a disk has that is not nearly full; nothing of it is taken before it is written."""
PAUSE_S = 0.02
SITE = """\
import os
from pathlib import Path

told = Path(__file__).with_name("cameras")
if told.exists():
    os.environ["PYLON_CAMEMU"] = told.read_text()
"""
"""Runs first in each process of the line: how many cameras pylon's emulator has now."""


class Line:
    """One line in a folder of its own; used as a context manager, `step` called again and again.

    A supervisor that has ended is started again at once.
    """

    def __init__(self, truth: Truth, folder: Path, record: Record, cloth: bool, standby: bool, basler: bool) -> None:
        self.folder, self.record = folder, record
        self.site, self.disk, self.config = folder / "site", folder / "disk", folder / "line.yaml"
        self.ledger, self.sockets = self.disk / "ledger.sqlite", folder / f"glassline-{os.getuid()}-nemesis"
        self.endpoint = f"ipc://{folder / 'air'}"
        self.pids: dict[str, int] = {}
        self.restarts = 0
        self._names: dict[int, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._look_ns = self._weigh_ns = 0
        self._stopping = False
        self.mounted = False
        self._write(truth, cloth, standby, basler)

    def _write(self, truth: Truth, cloth: bool, standby: bool, basler: bool) -> None:
        pace: dict[str, Any] = MM if cloth else {"rate": RATE}
        cameras: list[dict[str, Any]] = [
            {"name": name, "source": "replay", "path": str(path), "loop": True, **pace} for name, path in truth.footage.items()
        ]
        if basler:
            features = {
                "Width": 256, "Height": 128, "ExposureTime": 80.0, "TestImageSelector": False,
                "ImageFilename": str(truth.footage["b"]), "ImageFileMode": True,
            }  # fmt: skip
            trigger = {"selector": "FrameStart", "source": "Software"}
            cameras[1] = {
                "name": "b",
                "source": "basler",
                "serial": "0815-0001",
                "features": features,
                "trigger": trigger,
                **pace,
            }
        if cloth:
            cameras[1]["x_offset_mm"] = 51.2
        body = {
            "line": {"name": "nemesis"}, "model": str(truth.bundle), "cameras": cameras,
            "worker": {"backend": "openvino", "standby": standby}, "decision": {"budget_ms": BUDGET_MS},
            "outputs": [{"kind": "publisher", "bind": self.endpoint}], "ledger": {"path": str(self.ledger)},
        }  # fmt: skip
        if cloth:
            body["motion"] = {"source": "simulated", "speed_mm_s": SPEED_MM_S}
        self.config.write_text(yaml.safe_dump(body), encoding="utf-8")
        self.site.mkdir()
        (self.site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
        self.disk.mkdir()
        self.record.facts = {
            "cloth": cloth, "speed_mm_s": SPEED_MM_S, "budget_ms": BUDGET_MS, "period_ns": int(1e9 / RATE),
            "frame_mm": FRAME_MM, "cameras": ["a", "b"], "scores": truth.scores, "barred": truth.barred,
            "origins": {"a": "a", "b": "" if basler else "b"}, "weights_sha": truth.weights_sha,
            "engine_sha": truth.engine_sha, "card_sha": truth.card_sha,
        }  # fmt: skip

    def __enter__(self) -> Line:
        self.mounted = os.getuid() == 0 and self.mount(f"size={DISK_GB}g")
        self._start()
        return self

    def __exit__(self, *failure: object) -> None:
        if self._process is not None and self._process.poll() is None:
            held = self._children()
            self._process.kill()
            self._process.wait()
            for pid in held:  # one that stands still would not see that its parent is gone
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)

    def mount(self, options: str) -> bool:
        """A disk of our own for the record, or the one that is there with another size; whether that is allowed."""
        words = ["mount", "-t", "tmpfs", "-o", options, "none", str(self.disk)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    @property
    def words(self) -> str:
        """What it has printed."""
        return (self.folder / "words.txt").read_text(encoding="utf-8", errors="replace")

    def _start(self) -> None:
        environment = {
            **os.environ, "XDG_RUNTIME_DIR": str(self.folder), "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(self.site), str(ROOT), os.environ.get("PYTHONPATH")))),
        }  # fmt: skip
        with (self.folder / "words.txt").open("ab") as said:
            words = [sys.executable, "-m", "tools", "run", str(self.config), "--slow-ok"]
            self._process = subprocess.Popen(words, cwd=self.folder, env=environment, stdout=said, stderr=said)

    def step(self) -> None:
        """See who is there, start it again where it has ended, and sometimes weigh its processes and look at its ledger."""
        now_ns = time.monotonic_ns()
        assert self._process is not None
        if not self._stopping and (code := self._process.poll()) is not None:
            self.record.exits.append((now_ns, code))
            self._start()
            self.restarts += 1
        if now_ns >= self._look_ns:
            self._look_ns = now_ns + LOOK_NS
            self._look(now_ns)
        if now_ns >= self._weigh_ns:
            self._weigh_ns = now_ns + WEIGH_NS
            self.record.glimpse(self.ledger)
            self._weigh(now_ns)

    def stop(self) -> None:
        """As systemd would, and see what is left."""
        assert self._process is not None
        self._stopping = True
        began_s, held = time.monotonic(), [self._process.pid, *self._children()]
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self.record.stopped_s = time.monotonic() - began_s
        code = self._process.poll()
        if code != 0:
            self.record.left.append(f"exit status {code}")
        self.record.left += [f"process {self._names.get(p, 'supervisor')}" for p in held if _is_there(p)]
        if self.sockets.exists():
            self.record.left.append("its socket folder")

    def _look(self, now_ns: int) -> None:
        """Of two workers the older one works."""
        assert self._process is not None
        found = {"supervisor": self._process.pid} if self._process.poll() is None else {}
        for pid in sorted(self._children()):
            if (name := self._name(pid)) and _is_there(pid):
                found.setdefault(name, pid)
        for name in self.pids.keys() | found.keys():
            if self.pids.get(name) != found.get(name):
                self.record.pids.append((now_ns, name, found.get(name, 0)))
        self.pids = found

    def _children(self) -> list[int]:
        assert self._process is not None
        found: list[int] = []
        for task in Path(f"/proc/{self._process.pid}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
        return found

    def _name(self, pid: int) -> str:
        if pid not in self._names:
            with suppress(OSError):
                told = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                if "pipeline.supervision.process" in told:
                    self._names[pid] = Path(told[-2]).stem.partition("-")[2].rpartition("-")[0]
        return self._names.get(pid, "")

    def _weigh(self, now_ns: int) -> None:
        for name, pid in self.pids.items():
            with suppress(OSError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                handles = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                self.record.footprints.append(Footprint(now_ns, name, pid, pages * 4096 / 1e6, handles))


def wait(line: Line, done: Callable[[], bool], limit_s: float) -> bool:
    """Step the line until then; whether it came to that in time."""
    end_s = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > end_s:
            return False
        line.step()
        time.sleep(PAUSE_S)
    return True


def _is_there(pid: int) -> bool:
    """One that has ended and waits for its parent is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
