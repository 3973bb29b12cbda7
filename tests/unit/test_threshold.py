"""The threshold card: what it binds, what it counts, and that nobody changes it by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from calibration.limits import samples_needed
from calibration.threshold import Model, ThresholdCard, calibrate, load_card
from glass_core.errors import InputError
from glass_core.scoring import ScoreDefinition, score_image
from glass_core.tiling import Tiling

DEFINITION = ScoreDefinition(inspect_x_px=(10, 500))
MODEL = Model(weights_sha="w" * 64, engine_sha="e" * 64, backbone="resnet18", engine="torch fp32", score_definition=DEFINITION)


def good_frames(frames: int, lanes: int = 3, seed: int = 0, offsets: tuple[float, ...] = ()) -> list[np.ndarray]:
    logits = np.random.default_rng(seed).gumbel(-5, 0.5, (frames, lanes))
    return list((1 / (1 + np.exp(-logits - np.resize(offsets or (0.0,), lanes)))).astype(np.float32))


def card(frames: int = 40, budget: float = 1.0, **more: float) -> ThresholdCard:
    return calibrate(good_frames(frames), MODEL, budget, "good cloth", **more)


def test_few_frames_give_a_provisional_card_that_says_how_much_is_missing() -> None:
    found = card(40, budget=1, frame_mm=51.2)
    frames_needed = math.ceil(samples_needed(1 / 3000) / 3)
    assert found.provisional and found.limits_are == "pooled"
    assert found.limits[0].rule == "tail_extrapolation"
    assert found.needs.frames == frames_needed - 40
    assert found.needs.metres == pytest.approx(found.needs.frames * 0.0512)
    assert found.upper_false_alarms_per_1000_frames > 1
    assert found.expected_false_alarms_per_1000_frames <= 1 + 1e-9
    assert found.lane_samples == (40, 40, 40) and len(set(found.thresholds)) == 1


def test_frames_without_a_known_length_are_not_given_metres() -> None:
    assert card().needs.metres is None


def test_what_the_card_asks_for_is_enough_and_one_frame_fewer_is_not() -> None:
    needed = 40 + card(40, budget=20).needs.frames
    enough, short = card(needed, budget=20), card(needed - 1, budget=20)
    assert not enough.provisional and enough.needs.frames == 0
    assert enough.upper_false_alarms_per_1000_frames <= 20
    assert short.provisional and short.needs.frames == 1


def test_lanes_get_their_own_threshold_when_each_has_enough() -> None:
    frames = good_frames(1500, offsets=(0.0, 2.0, 4.0))
    found = calibrate(frames, MODEL, 30, "good cloth")
    assert found.limits_are == "per lane" and not found.provisional
    assert list(found.thresholds) == sorted(found.thresholds) and len(set(found.thresholds)) == 3
    assert found.upper_false_alarms_per_1000_frames <= 30
    pooled = calibrate(frames[:60], MODEL, 30, "good cloth")
    assert pooled.limits_are == "pooled" and len(set(pooled.thresholds)) == 1


@pytest.mark.parametrize(("frames", "budget"), [(400, 20.0), (1500, 30.0)])  # pooled, per lane
def test_the_bound_on_false_alarms_covers_in_simulation(frames: int, budget: float) -> None:
    """New good frames raise more alarms than the bound in at most 5 % of calibrations."""
    broken, repeats = 0, 60
    fresh = np.stack(good_frames(20_000, seed=999))
    for seed in range(repeats):
        found = calibrate(good_frames(frames, seed=seed), MODEL, budget, "good cloth")
        alarms = (fresh > np.array(found.thresholds)).sum() / 20
        broken += alarms > found.upper_false_alarms_per_1000_frames
        assert found.upper_false_alarms_per_1000_frames <= budget
    assert broken <= 8  # 0.05 * 60 = 3, and three standard errors


def test_frames_of_different_widths_share_a_single_threshold() -> None:
    found = calibrate(good_frames(30, 2) + good_frames(30, 5), MODEL, 5, "two cameras")
    assert len(found.thresholds) == 1 and found.frames == 60 and found.lane_samples == (210,)


def test_a_card_is_saved_and_loaded_unchanged(tmp_path: Path) -> None:
    found = card()
    assert found.save(tmp_path) == tmp_path / "card.json"
    assert load_card(tmp_path) == found
    assert json.loads((tmp_path / "card.json").read_text())["schema"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_the_hash_covers_every_field() -> None:
    found = card()
    assert found.sha == found.content_sha()
    changed = {"budget_per_1000_frames": 2.0, "thresholds": (0.9,), "source": "elsewhere", "provisional": False}
    for field, value in changed.items():
        assert found.model_copy(update={field: value}).content_sha() != found.sha


def edited(content: str) -> str:
    body = json.loads(content)
    body["thresholds"] = [0.99] * 3
    return json.dumps(body)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (edited, "changed by hand"),
        (lambda content: content[: len(content) // 2], "damaged threshold card"),
        (lambda content: content.replace('"unit"', '"units"'), "damaged threshold card"),
        (lambda content: "", "damaged threshold card"),
    ],
)
def test_a_spoilt_card_is_refused_with_one_clear_line(tmp_path: Path, spoil: object, words: str) -> None:
    path = card().save(tmp_path)
    assert callable(spoil)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(InputError, match=rf"^[^\n]*{words}[^\n]*, {path}, [^\n]+$"):
        load_card(tmp_path, required=False)


def test_a_missing_card_is_none_or_one_clear_line(tmp_path: Path) -> None:
    assert load_card(tmp_path, required=False) is None
    with pytest.raises(InputError, match=rf"^no threshold card, {tmp_path}, run `glassline calibrate threshold"):
        load_card(tmp_path)


@pytest.mark.parametrize(
    ("weights", "engine", "definition", "words"),
    [
        ("x" * 64, "e" * 64, DEFINITION, "another weights"),
        ("w" * 64, "x" * 64, DEFINITION, "another engine"),
        ("w" * 64, "e" * 64, ScoreDefinition(inspect_x_px=(11, 500)), "another inspected range"),
        ("w" * 64, "e" * 64, ScoreDefinition(tiling=Tiling(tile_px=512), inspect_x_px=(10, 500)), "another tiling"),
    ],
)
def test_a_card_belongs_to_one_model(weights: str, engine: str, definition: ScoreDefinition, words: str) -> None:
    card().check("w" * 64, "e" * 64, DEFINITION)
    with pytest.raises(InputError, match=rf"{words}, [^\n]+, run `glassline calibrate"):
        card().check(weights, engine, definition)


@pytest.mark.parametrize(
    ("frames", "budget", "words"),
    [
        ([], 1.0, "only 0 good frames"),
        (good_frames(2), 1.0, "only 2 good frames"),
        ([*good_frames(20), np.array([0.1, np.nan, 0.1])], 1.0, "not finite"),
        ([*good_frames(20), np.array([0.1, 1.0, 0.1])], 1.0, "highest score there is"),
        (good_frames(20), 0.0, "budget of 0"),
        (good_frames(20), 1000.0, "budget of 1000"),
    ],
)
def test_bad_samples_are_one_clear_line(frames: list[np.ndarray], budget: float, words: str) -> None:
    with pytest.raises(InputError, match=rf"^[^\n]*{words}[^\n]*, [^\n]+, [^\n]+$"):
        calibrate(frames, MODEL, budget, "good cloth")


class MeanScorer:
    """Scores a cell by its mean grey level."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(self, tiles: np.ndarray) -> np.ndarray:
        self.batches.append(len(tiles))
        count, height, width = tiles.shape[:3]
        return (tiles.reshape(count, height // 8, 8, width // 8, 8).mean(axis=(2, 4)) / 255).astype(np.float32)


def test_score_image_puts_every_cell_of_the_inspected_range_in_its_place() -> None:
    image = np.random.default_rng(0).integers(0, 256, (512, 2010), dtype=np.uint8)
    scorer = MeanScorer()
    score_map, lanes = score_image(scorer, ScoreDefinition(inspect_x_px=(10, 2010)), image)
    expected = image[:, 10:].reshape(64, 8, 250, 8).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(score_map, expected, rtol=1e-5)
    assert lanes.max() == score_map.max() and len(lanes) == 9
    assert sum(scorer.batches) == 27 and max(scorer.batches) <= 16
