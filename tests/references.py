"""What a camera sees while it is calibrated, drawn: a lamp on plain white, a covered lens, a board, cloth that two see."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.cameras.picture import write_png

WIDTH, HEIGHT = 640, 480
RNG = np.random.default_rng(5)


def picture(path: Path, pixels: np.ndarray) -> Path:
    """A file with these pixels."""
    write_png(path, np.ascontiguousarray(pixels))
    return path


def lamp(level: float = 180.0, rows: int = 200) -> np.ndarray:
    """Rows of plain white under a lamp that is brightest left of the middle, pixels of unlike gain, noise."""
    x = np.linspace(-1, 1, WIDTH)
    column = level * (1 - 0.35 * (x + 0.2) ** 2) * (1 + 0.02 * np.sin(np.arange(WIDTH)))
    return np.clip(column + 12 + RNG.normal(0, 1.5, (rows, WIDTH)), 0, 255).astype(np.uint8)


def covered() -> np.ndarray:
    """Rows with the lens covered."""
    return np.clip(12 + RNG.normal(0, 1.5, (100, WIDTH)), 0, 255).astype(np.uint8)


def board(
    mm_per_px: tuple[float, float] = (0.25, 0.25),
    bend: float = 0.0,
    blur: float = 0.8,
    turn_deg: float = 0.0,
    shear: float = 0.0,
) -> np.ndarray:
    """A board of 12x9 squares of 12.5 mm as a camera sees it; `bend`: columns are pushed by up to 0.4 of it between
    the middle and the edges."""
    fine = 2  # drawn so much finer, then averaged, as a sensor does
    v, u = (np.mgrid[0 : HEIGHT * fine, 0 : WIDTH * fine] + 0.5) / fine - 0.5
    n = u / (WIDTH / 2) - 1
    straight = u - bend * n**3 + bend * n
    x, y = straight * mm_per_px[0] - 4 + shear * v * mm_per_px[1], v * mm_per_px[1] - 4
    a = np.deg2rad(turn_deg)
    x, y = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    inside = (x >= 0) & (y >= 0) & (x < 12 * 12.5) & (y < 9 * 12.5)
    dark = inside & ((x // 12.5 + y // 12.5) % 2 == 0)
    drawn = np.where(dark, 40, 200).astype(np.float32).reshape(HEIGHT, fine, WIDTH, fine).mean(axis=(1, 3))
    return cv2.GaussianBlur(drawn, (0, 0), blur).round().astype(np.uint8)


def two_views() -> tuple[np.ndarray, np.ndarray]:
    """Cloth at rest as two neighbours see it: the right one begins 420 columns to the right and 5 rows further up."""
    cloth = cv2.GaussianBlur(RNG.integers(0, 255, (120, 900)).astype(np.uint8), (0, 0), 2.0)
    return cloth[10:110, :500], cloth[5:105, 420:900]
