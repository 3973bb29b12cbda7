"""What a seed decides: which line runs, how its cloth runs, and what goes wrong when."""

from __future__ import annotations

import random
from dataclasses import dataclass

S = 1_000_000_000
MS = 1_000_000
ROWS = 64
FIRST_S, LAST_S = 0.8, 2.6
"""Faults begin and end between these times."""
LINK_FAULTS = ("drop", "delay", "duplicate", "reorder", "corrupt")
CAMERA_FAULTS = ("late", "damaged", "frozen", "vanish", "hang", "jump")
ENGINE_FAULTS = ("slow", "nan", "constant", "crash", "foreign")
LINKS = ("worker", "decision", "recorder", "consumer")
"""By receiver; those of the grabbers and of motion come in addition where there is motion."""


@dataclass(frozen=True)
class CameraPlan:
    """A test camera: `rate` is paced by the line, `self` by itself, `cloth` by the line's motion, `rows` by a wired encoder."""

    name: str
    kind: str
    period_ms: float
    mm_per_px: float | None
    y_offset_mm: float
    actuator_mm: float | None

    @property
    def frame_mm(self) -> float | None:
        """Length of a picture along the cloth."""
        return None if self.mm_per_px is None else ROWS * self.mm_per_px


@dataclass(frozen=True)
class Fault:
    """Something goes wrong at `target` for a while; `share` of messages or pictures are hit, or how bad it is."""

    kind: str
    target: str
    start_s: float
    end_s: float
    share: float = 1.0

    def at(self, t_s: float) -> bool:
        """Whether it lasts at that time."""
        return self.start_s <= t_s < self.end_s


@dataclass(frozen=True)
class Schedule:
    """All of it; times count from the line's start, on the monotonic clock."""

    seed: int
    cameras: tuple[CameraPlan, ...]
    motion: bool
    speeds: tuple[tuple[float, float], ...]
    """From when on the cloth runs how fast, mm/s."""
    budget_ms: float
    tolerate_mm: float
    load_s: float
    """Of the model, before a worker is ready."""
    tile_ms: float
    faults: tuple[Fault, ...]

    @property
    def last_fault_s(self) -> float:
        """When the last of them is over."""
        return max((f.end_s for f in self.faults), default=FIRST_S)

    def active(self, t_s: float, target: str, *kinds: str) -> list[Fault]:
        """The faults of these kinds at that target at that time."""
        return [f for f in self.faults if f.target == target and f.kind in kinds and f.at(t_s)]


def draw(seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(f"nemesis {seed}")
    motion, scale = rng.random() < 0.65, rng.random() < 0.65
    speed = rng.uniform(80, 350)
    cameras = tuple(_camera(rng, n, motion, scale, speed) for n in range(rng.choice((1, 1, 2, 2, 3))))
    faults = tuple(_fault(rng, cameras, motion) for _ in range(rng.randint(1, 5)))
    return Schedule(
        seed=seed, cameras=cameras, motion=motion, speeds=_speeds(rng, speed), budget_ms=round(rng.uniform(250, 800)),
        tolerate_mm=rng.choice((0.0, 60.0, 200.0)), load_s=rng.choice((0.3, 1.0)), tile_ms=rng.uniform(1, 8),
        faults=tuple(sorted(_few_deaths(faults), key=lambda f: f.start_s)),
    )  # fmt: skip


def _camera(rng: random.Random, number: int, motion: bool, scale: bool, speed: float) -> CameraPlan:
    kind = rng.choice(("rate", "self", "cloth", "rows") if motion and scale else ("rate", "self"))
    mm_per_px = rng.choice((0.4, 0.6)) if scale else None
    period_ms = rng.uniform(70, 220)
    if mm_per_px is not None and motion:  # pictures of cloth must touch, however fast it runs
        period_ms = min(period_ms, 900 * ROWS * mm_per_px / (1.2 * speed))
    return CameraPlan(
        "abc"[number], kind, period_ms, mm_per_px, rng.choice((0.0, 0.0, -40.0, 70.0)),
        rng.choice((None, rng.uniform(150, 600))) if motion and scale else None,
    )  # fmt: skip


def _speeds(rng: random.Random, speed: float) -> tuple[tuple[float, float], ...]:
    """Mostly an even run; sometimes it rests, reverses, or changes; it runs when all is over."""
    pieces, t_s = [(0.0, speed)], FIRST_S
    while rng.random() < 0.5 and t_s < LAST_S - 0.5:
        t_s += rng.uniform(0.1, 0.6)
        pieces.append((t_s, rng.choice((0.0, 0.0, -0.5, 0.5, 1.2)) * speed))
        t_s += rng.uniform(0.2, 1.2)
        pieces.append((min(t_s, LAST_S), speed))
    return tuple(pieces)


def _fault(rng: random.Random, cameras: tuple[CameraPlan, ...], motion: bool) -> Fault:
    start_s = rng.uniform(FIRST_S, LAST_S - 0.3)
    end_s = min(start_s + rng.choice((0.05, 0.3, 0.8, 1.5)) * rng.uniform(0.7, 1.3), LAST_S)
    names = [c.name for c in cameras]
    stages = ["decision", "worker", "recorder", *names, *["motion"] * motion]
    area = rng.choices(("link", "camera", "engine", "pause", "kill", "disk", "clock", "word", "encoder"),
                       (25, 20, 12, 12, 14, 5, 4, 8, 8 if motion else 0))[0]  # fmt: skip
    share = rng.choice((1.0, 0.5, 0.2))
    match area:
        case "link":
            ends = [*LINKS, *["motion", *(f"grabber-{n}" for n in names)] * motion]
            return Fault(rng.choice(LINK_FAULTS), rng.choice(ends), start_s, end_s, share)
        case "camera":
            return Fault(rng.choice(CAMERA_FAULTS), rng.choice(names), start_s, end_s, share)
        case "engine":
            kind = rng.choice(ENGINE_FAULTS)
            lasting = kind in ("slow", "foreign")
            return Fault(kind, "engine", start_s, end_s if lasting else min(end_s, start_s + 0.3), rng.uniform(0.1, 1.0))
        case "pause":
            return Fault("pause", rng.choice(stages), start_s, end_s)
        case "kill":
            return Fault("kill", rng.choice(stages), start_s, start_s)
        case "disk":
            return Fault("disk", "recorder", start_s, end_s)
        case "clock":
            return Fault("clock", "wall", start_s, start_s, rng.choice((-3600.0, -0.5, 0.5, 86400.0)))
        case "word":
            return Fault(rng.choice(("bypass", "reset", "roll", "acknowledge", "mark")), "people", start_s, end_s)
    return Fault(rng.choice(("silent", "jump", "tremble")), "encoder", start_s, end_s, rng.uniform(-1, 1))


def _few_deaths(faults: tuple[Fault, ...]) -> list[Fault]:
    """A process that fails four times in a minute ends the line, which is another story."""
    kept: list[Fault] = []
    for fault in faults:
        deadly = fault.kind in ("kill", "vanish", "nan", "constant", "crash")
        if not deadly or sum(f.kind in ("kill", "vanish", "nan", "constant", "crash") for f in kept) < 2:
            kept.append(fault)
    return kept
