"""What a line keeps in MCAP, written by hand: frames of two cameras, and what was said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.messages.frames import Frame
from pipeline.messages.states import FrameStatus, Result
from pipeline.messages.verdicts import Verdict
from pipeline.recording.writing import McapWriter

CAMERAS: dict[str, dict[str, Any]] = {
    "left": {"name": "left", "source": "weave", "mm_per_px_x": 0.2, "mm_per_px_y": 0.3},
    "right": {"name": "right", "source": "weave"},
}
SHAPE = (64, 96)
BEGUN_NS = 1_700_000_000_000_000_000


def pixels(seq: int, camera: str = "left") -> np.ndarray:
    return np.random.default_rng((seq, len(camera))).integers(0, 60 + seq % 7, SHAPE, np.uint8)


class Writing:
    """A file of two cameras' frames and of what was said of them; places are those of cloth that runs 5 mm a frame."""

    def __init__(self, path: Path) -> None:
        self.writer, self.number = McapWriter(path, "loom", "sha", CAMERAS), 0

    def frame(self, seq: int, camera: str = "left", status: FrameStatus = FrameStatus.OK) -> None:
        facts = {
            "camera": camera, "boot_id": "b", "seq": seq, "block_id": seq, "t_mono_ns": seq, "t_utc_ns": BEGUN_NS + seq,
            "start_mm": 10 + seq * 5.0, "end_mm": 15 + seq * 5.0, "shape": SHAPE, "pixel_format": "Mono8", "status": status,
        }  # fmt: skip
        shown = b"" if status is FrameStatus.DAMAGED else pixels(seq, camera).tobytes()
        self.writer.write_frame(Frame.model_validate(facts), shown, 0, BEGUN_NS + seq)

    def verdict(self, seq: int | None, result: Result, camera: str = "left", **changes: Any) -> None:
        facts = {
            "number": self.number, "generation": 0, "camera": camera, "boot_id": "b", "seq": seq, "result": result,
            "t_mono_ns": 0, "t_utc_ns": 0, **changes,
        }  # fmt: skip
        self.writer.write(Verdict.model_validate(facts), BEGUN_NS)
        self.number += 1
