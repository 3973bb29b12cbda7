"""The makers of data sets: tiles of a fixed split, and weak defects at given transparencies."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import tools.reproduce.make_mad_sys
import tools.studies.make_tiles
from glass_core.pictures.datasets import list_images, list_test_images, read_mask
from glass_core.pictures.reading import read_image
from glass_core.pictures.split import file_sha256


def pictures(folder: Path, count: int, shape: tuple[int, ...]) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        assert cv2.imwrite(str(folder / f"{index}.png"), rng.integers(60, 140, shape, dtype=np.uint8))
    return folder


def weak(good: Path, out: Path, *more: str) -> int:
    return tools.reproduce.make_mad_sys.main([str(good), "--out", str(out), "--class", "cloth", "--seed", "7", *more])


@pytest.mark.parametrize("shape", [(64, 64, 3), (40, 150)])
def test_weak_defects_lie_in_their_masks_and_fade_with_beta(
    shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLASSLINE_TEXTURES", raising=False)
    good = pictures(tmp_path / "good", 8, shape)
    assert weak(good, tmp_path / "mad", "--beta", "0.1", "0.7") == 0
    manifest = json.loads((tmp_path / "mad/cloth.json").read_text())
    labels = [each["label"] for each in manifest["pictures"]]
    assert (labels.count("good"), labels.count("weak")) == (2, 6) and manifest["seed"] == 7
    changes: dict[float, float] = {}
    for beta in (0.1, 0.7):
        test = list_test_images(tmp_path / f"mad/Beta_{beta}/cloth")
        assert [image.defective for image in sorted(test, key=lambda i: i.path.name)] == [label == "weak" for label in labels]
        difference = 0.0
        for image in test:
            (entry,) = (each for each in manifest["pictures"] if each["picture"] == image.path.name)
            original, picture = read_image(good / entry["source"]).astype(int), read_image(image.path).astype(int)
            assert file_sha256(good / entry["source"]) == entry["sha256"]
            mask = read_mask(image, *shape[:2])
            assert mask is not None and (original == picture)[mask == 0].all()
            if image.defective:
                assert float((mask > 0).mean()) == pytest.approx(entry["share_of_pixels"], abs=1e-6)
                difference += float(np.abs(original - picture).sum())
        changes[beta] = difference
    assert changes[0.7] == pytest.approx(changes[0.1] * 0.3 / 0.9, rel=0.1)  # 1 - beta is the texture's weight


def test_the_same_seed_makes_the_same_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLASSLINE_TEXTURES", raising=False)
    good = pictures(tmp_path / "good", 3, (64, 64))
    for name in ("a", "b"):
        assert weak(good, tmp_path / name, "--beta", "0.3") == 0
    first, second = (sorted((tmp_path / name).rglob("*.[pj][ns]*")) for name in ("a", "b"))
    assert len(first) == len(second) > 3
    assert all(x.read_bytes() == y.read_bytes() for x, y in zip(first, second, strict=True))


@pytest.mark.parametrize("kind", ["one picture", "there already", "missing"])
def test_bad_input_of_the_weak_maker_is_one_line(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = pictures(tmp_path / "good", 1 if kind == "one picture" else 2, (64, 64))
    out = tmp_path / "mad"
    if kind == "there already":
        assert weak(good, out, "--class", "another") == weak(good, out, "--append") == 0
        capsys.readouterr()
    assert weak(tmp_path / "none" if kind == "missing" else good, out) == 2
    assert capsys.readouterr().err.count("\n") == 1


def tile_list(tmp_path: Path, x: int = 30) -> Path:
    pictures(tmp_path / "f00/good", 2, (32, 100))
    pictures(tmp_path / "f00/defect", 1, (32, 100))
    pictures(tmp_path / "f00/mask", 1, (32, 100))
    parts = {
        "train": [["good/0.png", 0], ["good/0.png", 68]],
        "test_good": [["good/1.png", 5]],
        "test_defect": [["defect/0.png", x]],
    }
    path = tmp_path / "tiles.json"
    path.write_text(json.dumps({"tile_px": 32, "fabrics": {"f00": parts}}))
    return path


def cut(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["make_tiles", *map(str, words)])
    return tools.studies.make_tiles.main()


def test_tiles_of_a_split_become_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cut(monkeypatch, tile_list(tmp_path), "f00", "--out", tmp_path / "set") == 0
    assert [path.name for path in list_images(tmp_path / "set")] == ["0_x0000.png", "0_x0068.png"]
    defective, good = list_test_images(tmp_path / "set")
    assert (defective.label, good.label) == ("defect", "good")
    for path, source in ((defective.path, "defect"), (defective.mask, "mask")):
        assert path is not None
        np.testing.assert_array_equal(read_image(path), read_image(tmp_path / f"f00/{source}/0.png")[:, 30:62])


def test_training_tiles_that_touch_may_stay_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tile_list(tmp_path)
    path.write_text(path.read_text().replace('["good/0.png", 68]', '["good/0.png", 32], ["good/0.png", 68]'))
    assert cut(monkeypatch, path, "f00", "--out", tmp_path / "set", "--strips") == 0
    strip, tile = (read_image(image) for image in list_images(tmp_path / "set"))
    assert (strip.shape[1], tile.shape[1]) == (64, 32)
    np.testing.assert_array_equal(strip, read_image(tmp_path / "f00/good/0.png")[:, :64])


def test_tiles_of_two_pictures_are_not_written_over_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tile_list(tmp_path)
    path.write_text(path.read_text().replace('["good/0.png", 68]', '["defect/0.png", 0]'))
    assert cut(monkeypatch, path, "f00", "--out", tmp_path / "set") == 2
    assert "two tiles would be called train/good/0_x0000.png" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_no_maker_writes_into_a_folder_that_is_not_empty_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GLASSLINE_TEXTURES", raising=False)
    good, tiles, out = pictures(tmp_path / "good", 2, (64, 64)), tile_list(tmp_path), tmp_path / "out"
    assert cut(monkeypatch, tiles, "f00", "--out", out) == 0
    (out / "train/good/old.png").touch()
    assert cut(monkeypatch, tiles, "f00", "--out", out) == 2 and (out / "train/good/old.png").exists()
    assert weak(good, out) == weak(good, out, "--append") == weak(good, out, "--replace") == 2
    assert cut(monkeypatch, tiles, "f00", "--out", out, "--replace") == 0 and not (out / "train/good/old.png").exists()
    assert weak(good, tmp_path / "mad") == 0 and weak(good, tmp_path / "mad", "--class", "other") == 2
    assert weak(good, tmp_path / "mad", "--class", "other", "--replace") == 0
    assert [path.name for path in (tmp_path / "mad").glob("*.json")] == ["other.json"]
    assert "--replace to delete its content" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["no class", "outside", "damaged", "missing", "not empty"])
def test_bad_input_of_the_tile_maker_is_one_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tile_list(tmp_path, x=69 if kind == "outside" else 30)
    if kind == "damaged":
        path.write_text('{"tile_px": 32}')
    elif kind == "missing":
        path.unlink()
    out = tmp_path / "f00" if kind == "not empty" else tmp_path / "set"
    assert cut(monkeypatch, path, "f09" if kind == "no class" else "f00", "--out", out) == 2
    assert capsys.readouterr().err.count("glassline: ") == 1
