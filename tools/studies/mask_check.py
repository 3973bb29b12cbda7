"""How many DEFECT verdicts lie on the marked defect.

`python -m tools.studies.mask_check OUT/verdicts.jsonl MASKS [--margin PX]`
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from glass_core.errors import InputError
from glass_core.pictures.datasets import images_in
from glass_core.pictures.pairing import pair
from glass_core.pictures.reading import read_image
from tools.cli import one_line


def on_mask(verdict: dict[str, Any], mask: np.ndarray, margin_px: int) -> bool:
    """Whether a reported region comes within `margin_px` of a marked pixel of the mask (H, W)."""
    side = 2 * margin_px + 1
    near = cv2.dilate((mask > 0).astype(np.uint8), np.ones((side, side), np.uint8)) > 0  # (H, W)
    return any(bool(near[r["y0_px"] : r["y1_px"], r["x0_px"] : r["x1_px"]].any()) for r in verdict["regions"])


@one_line
def main() -> int:
    """Pictures and masks are paired by name; prints one JSON object."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("verdicts", type=Path)
    p.add_argument("masks", type=Path)
    p.add_argument("--margin", type=int, default=16, metavar="PX")
    args = p.parse_args()
    try:
        lines = args.verdicts.read_text(encoding="utf-8").splitlines()
        verdicts = [v for v in map(json.loads, lines) if v["seq"] is not None]
        pairs = pair({Path(v["origin"]) for v in verdicts}, images_in(args.masks))
        if pairs.pictures_alone:
            raise InputError(f"no mask of its own for {pairs.pictures_alone[0]}, {args.masks}, name each as its one picture")
        hits = [on_mask(v, read_image(pairs.masks[Path(v["origin"])]), args.margin) for v in verdicts]
    except (OSError, ValueError) as e:
        raise InputError(f"verdicts not readable ({e}), {args.verdicts}, give a verdicts.jsonl") from None
    defects = sum(v["result"] == "DEFECT" for v in verdicts)
    print(json.dumps({"schema": 1, "frames": len(verdicts), "defect": defects, "on_mask": sum(hits), "margin_px": args.margin}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
