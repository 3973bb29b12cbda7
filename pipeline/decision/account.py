"""What decision keeps for each camera, up to where each one's cloth is decided, and what it has to say of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.decision.gap import Gap
from pipeline.decision.likeness import Likeness
from pipeline.decision.matching import Matching
from pipeline.decision.pace import Pace
from pipeline.decision.seen import Seen
from pipeline.decision.silence import Silence
from pipeline.decision.terms import DecisionTerms
from pipeline.messages.stages import Decided, Mark


@dataclass
class CameraAccount:
    """One camera's cloth: where and when nothing came of it, what was judged, what was not, and whether it is the card's."""

    silence: Silence
    pace: Pace
    seen: Seen
    gap: Gap
    likeness: Likeness


def open_accounts(terms: DecisionTerms) -> dict[str, CameraAccount]:
    """An account for each camera, by its name."""
    return {name: _open_account(terms, name, terms.decided.cameras.get(name, Mark())) for name in terms.frame_mm}


def _open_account(terms: DecisionTerms, name: str, mark: Mark) -> CameraAccount:
    return CameraAccount(
        Silence(terms.frame_mm[name], mark.mm, terms.y_offset_mm.get(name, 0.0)),
        Pace(name in terms.interval_ms, terms.interval_ms.get(name), mark.t_mono_ns),
        Seen(-math.inf if mark.mm is None else mark.mm),
        Gap(terms.tolerate_not_inspected_mm),
        Likeness(mark.began),
    )


def decided(accounts: Mapping[str, CameraAccount], matching: Matching, verdicts: int) -> Decided:
    """What has its verdicts, by camera: all that was told of, less the frames that wait."""
    marks_mm = {name: a.silence.spoken_mm for name, a in accounts.items() if a.silence.spoken_mm is not None}
    marks_ns = {name: a.pace.spoken_ns for name, a in accounts.items() if a.pace.spoken_ns is not None}
    for frame in matching.frames:
        name, account = frame.camera, accounts[frame.camera]
        if frame.start_mm is not None and not account.seen.again(frame):
            marks_mm[name] = min(frame.start_mm, marks_mm[name])
        marks_ns[name] = min(max(0, int(frame.t_mono_ns - account.pace.usual_ns)), marks_ns[name])
    marks = {}
    for name in accounts:
        boot_id, next_seq, undecided = matching.spoken(name)
        marks[name] = Mark(
            mm=marks_mm.get(name),
            t_mono_ns=marks_ns.get(name),
            boot_id=boot_id,
            next_seq=next_seq,
            undecided=undecided,
            began=accounts[name].likeness.began,
        )
    return Decided(cameras={name: mark for name, mark in marks.items() if mark != Mark()}, verdicts=verdicts)


def each_says(words: Iterable[tuple[str, str]]) -> str:
    """The words of those cameras that have any."""
    return "; ".join(f"{camera}: {said}" for camera, said in words if said)
