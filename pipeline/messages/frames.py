"""Everything the processes say to each other, as types: a header each, and the sizes of the payloads behind it."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.messages.states import (
    ActionKind,
    Cause,
    EventAction,
    EventKind,
    FrameStatus,
    MotionState,
    Phase,
    Reason,
    Result,
    StageState,
    State,
)

Payload = bytes | memoryview


class Message(BaseModel):
    """A header; subclasses name their payloads by `payload_sizes`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload that travels behind this header."""
        return ()


class FrameKey(Message):
    """Which frame: the n-th (`seq`, from 0) that this start (`boot_id`) of this camera's grabber made."""

    camera: str
    boot_id: str
    seq: int = Field(ge=0)

    @property
    def key(self) -> tuple[str, str, int]:
        """Hashable identity; results are matched by it, never by order."""
        return self.camera, self.boot_id, self.seq


class Span(FrameKey):
    """Where a frame lies on the web and when it was taken; lengths are null where the scale is not known."""

    t_mono_ns: int
    t_utc_ns: int
    start_mm: float | None = None
    end_mm: float | None = None
    origin: str = ""
    """File or device the picture came from."""
    status: FrameStatus = FrameStatus.OK
    style: str = ""
    """For which style of cloth it was taken: its model scores it, its card judges it."""


class Frame(Span):
    """A slab of web, the unit of judgement; payload: its pixels, (H, W) Mono8 or (H, W, 3) RGB8."""

    block_id: int
    encoder_count: int | None = None
    mm_per_px_x: float | None = None
    mm_per_px_y: float | None = None
    x_offset_mm: float = 0.0
    inspect_x_px: tuple[int, int] | None = None
    cloth_x_px: tuple[int, int] | None = None
    """Cloth without its selvages: cells that are not wholly in it are left out."""
    budget_ms: float | None = None
    """As announced: after so long a score is of no use any more; null: it always is."""
    shape: tuple[int, ...]
    pixel_format: str = Field(pattern="^(Mono8|RGB8)$")

    def payload_sizes(self) -> tuple[int, ...]:
        """One payload: the pixels."""
        return (math.prod(self.shape),)

    def pixels(self, payload: Payload) -> np.ndarray:
        """The picture as a read-only array, (H, W) or (H, W, 3) uint8."""
        return np.frombuffer(payload, np.uint8).reshape(self.shape)


class Announced(Span):
    """A frame exists and must get a verdict, whatever becomes of its pixels."""

    sent: bool
    """False: the worker's queue was full."""
    budget_ms: float | None
    """Time from arrival at decision to the verdict; null: no deadline (replay)."""
    lost: int = Field(default=0, ge=0)
    """Frames that the camera lost just before this one."""
    error: str = ""
    """What damaged it."""
    x_offset_mm: float = 0.0
    mm_per_px_x: float | None = None
    mm_per_px_y: float | None = None
    cloth_x_mm: tuple[float, float] | None = None
    """The cloth's edges across the web; one that the camera does not see is its picture's."""
    level: float | None = None
    """Mean grey level of the picture."""
    texture: float | None = None
    """Mean step from column to column, in grey levels: it falls when the lens goes out of focus."""
    lamp_gain: float | None = None
    """What the picture was multiplied by, where a reference strip tells the lamp's ageing."""


class Motion(Message):
    """Where the web is, independent of cameras."""

    position_mm: float
    speed_mm_s: float
    state: MotionState
    source: str
    t_mono_ns: int

    def at_mm(self, t_ns: int) -> float:
        """Where it was or will be at that time, at the same speed."""
        return self.position_mm + self.speed_mm_s * (t_ns - self.t_mono_ns) / 1e9


class ScoreMap(FrameKey):
    """What the model saw in one frame; payloads, where stated: the raw cells (rows, cols) float32, then the pixels."""

    generation: int
    weights_sha: str
    engine_sha: str
    score: float
    lanes: tuple[float, ...]
    tiles: int
    fault: str = ""
    """Why this picture could not be scored; empty when it was."""
    inspect_x_px: tuple[int, int] | None = None
    frame_shape: tuple[int, ...]
    cells_shape: tuple[int, int] | None = None
    """Null: under the recording floor, no payloads travel."""
    cell_px: int = 8

    def payload_sizes(self) -> tuple[int, ...]:
        """The cells and the pixels, or nothing."""
        if self.cells_shape is None:
            return ()
        return 4 * math.prod(self.cells_shape), math.prod(self.frame_shape)


class Region(BaseModel):
    """A defect's place: connected raw cells above the threshold, in picture px; mm where the scale is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x0_px: int
    y0_px: int
    x1_px: int
    y1_px: int
    score: float
    lane: int | None = None
    """The lane of its highest score."""
    cells: int | None = None
    x0_mm: float | None = None
    x1_mm: float | None = None
    y0_mm: float | None = None
    y1_mm: float | None = None
    extent_px: tuple[float, float, float, float] | None = None  # of the defect, measured finer than cells: x0, y0, x1, y1


class Verdict(Message):
    """The one decision about a frame, or about a span of web of which no frame came (`seq` null)."""

    MAX_REGIONS: ClassVar[int] = 12

    number: int
    generation: int
    camera: str
    boot_id: str
    seq: int | None
    result: Result
    reason: Reason | None = None
    detail: str = ""
    score: float | None = None
    lanes: tuple[float, ...] = ()
    regions: tuple[Region, ...] = ()
    regions_total: int = 0
    """Regions found; only the strongest MAX_REGIONS travel."""
    start_mm: float | None = None
    end_mm: float | None = None
    rescan: bool = False
    """Cloth that was judged before the web ran back: judged and told again, but it adds no metres, defects or rejects."""
    cloth_x_mm: tuple[float, float] | None = None
    """The cloth's edges across the web, where they are looked for."""
    event: EventKind | None = None
    """The seam or other span that the frame lies in; of a DEFECT: that all its regions lie in."""
    action: EventAction | None = None
    lost: int = 0
    roll_id: str = ""
    style: str = ""
    origin: str = ""
    tiles: int = 0
    t_mono_ns: int
    t_utc_ns: int
    latency_ms: float | None = None
    """From the picture's arrival in the grabber to this verdict."""
    level: float | None = None
    texture: float | None = None
    lamp_gain: float | None = None
    """As announced."""
    weights_sha: str = ""
    engine_sha: str = ""
    card_sha: str = ""
    inspect_x_px: tuple[int, int] | None = None
    frame_shape: tuple[int, ...] | None = None
    cells_shape: tuple[int, int] | None = None
    cell_px: int = 8

    def payload_sizes(self) -> tuple[int, ...]:
        """The cells and the pixels of a frame above the recording floor, or nothing."""
        if self.cells_shape is None or self.frame_shape is None:
            return ()
        return 4 * math.prod(self.cells_shape), math.prod(self.frame_shape)

    @property
    def counts_as_defect(self) -> bool:
        """Whether it asks for a reject and is a defect of the roll: not of cloth seen before, nor of a seam or the like that
        is not graded."""
        return self.result is Result.DEFECT and not self.rescan and self.action in (None, EventAction.GRADE)


class Reject(Message):
    """Act on this span of web: the signal an integrator wires to a PLC."""

    number: int
    generation: int
    verdict: int
    camera: str
    cause: Result
    reason: Reason | None = None
    start_mm: float | None
    end_mm: float | None
    x0_mm: float | None = None
    x1_mm: float | None = None
    t_mono_ns: int


class Action(Message):
    """What the action table answers to a defect, to cloth not inspected, or to a fault; the same `event` in each phase."""

    number: int
    generation: int
    event: int
    """Of its own for each in a run of the line; one that was open when decision was restarted is told again."""
    kind: ActionKind
    cause: Cause
    phase: Phase
    verdict: int | None = None
    camera: str = ""
    defect: int | None = None
    """The joined defect: in one generation of decision each rule acts once on it."""
    severity: int | None = None
    """1 to 4, the points of its length; null where the scale is not known."""
    start_mm: float | None = None
    end_mm: float | None = None
    x0_mm: float | None = None
    x1_mm: float | None = None
    target_mm: float | None = None
    """Position of the web at which the start of the place is at the actuator; null: at once."""
    target_count: int | None = None
    """The same in encoder counts from the web's zero, where there is an encoder."""
    t_mono_ns: int


class LineState(Message):
    """How the line is; `inspection_ok` false means: do not trust that passing cloth is judged."""

    number: int
    generation: int
    state: State
    inspection_ok: bool
    detail: str = ""
    t_mono_ns: int
    t_utc_ns: int


class Heartbeat(Message):
    """Made by decision's own progress: a consumer that misses it must act as on a reject."""

    number: int
    generation: int
    state: State
    inspection_ok: bool
    verdicts: int
    bypass: bool = False
    """Rejects and actions are set aside, also where the state says something worse."""
    unacknowledged: tuple[ActionKind, ...] = ()
    """What somebody must still see to: while a STOP is among them there is no permit to run."""
    t_mono_ns: int


class CameraCounts(BaseModel):
    """One camera's running totals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int
    passed: int
    defect: int
    not_inspected: int
    inspected_m: float | None
    lanes: tuple[float, ...] = ()
    last: str = ""


class Totals(Message):
    """What decision has counted so far, for screens and for the record."""

    generation: int
    verdicts: int
    passed: int
    defect: int
    not_inspected: int
    reasons: dict[str, int]
    late_scores: int
    duplicates: int
    rejects: int
    rejects_inhibited: int
    rescans: int = 0
    """Verdicts on cloth that was judged before."""
    width_mm: float | None = None
    """Of the cloth now, where its edges are looked for."""
    waiting: int
    """Frames announced and not yet decided."""
    unrecorded: int = 0
    """Verdicts and other records dropped since the recorder took none for too long: the line is in FAULT."""
    inspected_m: float | None
    not_inspected_m: float | None
    position_mm: float | None
    speed_mm_s: float | None
    latency_ms: dict[str, float]
    cameras: dict[str, CameraCounts]
    last_defect: str = ""
    t_mono_ns: int


class Status(Message):
    """A process of the line says how it is, or the supervisor says it for one that cannot."""

    role: str
    name: str
    generation: int
    state: StageState
    boot_id: str = ""
    detail: str = ""
    weights_sha: str = ""
    engine_sha: str = ""


class CameraFacts(Message):
    """What a camera was when it was opened; payload: its full feature dump as JSON."""

    camera: str
    boot_id: str
    t_utc_ns: int
    size: int = Field(ge=0)

    def payload_sizes(self) -> tuple[int, ...]:
        """One payload: the JSON text."""
        return (self.size,)


class Progress(Message):
    """A stage's heartbeat to the supervisor, sent from its own steps."""

    name: str
    generation: int
    state: StageState | None
    steps: int
    handled: int
    waiting: int
    """Messages or pictures in hand; stuck = waiting and not handling."""
    counters: dict[str, int | float] = {}


class Bypass(Message):
    """The operator sets rejects aside, or takes that back."""

    on: bool


class Acknowledge(Message):
    """Somebody has seen to an action's event; null: to all."""

    event: int | None = None


class Reset(Message):
    """The operator clears a latched FAULT whose cause is gone; without one, accepts the roll as cloth of the card."""
