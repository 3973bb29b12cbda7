"""`glassline demo`: the whole story on generated cloth - weave, train, calibrate, run two emulated cameras, compare."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.progress import track

import calibration
import glass_core
import pipeline
from calibration.false_alarms import Budget
from glass_core.files.whole_file import whole_file
from pipeline.cameras.picture import write_png
from pipeline.cameras.synthetic.weave import render, write_folder
from pipeline.config.cameras import WeaveConfig
from pipeline.config.cards import load_config
from pipeline.ledger.lost import read_spans
from pipeline.ledger.reading import read_verdicts
from pipeline.report import write_page
from pipeline.report.roll import Summary, find_defects
from pipeline.report.truth import Comparison, Injected, compare
from tools.verbs.display import Display, answers
from tools.verbs.next_step import next_step
from tools.verbs.out import add_out, claimed_out
from tools.verbs.run import Operator

MARK = "demo.json"
MM_PER_PX = 0.2
WIDTH_PX, ROWS = 1024, 256
FRAME_MM = ROWS * MM_PER_PX
GOOD_FRAMES = 80
"""For each camera; different yarns than the cloth that is inspected."""
ROLL_FRAMES = 48
STOP_S = 3.0
SHARE_OF_CAPACITY = 0.4
"""How much of the measured speed of this machine the line uses: the same cores also run cameras, decision and screen."""
MARGIN_MM = 3.0
"""A signal so near an injected defect is that defect: a cell is 1.6 mm and sees cloth around it."""

KINDS = ("missing_yarn", "slub", "hole", "stain", "float")
SIZES_MM = {"missing_yarn": 40.0, "slub": 16.0, "hole": 4.0, "stain": 16.0, "float": 10.0}


@dataclass(frozen=True)
class Eye:
    """One of the two cameras: the strip of cloth it looks at."""

    name: str
    serial: str
    seed: int
    x_offset_mm: float


EYES = (Eye("left", "0815-0000", 11, 0.0), Eye("right", "0815-0001", 12, WIDTH_PX * MM_PER_PX))


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("demo", help="the whole story on generated cloth, no downloads needed")
    add_out(p, "DIR", "folder for the result (default: ./demo)", default=Path("demo"))
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def cloth(eye: Eye, defects: list[dict[str, Any]], seed: int) -> WeaveConfig:
    """The strip of cloth under one camera."""
    return WeaveConfig.model_validate(
        {
            "name": eye.name, "source": "weave", "weave": "twill", "width_px": WIDTH_PX, "frame_rows": ROWS, "seed": seed,
            "mm_per_px_x": MM_PER_PX, "mm_per_px_y": MM_PER_PX, "x_offset_mm": eye.x_offset_mm, "defects": defects,
        }
    )  # fmt: skip


def injected_defects(seed: int) -> list[dict[str, Any]]:
    """Two of each kind, one plain and one weak, at drawn places that do not meet."""
    rng = np.random.default_rng(seed)
    plan = [(kind, strength) for strength in (1.0, 0.5) for kind in KINDS]
    rng.shuffle(plan)
    spacing_mm = ROLL_FRAMES * FRAME_MM / (len(plan) + 1)
    return [
        {
            "kind": str(kind), "strength": float(strength), "size_mm": SIZES_MM[kind],
            "at_mm": round(float(spacing_mm * (i + 1) + rng.uniform(-0.3, 0.3) * spacing_mm), 1),
            "x_mm": round(float(rng.uniform(30, WIDTH_PX * MM_PER_PX - 50)), 1),
        }
        for i, (kind, strength) in enumerate(plan)
    ]  # fmt: skip


def weave_good(out: Path, console: Console) -> list[Path]:
    """Good cloth for training, from other looms than the roll's."""
    out.mkdir(parents=True)
    paths = []
    for eye in EYES:
        config = cloth(eye, [], eye.seed + 100)
        for n in track(range(GOOD_FRAMES), f"weaving good cloth, {eye.name}", console=console, transient=True):
            path = out / f"{eye.name}_{n:03d}.png"
            write_png(path, render(config, n * ROWS, ROWS))
            paths.append(path)
    return paths


def weave_roll(out: Path, console: Console) -> list[Injected]:
    """The cloth to inspect, as the folders that the emulated cameras play; and what is in it."""
    truth = []
    for eye in EYES:
        console.print(f"weaving the roll, {eye.name}: {ROLL_FRAMES} frames with known defects")
        for d in write_folder(cloth(eye, injected_defects(eye.seed), eye.seed), ROLL_FRAMES, out / eye.name):
            x0, y0, x1, y1 = d["box_mm"]
            truth.append(
                Injected(camera=eye.name, kind=d["kind"], strength=d["strength"], x0_mm=x0, x1_mm=x1, y0_mm=y0, y1_mm=y1)
            )
    return truth


def line_yaml(out: Path, speed_mm_s: float) -> Path:
    """The line's configuration: two emulated Basler cameras, one stop of the cloth half-way, and its end."""
    half_s = ROLL_FRAMES * FRAME_MM / speed_mm_s / 2
    segments = [(half_s, speed_mm_s), (STOP_S, 0.0), (half_s + 0.5 * FRAME_MM / speed_mm_s, speed_mm_s)]
    cameras = [
        {
            "name": eye.name, "source": "basler", "serial": eye.serial, "trigger": {"source": "Software"},
            "features": {
                "TestImageSelector": "Off", "ImageFileMode": "On",
                "ImageFilename": str((out / "roll" / eye.name / "frames").resolve()),
                "Width": WIDTH_PX, "Height": ROWS, "ExposureTime": 100.0,
            },
            "mm_per_px_x": MM_PER_PX, "mm_per_px_y": MM_PER_PX, "x_offset_mm": eye.x_offset_mm,
        }
        for eye in EYES
    ]  # fmt: skip
    body = {
        "line": {"name": f"demo-{os.getpid()}", "roll_id": "demo-1", "style": "twill"},
        "model": str(out / "model"),
        "motion": {
            "source": "simulated", "speed_mm_s": 0.0,
            "segments": [{"seconds": round(s, 3), "speed_mm_s": round(v, 1)} for s, v in segments],
        },
        "cameras": cameras,
        "decision": {"budget_ms": 3000},
        "ledger": {"path": str(out / "ledger.sqlite")},
    }  # fmt: skip
    path = out / "line.yaml"
    with whole_file(path) as part:
        part.write_text(f"# glassline run {path}\n" + yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    return path


def tiles_per_s(model: Path) -> float:
    """The engine's speed on this machine now, median of five batches."""
    from glass_core.engines import load_engine
    from glass_core.engines.speed import timed

    engine = load_engine(model)
    tiles = np.random.default_rng(0).integers(0, 255, (16, 256, 256), np.uint8)
    return timed(lambda: engine.score(tiles), len(tiles), seconds=0.0).images_per_s


def learn(images: list[Path], out: Path, console: Console) -> str:
    """Train and calibrate with the quick profile; what the features came from."""
    from glass_core.config import TrainConfig
    from glass_core.network.weights import find_weights

    backbone = "resnet18" if find_weights("resnet18", None) else "embedded"  # what is here: the demo downloads nothing
    console.print(f"training: backbone {backbone}, quick profile (no gradient ascent)")
    config = TrainConfig.model_validate({"profile": "quick", "backbone": backbone, "split": SPLIT})
    with Display(console) as display:
        glass_core.train(images, config, out, display)
        card = calibration.calibrate_threshold(out, budget=BUDGET, report=display)
    expected = card.false_alarms.expected
    note = "; provisional: the threshold is extrapolated" if card.provisional else ""
    console.print(f"card: from {card.frames} good frames; {expected:.1f} false alarms expected in {card.per}{note}")
    return backbone


SPLIT = {"train": 0.25, "calibration": 0.7, "selection": 0.05}
"""The cloth is the same everywhere: a little is enough to learn it, and a threshold asks for many samples."""
BUDGET = Budget(per_1000_frames=10)
"""Accepted false alarms: about one in the roll."""


def tell(comparison: Comparison, summary: Summary, console: Console) -> None:
    """What became of each injected defect."""
    for truth, hits, fate in zip(comparison.injected, comparison.hits, comparison.fates, strict=True):
        score = f", score {max(d.strongest.region.score for d in hits):.3f}" if hits else ""
        place = f"{truth.camera:5} {truth.kind:12} strength {truth.strength:.1f} at {truth.y0_mm / 1000:.3f} m"
        console.print(f"  {place}  {'MISSED' if fate == 'missed' else fate}{score}")
    console.print(
        f"{len(comparison.injected)} injected, {comparison.found} found, {comparison.missed} missed, "
        f"{comparison.not_inspected} not inspected, "
        f"{len(comparison.false_alarms)} false alarms; {summary.inspected_m:.3f} m inspected, "
        f"{summary.not_inspected_m:.3f} m not inspected"
    )


def run(args: argparse.Namespace) -> int:
    """Exit 0 when the line ran to the end of the roll, whatever it found."""
    console = answers(stderr=args.json)
    with claimed_out(args, MARK):
        result = play(args.out, console)
    if args.json:
        print(json.dumps(result))
    else:
        console.print(f"{result['seconds']} s in all; look at {result['page']}", soft_wrap=True, highlight=False)
        console.print(next_step("init"), soft_wrap=True, highlight=False)
    sys.stdout.flush()
    return 0


def _mark(out: Path, result: dict[str, Any]) -> None:
    with whole_file(out / MARK) as part:
        part.write_text(json.dumps(result, indent=1) + "\n")


def play(out: Path, console: Console) -> dict[str, Any]:
    """The whole story, told as it goes on; its figures, as the --json object."""
    start_s = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    _mark(out, {})
    images = weave_good(out / "good", console)
    backbone = learn(images, out / "model", console)
    injected = weave_roll(out / "roll", console)
    speed = tiles_per_s(out / "model")
    frames_per_s = SHARE_OF_CAPACITY * speed / (5 * len(EYES))
    path = line_yaml(out, frames_per_s * FRAME_MM)
    console.print(f"engine: {speed:.0f} tiles/s; running the line at {frames_per_s * FRAME_MM / 1000 * 60:.1f} m/min")
    config = load_config(path)
    with Operator(config) as operator:
        summary = pipeline.run(
            config, frames=ROLL_FRAMES * len(EYES), seconds=240, slow_ok=True, watcher=operator, report=operator.display
        )
    ledger = out / "ledger.sqlite"
    comparison = compare(find_defects(read_verdicts(ledger)), injected, MARGIN_MM, read_spans(ledger))
    page = write_page(ledger, out, comparison)
    result = {
        **summary.model_dump(mode="json", by_alias=True), "injected": len(injected), "found": comparison.found,
        "missed": comparison.missed, "unseen": comparison.not_inspected, "false_alarms": len(comparison.false_alarms),
        "backbone": backbone,
        "seconds": round(time.monotonic() - start_s, 1), "page": str(page),
    }  # fmt: skip
    _mark(out, result)
    tell(comparison, summary, console)
    return result
