"""Violations that are known, each with why: a list to be emptied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.nemesis.checker import Violation
from tests.nemesis.schedule import Schedule

Fits = Callable[[Violation, Schedule], bool]


@dataclass(frozen=True)
class Known:
    """Breaches of that kind, in schedules that have such a fault; `why` says what the product lacks."""

    invariant: str
    kinds: tuple[str, ...]
    why: str
    fits: Fits = lambda violation, schedule: True


def _with(targets: str, *kinds: str) -> Fits:
    """Some fault of these kinds at one of these targets."""
    return lambda violation, schedule: any(f.target in targets.split() and f.kind in kinds for f in schedule.faults)


def _at_its_camera(*kinds: str) -> Fits:
    return lambda violation, schedule: any(f.target == violation.camera and f.kind in kinds for f in schedule.faults)


def _leapt(violation: Violation, schedule: Schedule) -> bool:
    """The counter of a camera that the line's cloth triggers went on while it gave nothing."""
    triggered = {c.name for c in schedule.cameras if c.kind == "cloth"}
    return any(f.target in triggered and f.kind in ("hang", "jump", "late") for f in schedule.faults)


_SLEPT = "a decision that slept or hears late believes old words of time and place"

KNOWN = (
    Known("I2", ("late PASS",), "the budget counts from when decision hears of a frame"),
    Known("I2", ("PASS beyond the actuator",), _SLEPT, _with("decision", "pause", "delay", "drop", "corrupt", "reorder")),
    Known("I1", ("silence without a verdict",), "silence is not counted in time where lengths are not known"),
    Known("I2", ("PASS with a foreign score", "PASS above the threshold"), "a camera that repeats one picture is not noticed",
          _at_its_camera("frozen")),
    Known("I4", ("too few told as lost",), "what a killed decision had in hand is covered and not counted",
          _with("decision", "kill")),
    Known("I4", ("too few told as lost",), "losses before a boot's first word, and those told in a lost word, are not counted",
          _with("decision", "drop", "delay", "reorder", "corrupt")),
    Known("I6", ("does not run again",), "a Status is said once: where it is lost, the line stays DEGRADED",
          _with("decision", "drop", "corrupt")),
    Known("I6", ("does not run again",), "a triggered camera whose counter leaps is placed ahead of the cloth and waits for it",
          _leapt),
)  # fmt: skip


def reason(violation: Violation, schedule: Schedule) -> str:
    """Why it is known, else empty."""
    found = (k for k in KNOWN if k.invariant == violation.invariant and violation.kind in k.kinds)
    return next((k.why for k in found if k.fits(violation, schedule)), "")
