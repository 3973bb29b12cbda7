"""Which millimetres of cloth were inspected: interval arithmetic in whole micrometres, so that edges meet exactly."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from pipeline.messages.reasons import Reason

Interval = tuple[int, int]


class Intervals:
    """A set of points on a line as sorted, disjoint, non-touching half-open intervals of whole numbers."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> zip[Interval]:
        return zip(self._starts, self._ends, strict=True)

    @property
    def length(self) -> int:
        """Sum of the intervals' lengths."""
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        """Unite with [start, end); what touches becomes one interval."""
        if start >= end:
            return
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def gaps(self, start: int, end: int) -> list[Interval]:
        """The parts of [start, end) that are not in the set."""
        found = []
        for i in range(bisect_right(self._ends, start), bisect_left(self._starts, end)):
            if start < self._starts[i]:
                found.append((start, self._starts[i]))
            start = self._ends[i]
        if start < end:
            found.append((start, end))
        return found

    def minus(self, other: Intervals) -> Intervals:
        """The points that are not in `other`."""
        rest = Intervals()
        for start, end in self:
            for gap in other.gaps(start, end):
                rest.add(*gap)
        return rest

    def take_below(self, limit: int) -> Intervals:
        """Cut off and return the points below `limit`."""
        below, first = Intervals(), bisect_left(self._starts, limit)
        below._starts, below._ends = self._starts[:first], self._ends[:first]
        del self._starts[:first], self._ends[:first]
        if below._ends and below._ends[-1] > limit:
            self._starts.insert(0, limit)
            self._ends.insert(0, below._ends[-1])
            below._ends[-1] = limit
        return below


class Coverage:
    """What became of every line millimetre, counted once however often it was seen.

    A millimetre is inspected when every one of `cameras` judged it. All else that any camera reported is not
    inspected, for the reason that was recorded first; NO_FRAME where a camera said nothing about it at all. What lies
    more than `keep_mm` behind the furthest position is settled into totals, so memory stays bounded on an endless
    cloth; a report from behind that point comes too late to be placed and is only added up in `behind_mm`.
    """

    def __init__(self, cameras: list[str], keep_mm: float = 10_000.0) -> None:
        if not cameras:
            raise ValueError("coverage needs at least one camera")
        self._keep = _um(keep_mm)
        self._judged = {camera: Intervals() for camera in cameras}
        self._noted = Intervals()
        self._reasons: dict[str, Intervals] = {}
        self._open_from: int | None = None
        self._furthest: int | None = None
        self._settled = False
        self._inspected = 0
        self._not_inspected: dict[str, int] = {}
        self._camera = dict.fromkeys(cameras, 0)
        self._behind = 0

    def add(self, camera: str, start_mm: float, end_mm: float, judged: bool, reason: str) -> None:
        """Report one frame or silent span of one camera; `reason` counts only where it was not judged."""
        own = self._judged[camera]
        start, end = sorted((_um(start_mm), _um(end_mm)))
        if self._settled and self._open_from is not None and start < self._open_from:
            self._behind += min(end, self._open_from) - start
            start = self._open_from
        if start >= end:
            return
        if judged:
            own.add(start, end)
        else:
            for gap in self._noted.gaps(start, end):
                self._reasons.setdefault(reason, Intervals()).add(*gap)
            self._noted.add(start, end)
        self._open_from = start if self._open_from is None else min(start, self._open_from)
        self._furthest = end if self._furthest is None else max(end, self._furthest)
        # Settling at twice the distance keeps its cost per report constant.
        if self._furthest - self._open_from > 2 * self._keep:
            self._settle(self._furthest - self._keep)

    @property
    def cameras(self) -> list[str]:
        """All that must judge."""
        return list(self._judged)

    @property
    def inspected_mm(self) -> float:
        """Judged by every camera."""
        return (self._inspected + _all(list(self._judged.values())).length) / 1000

    @property
    def not_inspected_mm(self) -> float:
        """Seen by any camera, not judged by all."""
        return sum(self._reasons_um().values()) / 1000

    @property
    def reasons_mm(self) -> dict[str, float]:
        """What was not inspected, split by reason; the sum is `not_inspected_mm`."""
        return {reason: um / 1000 for reason, um in self._reasons_um().items()}

    @property
    def behind_mm(self) -> float:
        """Reported too far behind the furthest position to be placed."""
        return self._behind / 1000

    def per_camera_mm(self, camera: str) -> float:
        """Judged by this camera."""
        return (self._camera[camera] + self._judged[camera].length) / 1000

    def not_inspected(self) -> list[tuple[float, float, str]]:
        """The stretches not inspected that are not settled yet, in order: from mm, to mm, why."""
        inspected = _all(list(self._judged.values()))
        spans = [(a, b, reason) for reason, own in self._reasons.items() for a, b in own.minus(inspected)]
        spans += [(a, b, str(Reason.NO_FRAME)) for a, b in _seen(self._judged).minus(inspected).minus(self._noted)]
        return [(a / 1000, b / 1000, reason) for a, b, reason in sorted(spans)]

    def _reasons_um(self) -> dict[str, int]:
        return _sum(self._not_inspected, _split(self._judged, self._reasons, self._noted))

    def _settle(self, limit: int) -> None:
        judged = {camera: own.take_below(limit) for camera, own in self._judged.items()}
        reasons = {reason: spans.take_below(limit) for reason, spans in self._reasons.items()}
        self._inspected += _all(list(judged.values())).length
        self._camera = _sum(self._camera, {camera: own.length for camera, own in judged.items()})
        self._not_inspected = _sum(self._not_inspected, _split(judged, reasons, self._noted.take_below(limit)))
        self._open_from, self._settled = limit, True


def _um(mm: float) -> int:
    return round(mm * 1000)


def _sum(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    return {key: a.get(key, 0) + b.get(key, 0) for key in {**a, **b}}


def _all(sets: list[Intervals]) -> Intervals:
    """The points that lie in every set."""
    common = sets[0]
    for other in sets[1:]:
        common = common.minus(common.minus(other))
    return common


def _seen(judged: dict[str, Intervals]) -> Intervals:
    """The points that any camera judged."""
    seen = Intervals()
    for own in judged.values():
        for span in own:
            seen.add(*span)
    return seen


def _split(judged: dict[str, Intervals], reasons: dict[str, Intervals], noted: Intervals) -> dict[str, int]:
    """Micrometres not inspected, by reason."""
    inspected = _all(list(judged.values()))
    lengths = {reason: spans.minus(inspected).length for reason, spans in reasons.items()}
    silent = _seen(judged).minus(inspected).minus(noted).length
    lengths[Reason.NO_FRAME] = lengths.get(Reason.NO_FRAME, 0) + silent
    return {str(reason): um for reason, um in lengths.items() if um}
