"""Whether good cloth still looks as it did at calibration: brightness, texture and scores (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from calibration.threshold import GoodLook

Look = tuple[float, float, float]
"""Level, texture, highest score as a share of its threshold."""
BASE = 200
"""Passed frames that make the reference where the card has none; a new style begins a new one."""
RECENT = 50
LEVEL_SHARE, TEXTURE_SHARE = 0.15, 0.25
"""So much brighter or darker, or less or more textured (out of focus, dirt, vibration), is told."""
SCORE_SHARE = 0.5
"""Or so much of the way from the usual score to the threshold."""


class Drift:
    """One camera's; it warns and changes no verdict."""

    def __init__(self, good: GoodLook | None = None) -> None:
        self._of_card: Look | None = None
        if good is not None and good.level is not None and good.texture is not None:
            self._of_card = good.level, good.texture, good.share
        self._usual = self._of_card
        self._style: str | None = None
        self._base: list[Look] = []
        self._recent: list[Look] = []
        self.warning = ""
        """What has drifted, or empty; made anew every RECENT frames, so that it does not flicker."""

    def add(self, style: str, seen: Look) -> None:
        """A frame that passed."""
        if style != self._style:
            self._style, self._base, self._usual = style, [], self._of_card
            self._recent, self.warning = [], ""
        if self._usual is None:
            self._base.append(seen)
            if len(self._base) == BASE:
                self._usual, self._base = middle(self._base), []
        else:
            self._recent.append(seen)
            if len(self._recent) == RECENT:
                self.warning, self._recent = _drifted(self._usual, middle(self._recent)), []


def _drifted(usual: Look, now: Look) -> str:
    (level, texture, score), (level_now, texture_now, score_now) = usual, now
    found = looks(level, texture, level_now, texture_now, 1.0)
    if score_now - score > SCORE_SHARE * (1 - score):
        found.append(f"scores of good cloth up from {score:.0%} to {score_now:.0%} of the threshold")
    return ", ".join(found)


def looks(level: float, texture: float, level_now: float, texture_now: float, times: float) -> list[str]:
    """In what a picture's look differs by more than so many times what is told as drift."""
    pairs = (("brightness", level, level_now, LEVEL_SHARE), ("texture", texture, texture_now, TEXTURE_SHARE))
    return [
        f"{name} {now / max(usual, 1e-6) - 1:+.0%}"
        for name, usual, now, most in pairs
        if abs(now - usual) > times * most * usual
    ]


def middle(seen: Sequence[Look]) -> Look:
    """The median of each."""
    level, texture, score = (median(values) for values in zip(*seen, strict=True))
    return level, texture, score
