"""What a seed decides: which line runs, and what is done to which of its processes when."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

FIRST_S, LAST_S = 1.0, 14.0
"""Acts begin and end between these times, counted from when the line is well."""
MOST_DEATHS = 2
"""Of one process in a run: the fourth failure in a minute ends a line; systemd starts it five times in ten minutes."""
HANGS_S, PROMPT_HANGS_S = 9.0, 2.5
"""A process that stands still for so long is killed and started again; decision, which waits for nobody, sooner."""


@dataclass(frozen=True)
class Act:
    """Something is done to `target`, and lasts."""

    kind: str
    target: str
    at_s: float
    lasts_s: float = 0.0

    @property
    def deadly(self) -> bool:
        """Whether the target is another process afterwards."""
        hangs_s = PROMPT_HANGS_S if self.target == "decision" else HANGS_S
        return self.kind in ("kill", "unplug") or (self.kind == "pause" and self.lasts_s > hangs_s)

    def __str__(self) -> str:
        return f"{self.kind} {self.target} at {self.at_s:.2f} s" + (f" for {self.lasts_s:.2f} s" if self.lasts_s else "")


@dataclass(frozen=True)
class Schedule:
    """All of it."""

    seed: int
    cloth: bool
    """There is motion and scale; else pictures come by the clock, and no length is known."""
    standby: bool
    basler: bool
    """Camera b is an emulated Basler."""
    acts: tuple[Act, ...]

    @property
    def processes(self) -> tuple[str, ...]:
        """All that can be hit, by name."""
        return processes(self.cloth)

    def __str__(self) -> str:
        kind = "with motion and scale" if self.cloth else "by the clock, without motion and scale"
        extra = ", a worker stands by" * self.standby + ", camera b is an emulated Basler" * self.basler
        return f"seed {self.seed}: {kind}{extra}; " + ", ".join(map(str, self.acts))


def processes(cloth: bool) -> tuple[str, ...]:
    """The processes of such a line, by name."""
    return ("supervisor", "decision", "worker", "recorder", "a", "b", *["motion"] * cloth)


def draw(seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(f"processes {seed}")
    cloth, standby, basler = rng.random() < 0.65, rng.random() < 0.35, rng.random() < 0.25
    acts: list[Act] = []
    deaths: Counter[str] = Counter()
    for number in range(rng.randint(2, 5)):
        act = _act(rng, cloth, basler)
        while basler and number == 0 and act.kind not in ("unplug", "damage"):
            act = _act(rng, cloth, basler)
        if act.deadly:
            if deaths[act.target] == MOST_DEATHS:
                continue
            deaths[act.target] += 1
        if act.kind == "folder" and any(a.kind == "folder" for a in acts):
            continue
        acts.append(act)
    return Schedule(seed, cloth, standby, basler, tuple(sorted(acts, key=lambda a: a.at_s)))


def _act(rng: random.Random, cloth: bool, basler: bool) -> Act:
    at_s = rng.uniform(FIRST_S, LAST_S - 1)
    target = rng.choice([p for p in processes(cloth) if not (basler and p == "supervisor")])
    kind = rng.choices(("kill", "pause", "stalled", "flood", "disk", "folder", "unplug", "damage"),
                       (40, 30, 4, 4, 8, 0 if basler else 6, 25 * basler, 20 * basler))[0]  # fmt: skip
    lasts_s = min(rng.choice((0.1, 1.0, 3.0, 10.0)) * rng.uniform(0.7, 1.0), LAST_S - at_s)
    match kind:
        case "kill":
            return Act(kind, target, at_s)
        case "pause":
            return Act(kind, target, at_s, lasts_s)
        case "folder":  # the line ends with the next process that it must start
            return Act(kind, rng.choice([p for p in processes(cloth) if p != "supervisor"]), at_s, 1.0)
        case "unplug" | "damage":
            return Act(kind, "b", at_s, max(0.5, lasts_s))
    return Act(kind, {"disk": "recorder"}.get(kind, "decision"), at_s, max(1.0, lasts_s))
