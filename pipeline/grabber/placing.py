"""Where a camera's rows lie along the cloth: by track, by latched counts, counted from an origin, or as recorded (pure)."""

from __future__ import annotations

from pipeline.cameras.protocol import Shot
from pipeline.config.cameras import CameraConfig
from pipeline.config.motion import EncoderMotion
from pipeline.grabber.recorded_places import RecordedPlaces
from pipeline.grabber.track import Ran, Track
from pipeline.messages.domains import MAX_FRAME_MM
from pipeline.messages.motion import Motion
from pipeline.motion.counter import Counter, CounterJump


def is_cloth_triggered(config: CameraConfig, self_timed: bool, on_motion: bool) -> bool:
    """Whether pictures are asked for as the cloth moves on, as an encoder would."""
    return on_motion and not self_timed and config.rate is None


class Placing:
    """One camera's places in mm by row; rows are counted from the camera's start, lost ones included.

    `on_motion` says that the line tells how the cloth moves; the last word of it is kept in `motion`. A camera that times
    itself and cuts slabs has a `Track`. Else slabs and triggered pictures follow upon each other from an origin on, and
    any other picture lies where the cloth stood when it was taken. Recorded pictures lie where they were taken, unless the
    line has a motion of its own.
    """

    def __init__(
        self, config: CameraConfig, encoder: EncoderMotion | None, *, self_timed: bool, on_motion: bool, position_known: bool
    ) -> None:
        self._step_mm, self._offset_mm, self._on_motion = config.mm_per_px_y, config.y_offset_mm, on_motion
        self._follow = config.rows is not None or is_cloth_triggered(config, self_timed, on_motion)
        self._track: Track | None = None
        if on_motion and self_timed and config.rows is not None and config.mm_per_px_y:
            self._track = Track(config.mm_per_px_y, config.rows_tolerance_mm)
        self._encoder, self._counter = encoder, None if encoder is None else _make_counter(encoder)
        self._counted_from_mm: float | None = None
        self._origin_mm = config.y_offset_mm if position_known and not on_motion else None
        self._recorded = RecordedPlaces()
        self.motion: Motion | None = None

    @property
    def error(self) -> str:
        """Why the last shot is astray, else empty."""
        return self._track.error if self._track else ""

    def position_mm(self, t_ns: int) -> float | None:
        """Where the cloth under this camera is at that time; None while nothing was heard of it."""
        return None if self.motion is None else self.motion.at_mm(t_ns) + self._offset_mm

    def start(self, motion: Motion) -> None:
        """Row 0 lies where the cloth stood when it was first heard of: the same place for all cameras."""
        if self._origin_mm is None:
            self._origin_mm = motion.position_mm + self._offset_mm

    def add(self, shot: Shot, row: int) -> Ran:
        """Place a shot whose first row is `row`; how the cloth ran under it, as far as a track tells."""
        if shot.span_mm is not None and not self._on_motion:
            self._recorded.add(row, shot.rows, shot.span_mm)
            return Ran.FORWARD if shot.span_mm[0] <= shot.span_mm[1] else Ran.BACK
        position_mm = self.position_mm(shot.t_mono_ns)
        if position_mm is None:
            return Ran.FORWARD
        latched_mm = self._latched_mm(shot, position_mm)
        if latched_mm is not None:
            position_mm = latched_mm
        if self._track is not None:
            return self._track.add(row, shot.rows, position_mm, latched_mm is not None)
        if self._step_mm is not None and not (self._follow and self._origin_mm is not None):
            self._origin_mm = position_mm - (row + shot.rows) * self._step_mm
        return Ran.FORWARD

    def lost(self, before: Shot | None, shot: Shot, row: int) -> tuple[int, int]:
        """Frames that the camera lost between two shots, by its counter, and rows of them that can lie there from `row` on.

        The shot can end no further than the cloth has come: a counter may leap, and unanswered triggers count as frames.
        """
        frames = 0 if before is None else max(0, shot.block_id - before.block_id - 1)
        return frames, self._passed(shot, row, frames * shot.rows)

    def _passed(self, shot: Shot, row: int, rows: int) -> int:
        position_mm = self.position_mm(shot.t_mono_ns)
        if self._track or not (self._follow and self._step_mm) or self._origin_mm is None or position_mm is None:
            return rows
        return min(rows, max(0, int((position_mm - self._origin_mm) / self._step_mm + 1e-6) - row - shot.rows))

    def mm(self, row: int) -> float | None:
        """Where the edge before that row lies; None where that is not known."""
        if self._track is not None:
            return self._track.mm(row)
        return None if self._step_mm is None or self._origin_mm is None else self._origin_mm + row * self._step_mm

    def ends_mm(self, row: int, rows: int) -> tuple[float | None, float | None]:
        """Where the first of so many rows begins and where the last ends: the higher place first where the cloth ran back.

        Nowhere, where one end is not known, or the cloth's word has jumped further than any picture is long.
        """
        start_mm, end_mm = self._recorded.span_mm(row, rows) if self._recorded else (self.mm(row), self.mm(row + rows))
        if start_mm is None or end_mm is None or abs(end_mm - start_mm) > MAX_FRAME_MM:
            return None, None
        return start_mm, end_mm

    def span_mm(self, row: int, rows: int) -> tuple[float | None, float | None]:
        """From where to where so many rows lie, the lower place first, also of rows that were taken in reverse."""
        start_mm, end_mm = self.ends_mm(row, rows)
        return (end_mm, start_mm) if start_mm is not None and end_mm is not None and start_mm > end_mm else (start_mm, end_mm)

    def next_middle_mm(self, now_ns: int, row: int, rows: int) -> float | None:
        """Where the middle of the next shot will lie, as far as is known: it begins with `row` and has about `rows` rows."""
        if self._step_mm is None:
            return None
        half_mm = rows * self._step_mm / 2
        if self._follow or not self._on_motion:
            start_mm = self.mm(row)
            return None if start_mm is None else start_mm + half_mm
        position_mm = self.position_mm(now_ns)
        return None if position_mm is None else position_mm - half_mm

    def _latched_mm(self, shot: Shot, position_mm: float) -> float | None:
        """Where the cloth stood when the camera took the count that came with the shot; None without one to be trusted."""
        if shot.encoder_count is None or self._counter is None or self._encoder is None:
            return None
        try:
            self._counter.add(shot.encoder_count, shot.t_mono_ns)
        except CounterJump:
            self._counted_from_mm = None
        counted_mm = self._counter.total / self._encoder.counts_per_mm
        if self._counted_from_mm is None:
            self._counted_from_mm = position_mm - counted_mm
        return self._counted_from_mm + counted_mm


def _make_counter(encoder: EncoderMotion) -> Counter:
    return Counter(encoder.bits, abs(encoder.counts_per_mm) * encoder.max_speed_mm_s, rests=True)
