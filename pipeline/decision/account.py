"""What decision keeps for each camera, up to where each one's cloth is decided, and what it has to say of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.decision.gap import Gap
from pipeline.decision.likeness import Likeness
from pipeline.decision.seen import Seen
from pipeline.decision.silence import Silence
from pipeline.decision.terms import DecisionTerms
from pipeline.messages.frames import Announced


@dataclass
class CameraAccount:
    """One camera's cloth: where nothing came from, what was judged, what passed unjudged, whether it is the card's."""

    silence: Silence
    seen: Seen
    gap: Gap
    likeness: Likeness


def open_accounts(terms: DecisionTerms) -> dict[str, CameraAccount]:
    """An account for each camera, by its name."""
    return {
        camera: CameraAccount(
            Silence(mm, terms.decided_mm.get(camera), terms.y_offset_mm.get(camera, 0.0)),
            Seen(terms.decided_mm.get(camera, -math.inf)),
            Gap(terms.tolerate_not_inspected_mm),
            Likeness(),
        )
        for camera, mm in terms.frame_mm.items()
    }


def decided_mm(accounts: Mapping[str, CameraAccount], pending: Iterable[Announced]) -> dict[str, float]:
    """Up to where each camera's cloth has its verdicts, less the `pending` frames; cameras without a word are left out."""
    marks = {name: a.silence.spoken_mm for name, a in accounts.items() if a.silence.spoken_mm is not None}
    for frame in pending:
        if frame.start_mm is not None and not accounts[frame.camera].seen.again(frame):
            marks[frame.camera] = min(frame.start_mm, marks[frame.camera])
    return marks


def each_says(words: Iterable[tuple[str, str]]) -> str:
    """The words of those cameras that have any."""
    return "; ".join(f"{camera}: {said}" for camera, said in words if said)
