"""A simulated roll through the line, and how well it was measured: `python -m tools.simulate_roll MODEL --out DIR`.

Nothing here came from a mill: the cloth is generated, or it is AITEX strips laid end to end at an assumed scale. Two cameras
overlap in the middle. The frames go through the line's own stages; with --live under a simulated web that changes its speed,
stops, runs back and goes on, otherwise as fast as this machine goes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from glass_core.errors import InputError, MissingError
from pipeline.config import LineConfig
from pipeline.joining import CELL_PX
from pipeline.ledger import read_defect_verdicts
from pipeline.process import run_in_one_process
from pipeline.report import Comparison, compare
from pipeline.roll import find_defects, summarise
from pipeline.sheet import read_sheet
from tools.run import operate
from tools.simulated_cloth import Cloth, aitex_cloth, weave_cloth

MARGIN_MM = 3.0
"""A defect so near a known one is that one: a cell is 1.6 mm and sees cloth around it."""
LARGE_MM = 5.0
"""Sizes are compared where the known side is longer than this."""


def line_of(
    cloth: Cloth, model: Path, out: Path, overlap_rows: int, speed_mm_s: float | None, enlargement_px: float
) -> LineConfig:
    """Two replayed cameras; a web of three speeds with a stop and a run back, where it is live."""
    length_mm = cloth.length_m * 1000
    motion = None
    if speed_mm_s:
        third_s = length_mm / 3 / speed_mm_s
        plan = [(third_s, 1.0), (2.0, 0.0), (3.0, -0.5), (third_s + 3.0, 0.5), (2 * third_s, 1.0)]
        motion = {
            "source": "simulated", "speed_mm_s": speed_mm_s,
            "segments": [{"seconds": s, "speed_mm_s": share * speed_mm_s} for s, share in plan],
        }  # fmt: skip
    return LineConfig.model_validate({
        "line": {"name": "simulated", "roll_id": "simulated"}, "model": model, "motion": motion,
        "cameras": [
            {
                "name": name, "source": "replay", "path": out / "cloth" / name, "mm_per_px_x": cloth.mm_per_px,
                "mm_per_px_y": cloth.mm_per_px, "x_offset_mm": x * cloth.mm_per_px, "inspect_x_px": inspect,
                **({"rows": cloth.rows, "overlap_rows": overlap_rows} if overlap_rows else {}),
            }
            for (name, x), inspect in zip(cloth.cameras, cloth.inspect_x_px, strict=True)
        ],
        "defects": {"enlargement_px": enlargement_px}, "decision": {"budget_ms": 5000},
        "ledger": {"path": out / "ledger.sqlite"},
    })  # fmt: skip


def spread(values: list[float]) -> dict[str, float | None]:
    """Median and 95 % within, of the absolute values."""
    if not values:
        return {"median": None, "p95": None}
    return {"median": round(float(np.median(np.abs(values))), 3), "p95": round(float(np.percentile(np.abs(values), 95)), 3)}


def errors(comparison: Comparison, px_mm: float) -> dict[str, Any]:
    """Place and size of each known defect that was found once, against what was measured."""
    along, across, sides, relative = [], [], [], []
    for truth, hits in zip(comparison.injected, comparison.hits, strict=True):
        box = hits[0].box_mm if len(hits) == 1 else None
        if box is None:
            continue
        along.append((box[0] + box[1] - truth.y0_mm - truth.y1_mm) / 2)
        across.append((box[2] + box[3] - truth.x0_mm - truth.x1_mm) / 2)
        for found, known in ((box[1] - box[0], truth.y1_mm - truth.y0_mm), (box[3] - box[2], truth.x1_mm - truth.x0_mm)):
            sides.append((found - known) / px_mm)
            if known > LARGE_MM:
                relative.append((found - known) / known)
    return {
        "position_error_along_mm": spread(along), "position_error_across_mm": spread(across),
        f"size_error_over_{LARGE_MM:g}_mm": {**spread(relative), "sides": len(relative)},
        "size_bias_px": round(float(np.median(sides)), 2) if sides else None,
        "within_10_percent_or_2_cells": round(float(np.mean([abs(s) <= 2 * CELL_PX for s in sides])), 3) if sides else None,
    }  # fmt: skip


def result_of(config: LineConfig, cloth: Cloth, seconds: float) -> dict[str, Any]:
    """Everything that was found, missed and measured."""
    ledger = config.ledger.path
    summary = summarise(ledger)
    start_s = time.perf_counter()
    defects = find_defects(read_defect_verdicts(ledger), config.defects.enlargement_px)
    joined_s = time.perf_counter() - start_s
    sheet, _ = read_sheet(ledger)
    both = [t.model_copy(update={"camera": name}) for t in cloth.truth for name, _ in cloth.cameras]
    seen = compare(defects, both, MARGIN_MM)
    hits = [tuple({d.key: d for d in (*a, *b)}.values()) for a, b in zip(seen.hits[::2], seen.hits[1::2], strict=True)]
    comparison = Comparison(cloth.truth, tuple(hits), seen.false_alarms)
    kinds: dict[str, Counter[str]] = {}
    for truth, own in zip(comparison.injected, comparison.hits, strict=True):
        kinds.setdefault(f"{truth.kind} {truth.strength:g}", Counter()).update(["found" if own else "missed"])
    slab_mm = cloth.rows * cloth.mm_per_px
    marked = {n for t in cloth.truth for n in range(int(t.y0_mm // slab_mm), int(t.y1_mm // slab_mm) + 1)}
    clean = [d for d in seen.false_alarms if d.seen_mm and int((d.seen_mm[0] + d.seen_mm[1]) / 2 // slab_mm) not in marked]
    claims = Counter(d.key for own in hits for d in own)
    grade = sheet.rolls[0].grade
    metres = summary.inspected_m or 0.0
    return {
        "schema": 1, "simulated": True, "width_mm": round(cloth.width_mm, 1), "mm_per_px": cloth.mm_per_px,
        "length_m": round(cloth.length_m, 3), "inspected_m": summary.inspected_m, "not_inspected_m": summary.not_inspected_m,
        "known": len(cloth.truth), "found": comparison.found, "missed": comparison.missed,
        "by_kind_and_strength": {k: dict(c) for k, c in sorted(kinds.items())},
        "split": sum(len(own) > 1 for own in hits), "merged": sum(n > 1 for n in claims.values()),
        "false_alarms": len(seen.false_alarms), "of_these_in_slabs_without_a_known_defect": len(clean),
        "false_alarms_per_1000_m": round(1000 * len(seen.false_alarms) / metres, 1) if metres else None,
        "enlargement_px": config.defects.enlargement_px, **errors(comparison, cloth.mm_per_px),
        "quality": grade.quality if grade else None, "per_100_m2": grade.per_100_m2 if grade else None,
        "joining_share_of_scoring": round(joined_s / seconds, 5), "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> int:
    """Prints one JSON object; exit 2 and 3 as everywhere."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, help="a RUN with its card")
    p.add_argument("--out", type=Path, required=True, help="a new folder")
    p.add_argument("--frames", type=int, default=100, help="slabs of generated cloth")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--aitex", type=Path, metavar="FABRIC", help="a folder with good/, defect/ and mask/ instead")
    p.add_argument("--mm-per-px", type=float, default=0.2, help="assumed scale of the strips")
    p.add_argument("--inspect-x-px", type=int, nargs=2, default=(352, 4096), metavar=("FROM", "TO"), help="cloth in the strips")
    p.add_argument("--enlargement-px", type=float, default=CELL_PX, help="taken off each defect's size")
    p.add_argument("--live", type=float, metavar="MM_S", help="as a live line at this speed, half of it, a stop and a run back")
    args = p.parse_args()
    console = Console(stderr=True)
    try:
        if args.out.exists() and any(args.out.iterdir()):
            raise InputError(f"folder is not empty, {args.out}, choose another --out")
        if args.aitex:
            scale, inspect = args.mm_per_px, (args.inspect_x_px[0], args.inspect_x_px[1])
            cloth, overlap_rows = aitex_cloth(args.out / "cloth", args.aitex, scale, inspect, console), 0
        else:
            cloth, overlap_rows = weave_cloth(args.out / "cloth", args.frames, args.seed, console), 32
        config = line_of(cloth, args.model, args.out, overlap_rows, args.live, args.enlargement_px)
        start_s = time.monotonic()
        if args.live:
            operate(config, observe=False, frames=2 * cloth.frames)
        else:
            with console.status("judging") as status:
                run_in_one_process(config, False, lambda: False, lambda n: status.update(f"judging, {n} verdicts"))
        print(json.dumps(result_of(config, cloth, time.monotonic() - start_s), indent=1))
    except (InputError, MissingError) as e:
        print(f"glassline: {e}", file=sys.stderr)
        return 2 if isinstance(e, InputError) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
