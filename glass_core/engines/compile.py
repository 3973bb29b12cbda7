"""Makes a BUNDLE of a run: the engine built ahead for this machine, and proven against the trained model."""

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from glass_core.config import TrainConfig
from glass_core.engines.backend import Device, backend, check_precision, choose
from glass_core.engines.building import GUARD_PAIRS, RANGE_PAIRS, build, draw_pairs
from glass_core.engines.bundle import Manifest
from glass_core.errors import InputError
from glass_core.events import Pass, keep_quiet, passing
from glass_core.files.whole_folder import whole_folder
from glass_core.network.checkpoint import INFO_FILE, MODEL_FILE, ModelInfo, read_info
from glass_core.network.held_out import held_out
from glass_core.pictures.datasets import list_images
from glass_core.pictures.exclusions import EXCLUDE_FILE
from glass_core.pictures.split import SPLIT_FILE, load_split

RUN_FILES = (INFO_FILE, MODEL_FILE, SPLIT_FILE, EXCLUDE_FILE)


@dataclass(frozen=True)
class EngineChosen:
    """What is built, and why."""

    backend: str
    precision: str
    why: str
    device: Device

    def __str__(self) -> str:
        return f"engine: {self.backend} {self.precision} ({self.why}) for {self.device}"


Report = Callable[[EngineChosen | Pass], None]


def compile_bundle(
    run: Path,
    out: Path,
    backend_name: str = "auto",
    precision: str = "fp32",
    good: Path | None = None,
    thresholds: Sequence[float] = (),
    report: Report = keep_quiet,
) -> Manifest:
    """A bundle without a card in the new folder `out`, whole or not at all; see build_engine.

    Without `thresholds` the engine is held to its scores alone. `calibration.compile_bundle` makes a bundle with a threshold
    card of its own, which a line asks for.

    >>> manifest = compile_bundle(folder / "run", folder / "bundle", "torch")
    >>> manifest.backend, manifest.precision
    ('torch', 'fp32')
    """
    with whole_folder(out) as part:
        return build_engine(run, part, backend_name, precision, good, thresholds, report)


def build_engine(
    run: Path,
    part: Path,
    backend_name: str,
    precision: str,
    good: Path | None,
    thresholds: Sequence[float],
    report: Report,
) -> Manifest:
    """Builds and proves the engine of a RUN, or again that of a BUNDLE, into the folder `part`.

    Its scores are compared with those of the trained model on good tiles that it was not trained on (held out, or of the
    folder `good`) and on the same tiles with synthetic defects; no verdict at the `thresholds` may flip. Raises InputError
    where scores move too far or pictures are missing, MissingError without the backend.
    """
    info = read_info(run)
    _refuse_pictures(run, info, good)
    name, why = choose(backend_name, built_ahead=True)
    check_precision(name, precision)
    report(EngineChosen(name, precision, why, backend(name).device()))
    pictures, others = _pictures(run, good, precision)
    config = info.config or TrainConfig(backbone=info.arch, tile_px=info.score.tiling.tile_px)
    guard = draw_pairs(pictures, config, GUARD_PAIRS)
    examples = draw_pairs(others, config, RANGE_PAIRS) if precision == "int8" else guard
    for file in RUN_FILES:
        if (run / file).exists():
            shutil.copyfile(run / file, part / file)

    def track(numbers: Sequence[int], title: str) -> Iterable[int]:
        return passing(numbers, title, report)

    with redirect_stdout(sys.stderr):  # libraries speak while they build
        return build(part, name, precision, guard, examples.all, thresholds, track)


def _refuse_pictures(run: Path, info: ModelInfo, good: Path | None) -> None:
    """A run has good pictures of its own, other models have none."""
    if info.config is None and good is None:
        why = "a model that was not trained here has no good pictures of its own"
        raise InputError(f"{why}, {run}, run `glassline compile {run} --good FOLDER --out NEW`")
    if info.config is not None and good is not None:
        raise InputError(f"a run has good pictures of its own, {run}, leave --good out")


def _pictures(run: Path, good: Path | None, precision: str) -> tuple[list[Path], list[Path]]:
    """Those to prove the engine on, and those that set the ranges of int8, at which the guard does not look."""
    pictures = [image.path for image in held_out(run)] if good is None else list_images(good)
    if precision != "int8":
        return pictures, []
    if good is None:
        return pictures, [image.path for image in load_split(run).train]
    return pictures[::2], pictures[1::2]
