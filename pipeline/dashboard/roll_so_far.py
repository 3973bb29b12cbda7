"""The cloth of one roll as the page shows it: its map, its defects, and its scores against the threshold over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.cloth.joining import Defect, Joiner
from pipeline.grading import CutProposal
from pipeline.ledger.dispositions import UNKNOWN, Disposition, Key, waits_for_kind
from pipeline.ledger.proposals import ProposedKind
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.verdicts import Verdict
from pipeline.report.strips import ROWS, Strips

FIRST_MM, FIRST_FRAMES = 10_000.0, 100.0
"""So much of a roll is drawn at first; as it grows its map doubles."""
MAX_DEFECTS = 2000
"""Kept and shown; of more than that the first are left out, and counted."""
MAX_EVENTS = 200
POINTS = 240
"""Of each camera's scores over time; when there are more, each stands for twice the time."""
POINT_NS = 1_000_000_000


class Scores:
    """The highest score of each while, by camera, as a share of its lane's threshold; without a card as it is."""

    def __init__(self, cameras: Iterable[str]) -> None:
        self._point_ns = POINT_NS
        self._start_ns: int | None = None
        self._points: dict[str, list[float | None]] = {camera: [] for camera in cameras}

    def add(self, verdict: Verdict, thresholds: Sequence[float]) -> None:
        """One more verdict; one without a score leaves a hole."""
        if self._start_ns is None:
            self._start_ns = verdict.t_utc_ns
        points = self._points.setdefault(verdict.camera, [])
        if (n := (verdict.t_utc_ns - self._start_ns) // self._point_ns) < 0:
            return
        while n >= POINTS:
            self._halve()
            points, n = self._points[verdict.camera], n // 2
        points += [None] * (n + 1 - len(points))
        if verdict.score is not None and verdict.score == verdict.score:
            share = _share(verdict, thresholds)
            points[n] = max(share, points[n] or 0.0)

    def told(self) -> dict[str, Any]:
        """As JSON takes it."""
        points = {camera: [None if p is None else round(p, 3) for p in own] for camera, own in self._points.items()}
        return {"point_s": self._point_ns / 1e9, "start_s": (self._start_ns or 0) / 1e9, "points": points}

    def _halve(self) -> None:
        self._point_ns *= 2
        for camera, own in self._points.items():
            pairs = (own[i : i + 2] for i in range(0, len(own), 2))
            self._points[camera] = [max((p for p in pair if p is not None), default=None) for pair in pairs]


class RollSoFar:
    """Fed with the roll's verdicts in their order; pure, and bounded however long the roll is."""

    def __init__(
        self,
        roll: Roll | None,
        in_mm: bool,
        scales: dict[str, tuple[float | None, float]],
        thresholds: Mapping[str, Sequence[float]],
    ) -> None:
        self.roll, self._thresholds = roll, thresholds
        self._in_mm, self._scales = in_mm, scales
        self._strips: Strips | None = None
        self._joiner, self._defects = Joiner(), dict[Defect, None]()
        self._open = set[Defect]()
        self._left_out = 0
        self._scores = Scores(scales)
        self._events: dict[tuple[int, int], SpanEvent] = {}
        self._cut: CutProposal | None = None
        self._cut_from_mm = 0.0
        self.last = (-1, -1)
        """Generation and number of the last verdict."""
        self.found = 0
        """Defects so far; two that turn out to be one count twice."""

    def add(self, verdict: Verdict) -> None:
        """One more verdict; one that was told before changes nothing."""
        if (verdict.generation, verdict.number) <= self.last:
            return
        self.last = verdict.generation, verdict.number
        strips = self._strips_from(verdict)
        if strips is not None and (span := strips.span(verdict)) is not None:
            strips.reach(span[1])
            strips.add(verdict)
        self._scores.add(verdict, self._thresholds.get(verdict.style, self._thresholds.get("", ())))
        touched, closed = self._joiner.add(verdict)
        if touched or closed:
            self._keep(touched, closed)

    @property
    def events(self) -> int:
        """How many seams and the like are known."""
        return len(self._events)

    def add_event(self, event: SpanEvent) -> None:
        """A seam or the like."""
        self._events[event.generation, event.number] = event
        if len(self._events) > MAX_EVENTS:
            del self._events[next(iter(self._events))]

    def propose(self, cut: CutProposal | None, start_mm: float) -> None:
        """How it may be cut, in metres from `start_mm`: where its cloth begins need not be where it was told to begin."""
        self._cut, self._cut_from_mm = cut, start_mm

    def end(self) -> None:
        """The record ends here: no defect grows any more."""
        self._joiner.flush()
        self._open.clear()

    def defect(self, key: Key) -> Defect | None:
        """The defect of that key."""
        return next((d for d in self._defects if d.key == key and d.joined_to is None), None)

    def closed(self, defect: Defect) -> bool:
        """Nothing of it is still to come: its key is for good."""
        return defect not in self._open

    def told(self, words: Mapping[Key, Disposition], proposed: Mapping[Key, ProposedKind]) -> dict[str, Any]:
        """As JSON takes it: lengths in m from the roll's beginning, across in mm; null where the scale is not known."""
        return {
            "roll": self.roll.roll_id if self.roll else "", "style": self.roll.style if self.roll else "",
            "map": self._map(), "scores": self._scores.told(), "left_out": self._left_out,
            "cut": self._told_cut(), "found": self.found,
            "defects": [self._row(d, words.get(d.key), proposed.get(d.key)) for d in self._present()],
            "events": [
                {"kind": e.kind, "from_m": self._m(e.start_mm), "to_m": self._m(e.end_mm), "action": e.action}
                for e in self._events.values()
            ],
        }  # fmt: skip

    def _keep(self, touched: Iterable[Defect], closed: Iterable[Defect]) -> None:
        for defect in touched:
            self.found += defect not in self._defects
            self._defects[defect] = None
            self._open.add(defect)
        self._open.difference_update(closed)
        self._open = {d for d in self._open if d.joined_to is None}
        if len(self._defects) > MAX_DEFECTS:
            self._defects = dict.fromkeys(self._present())
            while len(self._defects) > MAX_DEFECTS:
                self._open.discard(gone := next(iter(self._defects)))
                del self._defects[gone]
                self._left_out += 1

    def _present(self) -> list[Defect]:
        return [d for d in self._defects if d.joined_to is None]

    def _strips_from(self, verdict: Verdict) -> Strips | None:
        """The map; it begins where the roll does, or with the first place that is told of."""
        if self._strips is None:
            blank = Strips((0.0, 0.0), self._in_mm, self._scales)
            if (span := blank.span(verdict)) is None:
                return None
            began = self.roll.start_mm if self.roll is not None and self._in_mm else None
            start = span[0] if began is None else began
            self._strips = Strips((start, start + (FIRST_MM if self._in_mm else FIRST_FRAMES)), self._in_mm, self._scales)
        return self._strips

    def _m(self, along_mm: float | None) -> float | None:
        return None if self._strips is None or along_mm is None else round(self._strips.y(along_mm), 4)

    def _told_cut(self) -> dict[str, Any] | None:
        """With the place on the map from which its metres count; null: none is proposed."""
        return None if self._cut is None else {**self._cut.model_dump(mode="json"), "map_from_m": self._m(self._cut_from_mm)}

    def _map(self) -> dict[str, Any] | None:
        if self._strips is None:
            return None
        in_place, row_m = self._strips.place(), self._strips.y(self._strips.end) / ROWS
        strips, until = list[dict[str, Any]](), 0.0
        for strip in self._strips.strips.values():
            runs = [(round(first * row_m, 4), round(end * row_m, 4), kind) for first, end, kind in strip.runs()]
            until = max(until, runs[-1][1] if runs else 0.0)
            strips.append({"camera": strip.camera, "x": strip.x, "runs": runs})
        return {"in_mm": self._in_mm, "in_place": in_place, "until": until, "strips": strips}

    def _row(self, defect: Defect, said: Disposition | None, perhaps: ProposedKind | None) -> dict[str, Any]:
        """Its middle on the map, its size, the last word on it, and what is proposed where that names no kind."""
        v = defect.strongest.verdict
        centre = self._strips.centre(defect) if self._strips is not None else None
        box = defect.box_mm
        return {
            "key": defect.key, "camera": defect.camera, "score": round(defect.strongest.region.score, 3),
            "at": None if centre is None else [round(centre[0], 2), round(centre[1], 4)],
            "from_m": None if box is None else self._m(box[0]),
            "size_mm": None if box is None else [round(box[1] - box[0], 1), round(box[3] - box[2], 1)],
            "frame": v.seq, "t_s": round(v.t_utc_ns / 1e9, 1), "closed": self.closed(defect),
            "word": said.word if said else None, "kind": said.kind if said else None, "by": said.by if said else None,
            "perhaps": [perhaps.kind or UNKNOWN, perhaps.confidence] if perhaps and waits_for_kind(said) else None,
        }  # fmt: skip


def _share(verdict: Verdict, thresholds: Sequence[float]) -> float:
    """A verdict's highest score as a share of what its lane allows."""
    assert verdict.score is not None
    if not thresholds:
        return verdict.score
    if len(thresholds) == len(verdict.lanes):
        return max((s / t for s, t in zip(verdict.lanes, thresholds, strict=True) if s == s), default=0.0)
    return verdict.score / min(thresholds)
