"""The paper's sets of weak defects, MAD-man and MAD-sys: what they hold, and models of other pictures tested on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glass_core.engines import load_engine
from glass_core.errors import InputError
from tools import paper_tables as paper
from tools.reproduce_jobs import Job, figures_of, write

WEAK = "weak.json"

Subset = tuple[str, str]
"""A part of a set of weak defects, by person or transparency, and a class in it."""


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


def on_weak(job: Job, out: Path, sets: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Figures of a job's model on the subsets of its class: those that are known, and of these sets what is not done yet."""
    path = job.folder(out) / WEAK
    known: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
    own = [(weak, part) for weak in sets for part, name in subsets(weak) if name == job.name]
    for weak, part in own:
        title = weak.resolve().name
        if f"{title}/{part}" in known:
            continue
        known[f"{title}/{part}"] = figures_of(load_engine(job.folder(out)), weak / part / job.name)
        write(path, known)
    return known
