"""The wire by which a camera's own output lets cloth pass: on while it may, off where something must be rejected.

On: decision's heartbeat is fresh and says of no stop that it is open, nor that the line is in FAULT with rejects not set
aside; and no reject was told within the last `pulse_ms`, nor may have been: heartbeats that were not heard count as one.
Off else: before decision is heard, when it falls silent, and when this process ends. So a wire that is cut rejects.

The camera holds what it was told last. Where this process is killed, it is off again when the next one opens the camera; where
the whole machine dies, it stays on. A machine that must stop then needs a watchdog: Modbus TCP (pipeline/outputs/modbus).
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.link.protocol import Inbox, portion
from pipeline.messages.actions import Reject
from pipeline.messages.line import STALE_NS, Heartbeat
from pipeline.messages.states import ActionKind, State


class RejectLine:
    """Hears the publisher's Heartbeat and Reject, and calls `switch` where that changes something: the wire is off at first."""

    def __init__(self, heard: Inbox, switch: Callable[[bool], None], pulse_ms: float) -> None:
        self._heard, self._switch, self._pulse_ns = heard, switch, int(pulse_ms * 1e6)
        self._beat: Heartbeat | None = None
        self._off_until_ns = 0
        self._on = False

    def step(self, now_ns: int) -> None:
        """Hear, and switch; CameraLost where the camera does not."""
        for message, _ in portion(self._heard):
            match message:
                case Heartbeat():
                    if not self._follows(message):
                        self._off_until_ns = now_ns + self._pulse_ns
                    self._beat = message
                case Reject():
                    self._off_until_ns = now_ns + self._pulse_ns
        on = self._may_pass(now_ns)
        if on is not self._on:
            self._switch(on)
            self._on = on

    def _follows(self, beat: Heartbeat) -> bool:
        """Whether nothing was told between it and the one before that was not heard here: a reject fell out with heartbeats."""
        last = self._beat
        return last is not None and (beat.generation, beat.number) == (last.generation, last.number + 1)

    def _may_pass(self, now_ns: int) -> bool:
        if self._beat is None or now_ns - self._beat.t_mono_ns >= STALE_NS:  # by when it was said: this process may have slept
            return False
        if self._beat.state is State.FAULT and not self._beat.bypass:
            return False
        return ActionKind.STOP not in self._beat.unacknowledged and now_ns >= self._off_until_ns
