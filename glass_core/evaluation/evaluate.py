"""How well a model tells the good and defective pictures of a test set apart, and where."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.evaluation.deviations import deviations
from glass_core.evaluation.figures import Panel, write_histogram, write_panels
from glass_core.evaluation.kept_apart import refuse_seen
from glass_core.evaluation.measure import (
    OFFICIAL_PX,
    Evaluation,
    Protocol,
    Scored,
    System,
    measure,
    official_crop,
    official_resize_px,
    official_system,
    standard_system,
    trained_resize_px,
)
from glass_core.evaluation.score_folder import EVALUATION_FILE, SCORES_FILE, ScoreFolder
from glass_core.evaluation.scores import MEDIAN_SHARE
from glass_core.events import LeftOut, Note, Pass, keep_quiet, passing
from glass_core.files.kept_json import write_json
from glass_core.files.whole_file import refused_writes
from glass_core.network.checkpoint import ModelInfo, read_info
from glass_core.pictures.datasets import TestImage, check_test_images, left_below, list_test_images, read_mask
from glass_core.pictures.known_sets import known_set
from glass_core.pictures.reading import read_image

PANELS = 12
Thresholds = Callable[[Engine], tuple[float, ...] | None]
"""Those of each lane that hold for an engine, as a threshold card has them; None where there is no such card."""


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a system, how its epoch was chosen, and the thresholds in force, if any."""

    system: System
    selection: str | None
    thresholds: tuple[float, ...] | None = None
    deviations: tuple[str, ...] = ()
    map_median_share: float | None = None
    """Share of a picture's median log odds that its map leaves out; null where maps are the paper's or were made elsewhere."""


@dataclass(frozen=True)
class Evaluated:
    """The figures of a model, and by what protocol they came about; official pictures had a short side of `resize_px`."""

    figures: Evaluation
    protocol: Protocol
    subject: Subject
    resize_px: int
    out: Path | None

    @property
    def facts(self) -> dict[str, Any]:
        """All of it for JSON, as evaluation.json has it."""
        names = ("image_auroc", "image_ap", "image_f1_max", "pixel_auroc", "pixel_ap", "pro", "pro_official", "pointing")
        at_threshold = ("f1_at_threshold", "recall_at_threshold", "false_alarms_at_threshold")
        return {
            "schema": 1,
            **{name: getattr(self.figures, name) for name in (*names, *at_threshold)},
            "protocol": self.protocol,
            "selection": self.subject.selection,
            "deviations": list(self.subject.deviations),
            "map_median_share": self.subject.map_median_share,
            "n_good": self.figures.n_good,
            "n_defect": self.figures.n_defect,
            "error": self.figures.error,
            "out": self.out and str(self.out),
        }


def no_thresholds(engine: Engine) -> None:
    """For an evaluation without a card: no figures at a threshold."""


def evaluate(
    model: Path,
    data: Path,
    protocol: Protocol = "standard",
    crops: bool = False,
    out: Path | None = None,
    thresholds: Thresholds = no_thresholds,
    report: Callable[[Note | LeftOut | Pass], None] = keep_quiet,
) -> Evaluated:
    """The figures of a RUN, or of scores that an evaluation left in a folder, on a test set in MVTec layout or of VisA.

    The protocol "standard" scores whole pictures in tiles, "official" as the paper's code a square cut from the middle.
    `crops`: the pictures are cut from the inspected range, score them whole; a lane is then held to the strictest threshold.
    `thresholds` is asked when the engine is ready, since a card holds for one engine. Scores, maps and pictures are left in
    the folder `out`. `report` hears of progress. Raises InputError for a model, pictures or a folder that do not fit.

    >>> found = evaluate(folder / "run", folder / "test_set")
    >>> found.figures.n_good, found.figures.n_defect
    (2, 2)
    """
    images = list_test_images(data)
    if words := known_set(data):
        report(Note(words))
    if left := left_below({image.path.parent for image in images} | {p for p in (data / "test").glob("*") if p.is_dir()}):
        report(left)
    if out and out.resolve() == model.resolve():
        raise InputError(f"--out is what is evaluated, {out}, choose another folder")
    if (model / SCORES_FILE).is_file():
        resize_px = official_resize_px(data, images)
        subject = _exported(ScoreFolder(model, data), model, protocol)
    else:
        info = read_info(model)
        resize_px = trained_resize_px(info.config, data, images)
        _refuse_unfitting(model, info, protocol)
        refuse_seen(model, data, images)
        subject = _trained(model, info, protocol, resize_px, crops, thresholds)
    looked_at = passing(images, "looking at pictures and masks", report)
    for words in check_test_images(looked_at, floored=protocol == "official"):
        report(Note(words))
    return _measured(images, data, subject, protocol, resize_px, out, report)


def _exported(scores: ScoreFolder, folder: Path, protocol: Protocol) -> Subject:
    """Scores on disk, with what is known of where they are from."""
    origin = scores.origin()
    if origin is None:
        return Subject(scores.system(), None)
    if origin.protocol != protocol:
        raise InputError(f"scores of the {origin.protocol} protocol, {folder}, say --protocol {origin.protocol}")
    return Subject(scores.system(), origin.selection, None, origin.deviations, origin.map_median_share)


def _refuse_unfitting(run: Path, info: ModelInfo, protocol: Protocol) -> None:
    """A model of crops sees what the official protocol sees, and nothing else."""
    config = info.config
    if config is None or config.input != "crop":
        return
    if protocol == "standard":
        raise InputError(f"a model of resized crops, {run}, say --protocol official")
    if config.tile_px != OFFICIAL_PX:
        raise InputError(f"a model of crops of {config.tile_px} px, {run}, train one with tile_px: {OFFICIAL_PX}")


def _trained(run: Path, info: ModelInfo, protocol: Protocol, resize_px: int, crops: bool, thresholds: Thresholds) -> Subject:
    """A trained model by this machine's engine."""
    engine = load_engine(run)
    if protocol == "official":
        if OFFICIAL_PX % info.score.tiling.cell_px:
            raise InputError(
                f"cells of {info.score.tiling.cell_px} px do not fill {OFFICIAL_PX} px, {run}, say --protocol standard"
            )
        return Subject(official_system(engine, resize_px), info.selection, None, deviations(info))
    definition = engine.definition.model_copy(update={"inspect_x_px": None}) if crops else engine.definition
    known = thresholds(engine)
    if crops and known is not None:
        known = (min(known),)  # a crop's lane is not known: held to the strictest
    return Subject(standard_system(engine, definition), info.selection, known, map_median_share=MEDIAN_SHARE)


def _measured(
    images: Sequence[TestImage],
    data: Path,
    subject: Subject,
    protocol: Protocol,
    resize_px: int,
    out: Path | None,
    report: Callable[[Pass], None],
) -> Evaluated:
    folder = ScoreFolder(out, data) if out else None
    with refused_writes(out):
        if out:
            out.mkdir(parents=True, exist_ok=True)
            (out / SCORES_FILE).unlink(missing_ok=True)  # it vouches for the maps, which are about to change
        keep = folder.write if folder else None
        shown = passing(images, "evaluating", report)
        figures = measure(shown, subject.system, protocol, resize_px, subject.thresholds, keep)
        found = Evaluated(figures, protocol, subject, resize_px, out)
        if out and folder:
            folder.close(figures.scored)
            write_json(out / EVALUATION_FILE, found.facts)
            _write_pictures(out, folder, figures, protocol, resize_px, subject.thresholds)
    return found


def _write_pictures(
    out: Path,
    folder: ScoreFolder,
    found: Evaluation,
    protocol: Protocol,
    resize_px: int,
    thresholds: tuple[float, ...] | None,
) -> None:
    """Histogram of scores; maps of defects from the lowest score to the highest, and of the highest good pictures."""
    good = sorted((each for each in found.scored if not each.image.defective), key=lambda each: -each.score)
    bad = sorted((each for each in found.scored if each.image.defective), key=lambda each: each.score)
    good_scores, bad_scores = (np.array([each.score for each in part], dtype=np.float64) for part in (good, bad))
    one = thresholds[0] if thresholds and len(set(thresholds)) == 1 else None  # several have no one place in the picture
    write_histogram(out / "scores.png", good_scores, bad_scores, one)
    places = sorted({round(place) for place in np.linspace(0, len(bad) - 1, PANELS)}) if bad else []
    panels = [_panel(each, folder, protocol, resize_px) for each in (*(bad[place] for place in places), *good[:PANELS])]
    write_panels(out / "maps.png", panels)


def _panel(each: Scored, folder: ScoreFolder, protocol: Protocol, resize_px: int) -> Panel:
    picture = read_image(each.image.path)
    mask = read_mask(each.image, *picture.shape[:2])
    if protocol == "official":
        picture, mask = official_crop(picture, resize_px), None if mask is None else official_crop(mask, resize_px)
    caption = f"{each.image.label}  {each.image.path.name}  score {each.score:.4f}"
    return Panel(picture, mask, folder.map(each.image), caption)
