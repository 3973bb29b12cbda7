"""Calibration: from measured arrays to dated, hashed cards. Importing this alone loads none of it."""

from typing import TYPE_CHECKING

from glass_core.lazy import lazy_exports

if TYPE_CHECKING:
    from calibration.alignment import align
    from calibration.bundle import compile_bundle
    from calibration.flatfield import make_flatfield
    from calibration.model_card import calibrate_threshold
    from calibration.scale import counts_per_mm, scale_from_board, scale_from_ruler
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "align": "alignment",
            "calibrate_threshold": "model_card",
            "compile_bundle": "bundle",
            "counts_per_mm": "scale",
            "make_flatfield": "flatfield",
            "scale_from_board": "scale",
            "scale_from_ruler": "scale",
        },
    )


__all__ = [
    "align",
    "calibrate_threshold",
    "compile_bundle",
    "counts_per_mm",
    "make_flatfield",
    "scale_from_board",
    "scale_from_ruler",
]
