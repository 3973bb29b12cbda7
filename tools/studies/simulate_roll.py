"""A simulated roll through the line, and how well it was measured: `python -m tools.studies.simulate_roll MODEL --out DIR`.

Nothing here came from a mill: the cloth is generated, or it is AITEX strips laid end to end at an assumed scale; half-way a
seam is drawn into it. Two cameras overlap in the middle. The frames go through the line's own stages; with --live on a line
whose cloth an encoder counts (15 bits, by UDP) while it changes its speed, stops, runs back and goes on, otherwise as fast as
this machine goes. A replayed camera does not take cloth again that runs back.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from calibration.threshold import ThresholdCard, load_card
from glass_core.errors import InputError
from pipeline.cloth.joining import Box
from pipeline.config.line import LineConfig
from pipeline.config.motion import SimulatedMotion
from pipeline.ledger.lost import read_spans
from pipeline.ledger.reading import read_defect_verdicts, read_events
from pipeline.messages.line import Totals
from pipeline.messages.states import EventKind
from pipeline.motion.played import SimulatedCourse
from pipeline.report import Comparison, compare
from pipeline.report.roll import find_defects, summarise
from pipeline.report.sheet import read_sheet
from pipeline.supervision.process import run_in_one_process
from pipeline.supervision.supervisor import Supervisor
from tools.cli import one_line
from tools.studies.simulated_cloth import Cloth, aitex_cloth, weave_cloth
from tools.verbs.out import add_out, claimed_out

MARGIN_MM = 3.0
"""A defect so near a known one is that one: a cell is 1.6 mm and sees cloth around it."""
LARGE_MM = 5.0
"""Sizes are compared where the known side is longer than this."""
COUNTS_PER_MM, BITS, MAX_MM_S = 10, 15, 1000
PATIENCE_S = 120.0
"""Beyond the time that the cloth's course takes."""


class Encoder:
    """A counter on the cloth's shaft that tells its count as datagrams; it turns from the first `tell(turning=True)` on."""

    def __init__(self, course: SimulatedCourse, port: int) -> None:
        self._course, self._to, self._began_s = course, ("127.0.0.1", port), math.inf
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def tell(self, turning: bool) -> None:
        """The count now."""
        now_s = time.monotonic()
        self._began_s = min(self._began_s, now_s) if turning else math.inf
        position_mm, _ = self._course.at(max(0.0, now_s - self._began_s))
        self._socket.sendto(str(int(position_mm * COUNTS_PER_MM) % 2**BITS).encode(), self._to)

    def close(self) -> None:
        """Tell nothing more."""
        self._socket.close()


def free_port() -> int:
    """For datagrams, on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def course_of(cloth: Cloth, speed_mm_s: float) -> SimulatedMotion:
    """Two speeds with a stop and a run back between them, and on to the end."""
    third_s = cloth.length_m * 1000 / 3 / speed_mm_s
    plan = [(third_s, 1.0), (2.0, 0.0), (3.0, -0.5), (third_s + 3.0, 0.5), (2 * third_s, 1.0)]
    return SimulatedMotion.model_validate({
        "source": "simulated", "speed_mm_s": 0,
        "segments": [{"seconds": s, "speed_mm_s": share * speed_mm_s} for s, share in plan],
    })  # fmt: skip


def line_of(cloth: Cloth, model: Path, out: Path, overlap_rows: int, port: int | None) -> LineConfig:
    """Two replayed cameras; cloth with an encoder at that UDP port where it is live."""
    motion = None
    if port is not None:
        motion = {
            "source": "udp", "listen": f"127.0.0.1:{port}", "counts_per_mm": COUNTS_PER_MM, "bits": BITS,
            "max_speed_mm_s": MAX_MM_S,
        }  # fmt: skip
    return LineConfig.model_validate({
        "line": {
            "name": "simulated", "roll_id": "simulated",
            "events": {"transverse": "SEAM", "transverse_most_mm": 20},  # a strip that is high all over is none
        },
        "model": model, "motion": motion,
        "cameras": [
            {
                "name": name, "source": "replay", "path": out / "cloth" / name, "mm_per_px_x": cloth.mm_per_px,
                "mm_per_px_y": cloth.mm_per_px, "x_offset_mm": x * cloth.mm_per_px, "inspect_x_px": inspect,
                **({"rows": cloth.rows, "overlap_rows": overlap_rows} if overlap_rows else {}),
            }
            for (name, x), inspect in zip(cloth.cameras, cloth.inspect_x_px, strict=True)
        ],
        "decision": {"budget_ms": 5000}, "ledger": {"path": out / "ledger.sqlite"},
    })  # fmt: skip


def run_live(config: LineConfig, motion: SimulatedMotion, port: int, console: Console) -> None:
    """The whole line until its sources are at their end; InputError where they do not get there."""
    encoder = Encoder(SimulatedCourse(motion), port)
    end_s = math.inf
    try:
        with Supervisor(config) as line, console.status("starting") as status:
            while not line.ended:
                line.step()
                encoder.tell(line.ready)
                if math.isinf(end_s) and line.ready:
                    end_s = time.monotonic() + sum(s.seconds for s in motion.segments) + PATIENCE_S
                if time.monotonic() > end_s:
                    raise InputError("the roll did not get to its end, the line, try a lower --live speed")
                while received := line.events.receive():
                    if isinstance(received[0], Totals):
                        status.update(f"running, {received[0].verdicts} verdicts, at {received[0].position_mm or 0:.0f} mm")
    finally:
        encoder.close()


def spread(values: list[float]) -> dict[str, float | None]:
    """Median and 95 % within, of the absolute values."""
    if not values:
        return {"median": None, "p95": None}
    return {"median": round(float(np.median(np.abs(values))), 3), "p95": round(float(np.percentile(np.abs(values), 95)), 3)}


def errors(comparison: Comparison, px_mm: float, cell_mm: float) -> dict[str, Any]:
    """Place and size of each known defect that was found once, against what was measured, beside what is asked for."""
    along, across, relative, bias_px = list[float](), list[float](), list[float](), list[float]()
    within: dict[str, list[bool]] = {}
    for truth, hits in zip(comparison.injected, comparison.hits, strict=True):
        box = hits[0].box_mm if len(hits) == 1 else None
        if box is None:
            continue
        along.append((box[0] + box[1] - truth.y0_mm - truth.y1_mm) / 2)
        across.append((box[2] + box[3] - truth.x0_mm - truth.x1_mm) / 2)
        for found, known in ((box[1] - box[0], truth.y1_mm - truth.y0_mm), (box[3] - box[2], truth.x1_mm - truth.x0_mm)):
            if known > LARGE_MM:
                relative.append((found - known) / known)
                bias_px.append((found - known) / px_mm)
                right = abs(found - known) <= max(0.1 * known, 2 * cell_mm)
                within.setdefault(truth.kind, []).append(right)
    every = [right for own in within.values() for right in own]
    asked_mm = max(2.0, 2 * cell_mm)
    return {
        "position_error_along_mm": {**spread(along), "asked": round(asked_mm + px_mm, 3)},
        "position_error_across_mm": {**spread(across), "asked": round(asked_mm, 3)},
        f"size_error_over_{LARGE_MM:g}_mm": {
            **spread(relative), "sides": len(relative), "bias_px": round(float(np.median(bias_px)), 2) if bias_px else None,
            "within_10_percent_or_2_cells": round(float(np.mean(every)), 3) if every else None,
            "of_each_type": {kind: f"{sum(own)} of {len(own)}" for kind, own in sorted(within.items())},
        },
    }  # fmt: skip


def allowed_per_100_m2(card: ThresholdCard, cloth: Cloth) -> dict[str, float | bool]:
    """False alarms in 100 m2 by the card: its budget, and what it expects; of this roll's frames where it counts those."""
    share = 1.0
    if card.per != "100 m2":
        tiling = card.score_definition.tiling
        lanes = sum(tiling.layout(cloth.rows, cloth.camera_px, x).lanes for x in cloth.inspect_x_px)
        slab_m2 = cloth.width_mm * cloth.rows * cloth.mm_per_px / 1e6
        share = lanes / len(card.lane_samples) * 100 / slab_m2 / 1000
    return {
        "budget": round(card.false_alarms.budget * share, 1),
        "expected": round(card.false_alarms.expected * share, 1), "provisional": card.provisional,
    }  # fmt: skip


def result_of(config: LineConfig, cloth: Cloth, seconds: float) -> dict[str, Any]:
    """Everything that was found, missed and measured."""
    assert config.model is not None
    card = load_card(config.model)
    assert card is not None
    ledger = config.ledger.path
    summary = summarise(ledger)
    defects = find_defects(read_defect_verdicts(ledger))
    sheet, _ = read_sheet(ledger)
    both = [t.model_copy(update={"camera": name}) for t in cloth.truth for name, _ in cloth.cameras]
    seen = compare(defects, both, MARGIN_MM, read_spans(ledger))
    hits = [tuple({d.key: d for d in (*a, *b)}.values()) for a, b in zip(seen.hits[::2], seen.hits[1::2], strict=True)]
    unseen = [a and b for a, b in zip(seen.unseen[::2], seen.unseen[1::2], strict=True)]  # by neither camera
    comparison = Comparison(cloth.truth, tuple(hits), seen.false_alarms, tuple(unseen))
    kinds: dict[str, Counter[str]] = {}
    for truth, fate in zip(comparison.injected, comparison.fates, strict=True):
        kinds.setdefault(truth.kind, Counter()).update([fate])
    slab_mm = cloth.rows * cloth.mm_per_px
    marked = {n for t in cloth.truth for n in range(int(t.y0_mm // slab_mm), int(t.y1_mm // slab_mm) + 1)}
    clean = [d for d in seen.false_alarms if d.seen_mm and int((d.seen_mm[0] + d.seen_mm[1]) / 2 // slab_mm) not in marked]
    seams = [e for e in read_events(ledger) if e.kind is EventKind.SEAM]

    def on_seam(box_mm: Box | None) -> bool:
        return box_mm is not None and box_mm[0] <= cloth.seam_mm <= box_mm[1]

    claims = Counter(d.key for own in hits for d in own)
    grade = sheet.rolls[0].grade
    seen_m2 = (summary.inspected_m or 0.0) * cloth.width_mm / 1000
    return {
        "schema": 1, "simulated": True, "width_mm": round(cloth.width_mm, 1), "mm_per_px": cloth.mm_per_px,
        "length_m": round(cloth.length_m, 3), "inspected_m": summary.inspected_m, "not_inspected_m": summary.not_inspected_m,
        "seam": {"at_mm": round(cloth.seam_mm, 1), "told": [[round(e.start_mm, 1), round(e.end_mm, 1)] for e in seams],
                 "counted_as_defect": sum(on_seam(d.box_mm) for d in defects)},
        "known": len(cloth.truth), "found": comparison.found, "missed": comparison.missed,
        "unseen": comparison.not_inspected,
        "by_type_and_contrast": {k: dict(c) for k, c in sorted(kinds.items())},
        "split": sum(len(own) > 1 for own in hits), "merged": sum(n > 1 for n in claims.values()),
        "false_alarms": len(seen.false_alarms), "of_these_in_slabs_without_a_known_defect": len(clean),
        "false_alarms_per_100_m2": round(100 * len(seen.false_alarms) / seen_m2, 1) if seen_m2 else None,
        "false_alarms_per_100_m2_by_the_card": allowed_per_100_m2(card, cloth),
        **errors(comparison, cloth.mm_per_px, card.score_definition.tiling.cell_px * cloth.mm_per_px),
        "quality": grade.quality if grade else None, "per_100_m2": grade.per_100_m2 if grade else None,
        "seconds": round(seconds, 1),
    }  # fmt: skip


@one_line
def main() -> int:
    """Prints one JSON object; exit 2 and 3 as everywhere."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, help="a RUN with its card")
    add_out(p, "DIR", "folder for the cloth and its record", required=True)
    p.add_argument("--frames", type=int, default=100, help="slabs of generated cloth")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--aitex", type=Path, metavar="FABRIC", help="a folder with good/, defect/ and mask/ instead")
    p.add_argument(
        "--same-light", action="store_true", help="without defective strips that are brighter or darker than good ones"
    )
    p.add_argument("--mm-per-px", type=float, default=0.2, help="assumed scale of the strips")
    p.add_argument("--inspect-x-px", type=int, nargs=2, default=(352, 4096), metavar=("FROM", "TO"), help="cloth in the strips")
    p.add_argument("--live", type=float, metavar="MM_S", help="as a live line at this speed, half of it, a stop and a run back")
    args = p.parse_args()
    console = Console(stderr=True)
    load_card(args.model)  # before cloth is woven for nothing
    with claimed_out(args, "cloth", "ledger.sqlite"):
        print(json.dumps(simulate(args, console), indent=1))
    return 0


def simulate(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Makes the cloth and judges it; what was measured."""
    if args.aitex:
        scale, inspect = args.mm_per_px, (args.inspect_x_px[0], args.inspect_x_px[1])
        cloth, overlap_rows = aitex_cloth(args.out / "cloth", args.aitex, scale, inspect, args.same_light, console), 0
    else:
        cloth, overlap_rows = weave_cloth(args.out / "cloth", args.frames, args.seed, console), 32
    port = free_port() if args.live else None
    config = line_of(cloth, args.model, args.out, overlap_rows, port)
    start_s = time.monotonic()
    if port is not None:
        run_live(config, course_of(cloth, args.live), port, console)
    else:
        with console.status("judging") as status:
            run_in_one_process(config, False, lambda: False, lambda n: status.update(f"judging, {n} verdicts"))
    return result_of(config, cloth, time.monotonic() - start_s)


if __name__ == "__main__":
    sys.exit(main())
