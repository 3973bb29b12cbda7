"""What decision keeps for each camera, and what it has to say of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.gap import Gap
from pipeline.likeness import Likeness
from pipeline.silence import Silence
from pipeline.terms import DecisionTerms


@dataclass
class CameraAccount:
    """One camera's web: where nothing came from, what passed unjudged, and whether it is the card's cloth."""

    silence: Silence
    gap: Gap
    likeness: Likeness


def open_accounts(terms: DecisionTerms) -> dict[str, CameraAccount]:
    """An account for each camera, by its name."""
    return {
        camera: CameraAccount(
            Silence(mm, terms.seen_mm.get(camera, -math.inf), terms.y_offset_mm.get(camera, 0.0)),
            Gap(terms.tolerate_not_inspected_mm),
            Likeness(),
        )
        for camera, mm in terms.frame_mm.items()
    }


def each_says(words: Iterable[tuple[str, str]]) -> str:
    """The words of those cameras that have any."""
    return "; ".join(f"{camera}: {said}" for camera, said in words if said)
