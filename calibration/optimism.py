"""How much lower a model scores good cloth that it learned from than other good cloth: measured, and corrected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from calibration.good import GoodFrame
from calibration.limits import logit
from glass_core.pictures.split import MIN_CARD_SCORES

MOST = 0.5
"""In log odds, of the optimism that may be: at a usual tail's scale of 0.25 it makes false alarms seven times as frequent."""
_QUANTILE = 0.9
_FREEDOM = 3
"""Pictures beyond two: fewer do not tell how much pictures differ."""


class Learned(BaseModel):
    """What became of the good cloth that the model learned from.

    `optimism` is how much higher held-out pictures score, in log odds: the difference of the means of the pictures' 90 %
    quantiles of patches. `error` is its standard error, by picture; both are null where pictures are too few to tell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    frames: int
    samples: int
    """Behind the thresholds; none where they are left out."""
    optimism: float | None = None
    error: float | None = None
    raised_by: float = 0.0
    """The optimism as far as it stands out from chance; learned scores are never lowered."""
    left_out: str = ""
    """Why, in words; empty where they are used."""


def corrected(frames: Sequence[GoodFrame]) -> tuple[list[GoodFrame], Learned | None]:
    """The frames that a card may be made from, all scores finite; None where none of them was learned.

    Learned ones are raised by their optimism, shrunk by its error (positive part of James and Stein, 1961): where it is chance
    it is nearly 0. They are left out where at 95 % confidence it may be more than MOST (heads that know their cloth by heart),
    or where held-out ones are too few to tell.
    """
    unseen, learned = [f for f in frames if not f.learned], [f for f in frames if f.learned]
    if not learned:
        return unseen, None
    freedom = len(frames) - 2
    if freedom < _FREEDOM or sum(len(frame.lanes) for frame in unseen) < MIN_CARD_SCORES:
        return unseen, Learned(frames=len(learned), samples=0, left_out="held-out pictures are too few to compare with")
    high, low = ([_upper(frame) for frame in part] for part in (unseen, learned))
    optimism = float(np.mean(high) - np.mean(low))
    spread = (np.var(high) * len(high) + np.var(low) * len(low)) / freedom
    error = math.sqrt(spread * (1 / len(high) + 1 / len(low)))
    student = 1.645 + 1.52 / freedom  # the 95 % quantile of Student's t, by the first term of its expansion
    told: dict[str, Any] = {"frames": len(learned), "optimism": optimism, "error": error}
    if (most := optimism + student * error) > MOST:
        why = f"held-out pictures may score {most:.2f} higher in log odds, {MOST:g} is allowed"
        return unseen, Learned(samples=0, left_out=why, **told)
    shift = max(0.0, optimism - error**2 / optimism) if optimism > 0 else 0.0
    raised = [_raised(frame, shift) if frame.learned else frame for frame in frames]
    return raised, Learned(samples=sum(len(frame.lanes) for frame in learned), raised_by=shift, **told)


def _upper(frame: GoodFrame) -> float:
    return float(np.quantile(logit(_finest(frame)), _QUANTILE))


def _finest(frame: GoodFrame) -> NDArray[np.float64]:
    return np.asarray(frame.lanes if frame.patches is None else frame.patches, dtype=np.float64)


def _raised(frame: GoodFrame, shift: float) -> GoodFrame:
    if not shift:
        return frame
    patches = None if frame.patches is None else _up(frame.patches, shift)
    return replace(frame, lanes=_up(frame.lanes, shift), patches=patches)


def _up(scores: NDArray[np.floating], shift: float) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logit(np.asarray(scores, dtype=np.float64)) - shift)))
