"""A line's bundles, made for this machine."""

from __future__ import annotations

from calibration.bundle import Report, is_foreign, recompile
from glass_core.engines.bundle import is_bundle
from glass_core.events import Note, keep_quiet
from pipeline.cameras.placing import Placing
from pipeline.config.line import LineConfig


def make_for_here(config: LineConfig, report: Report = keep_quiet) -> None:
    """Compile a line's bundles anew where they were made for another device and the config says so.

    The old one stays beside it as BUNDLE.previous. Raises ForeignDevice where the config does not say so.
    """
    for model in config.models:
        if not is_bundle(model):
            continue
        bundle = model.resolve()  # a link to it goes on leading to it
        foreign = is_foreign(bundle)
        if foreign is None:
            continue
        if config.worker.on_foreign_device == "refuse":
            raise foreign
        report(Note(f"{str(foreign).split(', ')[0]}: compiling again"))
        recompile(bundle, report, Placing())
