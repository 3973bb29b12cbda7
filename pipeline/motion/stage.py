"""The stage that tells decision, the grabbers and the recording where the cloth is."""

from __future__ import annotations

from typing import Protocol

from pipeline.link.protocol import Outbox
from pipeline.link.status import StatusReport
from pipeline.messages.motion import Motion
from pipeline.messages.stages import Counted, Elapsed
from pipeline.messages.states import MotionState, StageState

INTERVAL_NS = 20_000_000
AWAIT_NS = 1_000_000_000
"""A grabber that cannot be reached for so long has no camera: the others do not wait for it."""
REST_MM_S = 0.5
"""Under this the cloth is at rest: encoders tremble."""


class MotionSource(Protocol):
    """A source of motion."""

    name: str
    fault: str
    """Why the position is not to be trusted now; empty while it is."""
    trouble: str
    """What it lacks, or fails in, while the position that it has is right; empty while all is well."""

    @property
    def refused(self) -> int:
        """Readings that were none of this source's."""
        ...

    @property
    def kept(self) -> Elapsed | Counted | None:
        """What a restart goes on from."""
        ...

    def read(self, now_ns: int, held: bool) -> tuple[float, float, int] | None:
        """Position in mm, signed speed in mm/s and the monotonic time of both; None while nothing is known.

        `held`: cloth that exists only in the program stays where it is.
        """
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class MotionStage:
    """Speaks fifty times a second; cloth that exists only here starts when everybody there has heard its first position."""

    def __init__(
        self,
        cloth: MotionSource,
        decision: Outbox,
        grabbers: list[Outbox],
        generation: int = 0,
        recording: Outbox | None = None,
    ) -> None:
        self._source = cloth
        self._status = StatusReport(decision, "motion", "motion", generation)
        self._unaware = [decision, *grabbers]  # nobody waits for a recording
        self._outboxes = self._unaware if recording is None else [*self._unaware, recording]
        self._began_ns: int | None = None
        self._spoke_ns: int | None = None
        self.state = StageState.READY
        self.handled = 0
        self.waiting = 0

    @property
    def counters(self) -> dict[str, int]:
        """Figures for the screen."""
        return {"refused": self._source.refused}

    @property
    def kept(self) -> Elapsed | Counted | None:
        """What a restart goes on from."""
        return self._source.kept

    def step(self, now_ns: int) -> bool:
        """Speak when it is time."""
        if self._spoke_ns is not None and now_ns - self._spoke_ns < INTERVAL_NS:
            return False
        read = self._source.read(now_ns, held=bool(self._unaware))
        self._tell(now_ns)
        if read is None:
            return False
        self._spoke_ns = now_ns
        message = self._motion(*read)
        if self._unaware:
            self._unaware = [o for o in self._unaware if not o.send(message)]
            self._began_ns = now_ns if self._began_ns is None else self._began_ns
            if now_ns - self._began_ns >= AWAIT_NS:
                self._unaware = [o for o in self._unaware if o is self._outboxes[0]]  # without decision nothing runs
            if self._unaware:
                self._spoke_ns = None  # somebody is not there yet: ask again at the next step
            return False
        for outbox in self._outboxes:
            outbox.send(message)  # a refusal is no loss: the next word is newer
        self.handled += 1
        return True

    def _tell(self, now_ns: int) -> None:
        """Say READY, DEGRADED or FAULT and why."""
        self.state = StageState.DEGRADED if self._source.trouble else StageState.READY
        self.state = StageState.FAULT if self._source.fault else self.state
        self._status.tell(now_ns, self.state, self._source.fault or self._source.trouble)

    def _motion(self, position_mm: float, speed_mm_s: float, t_ns: int) -> Motion:
        state = MotionState.MOVING if speed_mm_s > 0 else MotionState.REVERSE
        if abs(speed_mm_s) < REST_MM_S:
            state = MotionState.STOPPED
        return Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source=self._source.name, t_mono_ns=t_ns)

    def close(self) -> None:
        """Let the source go."""
        self._source.close()
