"""The threshold card: what it binds, what it counts, and that nobody changes it by hand."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.false_alarms import Budget
from calibration.good import GoodFrame, by_frame, by_metre, dispersion, of_width
from calibration.limits import Ahead
from calibration.threshold import GoodLook, Model, ThresholdCard, calibrate, level_of, load_card
from glass_core.errors import InputError
from glass_core.pictures.scoring import ScoreDefinition, score_image
from glass_core.pictures.tiling import Tiling

DEFINITION = ScoreDefinition(inspect_x_px=(10, 500))
MODEL = Model(weights_sha="w" * 64, engine_sha="e" * 64, backbone="resnet18", engine="torch fp32", score_definition=DEFINITION)


def good_frames(frames: int, lanes: int = 3, seed: int = 0, offsets: tuple[float, ...] = ()) -> list[GoodFrame]:
    logits = np.random.default_rng(seed).gumbel(-5, 0.5, (frames, lanes))
    scores = (1 / (1 + np.exp(-logits - np.resize(offsets or (0.0,), lanes)))).astype(np.float32)
    return [GoodFrame(each) for each in scores]


def placed(frames: list[GoodFrame], length_mm: float = 1000.0, camera: str = "c") -> list[GoodFrame]:
    return [replace(f, camera=camera, start_mm=n * length_mm, end_mm=(n + 1) * length_mm) for n, f in enumerate(frames)]


def in_frames(accepted: float) -> Budget:
    return Budget(per_1000_frames=accepted)


def wide(frames: list[GoodFrame], width_mm: float) -> list[GoodFrame]:
    return [of_width(frame, width_mm) for frame in frames]


def card(frames: int = 40, budget: float = 1.0) -> ThresholdCard:
    return calibrate(good_frames(frames), MODEL, in_frames(budget), "good cloth")


def test_few_frames_give_a_provisional_card_that_says_how_much_is_missing() -> None:
    found = card(40, budget=1)
    frames_needed = math.ceil(Ahead(3000.0).samples_needed(1) / 3)
    assert found.provisional and found.limits_are == "pooled" and found.unit == "lane of one frame"
    assert found.limits[0].rule == "tail_extrapolation"
    assert found.needs.frames == frames_needed - 40 and found.needs.metres is None
    assert found.false_alarms.upper > 1
    assert found.false_alarms.expected <= 1 + 1e-9
    assert found.lane_samples == (40, 40, 40) and len(set(found.thresholds)) == 1


def test_a_provisional_card_takes_its_tail_from_patches_where_every_frame_has_them() -> None:
    rng = np.random.default_rng(0)
    patches = 1 / (1 + np.exp(-rng.gumbel(-5, 0.5, (4, 3, 16))))
    frames = [GoodFrame(each.max(axis=1), patches=each.ravel()) for each in patches]
    found, coarse = (
        calibrate(frames, MODEL, in_frames(1), "good"),
        calibrate([replace(f, patches=None) for f in frames], MODEL, in_frames(1), "good"),
    )
    assert (found.limits[0].patches, found.limits[0].samples, coarse.limits[0].patches) == (192, 12, None)
    assert found.provisional and found.needs == coarse.needs
    assert found.false_alarms.expected == pytest.approx(1)
    assert found.thresholds < coarse.thresholds
    for mixed in ([*frames[:3], replace(frames[3], patches=None)], placed(frames * 10)):
        assert calibrate(mixed, MODEL, in_frames(1), "good").limits[0].patches is None


def test_of_frames_what_the_card_asks_for_is_enough_and_one_fewer_is_not() -> None:
    rough = card(40, 20)
    assert rough.provisional and rough.dispersion == 1
    enough = card(40 + rough.needs.frames, 20)
    assert not enough.provisional and enough.needs.frames == 0 and enough.false_alarms.upper <= 20
    assert card(40 + rough.needs.frames - 1, 20).provisional


def test_of_metres_the_card_asks_for_what_is_enough_with_the_dispersion_of_the_cloth_then_seen() -> None:
    rough = calibrate(placed(good_frames(80), 500.0), MODEL, in_frames(20), "40 metres of three lanes")
    assert rough.provisional and rough.metres == 40 and rough.dispersion > 1
    assert rough.needs.metres is not None and rough.needs.frames == 2 * rough.needs.metres
    metres, ahead = 40 + int(rough.needs.metres), Ahead(1500.0, 1, rough.dispersion)  # 1000 frames are 500 m
    assert ahead.rank(3 * metres, 20) >= 1 and ahead.rank(3 * (metres - 1), 20) == 0


def test_lanes_get_their_own_threshold_when_each_has_enough() -> None:
    frames = good_frames(1500, offsets=(0.0, 2.0, 4.0))
    found = calibrate(frames, MODEL, in_frames(30), "good cloth")
    assert found.limits_are == "per lane" and not found.provisional
    assert list(found.thresholds) == sorted(found.thresholds) and len(set(found.thresholds)) == 3
    assert found.false_alarms.upper <= 30
    pooled = calibrate(frames[:60], MODEL, in_frames(30), "good cloth")
    assert pooled.limits_are == "pooled" and len(set(pooled.thresholds)) == 1


@pytest.mark.parametrize(("frames", "budget"), [(400, 20.0), (1500, 30.0), (1500, 0.5)])  # pooled, per lane, provisional
def test_the_bound_on_false_alarms_covers_in_simulation(frames: int, budget: float) -> None:
    """The next 1000 good frames raise more alarms than the bound after at most 5 % of calibrations."""
    broken, repeats = 0, 60
    for seed in range(repeats):
        found = calibrate(good_frames(frames, seed=seed), MODEL, in_frames(budget), "good cloth")
        fresh = np.stack([f.lanes for f in good_frames(1000, seed=1000 + seed)])
        broken += (fresh > np.array(found.thresholds)).sum() > found.false_alarms.upper
        assert found.provisional or found.false_alarms.upper <= budget
    assert broken <= 8  # 0.05 * 60 = 3, and three standard errors


def test_metres_are_counted_where_lengths_are_known() -> None:
    """A metre's score is the highest of its frames; frames of 250 mm, one of them high, two cameras side by side."""
    quiet = np.full((48, 2), 0.1)
    left, right = quiet.copy(), quiet.copy()
    left[9, 1] = 0.4
    frames = [
        f
        for name, scores in (("left", left), ("right", right))
        for f in placed([GoodFrame(each) for each in scores], 250.0, name)
    ]
    found = by_metre(frames)
    assert found is not None and found.unit == "metre of one lane" and found.units == 12
    assert [list(lane) for lane in found.by_lane] == [[0.1] * 24, [0.1, 0.1, 0.4, *[0.1] * 21]]
    again = [replace(frames[9], start_mm=2000.0), *frames[1:5]]  # cloth seen again
    left_frames = [*frames[:20], *again, *frames[20:48], *frames[48:]]
    repeated = by_metre(left_frames)
    assert repeated is not None and repeated.units == 12
    long = by_metre(placed([GoodFrame(np.array([n / 8])) for n in range(8)], 1500.0))
    assert long is not None and list(long.by_lane[0] * 8) == [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7]
    for unknown in (
        frames[:24],
        [*frames[:30], GoodFrame(quiet[0], "left"), *frames[48:]],
        [*frames, GoodFrame(quiet[0], "x")],
    ):
        assert by_metre(unknown) is None


def test_a_budget_of_cloth_counts_all_lanes_of_all_cameras_by_their_width_and_says_what_is_missing() -> None:
    left, right = wide(placed(good_frames(30, 2, seed=1), camera="left"), 600), wide(placed(good_frames(30, 2, seed=2)), 200)
    found = calibrate([*left, *right], MODEL, Budget(per_100_m2=1), "two cameras")
    assert found.unit == "metre of one lane" and found.metres == 30 and found.lane_samples == (60, 60) and found.provisional
    assert found.per == "100 m2" and found.false_alarms_per_1000_frames is None and found.false_alarms.budget == 1
    ahead = Ahead(500.0, 1, found.dispersion)  # 100 m2 are 125 m of four lanes
    assert found.needs.metres == math.ceil(ahead.samples_needed(1) / 4) - 30 == found.needs.frames
    assert found.limits[0].expected_rate == pytest.approx(1 / 500) and found.false_alarms.expected == pytest.approx(1)
    assert found.effective_samples == pytest.approx(120 / found.dispersion)
    short = calibrate(left[:5], MODEL, Budget(per_100_m2=0.5), "five metres")
    assert short.unit == "lane of one frame" and short.metres is None and short.per == "100 m2"
    assert short.needs.metres == math.ceil(Ahead(2 * 2 * 100 / 0.6).samples_needed(1) / 2)


def test_wide_cloth_has_fewer_metres_in_so_much_of_it_and_may_raise_as_many_alarms() -> None:
    frames = placed(good_frames(1500, lanes=7))
    narrow, broad = (calibrate(wide(frames, mm), MODEL, Budget(per_100_m2=20), "seven lanes") for mm in (400, 1600))
    assert broad.thresholds[0] < narrow.thresholds[0]
    assert all(found.false_alarms.upper <= 20 and not found.provisional for found in (narrow, broad))
    assert len(set(broad.thresholds)) == 7 and broad.limits_are == "per lane"


def test_pictures_of_a_known_scale_are_counted_by_their_area() -> None:
    frames = [replace(frame, area_m2=0.25 + 0.5 * (n % 2)) for n, frame in enumerate(good_frames(40))]
    assert by_frame(frames).area_m2 == pytest.approx(0.5)
    by_area = calibrate(frames, MODEL, Budget(per_100_m2=3), "pictures", mm_per_px=0.1)
    by_count = calibrate(good_frames(40), MODEL, in_frames(15), "pictures")  # 100 m2 are 200 frames
    assert by_area.thresholds == by_count.thresholds and (by_area.mm_per_px, by_area.per) == (0.1, "100 m2")
    assert by_area.false_alarms.upper == pytest.approx(by_count.false_alarms.upper / 5, rel=0.1)
    assert by_area.needs.metres is None


@pytest.mark.parametrize("at", [0, 17, 39])
def test_one_frame_of_unknown_scale_makes_it_frames(at: int) -> None:
    frames = wide(placed(good_frames(40)), 500)
    frames[at] = replace(frames[at], area_m2=None)
    found = calibrate(frames, MODEL, Budget(per_100_m2=7, per_1000_frames=2), "a gap")
    assert (found.per, found.false_alarms.budget, found.metres) == ("1000 frames", 2, 40)
    assert found.limits[0].expected_rate == pytest.approx(2 / 3000)
    pictures = [replace(frame, start_mm=None, end_mm=None) for frame in frames]
    found = calibrate(pictures, MODEL, Budget(per_100_m2=7, per_1000_frames=2), "a gap")
    assert (found.per, found.false_alarms.budget, found.metres) == ("1000 frames", 2, None)


def correlated(seed: int, metres: int, lanes: int) -> np.ndarray:
    """Scores of good cloth that is better and worse by the dozen metres, over its whole width."""
    rng = np.random.default_rng(seed)
    slow = np.convolve(rng.normal(0, 1, metres + 40), np.exp(-np.arange(41) / 6.0), "valid") / math.sqrt(3.0)
    return 1 / (1 + np.exp(6 - 0.6 * slow[:, None] - rng.gumbel(0, 0.6, (metres, lanes))))


def test_the_bound_holds_over_resampled_metres_that_are_correlated() -> None:
    """The fast form of tools/studies/alarms.py: in at least 95 of 100 calibrations the next 1000 m keep within the bound."""
    inside, wider = 0, []
    for seed in range(100):
        cloth = correlated(seed, 2500, 3)
        found = calibrate(placed([GoodFrame(each) for each in cloth[:1500]]), MODEL, in_frames(5), "simulated")
        inside += (cloth[1500:] > np.array(found.thresholds)).sum() <= found.false_alarms.upper
        wider.append(found.dispersion)
    assert inside >= 95
    assert np.median(wider) > 1.5


def test_what_hangs_together_is_worth_fewer_samples() -> None:
    rng = np.random.default_rng(0)
    alone = rng.random((3, 1000))
    assert dispersion(alone) < 1.2
    assert dispersion(np.repeat(rng.random((3, 250)), 4, axis=1)) == pytest.approx(4, rel=0.2)  # stretches of four metres
    assert dispersion(np.repeat(rng.random((1, 1000)), 3, axis=0)) == pytest.approx(3, rel=0.2)  # all lanes alike


def test_learned_frames_are_counted_with_the_others_and_told() -> None:
    frames = [*good_frames(40), *[replace(frame, learned=True) for frame in good_frames(90, seed=1)]]
    found = calibrate(frames, MODEL, in_frames(1), "good cloth")
    assert found.frames == 130 and found.lane_samples == (130, 130, 130)
    assert found.learned is not None and (found.learned.frames, found.learned.samples) == (90, 270)
    by_heart = [replace(frame, lanes=frame.lanes / 9) if frame.learned else frame for frame in frames]
    alone = calibrate(by_heart, MODEL, in_frames(1), "good cloth")
    assert alone.learned is not None and alone.learned.samples == 0 and alone.learned.left_out
    assert alone.thresholds == calibrate(frames[:40], MODEL, in_frames(1), "good cloth").thresholds
    with pytest.raises(InputError, match="only 2 good frames"):
        calibrate(frames[38:], MODEL, in_frames(1), "good cloth")


def test_many_frames_have_a_tail_of_their_own() -> None:
    rng = np.random.default_rng(0)
    patches = 1 / (1 + np.exp(-rng.gumbel(-5, 0.5, (70, 3, 16))))
    frames = [GoodFrame(each.max(axis=1), patches=each.ravel()) for each in patches]
    few, many = (calibrate(some, MODEL, in_frames(1), "good").limits[0] for some in (frames[:66], frames[:67]))
    assert (few.patches, many.patches) == (66 * 48, None)


def test_how_good_cloth_looked_is_on_the_card() -> None:
    frames = [replace(f, camera="c", level=100.0 + n % 3, texture=8.0) for n, f in enumerate(good_frames(60))]
    found = calibrate([*frames, *good_frames(10, seed=1)], MODEL, in_frames(5), "good cloth").good
    assert set(found) == {"c", ""} and (found["c"].level, found["c"].texture) == (101.0, 8.0)
    assert found[""].level is None
    low, middle, high = found["c"].middle_shares
    assert 0 < low < middle < high <= 1 and middle < found["c"].share <= 1


def test_the_level_of_good_cloth_is_on_the_card_and_a_card_of_before_has_none() -> None:
    frames = [replace(f, camera="c") for f in good_frames(60)]
    made = calibrate(frames, MODEL, in_frames(5), "good cloth")
    levels = [level_of(f.lanes, made.thresholds) for f in frames]
    assert made.good["c"].levels == pytest.approx(np.quantile(levels, (0.05, 0.5, 0.95)).tolist())
    body = json.loads(made.model_dump_json(by_alias=True))
    del body["good"]["c"]["levels"]
    before = ThresholdCard.model_validate(body).good["c"]
    assert before.levels is None and before.raised_by(5.0) == 0.0


def test_a_level_is_that_of_the_middle_lane_in_log_odds() -> None:
    at = [1 / (1 + np.exp(-v)) for v in (-3.0, 4.0, -2.5)]
    over = [1 / (1 + np.exp(-v)) for v in (1.0, 1.0, -0.5)]
    assert level_of(at, over) == pytest.approx(-2.0)  # of -4, 5 and -2


@pytest.mark.parametrize(("level", "by"), [(-3.0, 0.0), (-1.5, 0.0), (-1.2, 0.3), (-0.6, 0.9), (0.4, 1.0)])
def test_thresholds_are_raised_by_what_lies_above_the_cards_range_up_to_its_width(level: float, by: float) -> None:
    good = GoodLook(level=None, texture=None, share=0.5, middle_shares=(0.1, 0.2, 0.4), levels=(-2.5, -2.0, -1.5))
    assert good.raised_by(level) == pytest.approx(by)


def test_frames_of_different_widths_share_a_single_threshold() -> None:
    found = calibrate(good_frames(30, 2) + good_frames(30, 5), MODEL, in_frames(5), "two cameras")
    assert len(found.thresholds) == 1 and found.frames == 60 and found.lane_samples == (210,)


def test_a_card_is_saved_and_loaded_unchanged(tmp_path: Path) -> None:
    found = card()
    assert found.save(tmp_path) == tmp_path / "card.json"
    assert load_card(tmp_path) == found
    assert json.loads((tmp_path / "card.json").read_text())["schema"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]
    before = (tmp_path / "card.json").read_bytes()
    for budget in (2.0, 3.0):  # the card before stays, and only that
        card(budget=budget).save(tmp_path)
        assert (tmp_path / "card.previous.json").read_bytes() == before
        assert load_card(tmp_path) == card(budget=budget)
        before = (tmp_path / "card.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.json", "card.previous.json"]


def test_the_hash_covers_every_field() -> None:
    found = card()
    assert found.sha == found.content_sha()
    changed = {"mm_per_px": 2.0, "thresholds": (0.9,), "source": "elsewhere", "provisional": False}
    for field, value in changed.items():
        assert found.model_copy(update={field: value}).content_sha() != found.sha


def of_schema(number: int, found: ThresholdCard) -> dict[str, object]:
    """The same card as it was written before: figures with other names, and no learned cloth."""
    new = json.loads(found.model_dump_json(by_alias=True))
    end = "_frames" if number == 1 else ""
    gone = {"learned", "mm_per_px", *(key for key in new if key.startswith("false_alarms"))}
    gone |= {"metres", "dispersion", "effective_samples", "good"} if number == 1 else set()
    told = found.false_alarms
    figures = {
        f"budget_per_1000{end}": told.budget,
        f"expected_false_alarms_per_1000{end}": told.expected,
        f"upper_false_alarms_per_1000{end}": told.upper,
    }
    old = {key: value for key, value in new.items() if key not in gone} | figures | {"schema": number}
    if number == 1:
        old["limits"] = [{**each, "upper_rate": 0.02} for each in new["limits"]]
    return dict(json.loads(sealed(old)))


def test_a_card_of_the_first_form_is_read_as_it_stands(tmp_path: Path) -> None:
    """Before metres were counted: other names, a bound of the rate in each limit, and no look."""
    new = card()
    old = of_schema(1, new)
    (tmp_path / "card.json").write_text(json.dumps(old, indent=1))
    found = load_card(tmp_path)
    assert found is not None and found.sha == old["sha"] and found.unit == "lane of one frame" and found.good == {}
    assert (found.false_alarms, found.per, found.thresholds) == (new.false_alarms, "1000 frames", new.thresholds)
    (tmp_path / "card.json").write_text(json.dumps(old | {"budget_per_1000_frames": 2.0}))
    with pytest.raises(InputError, match="changed by hand"):
        load_card(tmp_path)
    for damage in ({"limits": 3}, {"limits": [3]}, {"lane_samples": "many"}):
        (tmp_path / "card.json").write_text(sealed(old | damage))
        with pytest.raises(InputError, match="damaged threshold card"):
            load_card(tmp_path)


@pytest.mark.parametrize("metres", [True, False])
def test_a_card_of_the_second_form_tells_metres_or_frames(tmp_path: Path, metres: bool) -> None:
    new = calibrate(placed(good_frames(40)) if metres else good_frames(40), MODEL, in_frames(5), "good cloth")
    old = of_schema(2, new)
    (tmp_path / "card.json").write_text(json.dumps(old, indent=1))
    found = load_card(tmp_path)
    assert found is not None and (found.sha, found.learned) == (old["sha"], None)
    assert (found.per, found.false_alarms) == ("1000 m" if metres else "1000 frames", new.false_alarms)


def sealed(body: dict[str, object]) -> str:
    """As JSON, with the hash of its content."""
    rest = {key: value for key, value in body.items() if key != "sha"}
    return json.dumps({**rest, "sha": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()})


def edited(content: str) -> str:
    body = json.loads(content)
    body["thresholds"] = [0.99] * 3
    return json.dumps(body)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (edited, "changed by hand"),
        (lambda content: content[: len(content) // 2], "damaged threshold card"),
        (lambda content: content.replace('"unit"', '"units"'), "changed by hand"),
        (lambda content: sealed(json.loads(content.replace('"unit"', '"units"'))), "damaged threshold card"),
        (lambda content: sealed(json.loads(content) | {"thresholds": [0.5] * 2}), "2 thresholds for 3 lanes"),
        (lambda content: sealed(json.loads(content) | {"dispersion": float("nan")}), "damaged threshold card"),
        (lambda content: sealed(json.loads(content) | {"false_alarms_per_1000_frames": None}), "in none or in several units"),
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
        ([*good_frames(20), GoodFrame(np.array([0.1, np.nan, 0.1]))], 1.0, "not finite"),
        ([*good_frames(20), GoodFrame(np.array([0.1, 1.0, 0.1]))], 1.0, "highest score there is"),
        (good_frames(20), 0.0, "budget of 0"),
        (good_frames(20), 3000.0, "budget of 3000"),
    ],
)
def test_bad_samples_are_one_clear_line(frames: list[GoodFrame], budget: float, words: str) -> None:
    with pytest.raises(InputError, match=rf"^[^\n]*{words}[^\n]*, [^\n]+, [^\n]+$"):
        calibrate(frames, MODEL, in_frames(budget), "good cloth")


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
