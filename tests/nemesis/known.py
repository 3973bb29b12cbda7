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


def _both_knew(violation: Violation, schedule: Schedule) -> bool:
    """A camera's process died shortly after or before decision: what the one said last and the other heard, no third knows."""
    deaths = [f.start_s for f in schedule.faults if f.target == "decision" and f.kind == "kill"]
    own = [f for f in schedule.faults if f.target == violation.camera and f.kind in ("kill", "vanish")]
    return any(abs(f.start_s - death_s) < 0.6 for f in own for death_s in deaths)


def _frozen_anew(violation: Violation, schedule: Schedule) -> bool:
    """The camera froze, and its process is another one: that knows no picture before its first."""
    own = {f.kind for f in schedule.faults if f.target == violation.camera}
    return violation.where.startswith("seq 0 of ") and "frozen" in own and bool(own & {"kill", "vanish", "hang"})


def _jumped_unheard(violation: Violation, schedule: Schedule) -> bool:
    """The encoder's register jumped while none of its words came."""
    silent = _with("motion", "drop", "corrupt", "delay", "pause", "kill")(violation, schedule) or _with("encoder", "silent")(
        violation, schedule
    )
    return silent and _with("encoder", "jump")(violation, schedule)


KNOWN = (
    Known("I2", ("PASS with a foreign score", "PASS above the threshold"),
          "the first picture of a camera's new process may be the last of the one before", _frozen_anew),
    Known("I4", ("too few told as lost",), "what a camera's process and decision alone knew when both died is not counted",
          _both_knew),
    Known("I1", ("the line has lost its place",), "how far cloth ran between two words with a jump between them is not known",
          _jumped_unheard),
)  # fmt: skip


def reason(violation: Violation, schedule: Schedule) -> str:
    """Why it is known, else empty."""
    found = (k for k in KNOWN if k.invariant == violation.invariant and violation.kind in k.kinds)
    return next((k.why for k in found if k.fits(violation, schedule)), "")
