"""`glassline compare`: the same footage through two models, engines or cards, before one takes the other's place."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from calibration.threshold import CARD_FILE, load_card
from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.ledger.crops import crop_path
from pipeline.ledger.reading import read_runs, read_verdicts
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.roll import find_defects
from pipeline.supervision.replaying import judge, line_of, place_for_record
from tools.verbs.display import Display, stdout_console

SHOWN = 20
Frame = tuple[str, int | None]
"""Camera and number: the same footage has the same."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("compare", help="the same footage through two models, engines or cards")
    p.add_argument("a", type=Path, metavar="A", help="RUN or BUNDLE in force; or a card file in its folder, to compare cards")
    p.add_argument("b", type=Path, metavar="B", help="the one that is to replace it")
    p.add_argument("source", type=Path, metavar="SOURCE", help="image folder, data set, video or recording")
    p.add_argument("--config", type=Path, help="YAML of a line: its worker, decision and camera geometry are used")
    p.add_argument("--out", type=Path, help="folder for both records (default: a new one in the temporary folder)")
    p.add_argument("--flips", type=int, default=0, metavar="N", help="frames whose verdict may differ (default: 0)")
    p.add_argument("--shift", type=float, metavar="X", help="how far 99 of 100 scores may move (default: any)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when B may replace A, 1 when it differs by more than allowed."""
    base = load_config(args.config) if args.config else LineConfig()
    sides: list[dict[Frame, Verdict]] = []
    with place_for_record(args.out, "compare") as out:
        for name, model in (("a", args.a), ("b", args.b)):
            with _with_card(model) as folder, Display() as display:
                load_card(folder)
                judge(line_of(args.source, folder, base, out / name), f"judging with {model}", display)
            verdicts = read_verdicts(out / name / "ledger.sqlite")
            sides.append({(v.camera, v.seq): v for v in verdicts})
        found = compare(*sides)
        for flip in found["flips"]:
            flip["picture"] = _picture(out, sides, (flip["camera"], flip["frame"]))
    moved = found["score_shift"]["q99"]
    accepted = len(found["flips"]) <= args.flips and (args.shift is None or (moved is not None and moved <= args.shift))
    result = {"schema": 1, "accepted": accepted, "a": str(args.a), "b": str(args.b), "out": str(out), **found}
    if args.json:
        print(json.dumps(result))
    else:
        show(result, stdout_console())
    return 0 if accepted else 1


@contextmanager
def _with_card(model: Path) -> Iterator[Path]:
    """The folder of a model; where a card file of it is named, a copy of the folder with that card in force."""
    if not model.is_file():
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="glassline-compare-") as name:
        folder = Path(name) / "model"
        shutil.copytree(model.parent, folder)
        shutil.copyfile(model, folder / CARD_FILE)
        yield folder


def compare(ours: Mapping[Frame, Verdict], theirs: Mapping[Frame, Verdict]) -> dict[str, Any]:
    """Verdicts of the same frames: those that differ, how far scores moved, defects that only one side has.

    Raises InputError where the two did not judge the same frames.
    """
    if ours.keys() != theirs.keys():
        raise InputError(f"{len(ours.keys() ^ theirs.keys())} frames in one record only, SOURCE, compare it again unchanged")
    flips = [
        {
            "camera": camera, "frame": seq, "origin": a.origin, "a": a.result, "b": b.result, "score_a": a.score,
            "score_b": b.score,
        }
        for (camera, seq), a in ours.items()
        if a.result is not (b := theirs[camera, seq]).result
    ]  # fmt: skip
    moved = [abs(a.score - b.score) for key, a in ours.items() if a.score is not None and (b := theirs[key]).score is not None]
    q50, q99 = (float(q) for q in np.quantile(moved, [0.5, 0.99])) if moved else (None, None)
    return {
        "frames": len(ours), "flips": flips,
        "score_shift": {"q50": q50, "q99": q99, "most": max(moved, default=None), "frames": len(moved)},
        "defects": {"a": len(_defects(ours)), "b": len(_defects(theirs)), "only_a": _alone(ours, theirs),
                    "only_b": _alone(theirs, ours)},
    }  # fmt: skip


def _defects(verdicts: Mapping[Frame, Verdict]) -> Sequence[Any]:
    return find_defects(v for v in verdicts.values() if v.result is Result.DEFECT)


def _alone(ours: Mapping[Frame, Verdict], theirs: Mapping[Frame, Verdict]) -> int:
    """Defects whose strongest sighting touches nothing that the other side found in the same frame."""
    strongest = [d.strongest for d in _defects(ours)]
    return sum(not any(_touch(s.region, other) for other in theirs[s.verdict.camera, s.verdict.seq].regions) for s in strongest)


def _touch(a: Region, b: Region) -> bool:
    return a.x0_px <= b.x1_px and b.x0_px <= a.x1_px and a.y0_px <= b.y1_px and b.y0_px <= a.y1_px


def _picture(out: Path, sides: Sequence[Mapping[Frame, Verdict]], frame: Frame) -> str | None:
    """The crop that the side which found a defect has kept."""
    for name, verdicts in zip(("a", "b"), sides, strict=True):
        run_id = next(reversed(read_runs(out / name / "ledger.sqlite")))
        if (crop := crop_path(out / name, run_id, verdicts[frame], 0)).is_file():
            return str(crop)
    return None


def show(result: dict[str, Any], console: Console) -> None:
    """For a person: the flips with their pictures, then the verdict."""
    if result["flips"]:
        table = Table("frame", "A", "B", title=f"{len(result['flips'])} of {result['frames']} verdicts differ")
        table.add_column("picture", overflow="fold")
        for flip in result["flips"][:SHOWN]:
            scores = (
                f"{flip[side]} {'' if flip[f'score_{side}'] is None else format(flip[f'score_{side}'], '.3f')}" for side in "ab"
            )
            table.add_row(f"{flip['camera']} {flip['frame']} {flip['origin']}", *scores, flip["picture"] or "none kept")
        console.print(table)
    shift, defects = result["score_shift"], result["defects"]
    if shift["q99"] is not None:
        console.print(f"scores moved by {shift['q50']:.2g} (half), {shift['q99']:.2g} (99 of 100), {shift['most']:.2g} at most")
    console.print(f"defects: {defects['a']} and {defects['b']}; {defects['only_a']} only A's, {defects['only_b']} only B's")
    said = "B may take A's place" if result["accepted"] else "B DIFFERS BY MORE THAN ALLOWED: keep A"
    console.print(f"{len(result['flips'])} of {result['frames']} verdicts differ: {said}")
    console.print(f"records: {result['out']}", soft_wrap=True)
