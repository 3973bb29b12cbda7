"""Joins the regions of all cameras' frames into defects while the cloth runs, in memory that does not grow with the roll."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.messages.verdicts import Region, Verdict

GAP_CELLS, GAP_PX = 2, 16
"""Regions with less good cloth between them are one defect: what the score map tells apart, or this where cells are finer."""
LAG_MM = 5000.0
"""A defect is closed when the cloth is so much further: no camera's verdict comes so late."""
ROW_MM = 100.0
MAX_HELD = 50_000
"""Rows, rolls and open defects; more are held only when something was placed where no cloth can be, and all begins anew."""
Box = tuple[float, float, float, float]
"""From and to along the cloth, from and to across it, mm."""


@dataclass(frozen=True)
class Sighting:
    """One region of one DEFECT verdict."""

    verdict: Verdict
    index: int

    @property
    def region(self) -> Region:
        """The place."""
        return self.verdict.regions[self.index]

    @property
    def has_picture(self) -> bool:
        """Whether its frame was given to the record: where too much waits for the disk, verdicts go alone."""
        return self.verdict.cells_shape is not None

    @property
    def box_mm(self) -> Box | None:
        """The region's box of cells on the cloth; null where the scale is not known."""
        r = self.region
        if r.y0_mm is None or r.y1_mm is None or r.x0_mm is None or r.x1_mm is None:
            return None
        return r.y0_mm, r.y1_mm, r.x0_mm, r.x1_mm

    @property
    def px_mm(self) -> tuple[float, float]:
        """The size of a px along and across the cloth; needs a known scale."""
        r, (y0, y1, x0, x1) = self.region, self.box_mm or (0.0, 0.0, 0.0, 0.0)
        return (y1 - y0) / max(r.y1_px - r.y0_px, 1), (x1 - x0) / max(r.x1_px - r.x0_px, 1)

    @property
    def extent_mm(self) -> Box | None:
        """How far the defect reaches, measured finer than its cells; null where the scale is not known."""
        r, box = self.region, self.box_mm
        if box is None or r.extent_px is None:
            return box
        (py, px), (x0, y0, x1, y1) = self.px_mm, r.extent_px
        top, left = box[0] - r.y0_px * py, box[2] - r.x0_px * px
        return top + y0 * py, top + y1 * py, left + x0 * px, left + x1 * px


@dataclass(eq=False)
class Defect:
    """One place on the cloth, seen in one frame or in many, by one camera or by neighbours.

    `seen_mm` is the box around all its cells, by which it is joined. `box_mm` is around the measured extents: the defect.
    """

    number: int
    """In the order in which they were first seen."""
    strongest: Sighting
    pictured: tuple[Sighting, ...]
    """Those that were its strongest with a picture in their time, the strongest first: the disk may have only a weaker one."""
    seen_mm: Box | None
    box_mm: Box | None
    """From and to along the cloth, from and to across it; null where the scale is not known."""
    cells_mm2: float = 0.0
    sightings: int = 1
    frames: int = 1
    cameras: set[str] = field(default_factory=set)
    lanes: set[tuple[str, int]] = field(default_factory=set)
    answered: set[int] = field(default_factory=set)
    """Rules of the action table that have acted on it."""
    _last_verdict: tuple[int, int] = (-1, -1)
    joined_to: Defect | None = None
    """The older one that took this one's place."""

    @property
    def final(self) -> Defect:
        """This one, or that which took its place."""
        defect = self
        while defect.joined_to is not None:
            defect = defect.joined_to
        return defect

    @property
    def key(self) -> tuple[int, int, int]:
        """Identity within a recorded run: generation, number and region of its strongest sighting."""
        return self.strongest.verdict.generation, self.strongest.verdict.number, self.strongest.index

    @property
    def camera(self) -> str:
        """Who saw it best."""
        return self.strongest.verdict.camera

    @property
    def roll_id(self) -> str:
        """Which cloth it lies on."""
        return self.strongest.verdict.roll_id

    @property
    def size_mm(self) -> tuple[float, float] | None:
        """Length along the cloth and width across it."""
        box = self.box_mm
        return None if box is None else (box[1] - box[0], box[3] - box[2])

    @property
    def area_mm2(self) -> float | None:
        """The area of its cells, made smaller or larger as the box of its extent is."""
        if self.seen_mm is None or self.size_mm is None:
            return None
        y0, y1, x0, x1 = self.seen_mm
        whole = (y1 - y0) * (x1 - x0)
        return self.cells_mm2 * self.size_mm[0] * self.size_mm[1] / whole if whole else 0.0

    def _take(self, other: Defect) -> None:
        other.joined_to = self
        self.number = min(self.number, other.number)
        if other.strongest.region.score > self.strongest.region.score:
            self.strongest = other.strongest
        self.pictured = tuple(sorted(self.pictured + other.pictured, key=lambda s: -s.region.score))
        self.seen_mm, self.box_mm = _around(self.seen_mm, other.seen_mm), _around(self.box_mm, other.box_mm)
        self.cells_mm2 += other.cells_mm2
        self.sightings += other.sightings
        self.frames += other.frames - (self._last_verdict == other._last_verdict)
        self._last_verdict = max(self._last_verdict, other._last_verdict)
        self.cameras |= other.cameras
        self.lanes |= other.lanes
        self.answered |= other.answered


@dataclass
class _Place:
    """The box of one sighting and the defect it belongs to."""

    box: Box
    defect: Defect

    def owner(self) -> Defect:
        """The defect, also after others took its place."""
        self.defect = self.defect.final
        return self.defect


class Joiner:
    """Verdicts in, defects out; sightings whose boxes come within GAP_CELLS of each other are one defect.

    It keeps the last LAG_MM of the roll, so a streak of any length is one defect and needs no more than its last boxes. A
    roll is closed when the next one has run so far. Without a scale every region stands for itself.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], list[_Place]] = {}
        self._open: set[Defect] = set()
        self._roll = ""
        self._extent_mm: dict[str, tuple[float, float]] = {}
        self._count = 0

    @property
    def held(self) -> int:
        """Boxes and open defects in memory."""
        return sum(map(len, self._rows.values())) + len(self._open)

    def add(self, verdict: Verdict) -> tuple[list[Defect], list[Defect]]:
        """One more verdict: the defects that it touches, as they are now, and those that are now complete.

        Cloth seen again after a reverse, and the defects of a seam or the like that is not graded, are left out. A defect met
        before is the same object again, unless it was joined to an older one.
        """
        touched: dict[Defect, None] = {}
        if verdict.counts_as_defect:
            touched = dict.fromkeys(self._see(Sighting(verdict, i)) for i in range(len(verdict.regions)))
        self._roll = verdict.roll_id
        closed = [d for d in touched if d.seen_mm is None]
        if verdict.end_mm is not None:
            closed += self._advance(verdict.end_mm)
        return [d for d in touched if d.joined_to is None], closed

    def flush(self) -> list[Defect]:
        """The end: all that is open is complete, in the order in which it was first seen."""
        closed = sorted(self._open, key=lambda d: d.number)
        self._rows.clear()
        self._open.clear()
        return closed

    def _see(self, sighting: Sighting) -> Defect:
        v, box = sighting.verdict, sighting.box_mm
        lanes = set() if sighting.region.lane is None else {(v.camera, sighting.region.lane)}
        mine = Defect(
            self._count, sighting, (sighting,) if sighting.has_picture else (), box, sighting.extent_mm, cameras={v.camera},
            lanes=lanes, _last_verdict=(v.generation, v.number),
        )  # fmt: skip
        self._count += 1
        if box is None:
            return mine
        gap_y, gap_x = (max(GAP_CELLS * v.cell_px, GAP_PX) * p for p in sighting.px_mm)
        wide = box[0] - gap_y, box[1] + gap_y, box[2] - gap_x, box[3] + gap_x
        near = [p for row in _rows(v.roll_id, wide) for p in self._rows.get(row, ()) if _common_mm2(wide, p.box) >= 0]
        mine.cells_mm2 = _cells_mm2(sighting, box, max((_common_mm2(box, p.box) for p in near), default=0.0))
        owners = {p.owner() for p in near}
        if any(shown.region.score >= sighting.region.score for d in owners for shown in d.pictured[:1]):
            mine.pictured = ()
        oldest, *others = sorted(owners | {mine}, key=lambda d: d.number)
        for other in others:
            oldest._take(other)
            self._open.discard(other)
        self._open.add(oldest)
        place = _Place(box, oldest)
        for row in _rows(v.roll_id, box):
            self._rows.setdefault(row, []).append(place)
        return oldest

    def _advance(self, end_mm: float) -> list[Defect]:
        roll = self._roll
        if len(self._rows) + len(self._open) + len(self._extent_mm) > MAX_HELD:
            self._extent_mm.clear()
            return self.flush()
        first, before = self._extent_mm.get(roll, (end_mm, end_mm))
        self._extent_mm[roll] = first, max(before, end_mm)
        limit = max(before, end_mm) - LAG_MM
        if limit // ROW_MM == (before - LAG_MM) // ROW_MM:
            return []
        over = {r for r in self._extent_mm if r != roll} if limit > first else set()
        for r in over:
            del self._extent_mm[r]
        closed = [d for d in self._open if d.roll_id in over or (d.roll_id == roll and (d.seen_mm or (0, 0))[1] < limit)]
        self._open.difference_update(closed)
        for r, row in [k for k in self._rows if k[0] in over or (k[0] == roll and (k[1] + 1) * ROW_MM < limit)]:
            del self._rows[r, row]
        return sorted(closed, key=lambda d: d.number)


def _rows(roll_id: str, box: Box) -> list[tuple[str, int]]:
    return [(roll_id, row) for row in range(int(box[0] // ROW_MM), int(box[1] // ROW_MM) + 1)]


def _around(a: Box | None, b: Box | None) -> Box | None:
    if a is None or b is None:
        return a
    return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])


def _common_mm2(a: Box, b: Box) -> float:
    """The area that two boxes share; 0 where they touch, below 0 where they are apart."""
    along, across = min(a[1], b[1]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[2], b[2])
    return -1.0 if along < 0 or across < 0 else along * across


def _cells_mm2(sighting: Sighting, box: Box, known_mm2: float) -> float:
    """What a sighting adds to the area: its cells, less the share of its box that was seen before."""
    r, (py, px) = sighting.region, sighting.px_mm
    whole = (box[1] - box[0]) * (box[3] - box[2])
    cells = whole if r.cells is None else min(whole, r.cells * sighting.verdict.cell_px**2 * py * px)
    return cells * (1 - min(max(known_mm2, 0.0) / whole, 1.0)) if whole else 0.0
