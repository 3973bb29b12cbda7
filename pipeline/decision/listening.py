"""Finds what a camera kept silent about: cloth, where motion and a scale tell its place, else time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.decision.account import CameraAccount
from pipeline.decision.line_state import Roster
from pipeline.decision.rest import Rests
from pipeline.decision.whereabouts import Whereabouts
from pipeline.messages.frames import Announced
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState, StageState
from pipeline.messages.values import Lapse, Span

NOWHERE, NOWHEN = Span(), Lapse()
Missed = tuple[Span, Lapse]


class Listening:
    """All cameras' silence; what it finds is to be told NOT_INSPECTED."""

    def __init__(self, cameras: Mapping[str, CameraAccount], whereabouts: Whereabouts, roster: Roster) -> None:
        self._cameras, self._whereabouts, self._roster = cameras, whereabouts, roster
        self._rests = Rests(*set(MotionState) - {MotionState.MOVING})

    def moved(self, motion: Motion) -> None:
        """A word of motion: each camera's cloth counts from the first one, and its time stands while the cloth does."""
        rest = self._rests.hear(motion)
        for account in self._cameras.values():
            account.silence.begin(motion)
            if rest:
                account.pace.rest(*rest)

    def announced(self, frame: Announced, now_ns: int) -> Missed | None:
        """What the camera skipped before this frame."""
        account = self._cameras[frame.camera]
        skipped, lapse = account.silence.announced(frame), account.pace.announced(min(frame.t_mono_ns, now_ns))
        if self._whereabouts.measures(frame.camera):
            lapse = None
        return (skipped or NOWHERE, lapse or NOWHEN) if skipped or lapse else None

    def turned(self, camera: str, before: StageState | None, now_ns: int) -> Missed | None:
        """What nobody saw until now, as a camera that was in that state goes, or comes."""
        state, pace = self._roster.state("grabber", camera), self._cameras[camera].pace
        went = before in (None, StageState.READY) and state is StageState.DOWN
        lapse = pace.down(now_ns) if went else pace.ready(now_ns) if state is StageState.READY else None
        if self._whereabouts.measures(camera) or not (went or lapse):
            return None
        return NOWHERE, lapse or NOWHEN  # how much cloth goes by unseen nobody can tell

    def passed(self, now_ns: int) -> Iterator[tuple[str, Missed]]:
        """Yield what each camera should have told by now; nothing while words may still be on their way."""
        if not self._whereabouts.attentive:
            return
        for name, account in self._cameras.items():
            if self._roster.state("grabber", name) is StageState.ENDED:
                continue
            if self._whereabouts.measures(name) and (motion := self._whereabouts.motion):
                account.pace.measure(min(motion.t_mono_ns, now_ns))
                if span := account.silence.moved(motion):
                    yield name, (span, NOWHEN)
            elif not self._whereabouts.pauses and (lapse := account.pace.passed(now_ns)):
                yield name, (NOWHERE, lapse)
