"""From a model and good cloth to the threshold card without which no line judges."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from calibration.false_alarms import Budget
from calibration.good import GoodFrame, look
from calibration.observed import VERDICTS, observed
from calibration.threshold import Model, ThresholdCard, calibrate
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.evaluation.suspects import SuspectList, score_good
from glass_core.events import LeftOut, Note, Pass, keep_quiet
from glass_core.files.whole_file import refused_writes
from glass_core.network.checkpoint import read_info
from glass_core.network.held_out import held_out
from glass_core.pictures.datasets import left_below, list_images
from glass_core.pictures.exclusions import EXCLUDE_FILE, KEY_DIGITS, read_exclusions
from glass_core.pictures.split import SplitImage, file_sha256, load_split, own_split

SECTION = "calibration"
DEFAULT = Budget()
Report = Callable[[Note | LeftOut | Pass], None]


@dataclass(frozen=True)
class Spot:
    """Which camera took a picture, and where on the cloth, as far as that is known."""

    camera: str = ""
    """Empty: any."""
    start_mm: float | None = None
    end_mm: float | None = None
    mm_per_px: tuple[float, float] | None = None
    """Across and along the cloth."""


class Review(Protocol):
    """A run that people have reviewed."""

    @property
    def frames(self) -> Sequence[GoodFrame]:
        """Good cloth, with the scores on record."""
        ...

    def replay(self, card: ThresholdCard) -> None:
        """Raises an error of its own where a known defect would pass by this card."""
        ...


def anywhere(picture: Path) -> Spot:
    """For pictures of which nobody knows the place."""
    return Spot()


def unscaled(run: Path, inspect_x_px: tuple[int, int] | None) -> Mapping[str, float]:
    """For runs of which nobody knows how wide a camera's view was."""
    return {}


def calibrate_threshold(
    model: Path,
    good: Path | None = None,
    budget: Budget = DEFAULT,
    report: Report = keep_quiet,
    spot_of: Callable[[Path], Spot] = anywhere,
    review: Callable[[Path, Engine], Review] | None = None,
    widths_of: Callable[[Path, tuple[int, int] | None], Mapping[str, float]] = unscaled,
    mm_per_px: float | None = None,
    source: str = "",
) -> ThresholdCard:
    """Score good cloth with a model's engine of this machine, and leave card.json in the model's folder.

    `good` is a folder of pictures, a recording or the folder of an observed run; None: the pictures of the training,
    those that it put aside and, as far as their optimism allows, those that it learned.
    `budget`: false alarms in 100 m2 of cloth, or in 1000 frames where a scale is not known; `mm_per_px` is that of pictures
    which do not tell it. `spot_of` tells where a picture was taken (`pipeline.cameras.placing`), `widths_of` how many mm each
    camera of a run inspected, where the model inspects those columns (`pipeline.ledger.widths`). With `review` the scores are
    those on record, and known defects are replayed before the old card is replaced. `source` is what the card calls the
    cloth, where that is not `good`. `report` hears of progress. Raises InputError for too little cloth or pictures that cannot
    be used.

    >>> from calibration.false_alarms import Budget
    >>> card = calibrate_threshold(folder / "run", folder / "good", Budget(per_100_m2=50), mm_per_px=0.2)
    >>> card.provisional, len(card.thresholds)
    (True, 4)
    """
    if mm_per_px is not None and not 0 < mm_per_px < math.inf:
        raise InputError(f"scale of {mm_per_px:g} mm per px, --mm-per-px, give one above 0")
    with refused_writes(model):
        engine, info = load_engine(model), read_info(model)
        if info.config is not None and info.config.input == "crop":
            raise InputError(f"a model of resized crops, which a line does not see, {model}, train one with input: tiles")
        reviewed = review(good, engine) if good is not None and review is not None else None
        if reviewed is not None:
            frames = reviewed.frames
        elif good is not None and (good / VERDICTS).is_file():
            widths_mm = widths_of(good, engine.definition.inspect_x_px)
            frames = observed(good / VERDICTS, model, engine, read_exclusions(model), widths_mm, report)
        else:
            frames = score_cloth(model, good, engine, report, spot_of, mm_per_px)
        named = source or str(good or "good pictures of the run")
        card = calibrate(frames, origin_of(engine, info.arch), budget, named, mm_per_px)
        if reviewed is not None:
            reviewed.replay(card)
        card.save(model)
    return card


def origin_of(engine: Engine, arch: str) -> Model:
    """What scores of this engine come from."""
    return Model(
        weights_sha=engine.weights_sha,
        engine_sha=engine.sha,
        backbone=arch,
        engine=f"{engine.backend} {engine.precision} on {engine.device}",
        score_definition=engine.definition,
    )


def score_cloth(
    model: Path,
    good: Path | None,
    engine: Engine,
    report: Report,
    spot_of: Callable[[Path], Spot],
    mm_per_px: float | None,
) -> list[GoodFrame]:
    """The frames of good pictures by their paths, which are the order of the cloth; their suspects are shown in the folder."""
    unseen = held_out(model, also_selection=True) if good is None else _unseen(model, good, report)
    learned = _learned(model, report) if good is None else []
    images = [*unseen, *learned]
    excluded = read_exclusions(model)
    kept = [image for image in images if image.sha256[:KEY_DIGITS] not in excluded]
    if len(kept) < len(images):
        report(LeftOut(len(images) - len(kept), f"they are marked in {model / EXCLUDE_FILE}"))
    suspects, frames, seen = SuspectList(engine), list[tuple[Path, GoodFrame]](), {image.sha256 for image in learned}
    for scored in score_good(model, engine, kept, f"scoring good cloth, {SECTION}", report):
        suspects.add(scored)
        height, width = scored.pixels.shape[:2]
        layout = engine.definition.tiling.layout(height, width, engine.definition.inspect_x_px)
        (level, texture), spot = look(scored.pixels), spot_of(scored.image.path)
        patches = layout.patch_scores(scored.cells)
        frame = GoodFrame(
            scored.lanes, spot.camera, spot.start_mm, spot.end_mm, level, texture, patches,
            learned=scored.image.sha256 in seen, area_m2=_area_m2(spot, layout.x1_px - layout.x0_px, height, mm_per_px),
        )  # fmt: skip
        frames.append((scored.image.path, frame))
    suspects.write(model, SECTION)
    return [frame for _, frame in sorted(frames, key=lambda one: one[0])]


def _area_m2(spot: Spot, width_px: int, height_px: int, mm_per_px: float | None) -> float | None:
    """Of a picture; its place tells its length better than its rows."""
    scale = spot.mm_per_px or (None if mm_per_px is None else (mm_per_px, mm_per_px))
    if scale is None:
        return None
    placed = spot.start_mm is not None and spot.end_mm is not None
    length_mm = (spot.end_mm or 0.0) - (spot.start_mm or 0.0) if placed else height_px * scale[1]
    return width_px * scale[0] * length_mm / 1e6


def _learned(model: Path, report: Report) -> list[SplitImage]:
    """The pictures of a run that its heads were fitted on, as far as they are still there."""
    images = own_split(model, read_info(model).split_digest).train
    still = [image for image in images if _unchanged(image)]
    if len(still) < len(images):
        report(LeftOut(len(images) - len(still), "they are gone or have changed since training"))
    return still


def _unchanged(image: SplitImage) -> bool:
    try:
        return file_sha256(image.path) == image.sha256
    except InputError:
        return False


def _unseen(model: Path, good: Path, report: Report) -> list[SplitImage]:
    """The pictures of a folder or recording, less those that training has seen: their scores are too low.

    What a model that was trained elsewhere has seen is not known.
    """
    images = [SplitImage(path=path, sha256=file_sha256(path)) for path in list_images(good)]
    if left := left_below({image.path.parent for image in images}):
        report(left)
    seen = {image.sha256 for image in load_split(model).train} if read_info(model).split_digest else set()
    unseen = [image for image in images if image.sha256 not in seen]
    if len(unseen) < len(images):
        report(LeftOut(len(images) - len(unseen), "the model was trained on them"))
    return unseen
