"""Where the web is, independent of cameras."""

from __future__ import annotations

import bisect
import json
from pathlib import Path
from typing import Protocol

from glass_core.errors import InputError
from pipeline.config import MotionConfig, SimulatedMotion
from pipeline.link import Outbox
from pipeline.messages import Motion, MotionState, StageState, Status

INTERVAL_NS = 20_000_000
REST_MM_S = 0.5
"""Under this the web is at rest: encoders tremble."""


class Web(Protocol):
    """A source of motion."""

    name: str

    def at(self, elapsed_s: float) -> tuple[float, float]:
        """Position in mm and speed in mm/s so long after the start."""
        ...


class SimulatedWeb:
    """Piecewise constant speed."""

    name = "simulated"

    def __init__(self, config: SimulatedMotion) -> None:
        self._pieces = [(s.seconds, s.speed_mm_s) for s in config.segments]
        self._final_mm_s = config.speed_mm_s

    def at(self, elapsed_s: float) -> tuple[float, float]:
        """Segments in order, then the final speed for ever."""
        position_mm = 0.0
        for seconds, speed_mm_s in self._pieces:
            if elapsed_s < seconds:
                return position_mm + elapsed_s * speed_mm_s, speed_mm_s
            position_mm += seconds * speed_mm_s
            elapsed_s -= seconds
        return position_mm + elapsed_s * self._final_mm_s, self._final_mm_s


class RecordedWeb:
    """The motion of a recording, in its own time; at its end the web stands."""

    name = "recorded"

    def __init__(self, path: Path) -> None:
        path = path / "motion.jsonl" if path.is_dir() else path
        try:
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            self._t_s = [(m["t_mono_ns"] - lines[0]["t_mono_ns"]) / 1e9 for m in lines]
            self._mm = [float(m["position_mm"]) for m in lines]
        except OSError as e:
            raise InputError(f"motion not readable, {path}, {e.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise InputError(f"motion not understood, {path}, one JSON object a line with t_mono_ns, position_mm") from None
        if len(lines) < 2:
            raise InputError(f"motion too short, {path}, at least two lines are needed")

    def at(self, elapsed_s: float) -> tuple[float, float]:
        """Linear between the written points."""
        i = bisect.bisect_right(self._t_s, elapsed_s)
        if i == 0 or i == len(self._t_s):
            return self._mm[min(i, len(self._mm) - 1)], 0.0
        dt_s = self._t_s[i] - self._t_s[i - 1]
        speed_mm_s = (self._mm[i] - self._mm[i - 1]) / dt_s
        return self._mm[i - 1] + speed_mm_s * (elapsed_s - self._t_s[i - 1]), speed_mm_s


def make_web(config: MotionConfig) -> Web:
    """The source that a `motion:` section names."""
    return SimulatedWeb(config) if isinstance(config, SimulatedMotion) else RecordedWeb(config.path)


class MotionStage:
    """Tells decision and the grabbers where the web is, fifty times a second.

    A web that exists only here starts when everybody has heard its first position; `elapsed_s` continues one after a restart.
    """

    def __init__(self, web: Web, decision: Outbox, grabbers: list[Outbox], generation: int = 0, elapsed_s: float = 0.0) -> None:
        self._web, self._decision, self._generation = web, decision, generation
        self._outboxes = [decision, *grabbers]
        self._unaware = list(self._outboxes)
        self._introduced = False
        self._elapsed_ns = int(elapsed_s * 1e9)
        self._spoke_ns: int | None = None
        self.state = StageState.READY
        self.handled = 0
        self.waiting = 0

    @property
    def counters(self) -> dict[str, float]:
        """What a restart needs."""
        return {"elapsed_s": self._elapsed_ns / 1e9}

    def step(self, now_ns: int) -> bool:
        """Speak when it is time."""
        if not self._introduced:  # it may have been told down before
            self._introduced = self._decision.send(
                Status(role="motion", name="motion", generation=self._generation, state=self.state)
            )
        if self._unaware:
            first = self._motion(now_ns)
            self._unaware = [o for o in self._unaware if not o.send(first)]
            self._spoke_ns = now_ns
            return False
        elapsed_ns = now_ns - (self._spoke_ns or now_ns)
        if elapsed_ns < INTERVAL_NS:
            return False
        self._spoke_ns = now_ns
        self._elapsed_ns += elapsed_ns
        message = self._motion(now_ns)
        for outbox in self._outboxes:
            outbox.send(message)  # a refusal is no loss: the next word is newer
        self.handled += 1
        return True

    def _motion(self, now_ns: int) -> Motion:
        position_mm, speed_mm_s = self._web.at(self._elapsed_ns / 1e9)
        state = MotionState.MOVING if speed_mm_s > 0 else MotionState.REVERSE
        if abs(speed_mm_s) < REST_MM_S:
            state = MotionState.STOPPED
        return Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source=self._web.name, t_mono_ns=now_ns)

    def close(self) -> None:
        """Nothing to release."""
