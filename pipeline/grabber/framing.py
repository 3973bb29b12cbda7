"""How rows become frames: cut into slabs, lamp trimmed, edges found, numbered, and placed along the cloth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.good import look
from pipeline.cameras.protocol import Shot
from pipeline.config.cameras import CameraConfig
from pipeline.grabber.camera_style import CameraStyle
from pipeline.grabber.lamp import LampTrim
from pipeline.grabber.placing import Placing
from pipeline.grabber.selvage import Edges
from pipeline.grabber.slabs import Slab, SlabBuilder
from pipeline.grabber.track import Ran
from pipeline.messages.domains import MAX_ORIGIN
from pipeline.messages.frames import Announced, Frame
from pipeline.messages.states import FrameStatus
from pipeline.messages.values import Measures


@dataclass(frozen=True)
class Waiting:
    """A frame that the worker has not been offered yet, and what is announced with it."""

    frame: Frame
    pixels: bytes
    error: str
    lost: int
    """Frames that the camera lost just before."""
    measures: Measures

    def announce(self, sent: bool) -> Announced:
        """What decision is told of it; `sent`: the worker took it."""
        return Announced.of(self.frame, self.measures, sent, self.lost, self.error)


class Framing:
    """One camera's frames: shots in, frames out, each numbered under the `boot_id` of the camera's present settings."""

    def __init__(
        self, config: CameraConfig, placing: Placing, style: CameraStyle, boot_id: str, budget_ms: float | None
    ) -> None:
        self._config, self._placing, self._style, self._budget_ms = config, placing, style, budget_ms
        self._first_boot_id = self.boot_id = boot_id
        self._settings = self._seq = self._lost = 0
        self._slabs = SlabBuilder(config.rows, config.overlap_rows)
        self._edges: Edges | None = None
        if config.selvage_mm is not None and config.mm_per_px_x is not None:
            self._edges = Edges(round(config.selvage_mm / config.mm_per_px_x))
        self._lamp: LampTrim | None = None
        if config.lamp is not None and config.lamp.level is not None:
            self._lamp = LampTrim(config.lamp, config.lamp.level)
        self._last: Shot | None = None

    @property
    def row(self) -> int:
        """The next row, counted from the camera's start, lost ones included."""
        return self._slabs.row

    @property
    def shot_rows(self) -> int:
        """Height of the last shot, 0 before the first."""
        return self._last.rows if self._last else 0

    def add(self, shot: Shot) -> list[Waiting]:
        """The frames that this shot completes; those that the camera lost before it are counted, their rows skipped."""
        lost, rows = self._placing.lost(self._last, shot, self.row)
        made = self._lose(lost, rows) if lost else []
        ran = self._placing.add(shot, self.row)
        row, self._last = self.row, shot
        if ran is Ran.TURNED:  # pending: what is new of it passes again, what does not is found missing
            return made + self._make_all(self._slabs.skip(shot.rows))
        if shot.pixels is None or ran is Ran.ASTRAY:
            made += self._make_all(self._slabs.skip(shot.rows))
            error = shot.error or self._placing.error or "damaged buffer"
            return [*made, self._make(row, np.empty((shot.rows, 0), np.uint8), error)]
        if ran is Ran.BACK:  # the last row lies first on the cloth; nothing is carried over from one turn to the next
            made += self._make_all(self._slabs.skip(shot.rows))
            return [*made, self._make(row, shot.pixels[::-1], "")]
        return made + self._make_all(self._slabs.add(shot.pixels))

    def lose(self, frames: int, rows: int) -> list[Waiting]:
        """So many frames of so many rows went by unseen: what was held comes first, the next frame tells of the loss."""
        return self._lose(frames, frames * rows)

    def flush(self) -> list[Waiting]:
        """The rest as a short frame: the source is at its end, or the camera is set anew."""
        return self._make_all(self._slabs.flush())

    def begin(self) -> None:
        """The camera is set anew: frames are numbered from 0 under a new boot_id, lost ones that are still to be told first."""
        self._settings += 1
        self.boot_id, self._seq = f"{self._first_boot_id}.{self._settings}", self._lost

    def _lose(self, frames: int, rows: int) -> list[Waiting]:
        made = self._make_all(self._slabs.skip(rows))
        self._lost += frames
        self._seq += frames
        return made

    def _make_all(self, slabs: list[Slab]) -> list[Waiting]:
        return [self._make(slab.row, slab.pixels, "") for slab in slabs]

    def _make(self, row: int, pixels: np.ndarray, error: str) -> Waiting:
        """A frame comes into being; from here on it must get a verdict."""
        status, lamp_gain = FrameStatus.DAMAGED if error else FrameStatus.OK, None
        if self._lamp is not None and not error:
            pixels, lamp_gain = self._lamp.trim(pixels), round(self._lamp.gain, 4)
            if self._lamp.fault:
                status, error = FrameStatus.LAMP, self._lamp.fault
        seen = None if self._edges is None or error else self._edges.look(pixels)
        frame = self._frame(row, pixels.shape, status, seen[1] if seen else None)
        edges_mm = self._across_mm(seen[0]) if seen else None
        level, texture = (None, None) if error else look(pixels)
        measures = Measures(edges_mm, level, texture, lamp_gain)
        waiting = Waiting(frame, pixels.tobytes(), error, self._lost, measures)
        self._lost = 0
        return waiting

    def _frame(self, row: int, shape: tuple[int, ...], status: FrameStatus, cloth_x_px: tuple[int, int] | None) -> Frame:
        c, shot = self._config, self._last
        assert shot is not None  # there are no rows without a shot
        start_mm, end_mm = self._placing.span_mm(row, shape[0])
        origin = shot.origin.encode()[-MAX_ORIGIN:].decode(errors="ignore")
        frame = Frame(
            camera=c.name, boot_id=self.boot_id, seq=self._seq, t_mono_ns=shot.t_mono_ns, t_utc_ns=shot.t_utc_ns,
            start_mm=start_mm, end_mm=end_mm, style=self._style.present,
            origin=origin, status=status,
            block_id=shot.block_id, encoder_count=shot.encoder_count,
            mm_per_px_x=c.mm_per_px_x, mm_per_px_y=c.mm_per_px_y, x_offset_mm=c.x_offset_mm,
            inspect_x_px=c.inspected_px(shape[1], None), cloth_x_px=cloth_x_px,
            budget_ms=self._budget_ms, shape=shape, pixel_format="RGB8" if len(shape) == 3 else "Mono8",
        )  # fmt: skip
        self._seq += 1
        return frame

    def _across_mm(self, edges_px: tuple[int, int]) -> tuple[float, float] | None:
        c = self._config
        if c.mm_per_px_x is None:
            return None
        return c.x_offset_mm + edges_px[0] * c.mm_per_px_x, c.x_offset_mm + edges_px[1] * c.mm_per_px_x
