"""Takes a camera's shots, cuts them into frames, says where each lies on the web, and sends and announces every one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from calibration.good import look
from pipeline.cameras.protocol import Camera, CameraLost, Shot, dump_facts
from pipeline.config.cameras import CameraConfig
from pipeline.config.motion import EncoderMotion
from pipeline.grabber.camera_style import CameraStyle
from pipeline.grabber.lamp import LampTrim
from pipeline.grabber.selvage import Edges
from pipeline.grabber.slabs import Slab, SlabBuilder
from pipeline.grabber.track import Ran, Track
from pipeline.link.link import IDLE_MS, Inbox, Outbox
from pipeline.messages.frames import Announced, CameraFacts, Frame
from pipeline.messages.message import Message
from pipeline.messages.motion import EncoderCount, Motion
from pipeline.messages.stages import Status
from pipeline.messages.states import FrameStatus, MotionState, StageState
from pipeline.messages.values import Measures
from pipeline.motion.counter import Counter, CounterJump

MOST_BEHIND = 8
"""Frames that a simulated trigger may be behind the web before it lets some go, as a real camera would."""

MOST_IDLE_MS = 50
"""Of the wait for a picture whose time is known."""

ORIGIN_LIMIT = 300
"""Bytes of a long path that still fit a header."""


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
class Waiting:
    """A frame that the worker has not been offered yet, and what is announced with it."""

    frame: Frame
    pixels: bytes
    error: str
    lost: int
    """Frames that the camera lost just before."""
    measures: Measures


class Grabber:
    """One camera's stage; the camera is handed in opened.

    Frames wait in `_frames` for the worker, words in `_unsaid` for everybody else; a shot is taken only when both are empty.
    A frame is lost to a full worker only where cloth does not wait: a camera that neither clock nor web paces goes as fast
    as the line does.
    """

    def __init__(
        self,
        camera: Camera,
        config: CameraConfig,
        facts: dict[str, object],
        terms: GrabberTerms,
        worker: Outbox,
        decision: Outbox,
        recorder: Outbox,
        motion: Inbox | None,
        utc_ns: Callable[[], int],
        counts: Outbox | None = None,
        style: CameraStyle | None = None,
    ) -> None:
        self._camera, self._config, self._terms = camera, config, terms
        self._worker, self._decision, self._recorder, self._motion_in = worker, decision, recorder, motion
        self._facts, self._utc_ns = facts, utc_ns
        self._style = style or CameraStyle(camera, "", {})
        self._boot_id, self._settings = terms.boot_id, 0
        self._shots: Iterator[Shot | None] = camera.shots()
        paced = camera.self_timed or config.rate or (motion is not None and config.mm_per_px_y is not None)
        self._patient = terms.lossless or not paced
        self._slabs = SlabBuilder(config.rows, config.overlap_rows)
        self._counts = counts
        self._edges: Edges | None = None
        if config.selvage_mm is not None and config.mm_per_px_x is not None:
            self._edges = Edges(round(config.selvage_mm / config.mm_per_px_x))
        self._lamp: LampTrim | None = None
        if config.lamp is not None and config.lamp.level is not None:
            self._lamp = LampTrim(config.lamp, config.lamp.level)
        held = motion is not None and config.rows is not None and camera.self_timed
        self._track = Track(config.mm_per_px_y, config.rows_tolerance_mm) if held and config.mm_per_px_y else None
        encoder = terms.encoder
        self._counter: Counter | None = None
        if encoder is not None:
            self._counter = Counter(encoder.bits, abs(encoder.counts_per_mm) * encoder.max_speed_mm_s, rests=True)
        self._counted_from_mm: float | None = None
        self._motion: Motion | None = None
        self._origin_mm = config.y_offset_mm if motion is None and terms.position_known else None
        self._last: Shot | None = None
        self._lost = 0
        self._seq = 0
        self._next_ns = self._now_ns = 0
        self._at_end = False
        self._frames: deque[Waiting] = deque()
        self._unsaid: deque[tuple[Outbox, Message, tuple[bytes, ...]]] = deque()
        self._tell_facts()
        self.state = StageState.READY
        self._say(self.state)
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Words in hand and not yet accepted; that a frame waits for the worker is not this stage's neglect."""
        return len(self._unsaid)

    @property
    def idle_ms(self) -> int:
        """Until the next picture of a rate is due there is nothing to do unless somebody speaks."""
        left_ns = self._next_ns - self._now_ns
        if left_ns <= 0 or self._frames or self._unsaid or self.state is StageState.ENDED:
            return IDLE_MS
        return min(max(left_ns // 1_000_000, 1), MOST_IDLE_MS)

    @property
    def ended(self) -> bool:
        """The source is at its end and all of it was accepted."""
        return self.state is StageState.ENDED and not self._unsaid

    def step(self, now_ns: int) -> bool:
        """Pass on what waits, then take one shot if one is due; CameraLost when the camera is gone."""
        self._now_ns = now_ns
        self._hear()
        moved = self._pass_on()
        if self._frames or self._unsaid or self.state is StageState.ENDED or not self._due(now_ns):
            return moved
        self._follow_style(now_ns)
        taken = self._take()
        self._pass_on()
        return taken or moved

    def _hear(self) -> None:
        while self._motion_in and (received := self._motion_in.receive()):
            if isinstance(received[0], Motion):
                self._motion = received[0]

    def _pass_on(self) -> bool:
        moved = False
        while self._frames:
            next_one = self._frames[0]
            whole = next_one.frame.status is FrameStatus.OK
            sent = whole and self._worker.send(next_one.frame, next_one.pixels)
            if whole and not sent and self._patient:
                break
            self._frames.popleft()
            announced = Announced.of(next_one.frame, next_one.measures, sent, next_one.lost, next_one.error[:500])
            self._unsaid.append((self._decision, announced, ()))
            moved = True
        if self._at_end and not self._frames and self.state is not StageState.ENDED:
            self.state = StageState.ENDED
            self._say(self.state)
        while self._unsaid:
            outbox, message, payloads = self._unsaid[0]
            if not outbox.send(message, *payloads):
                break
            self._unsaid.popleft()
            moved = True
        return moved

    def _say(self, state: StageState, detail: str = "") -> None:
        status = Status(
            role="grabber", name=self._config.name, generation=self._terms.generation, state=state,
            boot_id=self._boot_id, detail=detail[:500],
        )  # fmt: skip
        self._unsaid.append((self._decision, status, ()))

    def _tell_facts(self) -> None:
        """What the camera is and how it is set from here on, by its boot_id."""
        text = dump_facts({**self._facts, **self._style.facts})
        known = CameraFacts(camera=self._config.name, boot_id=self._boot_id, t_utc_ns=self._utc_ns(), size=len(text))
        self._unsaid.append((self._recorder, known, (text,)))

    def _follow_style(self, now_ns: int) -> None:
        """Of which style is the cloth of the next shot? Where it asks for other features the camera is set, and a new
        boot_id begins, so that every verdict leads to the settings of its picture; shots begun before count as damaged.
        """
        style = self._style.coming(self._next_middle_mm(now_ns))
        begins = self._style.sets_camera(style)
        if begins:
            self._queue(self._slabs.flush())  # of the style before
        self._style.change(style)
        if begins:
            self._settings += 1
            self._boot_id, self._seq = f"{self._terms.boot_id}.{self._settings}", 0
            self._tell_facts()

    def _next_middle_mm(self, now_ns: int) -> float | None:
        """Where the middle of the next shot will lie, as far as is known."""
        step_mm = self._config.mm_per_px_y
        if step_mm is None:
            return None
        half_mm = (self._last.rows if self._last else 0) * step_mm / 2
        if self._counted or self._motion_in is None:
            start_mm = self._mm(self._slabs.row)
            return None if start_mm is None else start_mm + half_mm
        position_mm = self._position_mm(now_ns)
        return None if position_mm is None else position_mm - half_mm

    @property
    def _counted(self) -> bool:
        """Rows follow upon each other: a picture lies where the one before ended."""
        return self._config.rows is not None or self._web_triggered

    @property
    def _web_triggered(self) -> bool:
        """Pictures are asked for as the web moves on, as an encoder would."""
        return self._motion_in is not None and not self._camera.self_timed and self._config.rate is None

    def _position_mm(self, now_ns: int) -> float | None:
        if self._motion is None:
            return None
        return self._motion.at_mm(now_ns) + self._config.y_offset_mm

    def _due(self, now_ns: int) -> bool:
        if self._config.rate:
            if now_ns < self._next_ns:
                return False
            self._next_ns = max(self._next_ns + int(1e9 / self._config.rate), now_ns)
        if not self._web_triggered:
            return True
        position_mm, step_mm = self._position_mm(now_ns), self._config.mm_per_px_y
        if position_mm is None or self._motion is None:
            return False
        if self._origin_mm is None:  # where the web stood when it was first heard of: the same for all cameras
            self._origin_mm = self._motion.position_mm + self._config.y_offset_mm
        if self._motion.state is not MotionState.MOVING:
            return False
        if step_mm is None:
            return True
        if self._last is None:
            return True
        behind = (position_mm - self._origin_mm) / step_mm - self._slabs.row
        if behind >= MOST_BEHIND * self._last.rows:
            self._lose(int(behind // self._last.rows) - 1, self._last.rows)
        return behind >= self._last.rows

    def _take(self) -> bool:
        if not self._camera.self_timed:
            self._camera.trigger()
        try:
            shot = next(self._shots)
        except StopIteration:
            self._queue(self._slabs.flush())
            self._at_end = True
            return True
        except CameraLost as e:
            self._say(StageState.DOWN, str(e))
            self._pass_on()
            raise
        if shot is None:
            return False
        if self._style.unsettled:
            self._style.unsettled -= 1
            shot = replace(shot, pixels=None, error="taken while the camera was set for another style")
        if self._last is not None and shot.block_id > self._last.block_id + 1:
            self._lose(shot.block_id - self._last.block_id - 1, shot.rows)
        ran = self._place(shot)
        row, self._last = self._slabs.row, shot
        if ran is Ran.TURNED:  # pending: what is new of it passes again, what does not is found missing
            self._queue(self._slabs.skip(shot.rows))
        elif shot.pixels is None or ran is Ran.ASTRAY:
            self._queue(self._slabs.skip(shot.rows))
            error = shot.error or (self._track and self._track.error) or "damaged buffer"
            self._append(row, np.empty((shot.rows, 0), np.uint8), error)
        elif ran is Ran.BACK:  # the last row lies first on the web; nothing is carried over from one turn to the next
            self._queue(self._slabs.skip(shot.rows))
            self._append(row, shot.pixels[::-1], "")
        else:
            self._queue(self._slabs.add(shot.pixels))
        self.handled += 1
        return True

    def _lose(self, frames: int, rows: int) -> None:
        self._queue(self._slabs.skip(frames * rows))
        self._lost += frames

    def _latched_mm(self, shot: Shot, position_mm: float) -> float | None:
        """Where the web stood when the camera took the count that came with the shot; None without one to be trusted."""
        if shot.encoder_count is None or self._counter is None or self._terms.encoder is None:
            return None
        try:
            self._counter.add(shot.encoder_count, shot.t_mono_ns)
        except CounterJump:
            self._counted_from_mm = None
        counted_mm = self._counter.total / self._terms.encoder.counts_per_mm
        if self._counted_from_mm is None:
            self._counted_from_mm = position_mm - counted_mm
        return self._counted_from_mm + counted_mm

    def _place(self, shot: Shot) -> Ran:
        """Find where the shot lies: counted rows by their track, or from row 0 on; else by the web's position then."""
        if self._counts is not None and shot.encoder_count is not None:
            count = EncoderCount(source=self._config.name, count=shot.encoder_count, t_mono_ns=shot.t_mono_ns)
            self._counts.send(count)  # a refusal is no loss: the next count is newer
        step_mm, position_mm = self._config.mm_per_px_y, self._position_mm(shot.t_mono_ns)
        if position_mm is not None and (latched_mm := self._latched_mm(shot, position_mm)) is not None:
            position_mm = latched_mm
        else:
            latched_mm = None
        if self._track is not None:
            if position_mm is None:
                return Ran.FORWARD
            return self._track.add(self._slabs.row, shot.rows, position_mm, latched_mm is not None)
        if step_mm is not None and position_mm is not None and not (self._counted and self._origin_mm is not None):
            self._origin_mm = position_mm - (self._slabs.row + shot.rows) * step_mm
        return Ran.FORWARD

    def _mm(self, row: int) -> float | None:
        if self._track is not None:
            return self._track.mm(row)
        step_mm = self._config.mm_per_px_y
        return None if step_mm is None or self._origin_mm is None else self._origin_mm + row * step_mm

    def _queue(self, slabs: list[Slab]) -> None:
        for slab in slabs:
            self._append(slab.row, slab.pixels, "")

    def _append(self, row: int, pixels: np.ndarray, error: str) -> None:
        """A frame comes into being; from here on it must get a verdict."""
        shape = pixels.shape
        status, lamp_gain = FrameStatus.DAMAGED if error else FrameStatus.OK, None
        if self._lamp is not None and not error:
            pixels, lamp_gain = self._lamp.trim(pixels), round(self._lamp.gain, 4)
            if self._lamp.fault:
                status, error = FrameStatus.LAMP, self._lamp.fault
        seen = None if self._edges is None or error else self._edges.look(pixels)
        c, terms, shot = self._config, self._terms, self._last
        assert shot is not None  # there are no rows without a shot
        origin = shot.origin.encode()[-ORIGIN_LIMIT:].decode(errors="ignore")
        start_mm, end_mm = self._mm(row), self._mm(row + shape[0])
        if start_mm is not None and end_mm is not None and start_mm > end_mm:  # taken in reverse
            start_mm, end_mm = end_mm, start_mm
        frame = Frame(
            camera=c.name, boot_id=self._boot_id, seq=self._seq, t_mono_ns=shot.t_mono_ns, t_utc_ns=shot.t_utc_ns,
            start_mm=start_mm, end_mm=end_mm, style=self._style.present,
            origin=origin, status=status,
            block_id=shot.block_id, encoder_count=shot.encoder_count,
            mm_per_px_x=c.mm_per_px_x, mm_per_px_y=c.mm_per_px_y, x_offset_mm=c.x_offset_mm,
            inspect_x_px=c.inspected_px(shape[1], None), cloth_x_px=seen[1] if seen else None,
            budget_ms=terms.budget_ms, shape=shape, pixel_format="RGB8" if len(shape) == 3 else "Mono8",
        )  # fmt: skip
        self._seq += 1
        edges_mm = None
        if seen and c.mm_per_px_x is not None:
            edges_mm = c.x_offset_mm + seen[0][0] * c.mm_per_px_x, c.x_offset_mm + seen[0][1] * c.mm_per_px_x
        level, texture = (None, None) if error else look(pixels)
        measures = Measures(edges_mm, level, texture, lamp_gain)
        self._frames.append(Waiting(frame, pixels.tobytes(), error, self._lost, measures))
        self._lost = 0

    def close(self) -> None:
        """Release the camera."""
        self._camera.close()
