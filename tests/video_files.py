"""Videos of woven noise, with times of their frames as a test wants them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

RATE = 25


def running_cloth(frames: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
    """RGB frames of a pattern that runs past, each unlike the others."""
    noise = np.random.default_rng(3).integers(0, 256, (height + 9 * frames, width, 3), dtype=np.uint8)
    cloth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    return [np.ascontiguousarray(cloth[9 * n : 9 * n + height]) for n in range(frames)]


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    codec: str = "ffv1",
    pixels: str = "bgr0",
    times: Sequence[int] | None = None,
    tracks: int = 1,
    turn: int = 0,
    cluster_ms: int = 5000,
    **options: str,
) -> Path:
    """RGB or grey frames at `times` (frames of 1/RATE s); each track has the same."""
    written = {".mp4": {"movflags": "faststart"}, ".mkv": {"cluster_time_limit": str(cluster_ms)}}
    with av.open(str(path), "w", options=written.get(path.suffix, {})) as container:
        streams: list[Any] = [container.add_stream(codec, rate=RATE, options=options) for _ in range(tracks)]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pixels
            if turn:
                stream.set_display_rotation(turn)
        for time, frame in zip(times or range(len(frames)), frames, strict=True):
            kind = "rgb24" if frame.ndim == 3 else "gray"
            picture = av.VideoFrame.from_ndarray(frame, format=kind).reformat(format=pixels)
            picture.pts, picture.time_base = time, Fraction(1, RATE)
            for stream in streams:
                container.mux(stream.encode(picture))
        for stream in streams:
            container.mux(stream.encode())
    return path
