"""The configuration of a line: typed, unknown keys refused, echoed and hashed into every record."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from calibration.alignment import AlignmentCard
from calibration.camera_card import CameraCard
from calibration.flatfield import FlatfieldCard
from calibration.scale import ScaleCard
from glass_core.errors import InputError
from pipeline.action_config import ActionConfig, DefectAction
from pipeline.grading import Rules
from pipeline.io_config import InputConfig, ModbusConfig, OutputConfig, PublisherConfig
from pipeline.motion_config import CameraMotion, MotionConfig, Section
from pipeline.style_config import EventsConfig, Scalar, StyleConfig, check_styles

Pixels = tuple[int, int]
StyleName = Annotated[str, Field(min_length=1, max_length=64)]
STAGES = {"recorder", "decision", "worker", "motion"}
"""Processes that every line may have."""


class InspectionOkConfig(Section):
    """When a gap in inspection becomes a reject."""

    tolerate_not_inspected_mm: float = Field(default=500.0, ge=0)


class LineSection(Section):
    """The line as a whole."""

    name: str = Field(default="line", pattern=r"^[A-Za-z0-9_-]{1,32}$")
    roll_id: str = Field(default="", max_length=64)
    style: str = Field(default="", max_length=64)
    roll_length_m: float = Field(default=20_000.0, gt=0)
    """A roll of this length ends, and the next is counted on: R-0009 is followed by R-0010."""
    events: EventsConfig = EventsConfig()
    alignment_tolerance_mm: float = Field(default=2.0, gt=0)
    """Neighbouring cameras may place the cloth that both see so far apart, before the line warns."""
    inspection_ok: InspectionOkConfig = InspectionOkConfig()


class LampConfig(Section):
    """A strip of the picture that never changes but by the lamp: the edge of a white plate, a patch beside the cloth."""

    columns_px: Pixels
    """From and to (exclusive)."""
    level: float | None = Field(default=None, gt=0, lt=255)
    """Its grey level under the lamp as calibrated; null: plain white, as the flat-field card has it."""
    most_gain: float = Field(default=1.25, gt=1, le=4)
    """Pictures are made brighter or darker up to this factor; beyond it nothing is inspected."""

    @model_validator(mode="after")
    def _range(self) -> LampConfig:
        if not 0 <= self.columns_px[0] < self.columns_px[1]:
            raise ValueError(f"columns_px {list(self.columns_px)} must be [from, to] with 0 <= from < to")
        return self


class CameraBase(Section):
    """What every camera has."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    rows: int | None = Field(default=None, ge=8)
    """New rows of a slab (line-scan); null: every picture is one frame (area camera)."""
    overlap_rows: int = Field(default=0, ge=0)
    """Rows carried over from the slab before."""
    mm_per_px_x: float | None = Field(default=None, gt=0)
    mm_per_px_y: float | None = Field(default=None, gt=0)
    """Null: lengths are null, never guessed."""
    rows_tolerance_mm: float = Field(default=20.0, gt=0)
    """A line-scan camera's rows times their pitch may differ from the encoder by so much before they count as damaged."""
    flatfield: Path | None = None
    """Card of `glassline calibrate flatfield`."""
    scale: Path | None = None
    """Card of `glassline calibrate scale`: it gives mm_per_px_x and mm_per_px_y."""
    alignment: Path | None = None
    """Card of `glassline calibrate align` for the right of two neighbours: it gives x_offset_mm and y_offset_mm."""
    flatfield_sha: str = ""
    scale_sha: str = ""
    alignment_sha: str = ""
    """Hashes of the cards, filled in when the file is read."""
    x_offset_mm: float = 0.0
    y_offset_mm: float = 0.0
    """How far up the web from the line's zero this camera looks; below 0: further on, so that cloth comes to it later."""
    actuator_mm: float | None = Field(default=None, gt=0)
    """From this camera to what stops, marks or cuts, along the web: a verdict is due before the slab's first row is there."""
    inspect_x_px: Pixels | None = None
    """Null: what the model was trained on."""
    inspect_x_mm: tuple[float, float] | None = None
    """The same in the line's coordinates: the border between two cameras that overlap, so that no cloth is judged twice."""
    selvage_mm: float | None = Field(default=None, ge=0)
    """Not null: the cloth's edges are found in each picture, and what lies beside them or so near to them is left out."""
    lamp: LampConfig | None = None
    """Not null: ageing of the lamp is trimmed away."""
    rate: float | None = Field(default=None, gt=0)
    """Pictures per second of a replayed or woven camera; null: with the simulated web, else as fast as the line goes."""

    @model_validator(mode="after")
    def _ranges(self) -> CameraBase:
        if self.overlap_rows and self.rows is None:
            raise ValueError("overlap_rows needs rows: only slabs of a line-scan camera carry rows over")
        if self.rows is not None and self.overlap_rows >= self.rows:
            raise ValueError(f"overlap_rows {self.overlap_rows} must be below rows {self.rows}")
        if self.inspect_x_px and not 0 <= self.inspect_x_px[0] < self.inspect_x_px[1]:
            raise ValueError(f"inspect_x_px {list(self.inspect_x_px)} must be [from, to] with 0 <= from < to")
        if self.inspect_x_mm and (self.inspect_x_px or self.inspect_x_mm[0] >= self.inspect_x_mm[1]):
            raise ValueError(f"inspect_x_mm {list(self.inspect_x_mm)} must be [from, to] with from < to, without inspect_x_px")
        if (self.inspect_x_mm or self.selvage_mm is not None) and self.mm_per_px_x is None and self.scale is None:
            raise ValueError("inspect_x_mm and selvage_mm need mm_per_px_x")
        if self.lamp and self.lamp.level is None and self.flatfield is None:
            raise ValueError("lamp needs a level, or a flatfield card that has that of plain white")
        return self

    def inspected_px(self, width: int, model_px: Pixels | None) -> Pixels | None:
        """The columns that are judged of a picture so wide: this camera's own, else those the model was trained on.

        Null: all of them. A range in mm ends with the picture; one in px that does not fit is refused where it is used.
        """
        if self.inspect_x_mm is None or self.mm_per_px_x is None:
            return self.inspect_x_px or model_px
        first, last = (round((mm - self.x_offset_mm) / self.mm_per_px_x) for mm in self.inspect_x_mm)
        return max(0, first), min(width, last)


class ReplayConfig(CameraBase):
    """A folder of images, an MVTec-layout data set, a recording or a video, replayed as a camera."""

    source: Literal["replay"]
    path: Path
    camera: str | None = None
    """Which camera of a recording; null: its only one."""
    loop: bool = False


class WovenDefect(Section):
    """A defect put into synthetic cloth at a known place."""

    kind: Literal["missing_yarn", "slub", "hole", "stain", "float"]
    at_mm: float = Field(ge=0)
    x_mm: float = Field(ge=0)
    size_mm: float = Field(gt=0)
    strength: float = Field(default=1.0, gt=0, le=1)


class WeaveConfig(CameraBase):
    """Synthetic woven cloth."""

    source: Literal["weave"]
    weave: Literal["plain", "twill", "satin"] = "plain"
    width_px: int = Field(default=1024, ge=64, le=16384)
    frame_rows: int = Field(default=256, ge=8, le=16384)
    """Rows of each picture."""
    seed: int = 0
    defects: tuple[WovenDefect, ...] = ()
    frames: int | None = Field(default=None, ge=1)
    """Null: endless."""


class BaslerTrigger(Section):
    """What starts a picture or a line; nodes that the model lacks are reported."""

    selector: str = "FrameStart"
    source: str = "Software"
    """Software: pulsed by the simulated encoder; Line1 and the like: wired."""
    activation: str | None = None


class BaslerConfig(CameraBase):
    """A Basler camera through pylon, also pylon's emulated ones."""

    source: Literal["basler"]
    serial: str
    pfs: Path | None = None
    features: dict[str, Scalar] = Field(default_factory=dict)
    """GenICam features, set in this order and read back."""
    trigger: BaslerTrigger | None = None
    line_period_us: float | None = Field(default=None, gt=0)
    """Shortest time between lines of a line-scan camera: the exposure is checked against it."""
    stall_ms: float | None = Field(default=None, gt=0)
    """A self-timed camera that gives nothing for so long is lost; null: silence is no fault (triggered)."""
    buffers: int = Field(default=16, ge=2, le=1024)
    encoder_chunk: str | None = None
    """The chunk node that holds the encoder's count, e.g. ChunkCounterValue; switched on by `features` or the .pfs file."""


CameraConfig = Annotated[ReplayConfig | WeaveConfig | BaslerConfig, Field(discriminator="source")]


class WorkerConfig(Section):
    """The process that scores."""

    backend: Literal["auto", "torch", "openvino", "tensorrt"] = "auto"
    precision: Literal["auto", "fp32", "fp16", "bf16", "int8"] = "auto"
    on_foreign_device: Literal["refuse", "recompile"] = "refuse"
    """What to do with a BUNDLE that was compiled for another device or library."""
    max_batch: int = Field(default=16, ge=1, le=256)
    batch_wait_ms: float = Field(default=5.0, ge=0)
    threads: int | None = Field(default=None, ge=1)


class DecisionConfig(Section):
    """The process that decides."""

    budget_ms: float = Field(default=500.0, gt=0)
    """From a frame's arrival to its verdict; with a camera's actuator_mm it runs only while the web moves."""
    recording_floor: float = Field(default=0.5, ge=0, le=1)


class LedgerConfig(Section):
    """Where the record is kept: ledger, verdicts.jsonl and crops lie in the ledger's folder."""

    path: Path = Path("out/ledger.sqlite")


class LineConfig(Section):
    """A line. Paths are relative to the folder the program is started in."""

    line: LineSection = LineSection()
    styles: dict[StyleName, StyleConfig] = Field(default_factory=dict)
    """Those that a roll may be started with; where one says nothing, the line's own model, features and events hold."""
    model: Path | None = None
    motion: MotionConfig | None = None
    cameras: tuple[CameraConfig, ...] = Field(default=(), max_length=16)
    worker: WorkerConfig = WorkerConfig()
    decision: DecisionConfig = DecisionConfig()
    grading: Rules = Rules()
    actions: tuple[ActionConfig, ...] = Field(default=(), max_length=32)
    inputs: tuple[InputConfig, ...] = ()
    outputs: tuple[OutputConfig, ...] = (PublisherConfig(kind="publisher"),)
    ledger: LedgerConfig = LedgerConfig()
    train: dict[str, Any] = Field(default_factory=dict)
    """Settings of training; glass_core checks them."""

    @model_validator(mode="after")
    def _unique(self) -> LineConfig:
        names = [c.name for c in self.cameras]
        if len(set(names)) < len(names):
            raise ValueError(f"cameras: names must differ, got {names}")
        wired = [*(o.name for o in self.modbus), *(i.name for i in self.inputs)]
        if len(set(wired)) < len(wired) or set(wired) & STAGES:
            raise ValueError(f"outputs and inputs: names must differ, also from {', '.join(sorted(STAGES))}, got {wired}")
        contacts = [c.name for i in self.inputs for c in i.contacts]
        if len(set(contacts)) < len(contacts):
            raise ValueError(f"inputs: contacts' names must differ, got {contacts}")
        if taken := set(names) & {*STAGES, *wired}:
            raise ValueError(f"cameras: {', '.join(sorted(taken))} is another process's name, choose a different one")
        ranges = sorted((*c.inspect_x_mm, c.name) for c in self.cameras if c.inspect_x_mm)
        for (_, end_mm, left), (start_mm, _, right) in pairwise(ranges):
            if start_mm < end_mm:
                raise ValueError(
                    f"inspect_x_mm of {left} and {right} overlap: cloth from {start_mm:g} mm would be judged twice"
                )
        if isinstance(self.motion, CameraMotion) and self.motion.camera not in names:
            raise ValueError(f"motion.camera: {self.motion.camera} is none of the cameras {names}")
        if len(self.outputs) - len(self.modbus) != 1:
            raise ValueError("outputs: exactly one publisher")
        if self.motion is None and any(isinstance(a, DefectAction) and a.distance_mm is not None for a in self.actions):
            raise ValueError("actions: distance_mm needs `motion:`, nothing else says when the web is there")
        if self.styles and self.line.style not in ("", *self.styles):
            raise ValueError(f"line.style: no such style {self.line.style}, choose one of {', '.join(self.styles)}")
        check_styles(self.styles, self.own_features)
        trimmed = {c.name for c in self.cameras if c.lamp}
        for name, style in self.styles.items():
            if both := sorted(trimmed & style.features.keys()):
                raise ValueError(
                    f"styles.{name}.features.{both[0]}: the level of that camera's lamp holds for one setting only"
                )
        return self

    @property
    def own_features(self) -> dict[str, dict[str, Scalar] | None]:
        """Of each camera what the styles may change; null: it has no features."""
        return {c.name: c.features if isinstance(c, BaslerConfig) else None for c in self.cameras}

    def style(self, name: str) -> StyleConfig:
        """All that is in force for cloth of that style; `features` are those that any style changes, for every camera."""
        own = self.styles.get(name, StyleConfig())
        features: dict[str, dict[str, Scalar]] = {}
        for camera, base in self.own_features.items():
            changed = {key for style in self.styles.values() for key in style.features.get(camera, {})}
            wanted = {**(base or {}), **own.features.get(camera, {})}
            features[camera] = {key: value for key, value in wanted.items() if key in changed}
        return StyleConfig(model=own.model or self.model, features=features, events=own.events or self.line.events)

    @property
    def models(self) -> tuple[Path, ...]:
        """Each model that some style is judged by, the line's own first."""
        named = (self.model, *(s.model for s in self.styles.values()))
        return tuple(dict.fromkeys(m for m in named if m is not None))

    @property
    def publisher(self) -> PublisherConfig:
        """Where verdicts, rejects, actions and states are published."""
        return next(o for o in self.outputs if isinstance(o, PublisherConfig))

    @property
    def modbus(self) -> tuple[ModbusConfig, ...]:
        """The wired outputs."""
        return tuple(o for o in self.outputs if isinstance(o, ModbusConfig))

    @property
    def sha(self) -> str:
        """SHA-256 of the whole configuration, defaults included."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def camera_cards(config: CameraConfig, now: datetime | None = None) -> dict[str, CameraCard]:
    """The cards that a camera's entry names, by kind; InputError where one is of another camera, or no card.

    With `now` a card past its date is refused, too, as it is when a line starts. Without, each must be the very card that
    the line was started with: a camera that comes back next week goes on with it.
    """
    serial = config.serial if isinstance(config, BaslerConfig) else ""
    kinds: dict[str, type[CameraCard]] = {"flatfield": FlatfieldCard, "scale": ScaleCard, "alignment": AlignmentCard}
    cards: dict[str, CameraCard] = {}
    for kind, of in kinds.items():
        if (path := getattr(config, kind)) is not None:
            cards[kind] = of.load(path)
            cards[kind].check(path, config.name, serial, now)
            if now is None and cards[kind].sha != getattr(config, f"{kind}_sha"):
                raise InputError(f"card is another one than when the line was started, {path}, start the line again")
    return cards


def with_cards(line: LineConfig) -> LineConfig:
    """The line with what its cameras' cards say put in: scales, offsets and the cards' hashes."""
    cameras: dict[str, CameraConfig] = {}
    for camera in line.cameras:
        cards = camera_cards(camera, datetime.now(UTC))
        known: dict[str, Any] = {f"{kind}_sha": card.sha for kind, card in cards.items()}
        if camera.lamp and camera.lamp.level is None and isinstance(shading := cards.get("flatfield"), FlatfieldCard):
            known["lamp"] = camera.lamp.model_copy(update={"level": shading.level})
        measured: dict[str, float | None] = {}
        if isinstance(scale := cards.get("scale"), ScaleCard):
            measured |= {"mm_per_px_x": scale.mm_per_px_x, "mm_per_px_y": scale.mm_per_px_y}
        if isinstance(place := cards.get("alignment"), AlignmentCard):
            if (beside := cameras.get(place.neighbour)) is None:
                raise InputError(f"no camera {place.neighbour} before {camera.name}, {camera.alignment}, list it first")
            measured |= {"x_offset_mm": beside.x_offset_mm + place.right_mm, "y_offset_mm": beside.y_offset_mm + place.up_mm}
        for key, mm in measured.items():
            if key in camera.model_fields_set and getattr(camera, key) not in (None, mm):
                raise InputError(f"{key} differs from the card's {mm}, camera {camera.name}, take it out of the config")
        cameras[camera.name] = camera.model_copy(update=known | measured)
    return line.model_copy(update={"cameras": tuple(cameras.values())})


def explain(error: ValidationError) -> str:
    """The first fault of a refused configuration on one line: key, value, what is allowed."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(p) for p in first["loc"]) or "(whole file)"
    if first["type"] == "extra_forbidden":
        return f"{key}: no such key"
    value = repr(first["input"])
    shown = "" if isinstance(first["input"], dict) else f" {value if len(value) < 80 else value[:77] + '...'}:"
    return f"{key}:{shown} {first['msg'].removeprefix('Value error, ')}"


def load_config(path: Path) -> LineConfig:
    """The line that a YAML file describes; InputError names file, key, value and what is allowed."""
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise InputError(f"config not readable, {path}, {e.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise InputError(f"config is not YAML, {path}, {' '.join(str(e).split())}") from None
    if not isinstance(body, dict):
        raise InputError(f"config is not a map, {path}, begin with `line:`")
    try:
        return with_cards(LineConfig.model_validate(body))
    except ValidationError as e:
        raise InputError(f"config refused, {path}, {explain(e)}") from None
