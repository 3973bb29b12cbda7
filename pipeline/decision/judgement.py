"""From one frame's scores to its result: pure, and the only place where a score meets a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from calibration.limits import raised
from calibration.threshold import GoodLook, ThresholdCard
from glass_core.errors import InputError
from glass_core.pictures.tiling import Tiling
from pipeline.messages.domains import MAX_FAULT, MAX_REGIONS
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.message import Payload
from pipeline.messages.reasons import Reason
from pipeline.messages.states import FrameStatus, Result
from pipeline.messages.verdicts import Region


@dataclass(frozen=True)
class Standard:
    """The card in force: which model it belongs to and the threshold of each lane."""

    weights_sha: str
    engine_sha: str
    card_sha: str
    tiling: Tiling
    thresholds: tuple[float, ...]
    """One for each lane, or a single one for all."""
    good: dict[str, GoodLook] = field(default_factory=dict)
    """How each camera's good cloth looked; the empty name is any camera."""

    def good_of(self, camera: str) -> GoodLook | None:
        """How good cloth looked to a camera, where the card knows."""
        return self.good.get(camera, self.good.get(""))

    def threshold(self, lane: int) -> float:
        """The threshold of a lane; a lane that the card does not know is held to the strictest."""
        return self.thresholds[lane] if lane < len(self.thresholds) else min(self.thresholds)

    def raised(self, by: float) -> Standard:
        """The same with thresholds raised by so much, in log odds: for a roll whose good cloth scores higher."""
        return replace(self, thresholds=tuple(raised(each, by) for each in self.thresholds)) if by else self


def standard_of(card: ThresholdCard | None) -> Standard | None:
    """The part of a card that decision holds frames against."""
    if card is None:
        return None
    return Standard(card.weights_sha, card.engine_sha, card.sha, card.score_definition.tiling, card.thresholds, card.good)


@dataclass(frozen=True)
class Judgement:
    """A result with its grounds."""

    result: Result
    reason: Reason | None = None
    detail: str = ""
    regions: tuple[Region, ...] = ()
    regions_total: int = 0
    above_mm: tuple[float, float] | None = None
    """From and to along the cloth of all that is above its threshold, also where regions are left out."""


def judge(frame: Announced, scored: ScoreMap, payloads: tuple[Payload, ...], standard: Standard | None) -> Judgement:
    """PASS needs a finite score and every lane at or under its threshold, by the model of the card in force."""
    if scored.given_up:
        return Judgement(Result.NOT_INSPECTED, Reason.NO_SCORE, scored.fault)
    if scored.fault:
        return Judgement(Result.NOT_INSPECTED, Reason.DAMAGED, scored.fault)
    if standard is None:
        return Judgement(Result.NOT_INSPECTED, Reason.NOT_READY, "observing: no card in force")
    if (scored.weights_sha, scored.engine_sha) != (standard.weights_sha, standard.engine_sha):
        return Judgement(Result.NOT_INSPECTED, Reason.MODEL_MISMATCH, f"scored by engine {scored.engine_sha[:12]}")
    if not scored.lanes or not all(math.isfinite(s) for s in (scored.score, *scored.lanes)):
        return Judgement(Result.NOT_INSPECTED, Reason.NOT_FINITE)
    if all(s <= standard.threshold(i) for i, s in enumerate(scored.lanes)):
        return Judgement(Result.PASS)
    if scored.cells_shape is None:  # the worker's recording floor lies above this card's threshold
        return Judgement(Result.NOT_INSPECTED, Reason.MODEL_MISMATCH, "worker and decision hold different cards")
    return _defect(frame, scored, payloads, scored.cells_shape, standard)


def _defect(
    frame: Announced, scored: ScoreMap, payloads: tuple[Payload, ...], cells_shape: tuple[int, int], standard: Standard
) -> Judgement:
    cells = np.frombuffer(payloads[0], "<f4").reshape(cells_shape)
    try:
        layout = standard.tiling.layout(scored.frame_shape[0], scored.frame_shape[1], scored.inspect_x_px)
    except InputError as e:
        return Judgement(Result.NOT_INSPECTED, Reason.MODEL_MISMATCH, str(e)[:MAX_FAULT])
    if (cells_shape, len(scored.lanes)) != ((layout.rows, layout.cols), layout.lanes):
        return Judgement(Result.NOT_INSPECTED, Reason.MODEL_MISMATCH, "the scores do not fit the picture")
    if not np.isfinite(cells).all():
        return Judgement(Result.NOT_INSPECTED, Reason.NOT_FINITE)
    thresholds = np.array([standard.threshold(i) for i in range(layout.lanes)])
    sx, sy = frame.mm_per_px_x, frame.mm_per_px_y

    def across(px: int) -> float | None:
        return None if sx is None else round(frame.x_offset_mm + px * sx, 3)

    def along(px: int) -> float | None:
        return None if sy is None or frame.start_mm is None else round(frame.start_mm + px * sy, 3)

    found = layout.regions(cells, thresholds, MAX_REGIONS)
    told = tuple(
        Region(
            x0_px=r.x0_px, y0_px=r.y0_px, x1_px=r.x1_px, y1_px=r.y1_px, score=r.score, lane=r.lane, cells=r.cells,
            extent_px=tuple(round(v, 2) for v in r.extent_px),
            x0_mm=across(r.x0_px), x1_mm=across(r.x1_px), y0_mm=along(r.y0_px), y1_mm=along(r.y1_px),
        )
        for r in found.strongest
    )  # fmt: skip
    ends_mm = [along(px) for px in found.rows_px or ()]
    above_mm = (ends_mm[0], ends_mm[1]) if ends_mm and ends_mm[0] is not None and ends_mm[1] is not None else None
    return Judgement(Result.DEFECT, regions=told, regions_total=found.total, above_mm=above_mm)


def unscored(frame: Announced, worker_ready: bool, now_ns: int) -> Judgement:
    """Why a frame has no score in time."""
    if frame.status is not FrameStatus.OK:
        reason = Reason.LAMP if frame.status is FrameStatus.LAMP else Reason.DAMAGED
        return Judgement(Result.NOT_INSPECTED, reason, frame.error)
    if not worker_ready:
        return Judgement(Result.NOT_INSPECTED, Reason.NOT_READY, "the worker is not ready")
    early_ms = (frame.t_mono_ns - now_ns) / 1e6
    detail = f"its time is {early_ms:.0f} ms ahead of this machine's clock" if frame.budget_ms and early_ms > 0 else ""
    return Judgement(Result.NOT_INSPECTED, Reason.NO_SCORE if frame.sent else Reason.OVERLOAD, detail)
