"""Good cloth from the record of a run: the lane scores that `run --observe` kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calibration.good import GoodFrame, of_width
from glass_core.engines import Engine
from glass_core.errors import InputError
from glass_core.evaluation.contact_sheet import TILES_SHOWN
from glass_core.events import Note
from glass_core.pictures.exclusions import write_exclusions

VERDICTS = "verdicts.jsonl"
SECTION = "observed"


def observed(
    path: Path,
    model: Path,
    engine: Engine,
    excluded: frozenset[str],
    widths_mm: Mapping[str, float],
    report: Callable[[Note], None],
) -> list[GoodFrame]:
    """The frames of verdicts.jsonl that this model and engine scored, less cloth seen again and what was marked as a defect.

    `widths_mm`: what each camera inspected across the cloth, as far as that is known.
    """
    frames, ranked = [], []
    foreign = broken = 0
    for verdict in _read_lines(path):
        scores = verdict.get("lane_scores")
        if not scores or verdict.get("rescan"):
            continue
        key = f"{verdict['camera']}/{verdict['boot_id']}/{verdict['seq']}"
        if (verdict.get("weights_sha"), verdict.get("engine_sha")) != (engine.weights_sha, engine.sha):
            foreign += 1
        elif any(score is None for score in scores):
            broken += 1
        elif key not in excluded:
            facts: dict[str, Any] = {name: verdict.get(name) for name in ("start_mm", "end_mm", "level", "texture")}
            frame = GoodFrame(np.array(scores), camera=verdict["camera"], **facts)
            frames.append(of_width(frame, widths_mm.get(frame.camera)))
            ranked.append((max(scores), key))
    if foreign or broken:
        report(Note(f"left out: {foreign} frames scored by another model or engine, {broken} with scores not finite"))
    if not frames:
        raise InputError(f"no scores of this model by this machine's engine, {path}, observe with {model} first")
    ranked.sort(reverse=True)
    write_exclusions(model, SECTION, [(key, f"score {score:.4f}") for score, key in ranked[:TILES_SHOWN]])
    return frames


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """A last line cut short by a crash is left out, any other that is none is InputError."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            if number < len(lines):
                raise InputError(f"line {number} is not JSON, {path}, remove the line") from None
