"""Whether false alarms keep within the card's bound: `python -m tools.studies.alarms [MODEL] [--metres N]`, on generated cloth.

Good cloth (simulated: twill at about 1 mm a px, two lanes, half a metre wide) is scored once, by a folder's model or by a small
one trained here with the quick profile. Then its metres are dealt out anew 100 times, in stretches that keep neighbours
together: some to calibrate on, 100 m2 to be inspected. What is counted there is what a line would signal: regions above the
card's thresholds, joined as decision joins them. In at least 95 of 100 the count must lie within the card's bound.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

import glass_core
from calibration.false_alarms import Budget
from calibration.good import GoodFrame
from calibration.threshold import Model, ThresholdCard, calibrate
from glass_core.config import TrainConfig
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.pictures.scoring import score_image
from pipeline.cameras.picture import write_png
from pipeline.cameras.synthetic.weave import render
from pipeline.cloth.joining import Joiner
from pipeline.config.cameras import WeaveConfig
from pipeline.decision.judgement import judge, standard_of
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.verdicts import Verdict
from tools.cli import one_line
from tools.verbs.display import Display

RESAMPLINGS = 100
BUDGETS = (1.0, 5.0, 20.0)
"""False alarms in 100 m2, which are 400 samples here: of many more, several fall into one sample and count once."""
TEST_M, STRETCH_M = 200, 20
FRAMES_PER_M, ROWS, WIDTH_PX, WIDTH_M = 4, 250, 480, 0.5
TRAINING_FRAMES = 60


@dataclass(frozen=True)
class Scored:
    """A frame of good cloth as the line sees it."""

    number: int
    cells: NDArray[np.float32]
    lanes: NDArray[np.float32]

    @property
    def start_mm(self) -> float:
        """Where it begins."""
        return self.number * 1000 / FRAMES_PER_M

    @property
    def good(self) -> GoodFrame:
        """For calibration."""
        end_mm = self.start_mm + 1000 / FRAMES_PER_M
        return GoodFrame(self.lanes, camera="c", start_mm=self.start_mm, end_mm=end_mm, area_m2=WIDTH_M / FRAMES_PER_M)


def cloth(seed: int) -> WeaveConfig:
    """Good cloth."""
    body = {"name": "c", "source": "weave", "weave": "twill", "width_px": WIDTH_PX, "frame_rows": ROWS, "seed": seed}
    return WeaveConfig.model_validate(body)


def trained(folder: Path, console: Console) -> Path:
    """A small model of such cloth, from another loom."""
    images = []
    (folder / "good").mkdir()
    for n in range(TRAINING_FRAMES):
        images.append(folder / "good" / f"{n:03d}.png")
        write_png(images[-1], render(cloth(1), n * ROWS, ROWS))
    config = TrainConfig.model_validate({"profile": "quick", "backbone": "embedded"})
    with Display(console) as display:
        glass_core.train(images, config, folder / "model", display)
    return folder / "model"


def score_once(engine: Engine, metres: int, console: Console) -> list[Scored]:
    """Every frame of so many metres."""
    frames = track(range(metres * FRAMES_PER_M), "scoring good cloth", console=console, transient=True)
    return [Scored(n, *score_image(engine, engine.definition, render(cloth(2), n * ROWS, ROWS))) for n in frames]


def deal(metres: int, seed: int) -> tuple[list[int], list[int]]:
    """The metres to calibrate on and those to inspect, each in the order of the cloth."""
    stretches = np.random.default_rng(seed).permutation(metres // STRETCH_M)
    parts = stretches[TEST_M // STRETCH_M :], stretches[: TEST_M // STRETCH_M]
    calibration, test = ([int(s) * STRETCH_M + m for s in sorted(part) for m in range(STRETCH_M)] for part in parts)
    return calibration, test


def frames_of(cloth: list[Scored], metres: list[int]) -> list[Scored]:
    """The frames of those metres."""
    return [cloth[m * FRAMES_PER_M + n] for m in metres for n in range(FRAMES_PER_M)]


def alarms(card: ThresholdCard, cloth: list[Scored]) -> int:
    """How many joined defects decision would make of these frames."""
    standard, joiner, count, cell_px = standard_of(card), Joiner(), 0, card.score_definition.tiling.cell_px
    assert standard is not None
    for number, frame in enumerate(f for f in cloth if f.lanes.max() > min(card.thresholds)):
        place = {"camera": "c", "boot_id": "b", "seq": frame.number, "t_mono_ns": 0, "t_utc_ns": 0}
        span = {"start_mm": frame.start_mm, "end_mm": frame.start_mm + 1000 / FRAMES_PER_M}
        announced = Announced.model_validate(
            {**place, **span, "sent": True, "budget_ms": None, "mm_per_px_x": 1, "mm_per_px_y": 1}
        )
        scored = ScoreMap(
            camera="c", boot_id="b", seq=frame.number, generation=0, weights_sha=card.weights_sha, engine_sha=card.engine_sha,
            score=float(frame.cells.max()), lanes=tuple(map(float, frame.lanes)), tiles=0, frame_shape=(ROWS, WIDTH_PX),
            cells_shape=(frame.cells.shape[0], frame.cells.shape[1]), inspect_x_px=card.score_definition.inspect_x_px,
            cell_px=cell_px,
        )  # fmt: skip
        found = judge(announced, scored, (frame.cells.astype("<f4").tobytes(), b""), standard)
        facts = {"number": number, "generation": 0, "result": found.result, "regions": found.regions, "cell_px": cell_px}
        count += len(joiner.add(Verdict.model_validate({**place, **span, **facts}))[1])
    return count + len(joiner.flush())


def resample(cloth: list[Scored], metres: int, of: Model, budget: float, console: Console) -> dict[str, Any]:
    """The counts of all resamplings against their bounds."""
    counts, cards = [], []
    for seed in track(range(RESAMPLINGS), f"budget {budget:g}", console=console, transient=True):
        known, ahead = deal(metres, seed)
        cards.append(calibrate([f.good for f in frames_of(cloth, known)], of, Budget(per_100_m2=budget), "generated cloth"))
        counts.append(alarms(cards[-1], frames_of(cloth, ahead)))
    bounds = [card.false_alarms.upper for card in cards]
    return {
        "budget_per_100_m2": budget,
        "inside": sum(count <= bound for count, bound in zip(counts, bounds, strict=True)),
        "provisional": sum(card.provisional for card in cards),
        "alarms": {"mean": round(float(np.mean(counts)), 2), "most": max(counts)},
        "expected": round(float(np.mean([card.false_alarms.expected for card in cards])), 2),
        "bound": {"least": min(bounds), "most": max(bounds)},
        "dispersion": round(float(np.median([card.dispersion for card in cards])), 2),
    }


@one_line
def main() -> int:
    """Prints one JSON object; exit 1 where fewer than 95 of 100 counts lie inside, 2 and 3 as everywhere."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="a RUN of such cloth (default: a small one, trained first)"
    )
    p.add_argument("--metres", type=int, default=800, help=f"of good cloth; {TEST_M} of them are inspected (default: 800)")
    args = p.parse_args()
    console = Console(stderr=True)
    if args.metres < TEST_M + 10 * STRETCH_M:
        raise InputError(f"{args.metres} metres, --metres, give at least {TEST_M + 10 * STRETCH_M}")
    with tempfile.TemporaryDirectory(prefix="glassline-alarms-") as folder:
        engine = load_engine(args.model or trained(Path(folder), console))
        cloth = score_once(engine, args.metres, console)
    of = Model(
        weights_sha=engine.weights_sha, engine_sha=engine.sha, backbone="", engine=f"{engine.backend} {engine.precision}",
        score_definition=engine.definition,
    )  # fmt: skip
    results = [resample(cloth, args.metres, of, budget, console) for budget in BUDGETS]
    facts = {"schema": 1, "simulated": True, "metres": args.metres, "lanes": len(cloth[0].lanes), "resamplings": RESAMPLINGS}
    print(json.dumps({**facts, "engine": of.engine, "budgets": results}, indent=1))
    return 0 if all(each["inside"] >= 95 for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
