"""Rows of the paper's tables from results of our own: ours, the paper's, and the difference where the two are of the same."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.reproduce import published as paper
from tools.reproduce.best_on_test import LABEL
from tools.reproduce.jobs import FIGURES, Job
from tools.reproduce.weak_sets import Subset

Results = Mapping[Job, dict[str, Any]]


@dataclass(frozen=True)
class Wanted:
    """A row: the variant ("j": for each class what the authors' judge chose) and the classes that its figures are means of."""

    table: int
    title: str
    variant: str
    classes: Sequence[str]
    published: paper.Triple | None
    parts: Sequence[str] = ()
    """For each class the set of weak defects that it is tested on; none for its own test set."""


def rows(
    data: Path,
    names: Sequence[str],
    results: Results,
    tables: Sequence[int],
    weak: Mapping[str, Sequence[Subset]] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Every row of the tables: ours (mean over seeds), paper, difference, runs, standard deviation; null where not run.

    Where results have figures of the best on test, each row of the classes' own test sets is followed by one of those.
    """
    best = {job: result["best_on_test"] for job, result in results.items() if "best_on_test" in result}
    found = []
    for row in _wanted(data, names, tables, weak):
        found.append(_filled(row, results))
        if best and row.table != 3 and not row.parts:
            found.append(_filled(replace(row, title=f"{row.title}, {LABEL}"), best))
    return found


def _wanted(data: Path, names: Sequence[str], tables: Sequence[int], weak: Mapping[str, Sequence[Subset]]) -> Iterator[Wanted]:
    kind = data.resolve().name
    whole = len(names) == paper.SIZES.get(kind)
    averages: dict[str, paper.Triple] = paper.SETS.get(kind, {}) if whole else {}
    of_mvtec = kind == "mvtec" and whole
    shown = "mhj" if kind in paper.SETS else "mh"  # the authors judged their own sets

    def on_weak(table: int, title: str, variant: str, of: str, published: paper.Triple | None) -> Wanted:
        subsets = weak.get(of, ())
        parts, classes = [f"{of}/{part}" for part, _ in subsets], [name for _, name in subsets]
        same = kind == "mvtec" and (len(set(parts)), len(set(classes))) == paper.WEAK_SIZES[of]
        same = same and len(subsets) == len(set(parts)) * len(set(classes))
        return Wanted(table, title, variant, classes, published if same else None, parts)

    for table in tables:
        if table == 1:
            for name in names:
                m, h, _ = paper.CLASSES[name] if kind == "mvtec" and name in paper.CLASSES else (None, None, "m")
                of_class = {"m": m, "h": h, "j": h if name in paper.HYPERSPHERES else m}
                for variant in shown:
                    yield Wanted(1, f"{name} GLASS-{variant}", variant, [name], of_class[variant])
        elif table == 2:
            for variant in shown:
                yield Wanted(2, f"{kind} average GLASS-{variant}", variant, names, averages.get(variant))
        elif table == 3:
            for title, published in paper.WEAK.items():
                yield on_weak(3, title, "m", title, published)
        elif table == 4:
            for title, published in paper.ABLATION.items():
                variant = "m" if title == paper.WHOLE_METHOD else title
                yield Wanted(4, title, variant, names, published if of_mvtec else None)
                for of in weak:
                    yield on_weak(4, f"{title}, {of}", variant, of, paper.WEAK_ABLATION[of].get(title))
        else:
            for title, published in {**paper.BACKBONES, **paper.LEVELS}.items():
                variant = "m" if title == "wide_resnet50_2" else title
                yield Wanted(8, title, variant, names, published if of_mvtec else None)


def _filled(wanted: Wanted, results: Results) -> dict[str, Any]:
    of, seeds = wanted.classes, sorted({job.seed for job in results})
    runs = [[results.get(Job(_chosen(wanted.variant, name), name, seed)) for name in of] for seed in seeds]
    if wanted.parts:
        runs = [[each and each.get("weak", {}).get(part) for each, part in zip(run, wanted.parts, strict=True)] for run in runs]
    complete = [[each for each in of_seed if each is not None] for of_seed in runs if of_seed and None not in of_seed]
    row: dict[str, Any] = {"table": wanted.table, "row": wanted.title, "runs": len(complete), "classes": len(of)}
    for place, figure in enumerate(FIGURES):
        values = [[each[figure] for each in of_seed] for of_seed in complete]
        means = [100 * statistics.fmean(of_seed) for of_seed in values if None not in of_seed]
        ours = statistics.fmean(means) if means else None
        theirs = wanted.published[place] if wanted.published else None
        row[figure] = {
            "ours": ours,
            "paper": theirs,
            "difference": ours - theirs if ours is not None and theirs is not None else None,
            "std": statistics.stdev(means) if len(means) > 1 else None,
        }
    touched = [each["clamped"] for of_seed in complete for each in of_seed if each.get("clamped") is not None]
    row["clamped"] = statistics.fmean(touched) if touched else None
    return row


def _chosen(variant: str, name: str) -> str:
    return variant if variant != "j" else "h" if name in paper.HYPERSPHERES else "m"


def show(found: list[dict[str, Any]], console: Console) -> None:
    """The rows for a person: ours / paper (difference, standard deviation)."""
    for number in sorted({row["table"] for row in found}):
        note = "; clamped: share of rows that the first truncated projection moved" if number == 4 else ""
        table = Table(title=f"table {number}, percent: ours / paper (difference; std over seeds){note}")
        for head in ("row", "image AUROC", "pixel AUROC", "PRO, official", "runs", *(("clamped",) if number == 4 else ())):
            table.add_column(head)
        for row in (row for row in found if row["table"] == number):
            cells = [_cell(row[figure]) for figure in FIGURES]
            clamped = "-" if row["clamped"] is None else f"{row['clamped']:.2%}"
            table.add_row(row["row"], *cells, str(row["runs"]), *((clamped,) if number == 4 else ()))
        console.print(table)


def _cell(figure: dict[str, float | None]) -> str:
    ours, wanted, difference, std = (figure[key] for key in ("ours", "paper", "difference", "std"))
    text = "not run" if ours is None else f"{ours:.1f}"
    text += "" if wanted is None else f" / {wanted:.1f}"
    extra = [f"{difference:+.1f}"] if difference is not None else []
    extra += [f"std {std:.1f}"] if std is not None else []
    return text + (f" ({'; '.join(extra)})" if extra else "")
