"""Acceptance of an update: the records of the same footage through what is in force and through what is to replace it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from pipeline.cloth.joining import Defect, Joiner
from pipeline.ledger.crops import kept_path
from pipeline.ledger.reading import read_runs, read_verdicts
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.roll import find_defects

Frame = tuple[str, int | None]
"""Camera and number: the same footage has the same."""


@dataclass(frozen=True)
class Record:
    """What one side judged: its model, its verdicts, and the pictures that were kept of frames with a defect."""

    model: Path
    verdicts: Mapping[Frame, Verdict]
    pictures: Mapping[Frame, Path]

    @property
    def defects(self) -> list[Defect]:
        """Joined from frame to frame."""
        return find_defects(v for v in self.verdicts.values() if v.result is Result.DEFECT)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Flip(_Row):
    """A frame on which the two differ, and the crop that the side which found a defect has kept."""

    camera: str
    frame: int | None
    origin: str
    a: Result
    b: Result
    score_a: float | None
    score_b: float | None
    picture: Path | None


class ScoreShift(_Row):
    """How far scores moved, over the frames that both sides scored; null where there are none."""

    q50: float | None
    q99: float | None
    most: float | None
    frames: int


class DefectCounts(_Row):
    """Joined defects of each side, and those that touch nothing which the other side found in the same frame."""

    a: int
    b: int
    only_a: int
    only_b: int


class Comparison(_Row):
    """Whether B may take A's place, and what differs, as `--json` prints it."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    accepted: bool
    a: Path
    b: Path
    out: Path
    """Folder of both records."""
    frames: int
    flips: tuple[Flip, ...]
    score_shift: ScoreShift
    defects: DefectCounts


def read_record(folder: Path, model: Path) -> Record:
    """The last run of a folder, judged with `model`; InputError where there is none."""
    ledger = folder / "ledger.sqlite"
    verdicts = {(v.camera, v.seq): v for v in read_verdicts(ledger)}
    return Record(model, verdicts, kept_pictures(folder, next(reversed(read_runs(ledger))), verdicts))


def kept_pictures(folder: Path, run_id: str, verdicts: Mapping[Frame, Verdict]) -> dict[Frame, Path]:
    """Of each frame with a defect the picture that was kept of it: a defect in many frames has one."""
    joiner = Joiner()
    touched = {frame: joiner.add(v)[0][:1] for frame, v in verdicts.items() if v.result is Result.DEFECT}
    crops = {frame: kept_path(folder, run_id, defect.final) for frame, defects in touched.items() for defect in defects}
    return {frame: crop for frame, crop in crops.items() if crop is not None}


def compare_records(a: Record, b: Record, out: Path, flips: int = 0, shift: float | None = None) -> Comparison:
    """Accepts B where at most `flips` verdicts differ, and 99 of 100 scores moved by no more than `shift` (None: any).

    Raises InputError where the two did not judge the same frames.
    """
    if a.verdicts.keys() != b.verdicts.keys():
        lone = len(a.verdicts.keys() ^ b.verdicts.keys())
        raise InputError(f"{lone} frames in one record only, SOURCE, compare it again unchanged")
    pairs = {frame: (ours, b.verdicts[frame]) for frame, ours in a.verdicts.items()}
    differing = tuple(_flip(a, b, frame) for frame, (ours, theirs) in pairs.items() if ours.result is not theirs.result)
    moved = _score_shift([abs(x.score - y.score) for x, y in pairs.values() if x.score is not None and y.score is not None])
    steady = shift is None or (moved.q99 is not None and moved.q99 <= shift)
    return Comparison(
        accepted=len(differing) <= flips and steady, a=a.model, b=b.model, out=out, frames=len(pairs), flips=differing,
        score_shift=moved,
        defects=DefectCounts(a=len(a.defects), b=len(b.defects), only_a=_alone(a, b), only_b=_alone(b, a)),
    )  # fmt: skip


def _flip(a: Record, b: Record, frame: Frame) -> Flip:
    ours, theirs = a.verdicts[frame], b.verdicts[frame]
    return Flip(
        camera=ours.camera, frame=ours.seq, origin=ours.origin, a=ours.result, b=theirs.result, score_a=ours.score,
        score_b=theirs.score, picture=a.pictures.get(frame) or b.pictures.get(frame),
    )  # fmt: skip


def _score_shift(moved: list[float]) -> ScoreShift:
    q50, q99 = (float(q) for q in np.quantile(moved, [0.5, 0.99])) if moved else (None, None)
    return ScoreShift(q50=q50, q99=q99, most=max(moved, default=None), frames=len(moved))


def _alone(ours: Record, theirs: Record) -> int:
    strongest = [d.strongest for d in ours.defects]
    found = ((s.region, theirs.verdicts[s.verdict.camera, s.verdict.seq].regions) for s in strongest)
    return sum(not any(_touch(region, other) for other in others) for region, others in found)


def _touch(a: Region, b: Region) -> bool:
    return a.x0_px <= b.x1_px and b.x0_px <= a.x1_px and a.y0_px <= b.y1_px and b.y0_px <= a.y1_px
