"""The trainings behind the paper's tables: what each changes against its official script, and one from start to end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat
from rich.console import Console
from rich.progress import Progress

from glass_core.config import TrainConfig, load_train_config
from glass_core.engines import load_engine
from glass_core.errors import InputError
from glass_core.evaluation.deviations import NOTHING_OF_THE_METHOD, deviations
from glass_core.evaluation.measure import OFFICIAL_PX, measure, official_resize_px, official_system, trained_resize_px
from glass_core.files.kept_json import write_json
from glass_core.network.checkpoint import EpochFigures, read_info
from glass_core.pictures.datasets import check_test_images, list_images, list_test_images
from glass_core.pictures.scoring import Scorer
from tools.reproduce import published as paper
from tools.reproduce.best_on_test import LABEL, BestFigures, BestOnTest
from tools.reproduce.figures import Figures, read

PRESETS = Path(__file__).parents[2] / "configs"
RESULT = "result.json"
FIGURES = ("image_auroc", "pixel_auroc", "pro_official")
FIRST_STEPS, FIRST_S = 20, 60.0
"""After so many steps or seconds of the first training, whichever comes first, the hours of all are told."""
# What each row changes against the preset; rows 1 and 2 of table 1, table 4, and table 8.
VARIANTS: dict[str, dict[str, Any]] = {
    "m": {"distribution": "m"},
    "h": {"distribution": "h"},
    "LAS": {"distribution": "m", "gas": False},
    "GN": {"distribution": "m", "las": False, "mining": False},
    "LAS+GN": {"distribution": "m", "mining": False},
    "LAS+GN+GA": {"distribution": "m", "projection": False},
    "without-adaptor": {"distribution": "m", "adaptor": False},
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
    4: ("m", *(title for title in paper.ABLATION if title != paper.WHOLE_METHOD)),
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

    def __str__(self) -> str:
        return f"{self.variant} {self.name} seed {self.seed}"


class Result(Figures):
    """Contents of result.json: the figures of the last epoch, and how they came about."""

    schema_version: Literal[1] = Field(alias="schema")
    clamped: FiniteFloat | None
    seconds: FiniteFloat
    settings: dict[str, Any]
    deviations: list[str]
    best_on_test: BestFigures | None = None


class Hours:
    """Says once, soon after the first training's first step, how long so many trainings like it will take."""

    def __init__(self, jobs: int, console: Console) -> None:
        self._jobs, self._console = jobs, console
        self._first: tuple[int, float] | None = None
        self._said = False

    def step(self, done: int, total: int) -> None:
        """After `done` steps of `total` of a training."""
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        steps, seconds = done - self._first[0], now - self._first[1]
        if self._said or not steps or (steps < FIRST_STEPS and seconds < FIRST_S):
            return
        hours = seconds / steps * total * self._jobs / 3600
        self._console.print(f"about {hours:.2f} h of training in all, if {self._jobs} times the same", highlight=False)
        self._said = True


def preset(data: Path) -> Path:
    """What the official script of a data set trains with."""
    name = data.resolve().name
    return PRESETS / f"paper_{name if name in paper.SETS else 'custom'}.yaml"


def changes(data: Path, chosen: Path) -> tuple[dict[str, Any], list[str]]:
    """The settings that a config changes against the preset, and in words those that make a difference to the script.

    Raises InputError for a bad config, and for crops that the official protocol does not know.
    """
    base = load_train_config(preset(data))
    before, after = (each.model_dump(mode="json") for each in (base, load_train_config(chosen, base)))
    settings = {key: value for key, value in after.items() if value != before[key] and key != "profile"}
    if "tile_px" in settings:
        raise InputError(f"crops of {settings['tile_px']} px, {chosen}, officially they have {OFFICIAL_PX}: leave tile_px out")
    told = settings.keys() - NOTHING_OF_THE_METHOD
    return settings, [f"{key} {value}, preset {before[key]}" for key, value in settings.items() if key in told]


def run_job(
    job: Job, data: Path, out: Path, overrides: dict[str, Any], console: Console, every: int | None, hours: Hours
) -> dict[str, Any]:
    """Trains, evaluates, and leaves result.json, which vouches for the job.

    With `every` the figures of the best on test of so many epochs go with it; the model is the last epoch all the same. Raises
    InputError for pictures or settings that cannot be used, or with the job's folder in it, for what is there already.
    """
    from glass_core.training.events import Start, Step
    from glass_core.training.fit import fit

    test_set, folder, started = data / job.name, job.folder(out), time.monotonic()
    test = list_test_images(test_set)
    for words in check_test_images(test, floored=True):  # a bad one is better known before hours of training
        console.print(words, soft_wrap=True, markup=False, highlight=False)
    changed = {"resize_px": official_resize_px(test_set, test), "seed": job.seed, **overrides, **VARIANTS[job.variant]}
    config = load_train_config(preset(data), instead=changed)
    best = BestOnTest(every, config, folder, lambda scorer: figures_of(scorer, test_set, config)) if every else None
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(str(job), total=None)

        def report(event: object) -> None:
            if isinstance(event, Step):
                progress.update(task, completed=event.done, total=event.total)
                hours.step(event.done, event.total)
            elif best and isinstance(event, Start):
                best.begin(event.resumed_epochs)
            elif best and isinstance(event, EpochFigures):
                best.after(event.epoch)

        fit(list_images(test_set), config, folder, report)
    info = read_info(folder)
    # as in the set's own script, if not changed: foreground and resize_px
    compared = {*VARIANTS[job.variant], *overrides, "foreground", "resize_px"}
    result: dict[str, Any] = {
        "schema": 1,
        **figures_of(load_engine(folder), test_set, info.config),
        "clamped": info.curve[-1].clamped,
        "seconds": time.monotonic() - started,
        "settings": overrides,
        "deviations": list(deviations(info, compared)),
    }
    if best and best.found:
        result["best_on_test"] = best.found
        if best.found["evaluated"] < config.epochs:
            words = f"{LABEL}: of {best.found['evaluated']} epochs, officially of all {config.epochs}"
            result["deviations"].append(words)
    write_json(folder / RESULT, result)
    return result


def figures_of(scorer: Scorer, test_set: Path, config: TrainConfig | None) -> dict[str, float | None]:
    """What a model trained with `config` reaches on a test set by the official protocol."""
    test = list_test_images(test_set)
    resize_px = trained_resize_px(config, test_set, test)
    found = measure(test, official_system(scorer, resize_px), "official", resize_px)
    return {figure: getattr(found, figure) for figure in FIGURES}


def done(job: Job, out: Path, overrides: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a job that is finished; InputError when it was done with other settings or is damaged."""
    found = read(job.folder(out) / RESULT, Result)
    if found is not None and found["settings"] != overrides:
        raise InputError(f"done with other settings ({found['settings']}), {job.folder(out)}, choose another --out")
    return found
