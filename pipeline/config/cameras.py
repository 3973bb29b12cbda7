"""The `cameras:` section: what every camera has, and what each kind adds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from glass_core.settings.section import Section
from pipeline.config.styles import Scalar
from pipeline.messages.domains import MAX_OFFSET_MM, MAX_SIDE_PX, MmPerPx, Name, OffsetMm

Pixels = tuple[int, int]
Distance = Annotated[float, Field(gt=0, le=MAX_OFFSET_MM)]


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

    name: Name
    rows: int | None = Field(default=None, ge=8, le=MAX_SIDE_PX)
    """New rows of a slab (line-scan); null: every picture is one frame (area camera)."""
    overlap_rows: int = Field(default=0, ge=0)
    """Rows carried over from the slab before."""
    mm_per_px_x: MmPerPx | None = None
    mm_per_px_y: MmPerPx | None = None
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
    x_offset_mm: OffsetMm = 0.0
    y_offset_mm: OffsetMm = 0.0
    """How far up the cloth from the line's zero this camera looks; below 0: further on, so that cloth comes to it later."""
    actuator_mm: Distance | None = None
    """From this camera to what stops, marks or cuts, along the cloth: a verdict is due before the slab's first row is there."""
    inspect_x_px: Pixels | None = None
    """Null: what the model was trained on."""
    inspect_x_mm: tuple[OffsetMm, OffsetMm] | None = None
    """The same in the line's coordinates: the border between two cameras that overlap, so that no cloth is judged twice."""
    selvage_mm: float | None = Field(default=None, ge=0, le=MAX_OFFSET_MM)
    """Not null: the cloth's edges are found in each picture, and what lies beside them or so near to them is left out."""
    lamp: LampConfig | None = None
    """Not null: ageing of the lamp is trimmed away."""
    rate: float | None = Field(default=None, ge=1e-6, le=1e6)
    """Pictures per second of a replayed or woven camera; null: with the simulated cloth, else as fast as the line goes."""

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

    @property
    def keeps_time(self) -> bool:
        """Whether it gives pictures by a clock, so that its silence means loss.

        All others wait for a trigger from outside, for the cloth, or for the line itself, and may be silent.
        """
        return self.rate is not None

    @property
    def frame_ms(self) -> float | None:
        """From frame to frame of one that has a rate; null: not known, also where its pictures are cut into slabs."""
        return None if self.rate is None or self.rows is not None else 1000 / self.rate

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


class RejectLineConfig(Section):
    """An output of the camera that is on while cloth may pass (pipeline/grabber/reject_line)."""

    line: str = "Line2"
    """The pin: an entry of LineSelector that can be an output."""
    user_output: str = "UserOutput1"
    """The entry of UserOutputSelector, and of LineSource, that drives it."""
    pulse_ms: float = Field(default=500.0, ge=200, le=60_000)
    """How long it is off for a reject; by then a stop that stays open has been told."""


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
    reject_line: RejectLineConfig | None = None
    """Not null: rejects go by the camera's own digital output."""
    encoder_chunk: str | None = None
    """The chunk node that holds the encoder's count, e.g. ChunkCounterValue; switched on by `features` or the .pfs file."""

    @property
    def keeps_time(self) -> bool:
        """Also one that times itself, which `stall_ms` says of it."""
        asked = self.trigger is not None and self.trigger.source == "Software"
        return self.rate is not None or (self.stall_ms is not None and not asked)


CameraConfig = Annotated[ReplayConfig | WeaveConfig | BaslerConfig, Field(discriminator="source")]
