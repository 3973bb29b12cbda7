"""Messages as a foreign or broken program might send them: whole ones, some with odd values, some with damaged bytes."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import numpy as np

from pipeline.link import wire
from pipeline.messages.commands import Command
from pipeline.messages.message import Message
from tests.shared_data import ROOT

EXAMPLES = ROOT / "tests" / "unit" / "pipeline" / "link" / "headers.json"
MAX_PAYLOAD = 1 << 16
HEIGHT, WIDTH, CELLS = 64, 160, (8, 20)
ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 5, 8, 1 << 31, (1 << 53) - 1, 1 << 53, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -(1 << 63),
    math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e-4, 0.5, 999.5, -1e12, 1e12, 1e13, -1e300, 1e300,
    "", "left", "right", "nobody", "../../left", "a" * 33, "b" * 700, "satin", "SEAM", "\0", "\n", "\U0001f9f5" * 60,
    (), (5,), (0, 0), (8, 16), (160, 0), (8, 0), (8, 16, 3), (8, 16, 4), (8, 16, 1), (1, 2, 3, 4), (0.5, 300.0), (math.nan,),
    {}, {"left": 1.0}, b"x",
)  # fmt: skip


def alike(value: Any, other: Any) -> bool:
    """Of one kind: both are numbers, texts, or lists."""
    kinds = (bool, int | float, str, tuple, dict)
    return any(isinstance(value, kind) and isinstance(other, kind) for kind in kinds)


def bodies() -> dict[str, dict[str, Any]]:
    """One whole message of each kind, as the fields of its header."""
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    unpacked = (msgpack.unpackb(bytes.fromhex(e["header"]), use_list=False) for e in examples.values())
    found = {body["t"]: body for body in unpacked}
    progress = {"name": "left", "generation": 0, "state": "READY", "steps": 9, "handled": 3, "waiting": 0}
    return found | {"Progress": {"v": wire.VERSION, "t": "Progress", **progress}}


class Mutator:
    """Endless messages as their parts on the wire; the same for the same seed."""

    def __init__(self, seed: int, kinds: tuple[type[Message], ...]) -> None:
        self._dice = random.Random(seed)
        self._bodies = bodies()
        self._kinds = [kind.__name__ for kind in kinds]
        self._cells = np.random.default_rng(seed)
        self._frames = 0
        self.now_ns = 0
        """The stage's clock, for what tells a time."""

    def __iter__(self) -> Iterator[list[bytes]]:
        dice = self._dice
        while True:
            of_stage = dice.random() < 0.9
            body = dict(self._bodies[dice.choice(self._kinds if of_stage else list(self._bodies))])
            self._place(body)
            for _ in range(dice.choice((0, 0, 0, 0, 0, 0, 1, 1, 2, 4))):
                self._change(body)
            yield self._parts(body)

    def _place(self, body: dict[str, Any]) -> None:
        """Somewhere on a cloth that runs, so that frames and scores meet."""
        dice = self._dice
        self._frames += body["t"] == "Announced"
        seq = max(0, self._frames // 2 - dice.choice((0, 0, 0, 0, 1, 2, 9)))
        at_mm = seq * 50.0
        ranges: dict[str, Callable[[], Any]] = {
            "camera": lambda: dice.choice(("left", "right")), "boot_id": lambda: "b", "seq": lambda: seq,
            "start_mm": lambda: at_mm, "end_mm": lambda: at_mm + 50.0, "at_mm": lambda: at_mm, "position_mm": lambda: at_mm,
            "style": lambda: dice.choice(("", "satin")), "number": lambda: dice.randrange(10_000), "status": lambda: "OK",
            "count": lambda: int(at_mm * 10), "t_mono_ns": lambda: self.now_ns - dice.randrange(10**8),
            "budget_ms": lambda: 100.0, "sent": lambda: dice.random() < 0.9, "lanes": lambda: (0.2, dice.random(), 0.1),
            "fault": lambda: "", "on": lambda: dice.random() < 0.1,
            "mm_per_px_y": lambda: 0.5, "roll_id": lambda: f"R-{dice.randrange(50)}",
        }  # fmt: skip
        body.update({key: make() for key, make in ranges.items() if key in body})
        if body["t"] == "ScoreMap":
            body |= {
                "weights_sha": "weights",
                "engine_sha": "engine",
                "frame_shape": (HEIGHT, WIDTH),
                "inspect_x_px": (0, WIDTH),
            }
            body["cells_shape"] = CELLS if max(body["lanes"]) > 0.5 and dice.random() < 0.95 else None
        if body["t"] == "Announced" and dice.random() < 0.05:
            body |= {"boot_id": "worn", "seq": (1 << 53) - 1}  # the last number that there is
        if body["t"] == "Frame":
            body |= {"shape": (HEIGHT, WIDTH), "pixel_format": "Mono8", "inspect_x_px": None, "cloth_x_px": None}
        if body["t"] == "Status":
            role = dice.choice(("grabber", "grabber", "worker", "motion"))
            body |= {"role": role, "name": dice.choice(("left", "right")) if role == "grabber" else role, "generation": 0}
            body["state"] = dice.choice(("READY",) * 40 + ("DOWN", "FAULT"))
        if issubclass(wire.TYPES[body["t"]], Command) and dice.random() < 0.3:
            body["ticket"] = "0f3a"
        if body["t"] in ("MarkEvent", "RollStart"):
            body["length_mm" if body["t"] == "MarkEvent" else "style"] = (
                dice.choice((40.0, 600.0, 90_000.0)) if "kind" in body else ""
            )
        if body["t"] == "Motion":
            body |= {"speed_mm_s": 500.0, "state": "MOVING"}
        if body["t"] == "Verdict":
            body |= {"frame_shape": (HEIGHT, WIDTH), "cells_shape": CELLS if dice.random() < 0.3 else None}

    def _change(self, body: dict[str, Any]) -> None:
        dice, key = self._dice, self._dice.choice(list(body))
        match dice.randrange(8):
            case 0:
                body.pop(key)
            case 1:
                body[dice.choice(("extra", "camera", "v", "ticket"))] = dice.choice(ODD)
            case 2:
                body[key] = dice.choice(ODD)
            case _ if key != "t":
                body[key] = dice.choice([odd for odd in ODD if alike(odd, body[key])] or ODD)
        if not body:
            body["t"] = "Reset"

    def _parts(self, body: dict[str, Any]) -> list[bytes]:
        dice, header = self._dice, bytearray(msgpack.packb(body))
        if dice.random() < 0.05:
            header[dice.randrange(len(header))] = dice.randrange(256)
        return [bytes(header), *(self._payload(size) for size in _sizes(body) if dice.random() < 0.97)]

    def _payload(self, size: int) -> bytes:
        if size == 4 * math.prod(CELLS):
            return self._cells.random(CELLS, np.float32).astype("<f4").tobytes()
        return bytes(size if 0 <= size <= MAX_PAYLOAD else self._dice.randrange(9))


def _sizes(body: dict[str, Any]) -> tuple[int, ...]:
    """What its header asks for, as far as it can be understood."""
    try:
        kind = wire.TYPES[body["t"]]
        return kind.model_validate({k: v for k, v in body.items() if k not in ("v", "t")}).payload_sizes()
    except (ValueError, KeyError, TypeError):
        return ()
