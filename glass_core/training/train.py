"""Learns good cloth, and shows which of its tiles look least like the rest."""

from collections.abc import Sequence
from pathlib import Path

from glass_core.config import TrainConfig
from glass_core.engines import load_engine
from glass_core.errors import InputError
from glass_core.evaluation.suspects import SuspectList, score_good
from glass_core.events import LeftOut, Note, keep_quiet
from glass_core.files.whole_file import refused_writes
from glass_core.files.whole_folder import folder_for_work
from glass_core.network.checkpoint import ModelInfo, read_info
from glass_core.pictures.datasets import left_below, list_images
from glass_core.pictures.exclusions import EXCLUDE_FILE, KEY_DIGITS, read_exclusions
from glass_core.pictures.known_sets import known_set
from glass_core.pictures.split import SPLIT_FILE, file_sha256, load_split
from glass_core.training.events import Report
from glass_core.training.fit import fit
from glass_core.training.training_state import STATE_FILE

SECTION = "training"


def train(images: Path | Sequence[Path], config: TrainConfig, out: Path, report: Report = keep_quiet) -> ModelInfo:
    """Learn good cloth from a folder, data set or recording, or from a list of pictures; the model is left in `out`.

    Pictures that a person marked in `out`/exclude.txt are left out. The good tiles with the highest scores are then shown
    on contact_sheet_training.png and listed there. A training that was interrupted is taken up again.
    `report` hears of progress (glass_core.training.events). Raises InputError for pictures, settings or a folder that
    cannot be used, MissingError without the trunk's weights.

    >>> parts = {"train": 0.5, "calibration": 0.25, "selection": 0.25}
    >>> config = TrainConfig(profile="quick", backbone="embedded", tile_px=64, epochs=1, iterations_per_epoch=2, split=parts)
    >>> info = train(folder / "good", config, folder / "run")
    >>> info.arch, len(info.curve)
    ('embedded', 1)
    """
    given = list_images(images) if isinstance(images, Path) else list(images)
    if isinstance(images, Path) and (left := left_below({image.parent for image in given})):
        report(left)
    if isinstance(images, Path) and (words := known_set(images)):
        report(Note(words))
    with refused_writes(out), folder_for_work(out):  # what cannot be written is better known now than after the training
        fit(leave_out_marked(given, out, report), config, out, report)
        parts, engine = load_split(out), load_engine(out)
        suspects = SuspectList(engine)
        for good in score_good(out, engine, (*parts.train, *parts.selection), f"scoring good cloth, {SECTION}", report):
            suspects.add(good)
        suspects.write(out, SECTION)
    return read_info(out)


def leave_out_marked(images: Sequence[Path], out: Path, report: Report) -> list[Path]:
    """Good pictures that nobody marked. A training that has seen one marked since is begun anew.

    Raises InputError where none is left.
    """
    marked = read_exclusions(out)
    if not marked:
        return list(images)
    kept = [image for image in images if file_sha256(image)[:KEY_DIGITS] not in marked]
    report(LeftOut(len(images) - len(kept), f"they are marked in {out / EXCLUDE_FILE}"))
    if not kept:
        raise InputError(f"every good picture is marked, {out / EXCLUDE_FILE}, unmark those that are good")
    if (out / SPLIT_FILE).exists():
        parts = load_split(out)
        seen = (*parts.train, *parts.calibration, *parts.selection)
        if any(image.sha256[:KEY_DIGITS] in marked for image in seen):
            (out / STATE_FILE).unlink(missing_ok=True)
    return kept
