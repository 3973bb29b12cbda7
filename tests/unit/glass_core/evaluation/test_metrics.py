"""Figures equal the official code's, and plain oracles that follow each definition word by word."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glass_core.evaluation.metrics
from glass_core.evaluation.metrics import POINTING_PX, PixelFigures, PixelScores, image_figures, pointing
from tests.shared_data import shared


def figures(maps: np.ndarray, masks: np.ndarray) -> PixelFigures:
    """All of one set; `masks` are soft in [0, 1] and floored, as in the official code."""
    scores = PixelScores()
    for score_map, mask in zip(maps, masks, strict=True):
        scores.add(score_map, mask == 1, float((1 - mask.astype(np.float64)).sum()))
    return scores.figures()


def toy(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps with many ties and the masks of a few touching, diagonal and single-pixel regions; at least one region."""
    rng = np.random.default_rng(seed)
    masks = (rng.random((3, 12, 11)) > rng.uniform(0.6, 0.95)).astype(np.float32)
    masks[0, 3:5, 4] = 1
    masks[0, 11, :] = 0
    levels = int(rng.integers(2, 40))
    maps = rng.integers(0, levels, masks.shape) / levels + 0.3 * masks * rng.random()
    return maps.astype(np.float32), masks


def regions_of(masks: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Picture and pixels of each 8-connected region."""
    found = []
    for picture, mask in enumerate(masks):
        count, labels = cv2.connectedComponents((mask == 1).astype(np.uint8), connectivity=8)
        found += [(picture, labels == label) for label in range(1, count)]
    return found


def plain_auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    pairs = positive[:, None].astype(np.float64) - negative
    return float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


def plain_ap(positive: np.ndarray, negative: np.ndarray) -> float:
    recall, area = 0.0, 0.0
    for threshold in sorted(set(positive) | set(negative), reverse=True):
        hits, alarms = (positive >= threshold).sum(), (negative >= threshold).sum()
        area += (hits / len(positive) - recall) * hits / (hits + alarms)
        recall = hits / len(positive)
    return area


def plain_f1(positive: np.ndarray, negative: np.ndarray) -> float:
    best = 0.0
    for threshold in set(positive) | set(negative):
        hits, alarms = (positive >= threshold).sum(), (negative >= threshold).sum()
        best = max(best, 2 * hits / (len(positive) + hits + alarms))
    return best


def plain_pro(maps: np.ndarray, masks: np.ndarray) -> float:
    """Mean overlap of regions at every threshold, against the rate of false positives, by trapezoids up to 0.3."""
    regions, negative = regions_of(masks), masks != 1
    rates, overlaps = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        rates.append(float((maps >= threshold)[negative].mean()))
        overlaps.append(float(np.mean([(maps[p] >= threshold)[region].mean() for p, region in regions])))
    area = 0.0
    for (x0, y0), (x1, y1) in zip(zip(rates, overlaps, strict=True), zip(rates[1:], overlaps[1:], strict=True), strict=False):
        end = min(x1, 0.3)
        if x1 > x0 and end > x0:
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / 0.3


def plain_official_pro(maps: np.ndarray, masks: np.ndarray) -> float:
    """The official code's way: 200 thresholds even in value, prediction dilated for the overlap only, rates stretched."""
    regions, background = regions_of(masks), 1 - masks.astype(np.float64)
    lowest, highest = maps.min(), maps.max()
    falses, covers = [], []
    for threshold in np.arange(lowest, highest, (highest - lowest) / 200):
        above = maps > threshold
        grown = [cv2.dilate(each.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0 for each in above]
        covers.append(np.mean([grown[p][region].mean() for p, region in regions]))
        falses.append((above & (background > 0)).sum() / background.sum())
    rates, overlaps = np.array(falses), np.array(covers)
    kept = rates < 0.3
    if kept.sum() < 2 or np.ptp(rates[kept]) == 0:
        return 0.0
    stretched = (rates[kept] - rates[kept].min()) / np.ptp(rates[kept])
    return float(-np.trapezoid(overlaps[kept], stretched))


@pytest.mark.parametrize("name", ["metrics", "metrics_soft"])
def test_equals_the_official_figures(name: str) -> None:
    golden = np.load(shared(f"goldens/{name}.npz"))
    found = figures(golden["maps"], golden["masks"])
    assert found.auroc == pytest.approx(float(golden["pixel_auroc"]), abs=1e-9)
    assert found.ap == pytest.approx(float(golden["pixel_ap"]), abs=1e-9)
    assert found.pro_official == pytest.approx(float(golden["official_pro"]), abs=1e-6)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_pixel_figures_equal_the_plain_forms(seed: int) -> None:
    maps, masks = toy(seed)
    found = figures(maps, masks)
    assert found.auroc == pytest.approx(plain_auroc(maps[masks == 1], maps[masks < 1]), abs=1e-9)
    assert found.ap == pytest.approx(plain_ap(maps[masks == 1], maps[masks < 1]), abs=1e-9)
    assert found.pro == pytest.approx(plain_pro(maps, masks), abs=1e-9)
    assert found.pro_official == pytest.approx(plain_official_pro(maps, masks), abs=1e-6)
    assert set(found.error.values()) == {0.0}


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_figures_from_bins_lie_within_their_stated_error(seed: int) -> None:
    maps, masks = toy(seed)
    maps = 0.5 + maps / 4096  # so close together that scores share bins
    exact = figures(maps, masks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glass_core.evaluation.metrics, "EXACT_SCORES", 200)  # the first map is kept, the others overflow
        binned = figures(maps, masks)
    assert abs(binned.auroc - exact.auroc) <= binned.error["pixel_auroc"] + 1e-12
    assert abs(binned.ap - exact.ap) <= binned.error["pixel_ap"] + 1e-12
    assert abs(binned.pro - exact.pro) <= binned.error["pro"] + 1e-12


def test_bins_are_fine_over_the_whole_range_and_keep_the_order_of_negative_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    masks = np.zeros((2, 64, 64), np.float32)
    masks[:, 20:40, 30:33] = 1
    for maps in (rng.normal(0, 5, masks.shape), rng.random(masks.shape), 10 ** rng.uniform(-20, 20, masks.shape)):
        maps = (maps + np.abs(maps) * masks).astype(np.float32)
        monkeypatch.setattr(glass_core.evaluation.metrics, "EXACT_SCORES", 1 << 25)
        exact = figures(maps, masks)
        monkeypatch.setattr(glass_core.evaluation.metrics, "EXACT_SCORES", 0)
        binned = figures(maps, masks)
        assert binned.error["pixel_auroc"] < 1e-4 and binned.error["pro"] < 1e-4
        assert abs(binned.auroc - exact.auroc) <= binned.error["pixel_auroc"]
        assert abs(binned.pro - exact.pro) <= binned.error["pro"]
        assert abs(binned.ap - exact.ap) <= binned.error["pixel_ap"]
        assert binned.pro_official == pytest.approx(exact.pro_official, abs=1e-3)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=20), st.lists(st.integers(0, 8), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_image_figures_equal_the_plain_forms(good: list[int], defective: list[int]) -> None:
    negative, positive = np.array(good, float), np.array(defective, float)
    found = image_figures(negative, positive)
    plain = (plain_auroc(positive, negative), plain_ap(positive, negative), plain_f1(positive, negative))
    np.testing.assert_allclose(found, plain, atol=1e-9)


def test_a_figure_that_cannot_be_had_is_null() -> None:
    assert image_figures(np.array([0.1]), np.empty(0)) == (None, None, None)
    assert image_figures(np.empty(0), np.array([0.1])) == (None, None, None)
    empty = np.zeros((1, 8, 8), np.float32)
    assert figures(empty, empty)[:4] == (None, None, None, None)


def test_official_pro_of_flat_maps_is_zero_as_in_the_official_code() -> None:
    masks = np.zeros((1, 8, 8), np.float32)
    masks[0, 2, 2] = 1
    assert figures(np.full((1, 8, 8), 0.5, np.float32), masks).pro_official == 0


def test_a_map_points_at_a_defect_from_a_stated_distance_and_on() -> None:
    truth = np.zeros((60, 80), bool)
    truth[20:25, 30:40] = True
    for peak, pointed in {(22, 35): 1, (22, 30 - POINTING_PX): 1, (22, 29 - POINTING_PX): 0, (36, 51): 0, (35, 49): 1}.items():
        score_map = np.random.default_rng(0).uniform(0, 0.5, truth.shape).astype(np.float32)
        score_map[:, :5] = np.nan
        score_map[peak] = 0.6
        assert pointing(score_map, truth) == pointed, peak
    score_map[5, 5:8] = 0.6  # three px away from it are as high as the one at the defect
    assert pointing(score_map, truth) == 0.25


def test_a_map_cannot_point_at_what_is_not_marked_or_not_inspected() -> None:
    truth, score_map = np.zeros((40, 40), bool), np.zeros((40, 40), np.float32)
    assert pointing(score_map, truth) is None
    truth[:, :4], score_map[:, :6] = True, np.nan
    assert pointing(score_map, truth) is None
    truth[35:], score_map[5, 8] = True, 1  # near marked px that nobody saw
    assert pointing(score_map, truth) == 0
    assert pointing(np.full_like(score_map, np.nan), truth) is None
