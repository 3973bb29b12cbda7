"""A roll of known defects through decision, joining and grading: `python -m tools.studies.joining MODEL [--metres N]`.

Nothing is seen here: cells are painted where the defects are, each camera's a little off, and go through the real decision
stage over the in-memory link. So the figures are of the cloth's own arithmetic: whether a defect on the seam of slabs or
cameras is counted twice, what joining and grading cost beside the scoring of those frames by MODEL, and whether memory grows.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from glass_core.engines import load_engine
from glass_core.engines.speed import timed
from glass_core.errors import InputError
from glass_core.pictures.tiling import Tiling
from pipeline.cloth.joining import GAP_CELLS, Box, Defect, Joiner
from pipeline.decision.judgement import Standard
from pipeline.decision.stage import Decision
from pipeline.decision.terms import DecisionTerms
from pipeline.grading import Flaw, Rules, grade
from pipeline.link.memory_link import MemoryLink
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.motion import Motion
from pipeline.messages.stages import Status
from pipeline.messages.states import MotionState, StageState
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.publisher import Publisher
from tools.cli import one_line

PX_MM = 0.2
WIDTH_PX, ROWS, OVERLAP_ROWS, OVERLAP_PX = 2048, 992, 32, 192
CELL_MM = 8 * PX_MM
STEP_MM, SLAB_MM = ROWS * PX_MM, (ROWS + OVERLAP_ROWS) * PX_MM
EYE_MM, PITCH_MM = WIDTH_PX * PX_MM, (WIDTH_PX - OVERLAP_PX) * PX_MM
OFF_MM = 0.4
"""By so much a camera may be misplaced."""
SPEED_MM_S = 500.0
SIZES_MM = ((1, 1), (3, 8), (60, 2), (2, 90), (400, 1.5), (12, 12))
"""Along and across."""
TILING = Tiling(tile_px=288, overlap_px=32, border_px=16)
BATCH = 16
PAUSES = 10
"""So often memory is looked at."""


@dataclass(frozen=True)
class Eye:
    """A camera: the strip that it sees, and by how much it is misplaced, along and across."""

    name: str
    x_mm: float
    off_mm: tuple[float, float]


def known_defects(rng: random.Random, count: int, length_mm: float, cameras: int) -> list[Box]:
    """At drawn places further apart than what is joined; a third lie where two cameras look."""
    boxes: list[Box] = []
    width_mm = (cameras - 1) * PITCH_MM + EYE_MM
    pitch_mm = length_mm / (count + 1)
    for n in range(count):
        long, wide = rng.choice(SIZES_MM)
        on_seam = rng.randrange(1, cameras) * PITCH_MM + OVERLAP_PX * PX_MM / 2 if n % 3 == 0 and cameras > 1 else None
        x = rng.uniform(5, width_mm - 5 - wide) if on_seam is None else on_seam + rng.uniform(-25, 25) - wide / 2
        before = boxes[-1][1] + 2 * GAP_CELLS * CELL_MM + 2 * CELL_MM if boxes else 0.0
        at = max(before, (n + 0.5 + rng.uniform(-0.4, 0.4)) * pitch_mm)
        boxes.append((at, at + long, x, x + wide))
    if boxes and boxes[-1][1] > length_mm - SLAB_MM:
        raise InputError(f"{count} defects do not fit into {length_mm / 1000:g} m, the command line, give more --metres")
    return boxes


def painted(eye: Eye, start_mm: float, boxes: Sequence[Box]) -> np.ndarray | None:
    """The cells (rows, cols) of a slab with those that touch a defect high; null: there is none."""
    rows, cols = (ROWS + OVERLAP_ROWS) // 8, WIDTH_PX // 8
    cells = None
    for y0, y1, x0, x1 in boxes:
        top, bottom = ((y + eye.off_mm[0] - start_mm) / CELL_MM for y in (y0, y1))
        left, right = ((x + eye.off_mm[1] - eye.x_mm) / CELL_MM for x in (x0, x1))
        if bottom <= 0 or top >= rows or right <= 0 or left >= cols:
            continue
        cells = np.zeros((rows, cols), "<f4") if cells is None else cells
        cells[max(int(top), 0) : int(np.ceil(bottom)), max(int(left), 0) : int(np.ceil(right))] = 0.9
    return cells


class Roll:
    """The roll under decision: `run` yields the verdicts of each slab, all cameras."""

    def __init__(self, cameras: int, boxes: list[Box], rng: random.Random) -> None:
        self.eyes = [
            Eye(f"camera-{n}", n * PITCH_MM, (rng.uniform(-OFF_MM, OFF_MM), rng.uniform(-OFF_MM, OFF_MM)))
            for n in range(cameras)
        ]
        self._boxes, self._next = boxes, 0
        link = MemoryLink()
        self._inbox, self._records = link.inbox("decision"), link.inbox("recorder")
        names = [eye.name for eye in self.eyes]
        standard = Standard("weights", "engine", "card", TILING, (0.5,))
        terms = DecisionTerms(dict.fromkeys(names, STEP_MM), {"": standard}, 500.0, observe=False, generation=0)
        self._decision = Decision(self._inbox, self._records, Publisher(link.broadcast(""), 0), terms, lambda: 0)
        for role, name in [("worker", "worker"), *(("grabber", name) for name in names)]:
            self._inbox.send(Status(role=role, name=name, generation=0, state=StageState.READY))
        layout = TILING.layout(ROWS + OVERLAP_ROWS, WIDTH_PX)
        self.lanes, self.tiles = layout.lanes, len(layout.tiles)
        self._pixels = bytes((ROWS + OVERLAP_ROWS) * WIDTH_PX)

    def slab(self, number: int) -> Iterator[Verdict]:
        """Announced, scored and judged."""
        start_mm = number * STEP_MM
        end_mm, now_ns = start_mm + SLAB_MM, int((number + 1) * STEP_MM / SPEED_MM_S * 1e9)
        while self._next < len(self._boxes) and self._boxes[self._next][1] < start_mm - 2:
            self._next += 1
        near = [b for b in self._boxes[self._next : self._next + 8] if b[0] < end_mm + 2]
        for eye in self.eyes:
            key: dict[str, Any] = {"camera": eye.name, "boot_id": "b", "seq": number}
            self._inbox.send(Announced(
                **key, t_mono_ns=now_ns, t_utc_ns=0, start_mm=start_mm, end_mm=end_mm, sent=True, budget_ms=500.0,
                x_offset_mm=eye.x_mm, mm_per_px_x=PX_MM, mm_per_px_y=PX_MM,
            ))  # fmt: skip
            cells = painted(eye, start_mm, near)
            score = 0.1 if cells is None else 0.9
            shown = {} if cells is None else {"cells_shape": cells.shape, "inspect_x_px": (0, WIDTH_PX)}
            scored = ScoreMap(
                **key, generation=0, weights_sha="weights", engine_sha="engine", score=score, lanes=(score,) * self.lanes,
                tiles=self.tiles, frame_shape=(ROWS + OVERLAP_ROWS, WIDTH_PX), **shown,
            )  # fmt: skip
            self._inbox.send(scored, *(() if cells is None else (cells.tobytes(), self._pixels)))
        place = Motion(position_mm=end_mm, speed_mm_s=SPEED_MM_S, state=MotionState.MOVING, source="bench", t_mono_ns=now_ns)
        self._inbox.send(place)
        while self._decision.step(now_ns):
            while received := self._records.receive():
                if isinstance(received[0], Verdict):
                    yield received[0]


def resident_mib() -> float:
    """Of this process."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def boxes_of(defects: Sequence[Defect]) -> list[Box]:
    """Nothing else is kept of them: the memory is to be the line's."""
    return [d.box_mm for d in defects if d.box_mm is not None]


def meets(found: Box, known: Box) -> bool:
    """Whether it lies on that place, but for a cell and the cameras' error."""
    near = CELL_MM + OFF_MM
    along = found[0] - near <= known[1] and known[0] <= found[1] + near
    return along and found[2] - near <= known[3] and known[2] <= found[3] + near


def matched(found: Sequence[Box], known: Sequence[Box]) -> dict[str, int]:
    """How many known defects were counted once, twice or never, and what was counted that is none."""
    found = sorted(found)
    starts = [box[0] for box in found]
    hits, claimed = Counter[int](), Counter[int]()
    for box in known:
        first, last = np.searchsorted(starts, (box[0] - 2 * SLAB_MM, box[1] + 2 * SLAB_MM))
        own = [n for n in range(first, last) if meets(found[n], box)]
        hits[min(len(own), 2)] += 1
        claimed.update(own)
    return {
        "counted_once": hits[1], "counted_twice_or_more": hits[2], "missed": hits[0],
        "joined_with_another": sum(n > 1 for n in claimed.values()), "counted_though_not_there": len(found) - len(claimed),
    }  # fmt: skip


def scored_per_s(model: Path) -> float:
    """Tiles, by the model's engine; after the roll, so that the memory is the cloth's alone."""
    engine = load_engine(model)
    canary = engine.canary
    assert canary is not None
    tiles = np.resize(canary.tiles, (BATCH, *canary.tiles.shape[1:]))
    return timed(lambda: engine.score(tiles), BATCH, 3.0).images_per_s


def measure(model: Path, metres: float, cameras: int, defects: int, seed: int, console: Console) -> dict[str, Any]:
    """The figures, for one JSON object; raises InputError for a model or numbers that cannot be."""
    rng = random.Random(seed)
    slabs = int(metres * 1000 / STEP_MM)
    boxes = known_defects(rng, defects, slabs * STEP_MM, cameras)
    roll, joiner = Roll(cameras, boxes, rng), Joiner()
    found, memory_mib, frames, joining_s = list[Box](), list[float](), 0, 0.0
    for number in track(range(slabs), "running the roll", console=console, transient=True):
        for verdict in roll.slab(number):
            frames += 1
            began_s = time.perf_counter()
            _, closed = joiner.add(verdict)
            joining_s += time.perf_counter() - began_s
            found += boxes_of(closed)
        if (number + 1) % max(1, slabs // PAUSES) == 0:
            memory_mib.append(round(resident_mib(), 1))
    began_s = time.perf_counter()
    found += boxes_of(joiner.flush())
    flaws = [Flaw(n, *box) for n, box in enumerate(found)]
    length_mm, width_mm = slabs * STEP_MM, (cameras - 1) * PITCH_MM + EYE_MM
    grade(flaws, Rules(), 0.0, length_mm, [], (0.0, width_mm))
    graded_s = time.perf_counter() - began_s
    tiles_per_s = scored_per_s(model)
    scoring_s = frames * roll.tiles / tiles_per_s
    return {
        "schema": 1, "simulated": True, "metres": round(length_mm / 1000, 1), "width_mm": round(width_mm, 1),
        "mm_per_px": PX_MM, "cameras": cameras, "frames": frames, "defects": defects, **matched(found, boxes),
        "joining_us_per_frame": round(joining_s / frames * 1e6, 1), "grading_s": round(graded_s, 3),
        "tiles_per_s": round(tiles_per_s, 1), "share_of_scoring": round((joining_s + graded_s) / scoring_s, 6),
        "memory_mib": memory_mib,
    }  # fmt: skip


@one_line
def main() -> int:
    """Prints one JSON object; exit 2 and 3 as everywhere."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, help="a RUN or BUNDLE whose scoring is the measure")
    p.add_argument("--metres", type=float, default=5000.0)
    p.add_argument("--cameras", type=int, default=8)
    p.add_argument("--defects", type=int, default=1000)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    if not (args.metres >= 1 and 1 <= args.cameras <= 16 and args.defects >= 0):
        raise InputError("a number out of range, the command line, use --metres from 1, --cameras 1 to 16, --defects from 0")
    print(json.dumps(measure(args.model, args.metres, args.cameras, args.defects, args.seed, Console(stderr=True))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
