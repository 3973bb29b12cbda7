"""`glassline replay`: judge recorded cloth with a model, in one process, every frame, as fast as it goes."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cameras import make_camera
from pipeline.config.cameras import ReplayConfig
from pipeline.config.cards import load_config
from pipeline.config.line import LedgerConfig, LineConfig
from pipeline.messages.states import Reason
from pipeline.report.roll import Summary, summarise
from pipeline.supervision.process import run_in_one_process
from tools.verbs.compile import made_for_here


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("replay", help="judge a folder, data set, video or recording with a model")
    p.add_argument("source", type=Path, metavar="SOURCE", help="image folder, data set, video or recording")
    p.add_argument("--model", type=Path, required=True, help="a trained and calibrated RUN, or a BUNDLE")
    p.add_argument("--config", type=Path, help="YAML of a line: its worker, decision and camera geometry are used")
    p.add_argument("--out", type=Path, help="folder for the record (default: a new one in the temporary folder)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def line_of(source: Path, model: Path, base: LineConfig, out: Path) -> LineConfig:
    """The given line with a single camera: the source, with the geometry of the base's first camera."""
    geometry = {}
    if base.cameras:
        first = base.cameras[0]
        kept = (
            "rows",
            "overlap_rows",
            "mm_per_px_x",
            "mm_per_px_y",
            "x_offset_mm",
            "inspect_x_px",
            "inspect_x_mm",
            "selvage_mm",
        )
        geometry = {k: getattr(first, k) for k in kept}
    camera = ReplayConfig.model_validate({"name": "replay", "source": "replay", "path": source, **geometry})
    ledger = LedgerConfig(path=out / "ledger.sqlite")
    styles = {name: style.model_copy(update={"model": None, "features": {}}) for name, style in base.styles.items()}
    return base.model_copy(update={"model": model, "styles": styles, "motion": None, "cameras": (camera,), "ledger": ledger})


def count_frames(config: LineConfig) -> int | None:
    """How many pictures the source has, where it knows; opening it also refuses a bad source early."""
    camera = make_camera(config.cameras[0])
    try:
        total = camera.open().get("frames")
    finally:
        camera.close()
    return total if isinstance(total, int) else None


def judge(config: LineConfig, label: str = "judging") -> Summary:
    """Replay the line's only camera; Ctrl-C ends early with what was judged so far."""
    total = count_frames(config)
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda signum, frame: stopped.append(signum))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=total)
            run_in_one_process(
                config, observe=False, stop=lambda: bool(stopped), heard=lambda n: progress.update(task, completed=n)
            )
    finally:
        signal.signal(signal.SIGINT, before)
    return summarise(config.ledger.path)


def show(summary: Summary, as_json: bool) -> None:
    """The result on stdout, for a program or for a person."""
    body = summary.model_dump(mode="json", by_alias=True)
    if as_json:
        print(json.dumps(body))
        return
    print(f"{summary.frames} frames: {summary.passed} pass, {summary.defect} defect, {summary.not_inspected} not inspected")
    for reason, n in summary.reasons.items():
        print(f"  {reason}: {n}  ({Reason(reason).meaning})")
    if summary.inspected_m is not None:
        print(f"{summary.inspected_m:.2f} m inspected, {summary.not_inspected_m:.2f} m not inspected")
    if summary.frames_per_s is not None:
        print(f"{summary.frames_per_s:.1f} frames/s, {summary.tiles_per_s:.1f} tiles/s")
    print(f"record: {summary.out}  (page: glassline report {summary.out})")


def run(args: argparse.Namespace) -> int:
    """Exit 0 whatever was found."""
    out = args.out or Path(tempfile.mkdtemp(prefix="glassline-replay-"))
    base = load_config(args.config) if args.config else LineConfig()
    config = line_of(args.source, args.model, base, out)
    made_for_here(config, Console(stderr=True))
    show(judge(config), args.json)
    sys.stdout.flush()
    return 0
