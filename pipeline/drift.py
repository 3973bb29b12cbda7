"""Whether good cloth still looks as it did: brightness, texture and score against the beginning of its style (pure)."""

from __future__ import annotations

from statistics import median

Look = tuple[float, float, float]
"""Level, texture, score as a share of the threshold."""
BASE = 200
"""Passed frames that make the reference; a new style begins a new one."""
RECENT = 50
LEVEL_SHARE, TEXTURE_SHARE = 0.15, 0.25
"""So much brighter or darker, or less or more textured (out of focus, dirt, vibration), is told."""
SCORE_SHARE = 0.5
"""Or so much of the way from the usual score to the threshold."""


class Drift:
    """One camera's; it warns and changes no verdict."""

    def __init__(self) -> None:
        self._style: str | None = None
        self._base: list[Look] = []
        self._usual: Look | None = None
        self._recent: list[Look] = []
        self.warning = ""
        """What has drifted, or empty; made anew every RECENT frames, so that it does not flicker."""

    def add(self, style: str, level: float, texture: float, score_share: float) -> None:
        """A frame that passed: its grey level, its texture, and its score as a share of the threshold."""
        if style != self._style:
            self._style, self._base, self._usual = style, [], None
            self._recent, self.warning = [], ""
        seen = level, texture, score_share
        if self._usual is None:
            self._base.append(seen)
            if len(self._base) == BASE:
                self._usual, self._base = _middle(self._base), []
        else:
            self._recent.append(seen)
            if len(self._recent) == RECENT:
                self.warning, self._recent = _compare(self._usual, _middle(self._recent)), []


def _compare(usual: Look, now: Look) -> str:
    (level, texture, score), (level_now, texture_now, score_now) = usual, now
    found = []
    if abs(level_now - level) > LEVEL_SHARE * level:
        found.append(f"brightness {level_now / max(level, 1e-6) - 1:+.0%}")
    if abs(texture_now - texture) > TEXTURE_SHARE * texture:
        found.append(f"texture {texture_now / max(texture, 1e-6) - 1:+.0%}")
    if score_now - score > SCORE_SHARE * (1 - score):
        found.append(f"scores of good cloth up from {score:.0%} to {score_now:.0%} of the threshold")
    return ", ".join(found)


def _middle(seen: list[Look]) -> Look:
    level, texture, score = (median(values) for values in zip(*seen, strict=True))
    return level, texture, score
