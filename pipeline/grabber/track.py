"""Where the rows of a line-scan camera lie on the cloth, held against the encoder (pure)."""

from __future__ import annotations

from collections import deque
from enum import Enum

FOLLOW = 0.1
"""Share of a disagreement taken up at each buffer: a buffer's arrival trembles by milliseconds, the pitch does not."""
TREMBLE_MM = 0.5
"""Cloth at rest trembles; a smaller step back is no reverse."""


class Ran(Enum):
    """How the cloth ran while a buffer was filled."""

    FORWARD = "forward"
    BACK = "back"
    TURNED = "turned"
    """Forward and back within one buffer."""
    ASTRAY = "astray"
    """Rows and encoder disagree: nobody knows where these rows lie."""


class Track:
    """Rows times pitch against the encoder, buffer by buffer; between two buffers' ends the rows lie evenly.

    `step_mm` is the pitch of the rows, `tolerance_mm` the disagreement that is still a tremble. `latched` positions come
    from counts taken with the buffer itself and are followed at once, others slowly.
    """

    def __init__(self, step_mm: float, tolerance_mm: float) -> None:
        self._step_mm, self._tolerance_mm = step_mm, tolerance_mm
        self._ends: deque[tuple[int, float]] = deque(maxlen=64)  # the row after a buffer's last, and where it lies in mm
        self._measured_mm = 0.0
        self._lag_mm = 0.0
        self._backward = False
        self.error = ""
        """Why the last buffer is astray, else empty."""

    def add(self, row: int, rows: int, position_mm: float, latched: bool) -> Ran:
        """A buffer of `rows` rows from `row` on ended when the cloth stood at `position_mm`."""
        self.error = ""
        if not self._ends:
            self._measured_mm = position_mm - rows * self._step_mm
            self._ends.append((row, self._measured_mm))
        rows += row - self._ends[-1][0]  # those of lost buffers, too
        row, start_mm = self._ends[-1]
        moved_mm, rows_mm = position_mm - self._measured_mm, rows * self._step_mm
        self._measured_mm = position_mm
        back = moved_mm < -TREMBLE_MM
        turned, self._backward = back is not self._backward, back
        lag_mm = self._lag_mm + (start_mm - position_mm if back else position_mm - start_mm) - rows_mm
        if not turned and abs(lag_mm) > self._tolerance_mm:
            self.error = f"{rows} rows are {rows_mm:.1f} mm, the encoder says {moved_mm:.1f} mm, check line trigger and scale"
        self._lag_mm = 0.0
        if not turned and not self.error:
            lag_mm *= 1 - FOLLOW
            if latched:
                self._lag_mm = lag_mm
            else:
                position_mm += lag_mm if back else -lag_mm
        self._ends.append((row + rows, position_mm))
        if turned:
            return Ran.TURNED
        return Ran.ASTRAY if self.error else Ran.BACK if back else Ran.FORWARD

    def mm(self, row: int) -> float | None:
        """Where the edge before that row lies; None before the first buffer."""
        if not self._ends:
            return None
        later_row, later_mm = self._ends[-1]
        if row >= later_row:
            return later_mm + (row - later_row) * self._step_mm
        for earlier_row, earlier_mm in list(self._ends)[-2::-1]:
            if row >= earlier_row:
                return earlier_mm + (later_mm - earlier_mm) * (row - earlier_row) / (later_row - earlier_row)
            later_row, later_mm = earlier_row, earlier_mm
        return later_mm - (later_row - row) * self._step_mm
