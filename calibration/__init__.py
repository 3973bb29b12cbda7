"""Calibration: from measured arrays to dated, hashed cards. Importing this alone loads none of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibration.alignment import align
    from calibration.bundle import compile_bundle
    from calibration.flatfield import make_flatfield
    from calibration.model_card import calibrate_threshold
    from calibration.scale import counts_per_mm, scale_from_board, scale_from_ruler
else:
    _HOMES = {
        "align": "alignment",
        "calibrate_threshold": "model_card",
        "compile_bundle": "bundle",
        "counts_per_mm": "scale",
        "make_flatfield": "flatfield",
        "scale_from_board": "scale",
        "scale_from_ruler": "scale",
    }

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "align",
    "calibrate_threshold",
    "compile_bundle",
    "counts_per_mm",
    "make_flatfield",
    "scale_from_board",
    "scale_from_ruler",
]
