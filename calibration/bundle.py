"""Makes a BUNDLE with a threshold card of its own, and makes one anew that was built for another machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calibration.false_alarms import Budget
from calibration.model_card import Spot, anywhere, calibrate_threshold
from calibration.threshold import ThresholdCard, load_card
from glass_core.engines.backend import backend
from glass_core.engines.bundle import ForeignDevice, Manifest, check_device, load_manifest
from glass_core.engines.compile import EngineChosen, build_engine
from glass_core.errors import InputError
from glass_core.events import LeftOut, Note, Pass, keep_quiet
from glass_core.files.whole_folder import whole_folder
from glass_core.network.checkpoint import read_info


@dataclass(frozen=True)
class OtherUnit:
    """The new card tells false alarms in something else than the run's: its pictures have no known scale."""

    new: ThresholdCard
    old: ThresholdCard

    def __str__(self) -> str:
        return (
            f"the new card accepts {self.new.false_alarms.budget:g} false alarms in {self.new.per}, the run's "
            f"{self.old.false_alarms.budget:g} in {self.old.per}: the pictures have no known scale; "
            "collect cloth by `run --observe` and calibrate the bundle"
        )


Report = Callable[[Note | LeftOut | EngineChosen | OtherUnit | Pass], None]


def compile_bundle(
    run: Path,
    out: Path,
    backend_name: str = "auto",
    precision: str = "fp32",
    good: Path | None = None,
    report: Report = keep_quiet,
    spot_of: Callable[[Path], Spot] = anywhere,
) -> tuple[Manifest, ThresholdCard]:
    """Build and prove the engine of a calibrated RUN in the new folder `out`, and give it a card of its own.

    `good`: pictures to prove and calibrate a converted model on; a run has its own. The folder appears whole or not at all.
    Raises InputError for a model, card or pictures that do not fit, MissingError without the backend.

    >>> manifest, card = compile_bundle(folder / "run", folder / "bundle_with_card", "torch")
    >>> card.engine_sha == manifest.sha
    True
    """
    with whole_folder(out) as part:
        info, card = read_info(run), load_card(run)
        assert card is not None
        if card.weights_sha != info.weights_sha:
            raise InputError(f"the threshold card is of another model, {run}, run `glassline calibrate threshold {run}`")
        manifest = build_engine(run, part, backend_name, precision, good, card.thresholds, report)
        accepted = card.false_alarms.budget
        budgets = {"100 m2": Budget(per_100_m2=accepted), "1000 frames": Budget(per_1000_frames=accepted), "1000 m": Budget()}
        anew = calibrate_threshold(part, good, budgets[card.per], report, spot_of, mm_per_px=card.mm_per_px)
        if anew.per != card.per:
            report(OtherUnit(anew, card))
    return manifest, anew


def is_foreign(bundle: Path) -> ForeignDevice | None:
    """Why a bundle is not for this machine; None where it is."""
    manifest = load_manifest(bundle)
    try:
        check_device(bundle, manifest, backend(manifest.backend))
    except ForeignDevice as foreign:
        return foreign
    return None


def recompile(bundle: Path, report: Report = keep_quiet, spot_of: Callable[[Path], Spot] = anywhere) -> None:
    """Compile a bundle again for this machine; the old one stays beside it as BUNDLE.previous."""
    manifest = load_manifest(bundle)
    previous = bundle.with_name(f"{bundle.name}.previous")
    anew = bundle.with_name(f"{bundle.name}.anew")
    shutil.rmtree(anew, ignore_errors=True)
    compile_bundle(bundle, anew, manifest.backend, manifest.precision, None, report, spot_of)
    shutil.rmtree(previous, ignore_errors=True)
    bundle.rename(previous)
    anew.rename(bundle)
