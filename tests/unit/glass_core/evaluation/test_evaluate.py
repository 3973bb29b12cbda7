"""Evaluation on a little test set with a stand-in engine whose scores are known."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import safetensors.numpy

import glass_core.evaluation.evaluate
import glass_core.evaluation.kept_apart
import tools.reproduce.make_mad_sys
from calibration.false_alarms import Budget
from calibration.good import GoodFrame
from calibration.threshold import Model, ThresholdCard, calibrate
from glass_core.config import SplitFractions
from glass_core.errors import InputError
from glass_core.evaluation.measure import (
    Scored,
    measure,
    official_resize_px,
    official_system,
    official_truth,
    standard_system,
)
from glass_core.evaluation.score_folder import ScoreFolder
from glass_core.evaluation.scores import Scores
from glass_core.pictures.anomaly_map import smooth_odds
from glass_core.pictures.datasets import TestImage, list_test_images
from glass_core.pictures.masks import understood
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.split import split
from glass_core.pictures.tiling import Tiling
from tools.cli import main

KEYS = {
    *("schema", "image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "pro", "pro_official", "f1_at_threshold"),
    *("recall_at_threshold", "false_alarms_at_threshold", "protocol", "selection", "n_good", "n_defect"),
}


class BrightnessEngine:
    """The brighter a cell, the higher its score."""

    sha, weights_sha = "e" * 64, "w" * 64
    backend, precision, device = "stand-in", "fp32", "cpu"
    definition = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=16), inspect_x_px=(16, 200))

    def score(self, tiles: np.ndarray) -> np.ndarray:
        grey = tiles if tiles.ndim == 3 else tiles.mean(axis=3)
        count, height, width = grey.shape
        return (grey.reshape(count, height // 8, 8, width // 8, 8).mean(axis=(2, 4)) / 256).astype(np.float32)


class Info:
    selection, config, split_digest = "last epoch", None, "of this model"
    score = BrightnessEngine.definition


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four good pictures, three bright spots, one dark one that brightness cannot find; 70 x 216 px."""
    folder, rng = tmp_path / "cloth", np.random.default_rng(0)
    for index in range(4):
        write(folder / f"test/good/{index}.png", rng.integers(90, 110, (70, 216), dtype=np.uint8))
    for index in range(4):
        picture, mask = rng.integers(90, 110, (70, 216), dtype=np.uint8), np.zeros((70, 216), np.uint8)
        spot = np.s_[16:40, 48 + 8 * index : 80 + 8 * index]
        picture[spot] = 20 if index == 3 else 200 + 10 * index
        mask[spot] = 255
        write(folder / f"test/{'stain' if index == 3 else 'spot'}/{index}.png", picture)
        write(folder / f"ground_truth/{'stain' if index == 3 else 'spot'}/{index}.png", mask)
    return folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setattr(glass_core.evaluation.evaluate, "load_engine", lambda run: BrightnessEngine())
    for module in (glass_core.evaluation.evaluate, glass_core.evaluation.kept_apart):
        monkeypatch.setattr(module, "read_info", lambda run: Info())
    return folder


def card(model: Path, threshold: float) -> ThresholdCard:
    rng = np.random.default_rng(0)
    of = Model(
        weights_sha="w" * 64, engine_sha="e" * 64, backbone="b", engine="stand-in", score_definition=BrightnessEngine.definition
    )
    drawn = calibrate([GoodFrame(rng.uniform(0.3, 0.4, 4)) for _ in range(60)], of, Budget(per_1000_frames=100), "here")
    fields = drawn.model_dump(exclude={"sha"}, by_alias=True)
    made = ThresholdCard.sealed(**{**fields, "thresholds": (threshold,) * len(drawn.thresholds)})
    made.save(model)
    return made


def run(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["evaluate", *map(str, words), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()  # exactly one JSON object on stdout
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_the_figures_of_a_known_system(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card(model, 0.6)
    found = run(capsys, model, data)
    assert set(found) >= KEYS and found["schema"] == 1
    assert (found["n_good"], found["n_defect"], found["protocol"], found["selection"]) == (4, 4, "standard", "last epoch")
    assert found["map_median_share"] == 0.5
    assert (found["recall_at_threshold"], found["false_alarms_at_threshold"]) == (0.75, 0)
    assert found["f1_at_threshold"] == pytest.approx(6 / 7)  # precision 1, recall 3/4
    # three of four stand above all good pictures; the dark one, with cells as bright as theirs, somewhere among them
    assert 0.75 <= found["image_auroc"] <= 1
    assert 0.5 < found["pixel_auroc"] < 1 and 0 < found["pro"] < found["pro_official"] < 1
    assert found["pointing"] == 0.75


def test_without_a_card_the_figures_at_a_threshold_are_null(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, model, data)
    assert {found[f"{name}_at_threshold"] for name in ("f1", "recall", "false_alarms")} == {None}


def test_false_alarms_lower_the_f1_at_the_threshold(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card(model, 0.1)  # every picture is called defective
    found = run(capsys, model, data)
    assert (found["recall_at_threshold"], found["false_alarms_at_threshold"]) == (1, 4)
    assert found["f1_at_threshold"] == pytest.approx(2 / 3)  # precision 1/2
    assert main(["evaluate", str(model), str(data)]) == 0
    assert "F1 at the threshold               66.7 %\n" in capsys.readouterr().out


def test_a_card_of_another_engine_does_not_count(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card(model, 0.6)
    assert run(capsys, model, data)["recall_at_threshold"] == 0.75
    monkeypatch.setattr(BrightnessEngine, "sha", "f" * 64)
    assert run(capsys, model, data)["recall_at_threshold"] is None


def test_exported_scores_give_the_same_figures(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    first = run(capsys, model, data, "--out", out)
    again = run(capsys, out, data)
    assert {**first, "out": None} == again and again["selection"] == "last epoch"
    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert {row["label"] for row in rows} == {"good", "spot", "stain"} and rows[0]["picture"] == "test/good/0.png"
    score_map = safetensors.numpy.load_file(out / "maps/test/spot/0.safetensors")["map"]
    assert score_map.shape == (70, 216) and np.isnan(score_map[:, :16]).all() and np.isnan(score_map[:, 200:]).all()
    assert not np.isnan(score_map[:, 16:200]).any()
    assert json.loads((out / "evaluation.json").read_text())["image_auroc"] == first["image_auroc"]
    for name in ("scores.png", "maps.png"):
        assert cv2.imread(str(out / name)) is not None


def test_what_was_said_of_a_model_is_not_lost_with_its_exported_scores(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Info, "selection", "ckpt_best is the best on the test set")
    monkeypatch.setattr(glass_core.evaluation.evaluate, "deviations", lambda info: ("640 epochs, officially more",))
    run(capsys, model, data, "--protocol", "official", "--out", tmp_path / "out")
    again = run(capsys, tmp_path / "out", data, "--protocol", "official", "--out", tmp_path / "copy")
    third = run(capsys, tmp_path / "copy", data, "--protocol", "official")
    for found in (again, third):
        assert (found["selection"], found["map_median_share"]) == ("ckpt_best is the best on the test set", None)
        assert found["deviations"] == ["640 epochs, officially more"]
    assert main(["evaluate", str(tmp_path / "out"), str(data)]) == 2
    assert "scores of the official protocol" in capsys.readouterr().err


def test_scores_of_another_system_have_no_origin(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, model, data, "--out", tmp_path / "out")
    theirs = [Scored(image, 0.5, None) for image in list_test_images(data)]
    ScoreFolder(tmp_path / "out", data).close(theirs)  # written over ours
    found = run(capsys, tmp_path / "out", data)
    assert (found["image_auroc"], found["selection"], found["map_median_share"]) == (0.5, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"schema": 2, "protocol": "standard", "selection": null}',
        '{"schema": 1, "protocol": "standard", "selection": 7}',
        '{"schema": 1, "protocol": "standard", "selection": null, "map_median_share": 3}',
        '{"schema": 1, "protocol": "standard", "selection": "' + 2000 * "x" + '"}', (2 << 20) * " ",
    ],
    ids=["empty", "list", "nothing in it", "schema", "type", "share", "long words", "long file"],
)  # fmt: skip
def test_a_damaged_evaluation_beside_scores_is_one_line(
    text: str, model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, model, data, "--out", tmp_path / "out")
    path = tmp_path / "out/evaluation.json"
    path.write_text(text)
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "out"), str(data)]) == 2
    error = capsys.readouterr().err
    assert (
        error.startswith("glassline: ") and error.endswith(f", {path}, evaluate the model again\n") and error.count("\n") == 1
    )


@pytest.mark.parametrize("kind", ["picture cut short", "a mask of another size", "a mask that marks nothing", "damaged mask"])
def test_a_bad_picture_or_mask_is_known_before_anything_is_scored(
    kind: str, model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, model, data, "--out", tmp_path / "out")
    last, scored = list_test_images(data)[-1], list[np.ndarray]()
    assert last.mask is not None
    if kind == "picture cut short":
        last.path.write_bytes(last.path.read_bytes()[:-100])
    elif kind == "damaged mask":
        last.mask.write_bytes(b"no picture")
    else:
        write(last.mask, np.zeros((70, 216) if kind == "a mask that marks nothing" else (70, 210), np.uint8))
    monkeypatch.setattr(BrightnessEngine, "score", lambda self, tiles: scored.append(tiles))
    assert main(["evaluate", str(model), str(data), "--out", str(tmp_path / "out"), "--replace"]) == 2
    error = capsys.readouterr().err
    assert f"glassline: {'damaged picture' if kind == 'damaged mask' else kind}" in error
    assert not scored and (tmp_path / "out/scores.csv").is_file()  # what was there stays


@pytest.mark.parametrize("kind", ["missing score", "bad score", "missing map", "map of another size", "same folder"])
def test_bad_exports_are_one_line(
    kind: str, model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(capsys, model, data, "--out", out)
    table, path = (out / "scores.csv").read_text(), out / "maps/test/spot/0.safetensors"
    if kind == "missing score":
        (out / "scores.csv").write_text("\n".join(table.splitlines()[:-1]))
    elif kind == "bad score":
        (out / "scores.csv").write_text(table.replace("0.", "zero."))
    elif kind == "missing map":
        path.unlink()
    elif kind == "map of another size":
        safetensors.numpy.save_file({"map": np.zeros((8, 8), np.float32)}, path)
    words = ["--out", str(out)] if kind == "same folder" else []
    assert main(["evaluate", str(out), str(data), *words]) == 2
    assert capsys.readouterr().err.count("glassline: ") == 1


def learned(model: Path, pictures: Sequence[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves a split.json as a training on these pictures does."""
    parts = split(pictures, SplitFractions(train=0.5, calibration=0.3, selection=0.2), 0)
    parts.save(model)
    monkeypatch.setattr(Info, "split_digest", parts.digest)


def test_a_test_picture_that_training_has_used_is_refused(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learned(model, [image.path for image in list_test_images(data)], monkeypatch)
    assert main(["evaluate", str(model), str(data)]) == 2
    assert "a test picture that training has used" in capsys.readouterr().err


def other_cloth(folder: Path, seed: int = 10) -> list[Path]:
    paths = [folder / f"{index}.bmp" for index in range(4)]  # a set made of them is PNG, of other hashes
    for index, path in enumerate(paths):
        write(path, np.random.default_rng(seed + index).integers(90, 110, (64, 216), dtype=np.uint8))
    return paths


def test_the_split_of_another_training_cannot_tell_what_the_model_has_seen(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learned(model, other_cloth(tmp_path / "good"), monkeypatch)
    assert main(["evaluate", str(model), str(data)]) == 0
    monkeypatch.setattr(Info, "split_digest", "of the training before")
    capsys.readouterr()
    assert main(["evaluate", str(model), str(data)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"glassline: split.json is not that of the model, {model}, ") and error.count("\n") == 1


def test_weak_defects_made_of_pictures_that_training_has_used_are_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GLASSLINE_TEXTURES", raising=False)
    good = other_cloth(tmp_path / "good")
    made = ["--out", str(tmp_path / "mad"), "--class", "cloth", "--beta", "0.3"]
    assert tools.reproduce.make_mad_sys.main([str(tmp_path / "good"), *made]) == 0
    weak = tmp_path / "mad/Beta_0.3/cloth"
    assert main(["evaluate", str(model), str(weak)]) == 0  # nothing is known of its training
    learned(model, other_cloth(tmp_path / "others", 20), monkeypatch)
    assert main(["evaluate", str(model), str(weak)]) == 0
    learned(model, good, monkeypatch)
    capsys.readouterr()
    assert main(["evaluate", str(model), str(weak)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("glassline: made of a picture that training has used, ") and error.count("\n") == 1
    for text in ("{", '{"pictures": [{"picture": "0000.png"}]}', (17 << 20) * " "):
        (tmp_path / "mad/cloth.json").write_text(text)
        assert main(["evaluate", str(model), str(weak)]) == 2
        error = capsys.readouterr().err
        assert "manifest" in error and f", {tmp_path / 'mad/cloth.json'}, make" in error and error.count("\n") == 1


def test_crops_are_scored_whole_and_held_to_the_strictest_threshold(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card(model, 0.6)
    for image in list_test_images(data):
        for path in filter(None, (image.path, image.mask)):
            write(path, read_image(path)[:, 40:112])
    assert main(["evaluate", str(model), str(data)]) == 2  # the inspected range is not in them
    found = run(capsys, model, data, "--crops")
    assert (found["recall_at_threshold"], found["n_defect"]) == (0.75, 4)


def test_without_masks_only_pixel_figures_are_null(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "ground_truth").rename(tmp_path / "elsewhere")
    found = run(capsys, model, data, "--out", tmp_path / "out")
    assert found["image_auroc"] is not None
    assert {found[key] for key in ("pixel_auroc", "pixel_ap", "pro", "pro_official", "pointing")} == {None}


def test_one_class_of_pictures_gives_nulls_not_a_crash(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "test/good").rename(tmp_path / "elsewhere")
    found = run(capsys, model, data, "--out", tmp_path / "out")
    assert found["image_auroc"] is None and found["n_good"] == 0 and found["pixel_auroc"] is not None


def test_a_score_that_is_not_finite_names_its_picture(data: Path) -> None:
    def broken(image: TestImage, picture: np.ndarray) -> Scores:
        return Scores(float("nan"), (), np.zeros(picture.shape[:2], np.float32))

    with pytest.raises(InputError, match=r"not finite, [^,]*0\.png, "):
        measure(list_test_images(data), broken, "standard")


def test_standard_maps_are_those_of_the_whole_inspected_range() -> None:
    engine, picture = BrightnessEngine(), np.random.default_rng(0).integers(0, 256, (64, 216), dtype=np.uint8)
    scores = standard_system(engine, engine.definition)(TestImage(Path("a"), "good", None), picture)
    cells = engine.score(picture[None, :, 16:200])[0]
    np.testing.assert_allclose(scores.map[:, 16:200], smooth_odds(cells, median_share=0.5), atol=1e-6)
    assert scores.score == cells.max() and len(scores.lanes) == 4


def test_the_official_protocol_resizes_and_crops_picture_and_mask(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    class Watching(BrightnessEngine):
        def score(self, tiles: np.ndarray) -> np.ndarray:
            seen.append(tiles)
            return super().score(tiles)

    picture, mask = np.full((144, 288, 3), 100, np.uint8), np.zeros((144, 288), np.uint8)
    picture[60:85, 10:30] = 255  # cut away by the crop: the mask's pixels go, the label stays
    mask[60:85, 10:30] = 255
    write(tmp_path / "test/hole/0.png", picture)
    write(tmp_path / "ground_truth/hole/0.png", mask)
    write(tmp_path / "test/good/0.png", np.full((144, 288, 3), 100, np.uint8))
    found = measure(list_test_images(tmp_path), official_system(Watching(), 288), "official")
    assert [tiles.shape for tiles in seen] == [(1, 288, 288, 3)] * 2
    assert (found.n_defect, found.image_auroc, found.pixel_auroc) == (1, 0.5, None)


def test_official_masks_are_floored_and_those_of_visa_are_not() -> None:
    mask = np.zeros((576, 576), np.uint8)
    mask[100:400, 200:208] = 255
    floored, visa = (official_truth(understood(mask), 288, any_value_marks) for any_value_marks in (False, True))
    assert floored.floored.sum() < floored.half.sum() == visa.half.sum() == 150 * 4 < visa.floored.sum()
    assert floored.background == pytest.approx(288**2 - 150 * 4, abs=1)
    assert visa.background == 288**2 - visa.floored.sum()


def test_a_trace_in_a_mask_of_visa_counts_however_faint() -> None:
    mask = np.zeros((1000, 1000), np.uint8)
    mask[404, 700] = 255
    centres = (np.arange(288) + 0.5) * 1000 / 288
    rows, columns = (np.abs(place + 0.5 - centres) < 1000 / 288 for place in (404, 700))  # within a triangle's reach
    assert np.array_equal(official_truth(understood(mask), 288, True).floored, np.outer(rows, columns))


def test_what_is_stored_below_255_is_nothing_officially() -> None:
    stored = np.zeros((288, 288), np.uint8)
    stored[20:60, 30:50], stored[20:60, 50:70] = 1, 2
    truth = official_truth(understood(stored), 288, False)
    assert truth.half.sum() == 40 * 40 and truth.floored.sum() == 0
    assert truth.background == pytest.approx(288**2 - 40 * 20 * 3 / 255, abs=0.1)
    stored[20:60, 30:50] = 255
    assert official_truth(understood(stored), 288, False).floored.sum() == 40 * 20


def test_pictures_of_one_stem_have_maps_of_their_own(tmp_path: Path) -> None:
    for name in ("test/hole/0.png", "test/hole/0.bmp", "test/hole/1.png", "test/hole/1.bmp.png"):
        write(tmp_path / "set" / name, np.full((8, 9), 50, np.uint8))
    images = list_test_images(tmp_path / "set")
    folder = ScoreFolder(tmp_path / "out", tmp_path / "set")
    for n, image in enumerate(images):
        folder.write(image, Scores(0.5, (), np.full((8, 9), n, np.float32)))
    assert [int(folder.map(image)[0, 0]) for image in images] == [0, 1, 2, 3]
    found = sorted(str(path.relative_to(tmp_path / "out/maps/test/hole")) for path in tmp_path.glob("out/maps/test/hole/*"))
    assert found == ["0.bmp.safetensors", "0.png.safetensors", "1.bmp.png.safetensors", "1.safetensors"]


def test_masks_and_pictures_left_out_are_told(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = data / "test/spot/more/9.png"
    write(deep, np.full((64, 64), 90, np.uint8))
    assert main(["evaluate", str(model), str(data)]) == 0
    assert f"1 pictures are left out: they lie in subfolders, the first is {deep}" in capsys.readouterr().err
    for image in list_test_images(data):
        if image.mask is not None:
            mask = cv2.imread(str(image.mask), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(image.mask), mask // 255 * (1 + np.arange(mask.shape[1], dtype=np.uint8) % 2))
    assert main(["evaluate", str(model), str(data)]) == 0
    assert "hold numbers of classes: every value above 0 marks a defect" in capsys.readouterr().err


def test_the_words_say_which_rule_masks_follow(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), str(data), "--protocol", "official"]) == 0
    assert "from the middle, masks floored; not" in capsys.readouterr().out
    visa = [replace(image, any_value_marks=image.defective) for image in list_test_images(data)]
    monkeypatch.setattr(glass_core.evaluation.evaluate, "list_test_images", lambda path: visa)
    assert main(["evaluate", str(model), str(data), "--protocol", "official"]) == 0
    assert "from the middle, any trace in a mask counts; not" in capsys.readouterr().out


def test_two_classes_are_enlarged_in_the_official_protocol(tmp_path: Path) -> None:
    plain = [TestImage(tmp_path / "a.png", "good", None)]
    visa = [TestImage(tmp_path / "a.png", "anomaly", tmp_path / "m.png", any_value_marks=True)]
    sizes = [official_resize_px(tmp_path / name, plain) for name in ("toothbrush", "wood", "carpet")]
    assert sizes == [329, 329, 288] and official_resize_px(tmp_path / "wood", visa) == 288
