"""Stand-ins for the parts that tests leave out: an outbox that notes, a camera that is told, an engine that reads pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from glass_core.engines.canary import Canary
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from pipeline.cameras.protocol import CameraLost, Shot
from pipeline.link.protocol import Received
from pipeline.link.wire import decode, encode
from pipeline.messages.line import Totals
from pipeline.messages.message import Message, Payload
from pipeline.telemetry import Refusals


class Box:
    """Inbox and outbox; `room` limits how many it accepts."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.queue: deque[Received] = deque()
        self.room = room
        self.refused = Refusals()
        self.newcomer = False

    def send(self, message: Message, *payloads: Payload) -> bool:
        if len(self.queue) >= self.room:
            return False
        self.queue.append(decode(encode(message, payloads)))
        return True

    def receive(self) -> Received | None:
        return self.queue.popleft() if self.queue else None

    def take(self, kind: type[Any]) -> list[Any]:
        """Remove and return the messages of that kind."""
        found = [m for m, _ in self.queue if isinstance(m, kind)]
        self.queue = deque(r for r in self.queue if not isinstance(r[0], kind))
        return found

    def publish(self, message: Message) -> None:
        self.send(message)

    def joined(self) -> bool:
        joined, self.newcomer = self.newcomer, False
        return joined


class ScriptCamera:
    """Gives the shots it was made with; an exception among them is raised."""

    def __init__(self, script: Sequence[Shot | CameraLost | None], self_timed: bool = False, noisy: bool = False) -> None:
        self.script = script
        self.self_timed, self.noisy = self_timed, noisy
        self.pulses = 0
        self.closed = False
        self.adjusted: list[dict[str, Any]] = []
        self.unsettled: int | None = None
        self.switched: list[bool] = []

    def open(self) -> dict[str, Any]:
        return {"model": "script"}

    def trigger(self) -> None:
        self.pulses += 1

    def switch(self, on: bool) -> None:
        self.switched.append(on)

    def adjust(self, features: dict[str, Any]) -> int | None:
        self.adjusted.append(features)
        return self.unsettled

    def shots(self) -> Iterator[Shot | None]:
        for item in self.script:
            if isinstance(item, CameraLost):
                raise item
            yield item

    def close(self) -> None:
        self.closed = True


def shot(number: int, rows: int = 64, width: int = 64, value: int = 10, t_ns: int = 0) -> Shot:
    """A grey picture."""
    return Shot(np.full((rows, width), value, np.uint8), rows, number, t_ns, t_ns, origin=f"n{number}")


def totals(**changes: Any) -> Totals:
    """Totals of nothing yet, but for what is given."""
    counts = ("generation", "verdicts", "passed", "defect", "not_inspected", "late_scores", "duplicates", "rejects")
    unknown = ("inspected_m", "not_inspected_m", "position_mm", "speed_mm_s")
    return Totals.model_validate(
        dict.fromkeys((*counts, "rejects_inhibited", "waiting", "t_mono_ns"), 0)
        | dict.fromkeys(unknown)
        | {"reasons": {}, "latency_ms": {}, "cameras": {}}
        | changes
    )


class BrightnessEngine:
    """Scores a cell by its brightest pixel over 255: what a test paints white is a defect."""

    weights_sha = "weights"
    backend, precision, device = "test", "fp32", "cpu"

    def __init__(self, sha: str = "engine", tiling: Tiling | None = None) -> None:
        self.sha = sha
        self.definition = ScoreDefinition(tiling=tiling or TILING)
        self.batches: list[int] = []
        self.pixel_format: str | None = None
        self.canary: Canary | None = None
        self.replace: float | None = None

    def score(self, tiles: np.ndarray) -> np.ndarray:
        self.batches.append(len(tiles))
        grey = tiles if tiles.ndim == 3 else tiles.max(axis=3)
        b, h, w = grey.shape
        cells = grey.reshape(b, h // 8, 8, w // 8, 8).max(axis=(2, 4)).astype(np.float32) / 255
        return cells if self.replace is None else np.full_like(cells, self.replace)


TILING = Tiling(tile_px=64, overlap_px=16)
