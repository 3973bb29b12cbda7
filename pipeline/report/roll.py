"""What a run amounts to: the figures, and the defects as places on the roll."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.cloth.coverage import Coverage
from pipeline.cloth.joining import Defect, Joiner
from pipeline.ledger.lost import Missing, read_missing, read_spans
from pipeline.ledger.reading import read_cameras, read_runs, read_totals, read_verdicts
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict

JUDGED = (Result.PASS, Result.DEFECT)
KEEP_ALL_MM = 1e9
"""A finished run is measured whole: its stretches stay apart, for the list of those that were not inspected."""


class Summary(BaseModel):
    """The figures of one run, as `--json` prints them; lengths are null where the scale is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    frames: int
    verdicts: int
    passed: int = Field(alias="pass")
    defect: int
    not_inspected: int
    reasons: dict[str, int]
    late_scores: int
    tiles: int
    inspected_m: float | None
    not_inspected_m: float | None
    frames_per_s: float | None
    tiles_per_s: float | None
    latency_ms: dict[str, float | None]
    defects: int
    model_sha: str
    card_sha: str
    out: str


@dataclass(frozen=True)
class Metres:
    """Line millimetres: judged by every camera, not so by reason, and judged by each camera."""

    inspected_mm: float
    not_inspected_mm: float
    reasons_mm: dict[str, float]
    cameras_mm: dict[str, float]


@dataclass
class Cover:
    """What became of one roll's millimetres, and where its first and last lie."""

    coverage: Coverage
    start_mm: float = math.inf
    end_mm: float = -math.inf


@dataclass(frozen=True)
class Covered:
    """What became of a run's cloth: read once, as a long run has many verdicts."""

    cameras: dict[str, tuple[int, int]]
    """Each camera that has verdicts: its frames, and how many have a known place."""
    rolls: dict[str, Cover] | None
    """In their order; null where the scale of any camera is unknown."""
    lost: tuple[tuple[str, str, float, float], ...]
    """Camera, roll, from mm, to mm of the cloth whose record is lost."""
    missing: Missing

    @property
    def metres(self) -> Metres | None:
        """Summed over the rolls; null as they are."""
        if self.rolls is None:
            return None
        covers = [r.coverage for r in self.rolls.values()]
        reasons: Counter[str] = Counter()
        for cover in covers:
            reasons.update(cover.reasons_mm)
        return Metres(
            inspected_mm=sum(c.inspected_mm for c in covers),
            not_inspected_mm=sum(c.not_inspected_mm for c in covers),
            reasons_mm=dict(reasons),
            cameras_mm={name: sum(c.per_camera_mm(name) for c in covers) for name in covers[0].cameras},
        )


def read_covered(ledger: Path, run_id: str | None = None) -> Covered:
    """What became of the cloth of a run (default: the last); InputError where there is none.

    Every camera of the configuration must have judged a millimetre, also one that never came up.
    """
    runs = read_runs(ledger)
    config = runs.get(run_id or next(reversed(runs), ""), {}).get("config") or {}
    seen = read_cameras(ledger, run_id)
    cameras = sorted({*seen, *(c["name"] for c in config.get("cameras", []))})
    rolls, lost = dict[str, Cover](), list[tuple[str, str, float, float]]()
    for camera, roll_id, start_mm, end_mm, result, reason in read_spans(ledger, run_id):
        cover = rolls.setdefault(roll_id, Cover(Coverage(cameras, KEEP_ALL_MM)))
        cover.coverage.add(camera, start_mm, end_mm, result in JUDGED, reason or "")
        cover.start_mm, cover.end_mm = min(cover.start_mm, start_mm), max(cover.end_mm, end_mm)
        if reason == Reason.RECORD_LOST:
            lost.append((camera, roll_id, start_mm, end_mm))
    scaled = not any(frames and not placed for frames, placed in seen.values())
    return Covered(seen, rolls if rolls and scaled else None, tuple(lost), read_missing(ledger, run_id))


def find_defects(verdicts: Iterable[Verdict]) -> list[Defect]:
    """The defects of a run, in the order of the cloth (of the verdicts where lengths are not known)."""
    joiner, defects = Joiner(), list[Defect]()
    for verdict in verdicts:
        defects += joiner.add(verdict)[1]
    defects += joiner.flush()
    return sorted(defects, key=lambda d: (d.box_mm or (math.inf,), d.number))


def summarise(ledger: Path, run_id: str | None = None, covered: Covered | None = None) -> Summary:
    """The figures of a run (default: the last one in the ledger); InputError where there is none.

    A verdict whose record is lost counts as NOT_INSPECTED, for RECORD_LOST. `covered`: of that run, where it was read already.
    """
    runs, covered = read_runs(ledger), covered or read_covered(ledger, run_id)
    facts = runs.get(run_id or next(reversed(runs), ""), {})
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    latency_ms = array("d")
    found: list[Verdict] = []
    first_ns: int | None = None
    last_ns: int | None = None
    model_sha, card_sha = facts.get("weights_sha") or "", facts.get("card_sha") or ""
    for verdict in read_verdicts(ledger, run_id):
        if verdict.reason is Reason.RECORD_LOST:
            continue  # it stands for those that fell out, and their numbers are missing
        counts.update(["verdicts", verdict.result])
        counts["tiles"] += verdict.tiles
        model_sha, card_sha = verdict.weights_sha or model_sha, verdict.card_sha or card_sha
        if verdict.reason is not None:
            reasons[verdict.reason] += 1
        if verdict.seq is not None:
            counts["frames"] += 1
            first_ns = verdict.t_mono_ns if first_ns is None else first_ns
            last_ns = verdict.t_mono_ns
        if verdict.latency_ms is not None:
            latency_ms.append(verdict.latency_ms)
        if verdict.result is Result.DEFECT:
            found.append(verdict)
    if lost := covered.missing.records.get("verdicts", 0) - covered.missing.counted:
        counts.update({"verdicts": lost, Result.NOT_INSPECTED: lost})
        reasons[Reason.RECORD_LOST] += lost
    seconds = 0.0 if first_ns is None or last_ns is None else (last_ns - first_ns) / 1e9
    # The work on the first frame lies before its verdict, so the time spans one frame less than there are.
    per_s = (counts["frames"] - 1) / counts["frames"] / seconds if seconds else None
    metres = covered.metres
    return Summary.model_validate({
        "frames": counts["frames"], "verdicts": counts["verdicts"], "pass": counts[Result.PASS],
        "defect": counts[Result.DEFECT], "not_inspected": counts[Result.NOT_INSPECTED], "reasons": dict(reasons),
        "late_scores": sum(t.late_scores for t in read_totals(ledger, run_id)), "tiles": counts["tiles"],
        "inspected_m": round(metres.inspected_mm / 1000, 6) if metres else None,
        "not_inspected_m": round(metres.not_inspected_mm / 1000, 6) if metres else None,
        "frames_per_s": round(counts["frames"] * per_s, 3) if per_s else None,
        "tiles_per_s": round(counts["tiles"] * per_s, 3) if per_s else None,
        "latency_ms": _percentiles(latency_ms), "defects": len(find_defects(found)),
        "model_sha": model_sha, "card_sha": card_sha, "out": str(ledger.parent),
    })  # fmt: skip


def _percentiles(values: array[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None, "p99": None}
    p50, p95, p99 = np.percentile(np.frombuffer(values), [50, 95, 99])
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "p99": round(float(p99), 3)}
