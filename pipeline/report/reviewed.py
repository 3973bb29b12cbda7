"""Good cloth and known defects from a run that people have reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.good import GoodFrame, of_width
from calibration.threshold import ThresholdCard
from glass_core.engines import Engine
from glass_core.errors import InputError
from pipeline.cloth.joining import Defect, Joiner
from pipeline.decision.judgement import Standard, standard_of
from pipeline.ledger.dispositions import FALSE_ALARMS, Key
from pipeline.ledger.reading import read_defect_verdicts, read_verdicts
from pipeline.ledger.widths import inspected_widths_mm
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.report.sheet import DefectRow, RunSheet, read_sheet


class DefectsWouldPass(Exception):
    """A defect that people confirmed would not be signalled by the new thresholds."""


@dataclass(frozen=True)
class Reviewed:
    """A run with a word on every defect: frames without a defect, and the defects that people confirmed."""

    folder: Path
    frames: list[GoodFrame]
    known: list[tuple[DefectRow, Defect]]

    def replay(self, card: ThresholdCard) -> None:
        """Raises DefectsWouldPass where the strongest place of a known defect is not above its lane's threshold."""
        standard = standard_of(card)
        assert standard is not None
        lost = [row for row, defect in self.known if not _signalled(defect, standard)]
        if lost:
            first = lost[0]
            at = "" if first.at_m is None else f" at {first.at_m:.3f} m"
            others = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            raise DefectsWouldPass(
                f"defect {first.number}{at} (score {first.score:.4f}){others} would pass at thresholds from "
                f"{min(card.thresholds):.4f}, {self.folder}, allow more false alarms "
                "(--false-alarms-per-100-m2) or train longer; the card stays as it was"
            )


def reviewed(folder: Path, engine: Engine) -> Reviewed:
    """The last run of a folder, as far as this engine scored it; InputError where a defect has no word yet, or nothing is left.

    A frame is good that passed, or of which everything that was signalled was found acceptable or lint.
    """
    ledger = folder / "ledger.sqlite"
    sheet, defects = read_sheet(ledger)
    if sheet.waiting:
        raise InputError(
            f"{len(sheet.waiting)} defects without a word, {folder}, say what they are with `glassline review {folder}`"
        )
    words = {row.key: row.disposition for row in sheet.rows.values()}
    cleared, frames = _cleared(ledger, sheet, words), list[GoodFrame]()
    widths_mm = inspected_widths_mm(folder, engine.definition.inspect_x_px)
    for v in read_verdicts(ledger, sheet.run_id):
        if not v.lanes or v.rescan:
            continue
        if not _is_by(v, engine):  # a roll of another style
            continue
        if v.result is Result.PASS or (v.generation, v.number) in cleared:
            frame = GoodFrame(np.array(v.lanes), v.camera, v.start_mm, v.end_mm, v.level, v.texture)
            frames.append(of_width(frame, widths_mm.get(v.camera)))
    by_key = {defect.key: defect for defect in defects}
    rows = [row for row in sheet.rows.values() if row.disposition not in FALSE_ALARMS]
    known = [(row, by_key[row.key]) for row in rows if _is_by(by_key[row.key].strongest.verdict, engine)]
    if not frames:
        raise InputError(f"no good frame of this model and engine, {folder}, review a run of this model on this machine")
    return Reviewed(folder, frames, known)


def _is_by(verdict: Verdict, engine: Engine) -> bool:
    return (verdict.weights_sha, verdict.engine_sha) == (engine.weights_sha, engine.sha)


def _cleared(ledger: Path, sheet: RunSheet, words: dict[Key, str | None]) -> set[tuple[int, int]]:
    """The DEFECT verdicts of which nothing is a defect; joined as the sheet's defects were, so that these have the words."""
    joiner = Joiner()
    shown = [(v, joiner.add(v)[0]) for v in read_defect_verdicts(ledger, sheet.run_id)]
    return {
        (v.generation, v.number)
        for v, found in shown
        if v.counts_as_defect  # what lies in a seam is nobody's to review
        and v.regions_total <= len(v.regions)  # more than are on record: not all of it has a word
        and all(words[defect.final.key] in FALSE_ALARMS for defect in found)
    }


def _signalled(defect: Defect, standard: Standard) -> bool:
    region = defect.strongest.region
    threshold = max(standard.thresholds) if region.lane is None else standard.threshold(region.lane)
    return region.score > threshold
