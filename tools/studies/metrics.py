"""Time of the pixel figures against the plain form that does what the official code does: `python -m tools.studies.metrics`."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.evaluation.metrics import PixelFigures, PixelScores
from glass_core.pictures.anomaly_map import smooth_map

Maps = NDArray[np.float32]
Masks = NDArray[np.bool_]

MEMORY_MAPS = (50, 500, 2000)


def draw(count: int) -> tuple[Maps, Masks]:
    """Smooth random maps (count, 288, 288), and masks: two regions in one picture of two, scoring somewhat higher."""
    rng = np.random.default_rng(0)
    maps, masks = np.empty((count, 288, 288), np.float32), np.zeros((count, 288, 288), bool)
    for index in range(count):
        cells = rng.random((36, 36), dtype=np.float32) ** 3
        if index % 2:
            for y, x in rng.integers(2, 30, (2, 2)):
                masks[index, 8 * y : 8 * y + rng.integers(3, 40), 8 * x : 8 * x + rng.integers(3, 40)] = True
                cells[y : y + 2, x : x + 2] += np.float32(0.3)
        maps[index] = smooth_map(cells)
    return maps, masks


def plain(maps: Maps, masks: Masks) -> tuple[float, float]:
    """Pixel AUROC by one sort of all pixels; official PRO, with regions found again for each of 200 thresholds."""
    scores, truth = maps.ravel(), masks.ravel()
    order = np.argsort(-scores, kind="stable")
    hits, alarms = np.cumsum(truth[order]), np.cumsum(~truth[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each group of ties
    auroc = np.trapezoid(np.append(0, hits[last]), np.append(0, alarms[last])) / (hits[-1] * alarms[-1])

    lowest, highest, kernel = maps.min(), maps.max(), np.ones((5, 5), np.uint8)
    overlaps, rates = [], []
    for threshold in np.arange(lowest, highest, (highest - lowest) / 200):
        above = maps > threshold
        found = []
        for each, mask in zip(above, masks, strict=True):
            grown = cv2.dilate(each.astype(np.uint8), kernel) > 0
            count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
            found += [grown[labels == label].mean() for label in range(1, count)]
        overlaps.append(np.mean(found))
        rates.append((above & ~masks).sum() / (~masks).sum())
    kept = np.array(rates) < 0.3
    low = np.array(rates)[kept]
    return float(auroc), float(-np.trapezoid(np.array(overlaps)[kept], (low - low.min()) / np.ptp(low)))


def fast(maps: Maps, masks: Masks) -> PixelFigures:
    """The same and more, by glass_core.evaluation.metrics."""
    scores = PixelScores()
    for score_map, mask in zip(maps, masks, strict=True):
        scores.add(score_map, mask)
    return scores.figures()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def memory() -> dict[int, int]:
    """The process's highest resident memory, MiB, after so many maps of 1024 px and their figures."""
    rng, scores, peaks = np.random.default_rng(0), PixelScores(), {}
    noise, mask = rng.random((1200, 1200), dtype=np.float32), np.zeros((1024, 1024), bool)
    mask[300:340, 500:530] = True
    for done in range(1, MEMORY_MAPS[-1] + 1):
        y, x = rng.integers(0, 176, 2)
        scores.add(noise[y : y + 1024, x : x + 1024] * np.float32(rng.random()), mask)
        if done in MEMORY_MAPS:
            scores.figures()
            peaks[done] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return peaks


def main() -> int:
    """Prints one JSON object."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--maps", type=int, default=300, metavar="N")
    p.add_argument("--memory", action="store_true", help="how memory grows instead, with maps of 1024 px")
    args = p.parse_args()
    if args.memory:
        print(json.dumps({"schema": 1, "rss_mib": memory()}))
        return 0
    maps, masks = draw(args.maps)
    found = fast(maps, masks)
    before = [timed(lambda: fast(maps, masks)) for _ in range(3)]
    results: list[tuple[float, float]] = []
    plain_wall_s, plain_cpu_s = timed(lambda: results.append(plain(maps, masks)))
    times = np.median(before + [timed(lambda: fast(maps, masks)) for _ in range(3)], axis=0)  # wall, CPU
    auroc, pro = results[0]
    assert found.auroc is not None and found.pro_official is not None
    facts = {
        "schema": 1,
        "maps": len(maps),
        "fast": {"wall_s": times[0], "cpu_s": times[1]},
        "plain": {"wall_s": plain_wall_s, "cpu_s": plain_cpu_s},
        "ratio": {"wall": plain_wall_s / times[0], "cpu": plain_cpu_s / times[1]},
        "auroc_difference": found.auroc - auroc,
        "pro_official_difference": found.pro_official - pro,
    }
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
