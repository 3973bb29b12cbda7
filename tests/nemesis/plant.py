"""What stands around the line: clocks, cloth, cameras that sign their pictures, and an engine that reads the signature."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from glass_core.engines.canary import Canary
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from pipeline.cameras.protocol import CameraLost, Shot
from tests.nemesis.schedule import MS, ROWS, CameraPlan, S, Schedule

WIDTH = 64
TILING = Tiling(tile_px=64, overlap_px=16)
MAGIC = 173
BUFFERS = 8
WALL_NS = 1_700_000_000 * S
BEGAN_NS = 5_000 * S
COUNTS_PER_MM = 10.0


def true_score(camera: str, n: int) -> float:
    """Of the n-th exposure of a camera: one in nine is a defect, and no two have the same score."""
    digest = hashlib.blake2b(f"{camera}{n}".encode(), digest_size=6).digest()
    part = int.from_bytes(digest[1:], "big") / (1 << 40)
    return float(np.float32(0.7 + 0.25 * part if digest[0] < 28 else 0.1 + 0.3 * part))


class Plant:
    """The world of one schedule at `now_ns` of the monotonic clock."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.now_ns = BEGAN_NS
        self.mm = 0.0
        self.counted_mm = 0.0
        """How far the encoder's wheel has turned."""
        self.wall_jump_ns = self._asked = 0
        self.devices = {c.name: Device(c, self) for c in schedule.cameras}

    @property
    def t_s(self) -> float:
        """Since the line's start."""
        return (self.now_ns - BEGAN_NS) / S

    @property
    def speed_mm_s(self) -> float:
        """Of the cloth now."""
        return [speed for start_s, speed in self.schedule.speeds if start_s <= self.t_s + 1e-9][-1]

    def wall_ns(self) -> int:
        """The wall clock, which may jump; no two readings are the same."""
        self._asked += 1
        return WALL_NS + self.now_ns + self.wall_jump_ns + self._asked

    def advance(self, ns: int) -> None:
        """Time goes on, cloth runs, cameras that nobody triggers take their pictures."""
        moved_mm = self.speed_mm_s * ns / S
        self.now_ns += ns
        self.mm += moved_mm
        self.counted_mm += moved_mm
        for device in self.devices.values():
            device.advance(abs(moved_mm))

    def count(self) -> int | None:
        """The encoder's register; null while it is silent."""
        count = self.counted_mm * COUNTS_PER_MM
        for fault in self.schedule.active(self.t_s, "encoder", "silent", "jump", "tremble"):
            if fault.kind == "silent":
                return None
            count += math.copysign(1e6, fault.share) if fault.kind == "jump" else fault.share * 3 * (self.now_ns // MS % 3)
        return round(count) % (1 << 32)


class Device:
    """One camera's hardware: it outlives the processes that open it, and keeps a log of what it exposed."""

    def __init__(self, plan: CameraPlan, plant: Plant) -> None:
        self.plan, self._plant = plan, plant
        self.log: list[dict[str, Any]] = []
        self.buffers: list[tuple[int, dict[str, Any]]] = []
        self.opened, self.held = -1, False
        self.block = 0
        self._next_ns, self._ran_mm = BEGAN_NS, 0.0

    def faulty(self, *kinds: str) -> list[Any]:
        """Those of its faults that last now, by chance where only some pictures are hit."""
        found = self._plant.schedule.active(self._plant.t_s, self.plan.name, *kinds)
        dice = int.from_bytes(hashlib.blake2b(f"{self.plan.name}{len(self.log)}".encode(), digest_size=2).digest(), "big")
        return [f for f in found if f.kind in ("vanish", "hang") or dice / 65536 < f.share]

    def open(self) -> None:
        """A process has opened it: it counts from 0 again."""
        self.opened, self.held, self.block, self.buffers = self.opened + 1, True, 0, []

    def advance(self, moved_mm: float) -> None:
        """Pictures that it takes by itself."""
        now_ns = self._plant.now_ns
        if self.plan.kind == "self" and now_ns >= self._next_ns:
            self._next_ns += int(self.plan.period_ms * MS)
            self.expose()
        if self.plan.kind == "rows":
            self._ran_mm += moved_mm
            assert self.plan.frame_mm is not None
            if self._ran_mm >= self.plan.frame_mm:
                self._ran_mm -= self.plan.frame_mm
                self.expose()

    def expose(self) -> None:
        """One picture; without a process, or without a free buffer, it is lost."""
        n, t_ns = len(self.log), self._plant.now_ns
        if self.faulty("jump") and self.held:
            self.block += 3
        entry = {
            "camera": self.plan.name, "n": n, "shown": n, "open": self.opened, "block": self.block,
            "t_ns": t_ns, "fate": "given", "mm": self._plant.mm,
        }  # fmt: skip
        if self.faulty("frozen") and n:
            entry["shown"] = self.log[-1]["shown"]
        if self.faulty("damaged"):
            entry["fate"] = "damaged"
        ready_ns = t_ns + (int(0.2 * S) if self.faulty("late") else 0)
        self.block += 1
        self.log.append(entry)
        if not self.held or self.faulty("vanish", "hang") or len(self.buffers) >= BUFFERS:
            entry["fate"] = "lost"
        else:
            self.buffers.append((ready_ns, entry))

    def take(self) -> dict[str, Any] | None:
        """The oldest picture that has arrived; its time is that of its arrival."""
        if not self.buffers or self.buffers[0][0] > self._plant.now_ns:
            return None
        entry = self.buffers.pop(0)[1]
        entry["t_ns"] = max(entry["t_ns"], self._plant.now_ns)
        return entry


class SigningCamera:
    """A process's view of a device; each picture carries (camera, n) in its first and last row: no two are alike."""

    noisy = True

    def __init__(self, device: Device, plant: Plant) -> None:
        self._device, self._plant = device, plant
        self.self_timed = device.plan.kind in ("self", "rows")

    def open(self) -> dict[str, Any]:
        """Its facts; a device that has vanished cannot be opened."""
        if self._device.faulty("vanish"):
            raise CameraLost("not there")
        self._device.open()
        return {"model": "signing", "width": WIDTH, "height": ROWS}

    def trigger(self) -> None:
        """One picture."""
        if not self.self_timed:
            self._device.expose()

    def adjust(self, features: dict[str, Any]) -> int | None:
        """Nothing to set."""
        return None

    def shots(self) -> Iterator[Shot | None]:
        """What comes, for ever."""
        while True:
            if self._device.faulty("vanish"):
                raise CameraLost("gone")
            entry = None if self._device.faulty("hang") else self._device.take()
            yield None if entry is None else self._shot(entry)

    def _shot(self, entry: dict[str, Any]) -> Shot:
        pixels = None
        if entry["fate"] != "damaged":
            pixels = np.full((ROWS, WIDTH), 90, np.uint8)
            pixels[:, ::2] = 100
            pixels[0, :6] = pixels[-1, :6] = _sign(entry["camera"], entry["shown"])
        origin = f"{entry['camera']}:{entry['n']}"
        return Shot(pixels, ROWS, entry["block"], entry["t_ns"], self._plant.wall_ns(), origin=origin)

    def close(self) -> None:
        """The device stays."""


def _sign(camera: str, n: int) -> list[int]:
    body = [MAGIC, ord(camera), n >> 8, n & 255]
    return [*body, sum(body) % 251, 255 - sum(body) % 251]


class StandInEngine:
    """Scores a tile by the signature in it; sick while the schedule says so."""

    weights_sha, sha = "weights", "engine"
    backend, precision, device = "test", "fp32", "cpu"
    pixel_format = "Mono8"
    definition = ScoreDefinition(tiling=TILING)
    canary: Canary | None = None

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.spent_ns = 0
        """What all its calls took."""

    def score(self, tiles: np.ndarray) -> np.ndarray:
        """Cells (B, 8, 8); a tile that nobody signed is a defect."""
        faults = {f.kind: f for f in self._plant.schedule.active(self._plant.t_s, "engine", "slow", "nan", "constant", "crash")}
        slow = 1 + 30 * faults["slow"].share if "slow" in faults else 1.0
        self.spent_ns += int(self._plant.schedule.tile_ms * slow * len(tiles) * MS)
        if "crash" in faults:
            raise RuntimeError("device lost")
        cells = np.tile(np.linspace(0.01, 0.05, 64, dtype=np.float32).reshape(8, 8), (len(tiles), 1, 1))
        for cell, tile in zip(cells, tiles, strict=True):
            cell[0, 0] = _read(tile)
        if "nan" in faults:
            cells[0, 3, 3] = np.nan
        return np.full_like(cells, 0.2) if "constant" in faults else cells


def _read(tile: np.ndarray) -> float:
    signed = [int(v) for v in tile[0, :6]]
    name, n = chr(signed[1]), signed[2] << 8 | signed[3]
    return true_score(name, n) if signed == _sign(name, n) else 0.99
