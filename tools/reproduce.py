"""The paper's tables beside ours: `python -m tools.reproduce DATA --out DIR` trains and evaluates every class of a data set.

What is done is not done again, so it may be interrupted, and shards may share DIR. Figures are those of the official protocol,
epoch: the last. DATA holds one folder a class, and is called by the name of its set (mvtec, visa, mpdd, wfdd).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from glass_core.checkpoint import read_info
from glass_core.config import TrainConfig, load_train_config
from glass_core.datasets import list_images, list_test_images
from glass_core.engines import load_engine
from glass_core.errors import InputError, MissingError
from glass_core.evaluate import evaluate, official_resize_px, official_system
from glass_core.paper import deviations
from glass_core.whole_file import whole_file
from tools import paper_tables as paper
from tools.cli import one_line
from tools.train import refused_writes

PRESETS = Path(__file__).parents[1] / "configs"
RESULT, WEAK = "result.json", "weak.json"
FIGURES = ("image_auroc", "pixel_auroc", "pro_official")
TABLES = (1, 2, 3, 4, 8)
# What each row changes against the preset; rows 1 and 2 of table 1, table 4, and table 8.
VARIANTS: dict[str, dict[str, Any]] = {
    "m": {"distribution": "m"},
    "h": {"distribution": "h"},
    "LAS": {"distribution": "m", "gas": False},
    "GN": {"distribution": "m", "las": False, "mining": False},
    "LAS+GN": {"distribution": "m", "mining": False},
    "LAS+GN+GA": {"distribution": "m", "projection": False},
    **{name: {"distribution": "m", "backbone": name} for name in paper.BACKBONES if name != "wide_resnet50_2"},
    **{
        name: {"distribution": "m", "levels": [int(level) for level in name.removeprefix("level").split("+")]}
        for name in paper.LEVELS
    },
}
NEEDED = {
    1: ("m", "h"),
    2: ("m", "h"),
    3: ("m",),
    4: ("m", *list(paper.ABLATION)[:-1]),
    8: ("m", *list(paper.BACKBONES)[:-1], *paper.LEVELS),
}


@dataclass(frozen=True)
class Job:
    """One training and its evaluation."""

    variant: str
    name: str
    seed: int

    def folder(self, out: Path) -> Path:
        return out / self.variant / self.name / f"seed{self.seed}"


def preset(data: Path) -> TrainConfig:
    """What the official script of a data set trains with."""
    name = data.resolve().name
    return load_train_config(PRESETS / f"paper_{name if name in paper.SETS else 'custom'}.yaml")


def run_job(job: Job, data: Path, out: Path, overrides: dict[str, Any], console: Console) -> dict[str, Any]:
    """Trains, evaluates, and leaves result.json, which vouches for the job. Raises InputError for other settings there."""
    from glass_core.train import Step, train  # torch is slow to load: not for --help

    test = list_test_images(data / job.name)
    resize_px = official_resize_px(data / job.name, test)
    changes = {"resize_px": resize_px, "seed": job.seed, **overrides, **VARIANTS[job.variant]}
    config = TrainConfig.model_validate({**preset(data).model_dump(), **changes})
    folder, started = job.folder(out), time.monotonic()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"{job.variant} {job.name} seed {job.seed}", total=None)

        def report(event: object) -> None:
            if isinstance(event, Step):
                progress.update(task, completed=event.done, total=event.total)

        train(list_images(data / job.name), config, folder, report)
    info = read_info(folder)
    result = {
        "schema": 1,
        **figures_of(folder, data / job.name),
        "clamped": info.curve[-1].clamped,
        "seconds": time.monotonic() - started,
        "settings": overrides,
        "deviations": [words for words in deviations(info) if words.split()[0] not in VARIANTS[job.variant]],
    }
    write(folder / RESULT, result)
    return result


def figures_of(run: Path, test_set: Path) -> dict[str, float | None]:
    """What a model reaches on a test set by the official protocol."""
    test = list_test_images(test_set)
    resize_px = official_resize_px(test_set, test)
    found = evaluate(test, official_system(load_engine(run), resize_px), "official", resize_px)
    return {figure: getattr(found, figure) for figure in FIGURES}


def write(path: Path, value: dict[str, Any]) -> None:
    """As JSON, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n")


def done(job: Job, out: Path, overrides: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a job that is finished; InputError when it was done with other settings."""
    path = job.folder(out) / RESULT
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    if found.get("settings") != overrides:
        raise InputError(f"done with other settings ({found.get('settings')}), {path.parent}, choose another --out")
    return found


Subset = tuple[str, str]
"""A part of a set of weak defects, by person or transparency, and a class in it."""


def subsets(weak: Path) -> list[Subset]:
    """Those of a folder PART/CLASS/test; InputError where there are none, or the folder is none of table 3's."""
    if weak.resolve().name not in paper.WEAK:
        raise InputError(f"not a set of table 3, {weak}, call the folder {' or '.join(paper.WEAK)}")
    found = sorted((path.parent.parent.name, path.parent.name) for path in weak.glob("*/*/test"))
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
        known[f"{title}/{part}"] = figures_of(job.folder(out), weak / part / job.name)
        write(path, known)
    return known


def rows(
    data: Path,
    names: Sequence[str],
    results: dict[Job, dict[str, Any]],
    tables: Sequence[int],
    weak: Mapping[str, Sequence[Subset]] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Every row of the tables: ours (mean over seeds), paper, difference, runs, standard deviation; null where not run."""
    found = []
    kind = data.resolve().name
    whole = len(names) == paper.SIZES.get(kind)
    averages: dict[str, paper.Triple] = paper.SETS.get(kind, {}) if whole else {}
    of_mvtec = kind == "mvtec" and whole
    shown = "mhj" if kind in paper.SETS else "mh"  # the authors judged their own sets

    def chosen(variant: str, name: str) -> str:
        return variant if variant != "j" else "h" if name in paper.HYPERSPHERES else "m"

    def add(
        table: int, title: str, variant: str, of: Sequence[str], published: paper.Triple | None, parts: Sequence[str] = ()
    ) -> None:
        seeds = sorted({job.seed for job in results})
        runs = [[results.get(Job(chosen(variant, name), name, seed)) for name in of] for seed in seeds]
        if parts:  # the same models on subsets of weak defects
            runs = [[each and each.get("weak", {}).get(part) for each, part in zip(run, parts, strict=True)] for run in runs]
        complete = [[each for each in of_seed if each is not None] for of_seed in runs if of_seed and None not in of_seed]
        row: dict[str, Any] = {"table": table, "row": title, "runs": len(complete), "classes": len(of)}
        for place, figure in enumerate(FIGURES):
            values = [[each[figure] for each in of_seed] for of_seed in complete]
            means = [100 * statistics.fmean(of_seed) for of_seed in values if None not in of_seed]
            ours = statistics.fmean(means) if means else None
            wanted = published[place] if published else None
            row[figure] = {
                "ours": ours,
                "paper": wanted,
                "difference": ours - wanted if ours is not None and wanted is not None else None,
                "std": statistics.stdev(means) if len(means) > 1 else None,
            }
        touched = [each["clamped"] for of_seed in complete for each in of_seed if each.get("clamped") is not None]
        row["clamped"] = statistics.fmean(touched) if touched else None
        found.append(row)

    for table in tables:
        if table == 1:
            for name in names:
                m, h, _ = paper.CLASSES[name] if kind == "mvtec" and name in paper.CLASSES else (None, None, "m")
                of_class = {"m": m, "h": h, "j": h if name in paper.HYPERSPHERES else m}
                for variant in shown:
                    add(1, f"{name} GLASS-{variant}", variant, [name], of_class[variant])
        elif table == 2:
            for variant in shown:
                add(2, f"{kind} average GLASS-{variant}", variant, names, averages.get(variant))
        elif table == 3:
            for title, published in paper.WEAK.items():
                parts = [f"{title}/{part}" for part, _ in weak.get(title, ())]
                add(3, title, "m", [name for _, name in weak.get(title, ())], published if kind == "mvtec" else None, parts)
        elif table == 4:
            for title, published in paper.ABLATION.items():
                add(4, title, "m" if title.endswith("TP") else title, names, published if of_mvtec else None)
        else:
            for title, published in {**paper.BACKBONES, **paper.LEVELS}.items():
                add(8, title, "m" if title == "wide_resnet50_2" else title, names, published if of_mvtec else None)
    return found


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


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 with the tables; prints one JSON object on stdout, tables and progress on stderr."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=Path, metavar="DATA", help="folder of the classes of a data set")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="models and results; what is there is not done again")
    p.add_argument("--tables", type=int, nargs="+", choices=TABLES, default=[1, 2], help="(default: 1 2)")
    p.add_argument("--classes", nargs="+", metavar="NAME", help="(default: all that DATA has)")
    p.add_argument("--weak", type=Path, nargs="+", default=[], metavar="DIR", help="MAD-man, MAD-sys: subsets for table 3")
    p.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    p.add_argument("--shard", default="1/1", metavar="I/N", help="do only every Nth job, beginning with the Ith")
    p.add_argument("--config", type=Path, metavar="YAML", help="its section `train:` changes the preset; every change is said")
    args = p.parse_args(arguments)
    console = Console(stderr=True)
    with refused_writes(args.out):
        found = reproduce(args, console)
    print(json.dumps(found))
    return 0


def reproduce(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Does the jobs of this shard that are not done, then makes the tables of all that is."""
    overrides: dict[str, Any] = {}
    if args.config:
        base = preset(args.data)
        own, chosen = (each.model_dump(mode="json") for each in (base, load_train_config(args.config, base)))
        overrides = {key: value for key, value in chosen.items() if value != own[key] and key != "profile"}
    if 8 in args.tables and overrides.keys() & {"backbone", "levels"}:
        raise InputError(f"table 8 compares backbones and levels, {args.config}, leave both out of it")
    names = args.classes or sorted(path.parent.name for path in args.data.glob("*/test"))
    if not names:
        raise InputError(f"no classes, {args.data}, give the folder that holds the folders of the classes")
    index, _, count = args.shard.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise InputError(f"bad shard {args.shard!r}, --shard, say I/N with 1 <= I <= N")
    if bool(args.weak) != (3 in args.tables):
        raise InputError("table 3 and --weak go together, the command line, give both or none of them")
    weak = {path.resolve().name: subsets(path) for path in args.weak}
    variants = list(dict.fromkeys(variant for table in args.tables for variant in NEEDED[table]))
    jobs = [Job(variant, name, seed) for seed in args.seeds for name in names for variant in variants]
    shard = jobs[int(index) - 1 :: int(count)]
    waiting = [job for job in shard if done(job, args.out, overrides) is None]
    refused: dict[str, str] = {}
    seconds: list[float] = []
    for number, job in enumerate(waiting):
        try:
            seconds.append(run_job(job, args.data, args.out, overrides, console)["seconds"])
        except MissingError as error:  # weights that are not here: the other rows can still be had
            refused[job.variant] = str(error)
            continue
        left = statistics.fmean(seconds) * (len(waiting) - number - 1) / 3600
        console.print(f"{job.variant} {job.name} seed {job.seed}: {number + 1} of {len(waiting)}, about {left:.2f} h left")
    results = {job: result for job in jobs if (result := done(job, args.out, overrides)) is not None}
    for job, result in results.items():
        if weak and job.variant == "m":
            result["weak"] = on_weak(job, args.out, args.weak if job in shard else [])
    found = rows(args.data, names, results, args.tables, weak)
    show(found, console)
    said = sorted({words for result in results.values() for words in result["deviations"]})
    for words in said:
        console.print(f"not as in the paper's script: {words}", soft_wrap=True, highlight=False)
    for variant, why in refused.items():
        console.print(f"not run: {variant}: {why}", soft_wrap=True, highlight=False)
    return {"schema": 1, "rows": found, "deviations": said, "not_run": refused, "waiting": len(jobs) - len(results)}


if __name__ == "__main__":
    sys.exit(main())
