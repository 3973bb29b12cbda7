"""The paper's sets of weak defects, MAD-man and MAD-sys: what they hold, and models of other pictures tested on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glass_core.engines import load_engine
from glass_core.errors import InputError
from glass_core.files.kept_json import write_json
from glass_core.network.checkpoint import read_info
from tools.reproduce import published as paper
from tools.reproduce.figures import Figures, Kept, read
from tools.reproduce.jobs import Job, figures_of

WEAK = "weak.json"

Subset = tuple[str, str]
"""A part of a set of weak defects, by person or transparency, and a class in it."""


class WeakFigures(Kept):
    """Contents of weak.json: which model's they are, and its figures on each SET/PART."""

    weights_sha: str
    parts: dict[str, Figures]


def subsets(weak: Path) -> list[Subset]:
    """Those of a folder PART/CLASS/test that the paper used.

    Raises InputError where there are none, or the folder is none of table 3's.
    """
    if weak.resolve().name not in paper.WEAK:
        raise InputError(f"not a set of table 3, {weak}, call the folder {' or '.join(paper.WEAK)}")
    found = sorted((path.parent.parent.name, path.parent.name) for path in weak.glob("*/*/test"))
    found = [each for each in found if each[0] != paper.UNUSED_PART]
    if not found:
        raise InputError(f"no PART/CLASS/test, {weak}, give the folder of its subsets")
    return found


def on_weak(job: Job, out: Path, sets: Sequence[Path]) -> tuple[dict[str, Any], dict[str, str]]:
    """Figures of a job's model on each SET/PART with its class, and why those of these sets that are missing are.

    Known are those of all sets; of these sets what is not done yet is done. Raises InputError without a sound model, and for
    a damaged weak.json.
    """
    run = job.folder(out)
    kept = read(run / WEAK, WeakFigures)
    own = [(weak, part) for weak in sets for part, name in subsets(weak) if name == job.name]
    if kept is None and not own:
        return {}, {}
    info = read_info(run)
    known: dict[str, Any] = kept["parts"] if kept and kept["weights_sha"] == info.weights_sha else {}
    missing: dict[str, str] = {}
    for folder, part in own:
        title = f"{folder.resolve().name}/{part}"
        if title in known:
            continue
        try:
            known[title] = figures_of(load_engine(run), folder / part / job.name, info.config)
        except InputError as error:  # the pictures or masks of this part: the others can still be had
            missing[title] = str(error)
        else:
            write_json(run / WEAK, {"weights_sha": info.weights_sha, "parts": known})
    return known, missing
