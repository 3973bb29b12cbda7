"""Takes a camera's shots, and sends and announces every frame that they make."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pipeline.cameras.protocol import Camera, CameraLost, Shot, dump_facts
from pipeline.config.cameras import CameraConfig
from pipeline.config.motion import EncoderMotion
from pipeline.grabber.camera_style import CameraStyle
from pipeline.grabber.framing import Framing, Waiting
from pipeline.grabber.pacing import Pacing
from pipeline.grabber.placing import Placing
from pipeline.grabber.reject_line import RejectLine
from pipeline.grabber.repeats import Repeats
from pipeline.link.protocol import IDLE_MS, Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.frames import CameraFacts, Frame
from pipeline.messages.message import Message
from pipeline.messages.motion import EncoderCount, Motion
from pipeline.messages.passages import Step
from pipeline.messages.states import FrameStatus, StageState
from pipeline.telemetry import Trail

MAX_IDLE_MS = 50
"""Of the wait for a picture whose time is known."""


@dataclass(frozen=True)
class OpenCamera:
    """A camera that was opened, its entry in the configuration, and what it said of itself."""

    camera: Camera
    config: CameraConfig
    facts: dict[str, object]


@dataclass(frozen=True)
class GrabberTerms:
    """What the line asks of a grabber."""

    boot_id: str
    generation: int
    budget_ms: float | None
    lossless: bool
    """Replay: wait for the worker rather than lose a frame."""
    position_known: bool
    """False after a restart on a line without motion: lengths are then null, never guessed."""
    encoder: EncoderMotion | None = None
    """What the counts mean that come along with a camera's shots."""


@dataclass(frozen=True)
class GrabberBoxes:
    """Whom a grabber speaks to, and from where it hears how the cloth moves (null: the line has no motion)."""

    worker: Outbox
    decision: Outbox
    recorder: Outbox
    motion: Inbox | None = None
    counts: Outbox | None = None
    """For the counts that come along with the shots, where the line's motion is made of them."""
    recording: Outbox | None = None
    """For every frame, where the line keeps pictures; it may miss some."""


class Grabber:
    """One camera's stage.

    Frames wait in `_frames` for the worker, words in `_unsaid` for everybody else; a shot is taken only when both are
    empty. A frame is lost to a full worker only where cloth does not wait: a camera that nothing paces goes as fast as
    the line does.
    """

    def __init__(
        self,
        opened: OpenCamera,
        terms: GrabberTerms,
        boxes: GrabberBoxes,
        utc_ns: Callable[[], int],
        style: CameraStyle | None = None,
        reject_line: RejectLine | None = None,
    ) -> None:
        self._camera, self._name, self._facts = opened.camera, opened.config.name, opened.facts
        self._boxes, self._utc_ns = boxes, utc_ns
        self._status = StatusReport(boxes.decision, "grabber", self._name, terms.generation)
        self._reject_line = reject_line
        self._style = style or CameraStyle(self._camera, "", {})
        self._shots: Iterator[Shot | None] = self._camera.shots()
        config, self_timed, on_motion = opened.config, self._camera.self_timed, boxes.motion is not None
        self._placing = Placing(
            config, terms.encoder, self_timed=self_timed, on_motion=on_motion, position_known=terms.position_known
        )
        self._pacing = Pacing(config, self._placing, self_timed=self_timed, on_motion=on_motion)
        self._repeats = Repeats() if self._camera.noisy else None
        self._framing = Framing(config, self._placing, self._style, terms.boot_id, terms.budget_ms)
        self._patient = terms.lossless or self._pacing.free
        self._now_ns = 0
        self._at_end = False
        self._frames: deque[Waiting] = deque()
        self._unsaid: deque[tuple[Outbox, Message, tuple[bytes, ...]]] = deque()
        self._seen: Waiting | None = None
        self._tell_facts()
        self.trail = Trail()
        self.state = StageState.READY
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Words in hand and not yet accepted; that a frame waits for the worker is not this stage's neglect."""
        return len(self._unsaid)

    @property
    def counters(self) -> dict[str, int]:
        """Figures for the screen."""
        return self._boxes.motion.refused.counters if self._boxes.motion else {}

    @property
    def idle_ms(self) -> int:
        """Until the next picture of a rate is due there is nothing to do unless somebody speaks."""
        wait_ns = self._pacing.wait_ns(self._now_ns)
        if wait_ns <= 0 or self._pacing.asked or self._frames or self._unsaid or self.state is StageState.ENDED:
            return IDLE_MS
        return min(max(wait_ns // 1_000_000, 1), MAX_IDLE_MS)

    @property
    def ended(self) -> bool:
        """The source is at its end and all of it was accepted."""
        return self.state is StageState.ENDED and not self._unsaid

    def glimpse(self) -> tuple[Frame, bytes] | None:
        """The latest whole frame, made small; none where there was no new one since the last call."""
        seen, self._seen = self._seen, None
        return seen.frame.shrunk(seen.pixels) if seen else None

    def step(self, now_ns: int) -> bool:
        """Pass on what waits, then take one shot if one is due; CameraLost when the camera is gone."""
        self._now_ns = now_ns
        if self._reject_line is not None:
            self._reject_line.step(now_ns)
        self._hear()
        moved = self._pass_on()
        if self._frames or self._unsaid or self.state is StageState.ENDED:
            return moved
        rows = self._framing.shot_rows
        due = self._pacing.due(now_ns, self._framing.row, rows)
        if not due and not self._pacing.asked:
            return moved
        if due > 1:
            self._frames += self._framing.lose(due - 1, rows)
        if due:
            self._follow_style(now_ns)
            self._pacing.ask(self._camera)
        taken = self._take()
        self._pass_on()
        return taken or moved

    def close(self) -> None:
        """Release the camera."""
        self._camera.close()

    def _hear(self) -> None:
        if (inbox := self._boxes.motion) is None:
            return
        for message, _ in portion(inbox):
            if isinstance(message, Motion):
                self._placing.motion = message
            else:
                inbox.refused.count(message.sender)

    def _follow_style(self, now_ns: int) -> None:
        """Where the next shot's style asks for other features, set the camera and begin a new boot_id.

        So every verdict leads to the settings of its picture; shots begun before count as damaged.
        """
        style = self._style.coming(self._placing.next_middle_mm(now_ns, self._framing.row, self._framing.shot_rows))
        begins = self._style.sets_camera(style)
        if begins:
            self._frames += self._framing.flush()  # of the style before
        self._style.change(style)
        if begins:
            self._framing.begin()
            self._tell_facts()

    def _take(self) -> bool:
        try:
            shot = next(self._shots)
        except StopIteration:
            self._frames += self._framing.flush()
            self._at_end = True
            return True
        except CameraLost as e:
            self._pass_on()
            self._tell(StageState.DOWN, str(e))
            raise
        if shot is None:
            return False
        self._pacing.came()
        if self._repeats and shot.pixels is not None and (error := self._repeats.look(shot.pixels)):
            shot = replace(shot, pixels=None, error=error)
        if self._style.unsettled:
            self._style.unsettled -= 1
            shot = replace(shot, pixels=None, error="taken while the camera was set for another style")
        self._pass_count(shot)
        self._frames += self._framing.add(shot)
        self.handled += 1
        return True

    def _pass_on(self) -> bool:
        moved = False
        while self._frames:
            next_one = self._frames[0]
            whole = next_one.frame.status is FrameStatus.OK
            sent = whole and self._boxes.worker.send(next_one.frame, next_one.pixels)
            if whole and not sent and self._patient:
                break
            self._frames.popleft()
            self.trail.mark(next_one.frame.key, Step.TAKEN, next_one.frame.t_mono_ns)
            if sent:
                self.trail.mark(next_one.frame.key, Step.SENT)
            self._seen = next_one if whole else self._seen
            if self._boxes.recording is not None:
                self._boxes.recording.send(next_one.frame, next_one.pixels)  # it finds the number missing that it refuses
            self._unsaid.append((self._boxes.decision, next_one.announce(sent), ()))
            moved = True
        if self._at_end and not self._frames and self.state is not StageState.ENDED:
            self.state = StageState.ENDED
        while self._unsaid:
            outbox, message, payloads = self._unsaid[0]
            if not outbox.send(message, *payloads):
                break
            self._unsaid.popleft()
            moved = True
        if not self._unsaid:  # decision hears of the end after the last frame
            self._tell(self.state)
        return moved

    def _pass_count(self, shot: Shot) -> None:
        if self._boxes.counts is not None and shot.encoder_count is not None:
            count = EncoderCount(source=self._name, count=shot.encoder_count, t_mono_ns=shot.t_mono_ns)
            self._boxes.counts.send(count)  # a refusal is no loss: the next count is newer

    def _tell(self, state: StageState, detail: str = "") -> None:
        self._status.tell(self._now_ns, state, detail, boot_id=self._framing.boot_id)

    def _tell_facts(self) -> None:
        """What the camera is and how it is set from here on, by its boot_id."""
        text = dump_facts({**self._facts, **self._style.facts})
        known = CameraFacts(camera=self._name, boot_id=self._framing.boot_id, t_utc_ns=self._utc_ns(), size=len(text))
        self._unsaid.append((self._boxes.recorder, known, (text,)))
