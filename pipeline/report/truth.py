"""Found, missed, not inspected, falsely signalled: the defects of a run against those known to be in the cloth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from pipeline.cloth.joining import Defect
from pipeline.ledger.tables import SpanRow
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result


class Injected(BaseModel):
    """A defect known to be in the cloth that a camera saw, as a box on the cloth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    camera: str
    kind: str
    y0_mm: float
    y1_mm: float
    x0_mm: float
    x1_mm: float
    strength: float = 1.0


@dataclass(frozen=True)
class Comparison:
    """For each injected defect the defects that lie on it; and those that lie on none."""

    injected: tuple[Injected, ...]
    hits: tuple[tuple[Defect, ...], ...]
    false_alarms: tuple[Defect, ...]
    unseen: tuple[str, ...] = ()
    """For each injected defect why its cloth was not inspected, empty where it was; none at all: all of it was."""

    @property
    def fates(self) -> list[str]:
        """What became of each injected defect: found, missed, or `not inspected: REASON`."""
        pairs = zip(self.hits, self.unseen or ("",) * len(self.hits), strict=True)
        return ["found" if hits else f"not inspected: {reason}" if reason else "missed" for hits, reason in pairs]

    @property
    def found(self) -> int:
        """Injected defects that were signalled."""
        return self.fates.count("found")

    @property
    def missed(self) -> int:
        """Injected defects whose cloth was judged, and that were not signalled."""
        return self.fates.count("missed")

    @property
    def not_inspected(self) -> int:
        """Injected defects that nobody could see, and that were not signalled."""
        return len(self.fates) - self.found - self.missed

    def kind_at(self, defect: Defect) -> str | None:
        """What lies under a defect; null: nothing."""
        pairs = zip(self.injected, self.hits, strict=True)
        return next((truth.kind for truth, hits in pairs if defect.key in {d.key for d in hits}), None)


def compare(
    defects: Sequence[Defect], injected: Sequence[Injected], margin_mm: float, spans: Iterable[SpanRow] = ()
) -> Comparison:
    """Match by place: a hit is a defect of the same camera whose box comes within `margin_mm` of the injected one.

    A defect without a place in mm can hit nothing and is a false alarm. `spans`: what became of the cloth, as `read_spans`
    gives it. Without them all cloth counts as inspected, else what its camera has judged.
    """
    known = list(spans)
    hits = tuple(tuple(d for d in defects if _meets(d, truth, margin_mm)) for truth in injected)
    hitting = {d.key for each in hits for d in each}
    false_alarms = tuple(d for d in defects if d.key not in hitting)
    return Comparison(tuple(injected), hits, false_alarms, tuple(_unseen(t, known) for t in injected if known))


def _unseen(truth: Injected, spans: Sequence[SpanRow]) -> str:
    """Why its camera did not judge the middle of a defect; empty: it did."""
    middle_mm = (truth.y0_mm + truth.y1_mm) / 2
    there = [
        (result, reason)
        for camera, _, start_mm, end_mm, result, reason in spans
        if camera == truth.camera and start_mm <= middle_mm < end_mm
    ]
    if any(result != Result.NOT_INSPECTED for result, _ in there):
        return ""
    return next((str(reason) for _, reason in there if reason), str(Reason.NO_FRAME))


def _meets(defect: Defect, truth: Injected, margin_mm: float) -> bool:
    if defect.box_mm is None or truth.camera not in defect.cameras:
        return False
    y0, y1, x0, x1 = defect.box_mm
    along = y0 - margin_mm <= truth.y1_mm and truth.y0_mm <= y1 + margin_mm
    return along and x0 - margin_mm <= truth.x1_mm and truth.x0_mm <= x1 + margin_mm
