"""The threshold card of a model: from held-out pictures, recordings, and what `run --observe` kept; with a stand-in engine."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import calibration.model_card
import glass_core.evaluation.suspects
import glass_core.network.held_out
from calibration import calibrate_threshold
from calibration.false_alarms import Budget
from calibration.threshold import ThresholdCard, load_card
from glass_core.config import SplitFractions, TrainConfig
from glass_core.errors import InputError
from glass_core.pictures.exclusions import write_exclusions
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.split import Split, load_split, split
from glass_core.pictures.tiling import Tiling
from pipeline.cameras.placing import Placing
from pipeline.ledger.dispositions import Word, dispose
from pipeline.ledger.store import Ledger
from pipeline.ledger.widths import inspected_widths_mm
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.reviewed import reviewed
from pipeline.report.sheet import read_sheet
from tools.cli import main

READERS = (calibration.model_card, glass_core.evaluation.suspects, glass_core.network.held_out)
"""What reads what the model is."""
SHAS = {"weights_sha": "w" * 64, "engine_sha": "e" * 64}


class BrightnessEngine:
    """The brighter a cell, the higher its score."""

    sha, weights_sha = SHAS["engine_sha"], SHAS["weights_sha"]
    backend, precision, device = "stand-in", "fp32", "cpu"
    definition = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=16))

    def score(self, tiles: np.ndarray) -> np.ndarray:
        count, height, width = tiles.shape
        return (tiles.reshape(count, height // 8, 8, width // 8, 8).mean(axis=(2, 4)) / 256).astype(np.float32)


class Info:
    arch, config = "resnet18", TrainConfig()

    def __init__(self, parts: Split) -> None:
        self.split_digest = parts.digest


def pictures(folder: Path, count: int, seed: int) -> list[Path]:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for index in range(count):
        picture = rng.integers(0, 60 + index % 7, (64, 160), dtype=np.uint8)
        assert cv2.imwrite(str(folder / f"{index:09d}.png"), picture)
    return sorted(folder.iterdir())


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    parts = split(pictures(tmp_path / "good", 20, 0), SplitFractions(train=0.4, calibration=0.4, selection=0.2), 0)
    parts.save(folder)
    monkeypatch.setattr(calibration.model_card, "load_engine", lambda run: BrightnessEngine())
    for module in READERS:
        monkeypatch.setattr(module, "read_info", lambda run: Info(parts))
    return folder


def calibrated(model: Path, good: Path | None = None, budget: float = 1.0, mm_per_px: float | None = None) -> ThresholdCard:
    accepted = Budget(budget, budget)
    return calibrate_threshold(model, good, accepted, spot_of=Placing(), widths_of=inspected_widths_mm, mm_per_px=mm_per_px)


def test_the_pictures_of_the_run_are_the_default(model: Path) -> None:
    card = calibrated(model)
    assert card == load_card(model)
    assert card.frames == 20 and card.lane_samples == (20, 20, 20)
    assert card.learned is not None and (card.learned.frames, card.learned.samples) == (8, 24)
    assert (card.weights_sha, card.engine_sha) == (SHAS["weights_sha"], SHAS["engine_sha"])
    assert card.model.engine == "stand-in fp32 on cpu" and card.needs.metres is None
    highest = max(cell for image in load_split(model).calibration for cell in [brightest_cell(image.path)])
    assert card.thresholds[0] >= highest
    assert (model / "contact_sheet_calibration.png").is_file()


def test_learned_pictures_that_are_gone_changed_or_marked_are_no_part_of_a_card(model: Path) -> None:
    gone, changed, marked = (image for image in load_split(model).train[1:4])
    before = calibrated(model)
    gone.path.unlink()
    cv2.imwrite(str(changed.path), np.full((64, 160), 250, np.uint8))
    write_exclusions(model, "training", [(marked.sha256[:16], "a tile")])
    exclude = model / "exclude.txt"
    exclude.write_text(exclude.read_text().replace(f"# {marked.sha256[:16]}", marked.sha256[:16]))
    said: list[object] = []
    after = calibrate_threshold(model, report=said.append)
    assert (before.frames, after.frames) == (20, 17)
    assert after.learned is not None and after.learned.frames == 5
    assert "2 pictures are left out: they are gone or have changed since training" in [str(event) for event in said]


def test_the_tail_of_a_provisional_card_is_that_of_patches(model: Path) -> None:
    for image in load_split(model).calibration:  # beyond 64 px a lane is several patches
        cv2.imwrite(str(image.path), np.random.default_rng(0).integers(0, 60, (256, 160), dtype=np.uint8))
    folder = model.parent / "tall"
    folder.mkdir()
    for image in load_split(model).calibration:
        (folder / image.path.name).write_bytes(image.path.read_bytes())
    (found,) = calibrated(model, folder).limits
    assert (found.samples, found.patches) == (24, 24 * 4)
    assert found.tail_clusters is not None and found.tail_size is not None and found.tail_clusters <= found.tail_size == 24


def brightest_cell(path: Path) -> float:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return float(picture.reshape(8, 8, 20, 8).mean(axis=(1, 3)).max() / 256)


def test_a_marked_picture_is_left_out_of_the_next_calibration(model: Path) -> None:
    outlier = load_split(model).calibration[0].path
    cv2.imwrite(str(outlier), np.full((64, 160), 250, np.uint8))
    folder = model.parent / "again"
    folder.mkdir()
    for image in load_split(model).calibration:
        (folder / image.path.name).write_bytes(image.path.read_bytes())
    before = calibrated(model, folder)
    exclude = model / "exclude.txt"
    worst = exclude.read_text().split("\n## calibration\n")[1].splitlines()[0]
    assert outlier.name in worst
    exclude.write_text(exclude.read_text().replace(worst, worst.removeprefix("# ")))
    after = calibrated(model, folder)
    assert (before.frames, after.frames) == (8, 7)
    assert after.thresholds[0] < before.thresholds[0]


def test_pictures_that_training_saw_are_left_out(model: Path) -> None:
    assert calibrated(model, model.parent / "good").frames == 12


def test_a_recording_tells_the_length_of_its_frames(model: Path) -> None:
    recording = model.parent / "recording"
    pictures(recording / "left", 10, seed=5)
    (recording / "recording.json").write_text('{"schema": 1, "cameras": {"left": {}}}')
    facts = {"t_mono_ns": 0, "t_utc_ns": 0, "rows": 64}
    spans = [{**facts, "seq": n, "block_id": n, "start_mm": 50.0 * n, "end_mm": 50.0 * (n + 1)} for n in range(10)]
    (recording / "left/frames.jsonl").write_text("".join(json.dumps(span) + "\n" for span in spans))
    card = calibrated(model, recording)
    assert card.frames == 10 and card.unit == "lane of one frame"  # half a metre is too little to count metres
    assert card.needs.frames == card.needs.metres * 20 and set(card.good) == {"left"}
    spans = [{**span, "start_mm": 1000.0 * n, "end_mm": 1000.0 * (n + 1)} for n, span in enumerate(spans)]
    (recording / "left/frames.jsonl").write_text("".join(json.dumps(span) + "\n" for span in spans))
    assert calibrated(model, recording).metres == 10


@pytest.mark.parametrize("scaled", ["both", "left", "said"])
def test_a_recording_of_two_cameras_tells_its_area_where_both_have_a_scale(model: Path, scaled: str) -> None:
    recording, cameras = model.parent / "recording", {"left": (0.5, 0.25), "right": (0.125, 0.5)}
    index: dict[str, Any] = {"schema": 1, "cameras": {name: {} for name in cameras}}
    for seed, (name, (across, along)) in enumerate(cameras.items()):
        pictures(recording / name, 12 - seed, seed=5 + seed)
        facts = {"t_mono_ns": 0, "t_utc_ns": 0, "rows": 64}
        spans = [{**facts, "seq": n, "block_id": n, "start_mm": 1e3 * n, "end_mm": 1e3 * (n + 1)} for n in range(12 - seed)]
        (recording / name / "frames.jsonl").write_text("".join(json.dumps(span) + "\n" for span in spans))
        if scaled == "both" or (name, scaled) == ("left", "left"):
            index["cameras"][name]["config"] = {"mm_per_px_x": across, "mm_per_px_y": along}
    (recording / "recording.json").write_text(json.dumps(index))
    card = calibrated(model, recording, mm_per_px=0.25 if scaled == "said" else None)
    assert card.per == ("1000 frames" if scaled == "left" else "100 m2") and card.metres == 11
    width_m = {"both": 160 * 0.625 / 1e3, "said": 160 * 0.5 / 1e3}.get(scaled)
    ahead = 1000 * 66 / 23 if width_m is None else 6 * 100 / width_m  # three lanes each
    assert card.false_alarms.expected == pytest.approx(ahead * card.limits[0].expected_rate)


def test_pictures_of_a_named_scale_count_their_area(model: Path) -> None:
    card = calibrated(model, mm_per_px=0.5)
    assert (card.per, card.mm_per_px, card.unit) == ("100 m2", 0.5, "lane of one frame")
    ahead = 3 * 100 / (0.08 * 0.032)
    assert card.false_alarms.expected == pytest.approx(ahead * card.limits[0].expected_rate)
    with pytest.raises(InputError, match=r"scale of 0 mm per px, --mm-per-px, [^\n]+"):
        calibrated(model, mm_per_px=0)


def verdict(seq: int, **changes: Any) -> dict[str, Any]:
    scores = np.random.default_rng(seq).uniform(0.01, 0.1, 4).tolist()
    place = {"start_mm": 200.0 * seq, "end_mm": 200.0 * (seq + 1), "level": 100.0, "texture": 5.0}
    return {"schema": 1, "camera": "left", "boot_id": "b", "seq": seq, "lane_scores": scores, **place, **SHAS, **changes}


def observed(folder: Path, verdicts: list[dict[str, Any]], tail: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "verdicts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in verdicts) + tail)
    return folder


def test_what_the_line_observed_is_used_when_it_is_of_this_model(model: Path) -> None:
    foreign = [verdict(100, engine_sha="x" * 64, lane_scores=[0.9] * 4), verdict(101, weights_sha="x", lane_scores=[0.9] * 4)]
    unscored = [verdict(102, lane_scores=[]), {**verdict(103), "seq": None, "lane_scores": []}]
    broken = [verdict(104, lane_scores=[0.1, None, 0.1, 0.1])]
    verdicts = [verdict(n) for n in range(50)] + foreign + unscored + broken
    seen_again = [verdict(n, rescan=True, lane_scores=[0.9] * 4) for n in range(5)]
    card = calibrated(model, observed(model.parent / "out", verdicts + seen_again, tail='{"cut sho'))
    assert card.frames == 50 and card.metres == 10 and card.lane_samples == (10,) * 4
    assert card.needs.frames == card.needs.metres * 5
    assert card.good["left"].level == 100.0


@pytest.mark.parametrize("reviewing", [False, True])
def test_a_run_tells_the_width_of_its_cameras(model: Path, reviewing: bool) -> None:
    out = model.parent / "out"
    camera = {"name": "left", "mm_per_px_x": 0.5, "inspect_x_mm": [10.0, 60.0], "x_offset_mm": 5.0}
    held = Ledger(out / "ledger.sqlite", {"line": "l", "config": {"cameras": [camera]}}, run_id="run")
    for n in range(60):
        facts = {"level": 100.0, "texture": 5.0, "lanes": [0.1 + n / 1e3] * 4, "score": 0.2, "frame_shape": (64, 160), **SHAS}
        place = {"camera": "left", "boot_id": "b", "seq": n, "start_mm": 200.0 * n, "end_mm": 200.0 * (n + 1)}
        held.add(Verdict.model_validate(
            {**place, **facts, "number": n, "generation": 0, "t_mono_ns": n, "t_utc_ns": n, "result": Result.PASS}
        ))  # fmt: skip
    held.close()
    observed(out, [verdict(n) for n in range(60)])
    review = reviewed if reviewing else None
    card = calibrate_threshold(model, out, review=review, widths_of=inspected_widths_mm)
    assert (card.per, card.metres) == ("100 m2", 12)
    assert card.false_alarms.expected == pytest.approx(4 * 100 / 0.05 * card.limits[0].expected_rate)


def test_the_option_of_before_names_the_new_one(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "threshold", str(model), "--budget", "20"]) == 2
    assert "give --false-alarms-per-100-m2 N" in capsys.readouterr().err


def test_an_observed_frame_can_be_marked_too(model: Path) -> None:
    verdicts = [verdict(n) for n in range(30)] + [verdict(99, lane_scores=[0.8, 0.1, 0.1, 0.1])]
    out = observed(model.parent / "out", verdicts)
    before = calibrated(model, out)
    exclude = model / "exclude.txt"
    exclude.write_text(exclude.read_text().replace("# left/b/99", "left/b/99"))
    after = calibrated(model, out)
    assert (before.frames, after.frames) == (31, 30) and after.thresholds[0] < before.thresholds[0]


@pytest.mark.parametrize(
    ("verdicts", "tail", "words"),
    [
        ([verdict(0, engine_sha="x")], "", "no scores of this model"),
        ([], "not json\n" + json.dumps(verdict(0)), "line 1 is not JSON"),
    ],
)
def test_observations_of_no_use_are_one_clear_line(model: Path, verdicts: list[dict[str, Any]], tail: str, words: str) -> None:
    with pytest.raises(InputError, match=rf"^[^\n]*{words}[^\n]*, [^\n]+, [^\n]+$"):
        calibrated(model, observed(model.parent / "out", verdicts, tail))


def reviewed_run(folder: Path, **facts: Any) -> Path:
    """Ten metres of a line with thresholds of 0.2: a false alarm at 3 m, a streak over 6 and 7 m, two of it in one lane."""
    held = Ledger(folder / "ledger.sqlite", {"line": "l", "config": {}}, run_id="run")
    for n in range(40):
        lanes = np.random.default_rng(n).uniform(0.01, 0.1, 4).tolist()
        lane, score = {12: (1, 0.3), 24: (2, 0.5), 25: (2, 0.6)}.get(n, (0, 0.0))
        regions: tuple[Region, ...] = ()
        if score:
            lanes[lane] = score
            at = {"x0_mm": 10.0 * lane, "x1_mm": 10.0 * lane + 5, "y0_mm": 250.0 * n, "y1_mm": 250.0 * (n + 1)}
            regions = (Region(x0_px=0, y0_px=0, x1_px=5, y1_px=250, score=score, lane=lane, **at),)
        held.add(Verdict.model_validate({
            "number": n, "generation": 0, "camera": "left", "boot_id": "b", "seq": n, "t_mono_ns": n, "t_utc_ns": n,
            "result": Result.DEFECT if score else Result.PASS, "lanes": lanes, "regions": regions, "score": max(lanes),
            "regions_total": len(regions), "start_mm": 250.0 * n, "end_mm": 250.0 * (n + 1), **SHAS, **facts,
        }))  # fmt: skip
    held.close()
    return folder


def said(folder: Path, *words: Word) -> Path:
    sheet, _ = read_sheet(folder / "ledger.sqlite")
    for row, word in zip(sheet.rows.values(), words, strict=False):
        dispose(folder, sheet.run_id, row.key, word, None, "me", "")
    return folder


def test_a_reviewed_run_makes_false_alarms_good_cloth_and_replays_its_defects(model: Path) -> None:
    before = calibrated(model)
    run = reviewed_run(model.parent)
    for words in ((), ("lint",)):
        with pytest.raises(InputError, match=rf"^{2 - len(words)} defects without a word, {run}, say what"):
            calibrate_threshold(model, said(run, *words), Budget(50, 50), review=reviewed)
    card = calibrate_threshold(model, said(run, "lint", "defect"), Budget(50, 50), review=reviewed)
    assert card.frames == 38 and card.metres == 9  # the streak's two frames are neither good nor seen
    assert load_card(model) == card != before
    strict = calibrate_threshold(model, said(run, "mended"), Budget(50, 50), review=reviewed)
    assert strict.frames == 37 and max(strict.thresholds) < max(card.thresholds) < 0.6


def test_a_card_that_lets_a_confirmed_defect_pass_is_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = calibrated(model)
    run = said(reviewed_run(model.parent), "defect", "acceptable")  # what scored 0.3 is one, what scored 0.6 is none
    words = ["calibrate", "threshold", str(model), str(run), "--from-review", "--false-alarms-per-1000-frames", "10", "--json"]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert out == "" and "defect 1 at 3.000 m (score 0.3000) would pass at thresholds from" in err.splitlines()[-1]
    assert load_card(model) == before
    assert main(words[:3] + words[4:]) == 2
    assert "name the folder of a reviewed run" in capsys.readouterr().err


def test_a_run_of_another_model_is_no_review_of_this_one(model: Path) -> None:
    run = said(reviewed_run(model.parent, engine_sha="x" * 64), "lint", "lint")
    with pytest.raises(InputError, match=r"no good frame of this model and engine, [^\n]+, review a run of this model"):
        calibrate_threshold(model, run, review=reviewed)


def test_held_out_pictures_must_be_those_of_the_training(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = load_split(model).calibration[0].path
    content = image.read_bytes()
    cv2.imwrite(str(image), np.zeros((64, 160), np.uint8))
    with pytest.raises(InputError, match="has changed since training"):
        calibrated(model)
    image.write_bytes(content)
    other = split(pictures(model.parent / "other", 5, 9), SplitFractions(), 0)
    monkeypatch.setattr(glass_core.network.held_out, "read_info", lambda run: Info(other))
    with pytest.raises(InputError, match=r"split\.json is not that of the model"):
        calibrated(model)


def test_a_failed_calibration_leaves_the_old_card(model: Path) -> None:
    card = calibrated(model)
    with pytest.raises(InputError, match="budget"):
        calibrated(model, budget=0)
    assert load_card(model) == card


def test_a_model_from_elsewhere_is_calibrated_on_named_pictures(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Imported:
        arch, split_digest, config = "wide_resnet50_2", None, None

    for module in READERS:
        monkeypatch.setattr(module, "read_info", lambda run: Imported())
    (model / "split.json").unlink()
    assert calibrated(model, model.parent / "good").frames == 20
    with pytest.raises(InputError, match=r"name good pictures"):
        calibrated(model)
