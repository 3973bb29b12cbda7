"""Counts verdicts, metres and latencies as they are made, for screens and for the record."""

from __future__ import annotations

from collections import Counter

from pipeline.cloth.coverage import Coverage
from pipeline.messages.line import CameraCounts, Totals
from pipeline.messages.motion import Motion
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.telemetry import Percentiles

LANES_TOLD = 96
"""More lanes than this do not fit a header beside the rest of the totals; each verdict still carries its own."""


class Tally:
    """The running figures of one decision; `scaled` says of each camera whether its lengths are known."""

    def __init__(self, scaled: dict[str, bool]) -> None:
        self._scaled = scaled
        self._cameras: dict[str, Counter[str]] = {name: Counter() for name in scaled}
        self._lanes: dict[str, tuple[float, ...]] = {}
        self._last: dict[str, str] = {}
        self._reasons: Counter[str] = Counter()
        self._coverage = Coverage(list(scaled))
        self._latency = Percentiles()
        self._last_defect = ""
        self._edges_mm: dict[str, tuple[float, float]] = {}
        self.verdicts = 0
        self.frames = 0
        self.late_scores = 0
        self.duplicates = 0
        self.rejects = 0
        self.rejects_inhibited = 0
        self.rescans = 0

    def add(self, verdict: Verdict) -> None:
        """One more verdict."""
        self.verdicts += 1
        self.frames += verdict.seq is not None
        self._cameras[verdict.camera][verdict.result] += 1
        self._last[verdict.camera] = verdict.result if verdict.reason is None else verdict.reason
        if verdict.cloth_x_mm is not None:
            self._edges_mm[verdict.camera] = verdict.cloth_x_mm
        if verdict.lanes:
            self._lanes[verdict.camera] = verdict.lanes
        if verdict.latency_ms is not None:
            self._latency.add(verdict.latency_ms)
        if verdict.reason is not None:
            self._reasons[verdict.reason] += 1
        if verdict.rescan:
            self.rescans += 1
            return
        if verdict.result is Result.DEFECT:
            at = f"frame {verdict.seq}" if verdict.start_mm is None else f"{verdict.start_mm / 1000:.3f} m"
            self._last_defect = f"{verdict.camera} {at} score {verdict.score:.3f}"
        if verdict.start_mm is not None and verdict.end_mm is not None:
            judged = verdict.result is not Result.NOT_INSPECTED
            self._coverage.add(verdict.camera, verdict.start_mm, verdict.end_mm, judged, verdict.reason or "")

    @property
    def _width_mm(self) -> float | None:
        """From the leftmost edge that any camera sees to the rightmost."""
        if not self._edges_mm:
            return None
        lefts, rights = zip(*self._edges_mm.values(), strict=True)
        return float(max(rights) - min(lefts))

    def totals(self, generation: int, waiting: int, unrecorded: int, motion: Motion | None, now_ns: int) -> Totals:
        """The figures now; `waiting` frames have no verdict yet, `unrecorded` records were dropped."""
        cover, scaled = self._coverage, any(self._scaled.values())
        lanes_told = sum(map(len, self._lanes.values())) <= LANES_TOLD
        cameras = {
            name: CameraCounts(
                frames=sum(counts.values()), passed=counts[Result.PASS], defect=counts[Result.DEFECT],
                not_inspected=counts[Result.NOT_INSPECTED],
                inspected_m=cover.per_camera_mm(name) / 1000 if self._scaled[name] else None,
                lanes=self._lanes.get(name, ()) if lanes_told else (), last=self._last.get(name, ""),
            )
            for name, counts in self._cameras.items()
        }  # fmt: skip
        together = sum(self._cameras.values(), Counter())
        return Totals(
            generation=generation, verdicts=self.verdicts, passed=together[Result.PASS], defect=together[Result.DEFECT],
            not_inspected=together[Result.NOT_INSPECTED], reasons=dict(self._reasons), late_scores=self.late_scores,
            duplicates=self.duplicates, rejects=self.rejects,
            rejects_inhibited=self.rejects_inhibited, rescans=self.rescans, waiting=waiting, unrecorded=unrecorded,
            width_mm=self._width_mm,
            inspected_m=cover.inspected_mm / 1000 if scaled else None,
            not_inspected_m=cover.not_inspected_mm / 1000 if scaled else None,
            position_mm=motion.position_mm if motion else None, speed_mm_s=motion.speed_mm_s if motion else None,
            latency_ms=self._latency.report(), cameras=cameras, last_defect=self._last_defect, t_mono_ns=now_ns,
        )  # fmt: skip
