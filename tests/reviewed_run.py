"""A little record whose defects have pictures: bright bars along the cloth, dark spots, grey patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.ledger.album import Album
from pipeline.ledger.dispositions import Word, dispose
from pipeline.ledger.store import Ledger
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.sheet import read_roll

HEIGHT_PX, WIDTH_PX = 128, 224
BOXES = {"bar": (96, 16, 104, 112), "spot": (48, 40, 72, 64), "patch": (120, 40, 184, 96)}
"""x0, y0, x1, y1 in the frame."""
LEVELS = {"bar": 230, "spot": 20, "patch": 150}


def frame_of(kind: str, number: int) -> np.ndarray:
    """Woven cloth with one defect; each number has other noise."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    cloth = 110 + 25 * np.cos(2 * np.pi * x / 5) + 20 * np.cos(2 * np.pi * y / 6)
    pixels = cloth + np.random.default_rng(number).normal(0, 4, cloth.shape)
    x0, y0, x1, y1 = BOXES[kind]
    pixels[y0:y1, x0:x1] = LEVELS[kind] + 0.3 * (pixels[y0:y1, x0:x1] - 110)
    return pixels.clip(0, 255).astype(np.uint8)


def record(folder: Path, kinds: list[str], run_id: str = "run") -> Path:
    """A ledger with one defect of each of these kinds, in their order, with pictures; nobody has said anything."""
    ledger = Ledger(folder / "ledger.sqlite", {"line": "l", "config": {}}, run_id=run_id)
    album = Album(folder, run_id, 10**9)
    for number, kind in enumerate(kinds):
        x0, y0, x1, y1 = BOXES[kind]
        found = Verdict(
            number=number, generation=0, camera="left", boot_id="b", seq=number, result=Result.DEFECT,
            regions=(Region(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1, score=0.9),), regions_total=1,
            frame_shape=(HEIGHT_PX, WIDTH_PX), cells_shape=(HEIGHT_PX // 8, WIDTH_PX // 8), t_mono_ns=number, t_utc_ns=number,
        )  # fmt: skip
        ledger.add(found)
        cells = np.zeros((HEIGHT_PX // 8, WIDTH_PX // 8), np.float32)
        album.take(found, (cells.tobytes(), frame_of(kind, number).tobytes()))
        while album.write_one():
            pass
    ledger.close()
    return folder / "ledger.sqlite"


def say(folder: Path, words: dict[int, tuple[Word, str | None]]) -> None:
    """What a person says of defects, by their numbers in the report."""
    sheet = read_roll(folder / "ledger.sqlite")
    for row in sheet.rows.values():
        if row.number in words:
            word, kind = words[row.number]
            dispose(folder, sheet.run_id, row.key, word, kind, "me", "")
