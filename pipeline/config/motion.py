"""Sections of a configuration, and those that say where the cloth's motion comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from glass_core.settings.section import Section
from pipeline.messages.domains import MAX_MM_S, SpeedMmS


class Segment(Section):
    """A stretch of simulated motion: that speed for that long; 0 stops, below 0 reverses."""

    seconds: float = Field(gt=0)
    speed_mm_s: SpeedMmS


class SimulatedMotion(Section):
    """Cloth that exists only in the program; segments run first, then `speed_mm_s` for ever."""

    source: Literal["simulated"]
    speed_mm_s: SpeedMmS
    segments: tuple[Segment, ...] = ()


class RecordedMotion(Section):
    """Motion as it was written down: a recording's motion.jsonl, or a recording in MCAP."""

    source: Literal["recorded"]
    path: Path


class EncoderMotion(Section):
    """What every encoder has; the line's position is 0 where the encoder stood when the line was started."""

    source: str
    counts_per_mm: float = Field(ge=-1e6, le=1e6)
    """Below 0: it counts down as the cloth runs forward."""
    bits: int = Field(default=32, ge=8, le=48)
    """Where its register wraps."""
    max_speed_mm_s: float = Field(default=3000.0, gt=0, le=MAX_MM_S)
    """No cloth is faster: a greater step is a fault of the encoder."""
    silent_ms: float = Field(default=1000.0, ge=100)
    """A counter that has spoken and then says nothing for so long is at fault (a triggered camera's: the cloth rests)."""

    @property
    def half_wrap_ms(self) -> float:
        """In which the fastest cloth makes it count half of what its register holds: more, and nobody knows which way."""
        return 2 ** (self.bits - 1) / (abs(self.counts_per_mm) * self.max_speed_mm_s) * 1000

    @model_validator(mode="after")
    def _counts(self) -> EncoderMotion:
        if abs(self.counts_per_mm) < 1e-3:
            raise ValueError("counts_per_mm must be at least 0.001, or at most -0.001: a count a metre tells no place")
        if (half_ms := self.half_wrap_ms) < 100:
            raise ValueError(
                f"a counter of {self.bits} bits wraps every {2 * half_ms:.0f} ms at max_speed_mm_s {self.max_speed_mm_s:g}, "
                f"unseen: lower max_speed_mm_s to {self.max_speed_mm_s * half_ms / 100:.0f} or divide the encoder"
            )
        return self


class CameraMotion(EncoderMotion):
    """The encoder that a camera counts and sends along with its pictures (chunk data)."""

    source: Literal["camera"]
    camera: str


class MessageMotion(EncoderMotion):
    """EncoderCount messages over ZeroMQ, pushed to the socket `motion` in the line's folder."""

    source: Literal["message"]


class UdpMotion(EncoderMotion):
    """Datagrams of one decimal count each."""

    source: Literal["udp"]
    listen: str = Field(
        default="127.0.0.1:9100", pattern=r"^[0-9.]+:(6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})$"
    )


class ModbusMotion(EncoderMotion):
    """A counter in a Modbus TCP device."""

    source: Literal["modbus"]
    host: str
    port: int = Field(default=502, ge=1, le=65535)
    unit: int = Field(default=1, ge=0, le=255)
    kind: Literal["input", "holding"] = "holding"
    register_: int = Field(alias="register", ge=0, le=65535)
    """The first of them, counted from 0."""
    words: Literal[1, 2] = 2
    high_word_first: bool = True

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


MotionConfig = Annotated[
    SimulatedMotion | RecordedMotion | CameraMotion | MessageMotion | UdpMotion | ModbusMotion,
    Field(discriminator="source"),
]
