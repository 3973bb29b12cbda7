"""Whether the cloth that runs is that of the card: each roll by its first metres, and then as it goes (pure)."""

from __future__ import annotations

from statistics import median

from calibration.threshold import GoodLook, level_of, middle_lane
from pipeline.cloth.rolls import RollSpan
from pipeline.decision.drift import Drift, Look, looks, middle
from pipeline.decision.judgement import Standard
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.stages import Began
from pipeline.messages.states import Result

FIRST_MM = 2000.0
"""So much of a roll says whether it is cloth of the card."""
FAR = 2.0
"""Cloth whose look differs by so many times what is told as drift is not that of the card."""


class Likeness:
    """One camera's cloth held against the card: a roll that begins unlike it gets no PASS, a slow change is told.

    The median of a roll's first metres, as far as they have come, is compared; among them a PASS stands where it or the frame
    itself is near, and a DEFECT stays one. Once they are over, what they said holds for every frame until the next roll, or
    until the operator accepts the cloth. Without lengths there are pictures and no rolls: only drift is told.

    The same first metres tell the roll's level: where its good cloth scores higher than any of the card's, the thresholds of
    the rest of the roll are raised by the difference, as far as the card allows. Nothing else moves them, and nothing lowers
    them: below the card's thresholds nobody knows what good cloth does. Drift is held against the raised ones.
    """

    def __init__(self, before: Began | None = None) -> None:
        self.drift = Drift()
        self._good: GoodLook | None = None
        self._roll = None if before is None else RollSpan(before.roll_id, before.style, before.start_mm)
        self._first: list[Look] = []
        self._first_levels: list[float] = []
        self._first_mm = 0.0
        self._over = before is not None
        self._raised = before.raised if before else 0.0
        self.wrong = before.unlike if before else ""
        """What is unlike the card's cloth, or empty."""

    @property
    def began(self) -> Began | None:
        """What the first metres of the roll said, or a person of them: a restart goes on from there."""
        roll = self._roll if self._over else None
        if roll is None:
            return None
        return Began(
            roll_id=roll.roll_id, style=roll.style, start_mm=roll.start_mm, unlike=self.wrong, raised=self._raised
        )  # fmt: skip

    def raised(self, roll: RollSpan) -> float:
        """By how much the thresholds of a frame of that roll are raised, in log odds; 0 until its first metres are over."""
        return self._raised if self._over and roll == self._roll else 0.0

    def accept(self) -> None:
        """The operator says that this roll is what it should be."""
        if self.wrong:
            self.wrong, self._over = "", True

    def unlike(
        self, frame: Announced, scored: ScoreMap, result: Result, standard: Standard, roll: RollSpan, plain: bool
    ) -> str:
        """What speaks against the result of one more frame, or empty; `plain`: new cloth, no seam or the like."""
        if roll != self._roll:
            self._roll, self._first, self._first_levels, self._first_mm = roll, [], [], 0.0
            self._over, self._raised, self.wrong = False, 0.0, ""
        if (good := standard.good_of(frame.camera)) != self._good:
            self._good, self.drift = good, Drift(good)
        shares = sorted(score / max(standard.threshold(i), 1e-9) for i, score in enumerate(scored.lanes))
        look = None if frame.level is None or frame.texture is None else (frame.level, frame.texture)
        begins, itself_near = not self._over, False
        if look and plain:
            if begins and self._good and frame.start_mm is not None and frame.end_mm is not None:
                seen = (*look, middle_lane(shares))
                itself_near = not _unlike(self._good, seen)
                level = level_of(scored.lanes, [standard.threshold(i) for i in range(len(scored.lanes))])
                self._begin(self._good, seen, level, frame.end_mm - frame.start_mm)
            if result is Result.PASS and not self.wrong:
                self.drift.add(roll.style, (*look, shares[-1]))
        return "" if itself_near or (begins and result is Result.DEFECT) else self.wrong

    def _begin(self, good: GoodLook, seen: Look, level: float, length_mm: float) -> None:
        """One more frame of the roll's first metres."""
        self._first.append(seen)
        self._first_levels.append(level)
        self._first_mm += length_mm
        self._over = self._first_mm >= FIRST_MM
        self.wrong = _unlike(good, middle(self._first))
        if self._over:
            self._raised = good.raised_by(median(self._first_levels))
            self._first, self._first_levels = [], []


def _unlike(good: GoodLook, now: Look) -> str:
    """Look, or scores as far beyond the card's range as that is wide (at least twice or half, and not over the threshold)."""
    found = [] if good.level is None or good.texture is None else looks(good.level, good.texture, now[0], now[1], FAR)
    low, high = (max(share, 1e-6) for share in (good.middle_shares[0], good.middle_shares[2]))
    beyond = max(high / low, 2.0)
    if not low / beyond <= now[2] <= max(high, min(high * beyond, 1.0)):
        found.append(f"scores at {now[2]:.2g} of the threshold instead of {low:.2g} to {high:.2g}")
    return ", ".join(found)
