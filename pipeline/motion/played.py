"""Sources that exist only in the program: simulated, or played back from a recording."""

from __future__ import annotations

import bisect
import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from glass_core.errors import InputError
from pipeline.config.motion import SimulatedMotion
from pipeline.messages.domains import MAX_MM, MAX_MM_S
from pipeline.messages.stages import Elapsed
from pipeline.recording.contents import is_mcap


class Course(Protocol):
    """A motion known beforehand."""

    name: str

    def at(self, elapsed_s: float) -> tuple[float, float]:
        """Position in mm and speed in mm/s so long after the start."""
        ...


class SimulatedCourse:
    """Piecewise constant speed."""

    name = "simulated"

    def __init__(self, config: SimulatedMotion) -> None:
        self._pieces = [(s.seconds, s.speed_mm_s) for s in config.segments]
        self._final_mm_s = config.speed_mm_s

    def at(self, elapsed_s: float) -> tuple[float, float]:
        """Segments in order, then the final speed for ever."""
        position_mm = 0.0
        for seconds, speed_mm_s in self._pieces:
            if elapsed_s < seconds:
                return position_mm + elapsed_s * speed_mm_s, speed_mm_s
            position_mm += seconds * speed_mm_s
            elapsed_s -= seconds
        return position_mm + elapsed_s * self._final_mm_s, self._final_mm_s


class RecordedCourse:
    """The motion of a recording, in its own time; at its end the cloth stands."""

    name = "recorded"

    def __init__(self, path: Path) -> None:
        in_mcap = is_mcap(path)
        path = path / "motion.jsonl" if path.is_dir() and not in_mcap else path
        try:
            lines = _read_mcap(path) if in_mcap else _read_lines(path)
            self._t_s = [(m["t_mono_ns"] - lines[0]["t_mono_ns"]) / 1e9 for m in lines]
            self._mm = [float(m["position_mm"]) for m in lines]
        except OSError as e:
            raise InputError(f"motion not readable, {path}, {e.strerror}") from None
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):
            raise InputError(f"motion not understood, {path}, one JSON object a line with t_mono_ns, position_mm") from None
        if len(lines) < 2:
            raise InputError(f"motion too short, {path}, at least two lines are needed")
        for line, ((t_s, mm), (next_s, next_mm)) in enumerate(pairwise(zip(self._t_s, self._mm, strict=True)), 2):
            if not (abs(mm) <= MAX_MM and abs(next_mm - mm) <= MAX_MM_S * (next_s - t_s)):
                raise InputError(
                    f"no cloth runs so, {path}:{line}, times must increase and the speed stay under {MAX_MM_S:g} mm/s"
                )

    def at(self, elapsed_s: float) -> tuple[float, float]:
        """Linear between the written points."""
        i = bisect.bisect_right(self._t_s, elapsed_s)
        if i == 0 or i == len(self._t_s):
            return self._mm[min(i, len(self._mm) - 1)], 0.0
        dt_s = self._t_s[i] - self._t_s[i - 1]
        speed_mm_s = (self._mm[i] - self._mm[i - 1]) / dt_s
        return self._mm[i - 1] + speed_mm_s * (elapsed_s - self._t_s[i - 1]), speed_mm_s


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """A last line that was cut off (power, kill) ends them."""
    *whole, last = path.read_text(encoding="utf-8").split("\n")
    lines = [json.loads(line) for line in whole]
    with suppress(ValueError):
        lines.append(json.loads(last))
    return lines


def _read_mcap(path: Path) -> list[dict[str, Any]]:
    from pipeline.recording.reading import McapRecording  # its library is not for every line

    return [motion.model_dump() for motion in McapRecording(path).motion()]


class PlayedSource:
    """A course run off from its beginning, or after a restart from where it was."""

    fault = trouble = ""
    refused = 0

    def __init__(self, course: Course, elapsed_s: float = 0.0) -> None:
        self._course = course
        self.name = course.name
        self._elapsed_ns = int(elapsed_s * 1e9)
        self._read_ns: int | None = None

    @property
    def kept(self) -> Elapsed:
        """What a restart goes on from."""
        return Elapsed(elapsed_s=self._elapsed_ns / 1e9)

    def read(self, now_ns: int, held: bool) -> tuple[float, float, int]:
        """Position in mm, speed in mm/s, now."""
        if not held and self._read_ns is not None:
            self._elapsed_ns += now_ns - self._read_ns
        self._read_ns = now_ns
        return *self._course.at(self._elapsed_ns / 1e9), now_ns

    def close(self) -> None:
        """Nothing to release."""
