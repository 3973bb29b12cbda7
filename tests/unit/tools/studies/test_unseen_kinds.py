"""Defects of kinds that no training makes: where they are drawn, that they are the same each time, and the figures."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import glass_core.network.held_out
import tools.studies.unseen_kinds
from glass_core.config import SplitFractions, TrainConfig
from glass_core.pictures.exclusions import KEY_DIGITS
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.split import load_split, split
from glass_core.pictures.tiling import Tiling
from tools.studies.drawn_kinds import KINDS, Floats, Spot, draw
from tools.studies.unseen_kinds import main

SIDE, BORDER = 160, 16


def cloth(seed: int = 0, colour: bool = False, side: int = SIDE) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    levels = 120 + 25 * np.cos(2 * np.pi * x / 5) + 20 * np.cos(2 * np.pi * y / 6)
    levels = (levels + np.random.default_rng(seed).normal(0, 3, levels.shape)).clip(0, 255).astype(np.uint8)
    return np.dstack([levels, levels // 2, 50 + levels // 2]) if colour else levels


class ChangeEngine:
    """A cell scores by how far its mean and its spread are from those of woven cells."""

    definition = ScoreDefinition(tiling=Tiling(tile_px=96, overlap_px=32, border_px=8))

    def score(self, tiles: np.ndarray) -> np.ndarray:
        grey = tiles.astype(np.float64) if tiles.ndim == 3 else tiles.mean(axis=3)
        count, height, width = grey.shape
        cells = grey.reshape(count, height // 8, 8, width // 8, 8)
        mean, spread = cells.mean(axis=(2, 4)), cells.std(axis=(2, 4))
        far = np.abs(mean - 120) / 12 + np.abs(spread - 23) / 6
        return (1 - np.exp(-far)).astype(np.float32)


class Info:
    config: TrainConfig | None = None

    def __init__(self, run: Path) -> None:
        self.split_digest = load_split(run).digest


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    for number in range(10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), cloth(number, side=200))
    split(sorted(tmp_path.glob("*.png")), SplitFractions(train=0.6, calibration=0.2, selection=0.2), 0).save(folder)
    monkeypatch.setattr(tools.studies.unseen_kinds, "load_engine", lambda run: ChangeEngine())
    for module in (tools.studies.unseen_kinds, glass_core.network.held_out):
        monkeypatch.setattr(module, "read_info", Info)
    return folder


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_each_kind_changes_one_place_the_same_way_each_time(kind: Callable[[Spot], Floats], colour: bool) -> None:
    tile = cloth(colour=colour)
    for seed in range(8):
        drawn = draw(kind, tile, BORDER, np.random.default_rng(seed))
        assert drawn.shape == tile.shape and drawn.dtype == np.uint8
        np.testing.assert_array_equal(drawn, draw(kind, tile, BORDER, np.random.default_rng(seed)))
        change = np.abs(drawn.astype(float) - tile).reshape(SIDE, SIDE, -1).mean(axis=2)
        rows, cols = np.nonzero(change > 2)
        assert len(rows), "nothing to be seen"
        extent = 90 if kind.__name__ == "fibre" else 60
        assert np.ptp(rows) < extent and np.ptp(cols) < extent
        assert change[BORDER:-BORDER, BORDER:-BORDER].max() > 2


def test_figures_and_sheet_of_a_known_engine(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--tiles", "8", "--sheet", str(tmp_path / "sheet.png")]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (
        first["simulated"]
        and first["tiles"] == 8
        and len(first["tiles_sha"]) == 64
        and list(first["kinds"]) == [kind.__name__ for kind in KINDS]
    )
    assert first["kinds"]["pale"]["auroc"] > 0.8 and first["kinds"]["pale"]["above_all_good"] > 0.5
    assert first["auroc"] == pytest.approx(np.mean([kind["auroc"] for kind in first["kinds"].values()]))
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape[0] == len(KINDS) * (
        tools.studies.unseen_kinds.SIDE_PX + tools.studies.unseen_kinds.CAPTION_PX
    )
    assert main([str(run), "--tiles", "8"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert main([str(run), "--tiles", "8", "--seed", "1"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["kinds"] != first["kinds"] and second["tiles_sha"] == first["tiles_sha"]


def test_only_held_out_pictures_are_drawn_on(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[Path]()
    monkeypatch.setattr(tools.studies.unseen_kinds, "read_image", lambda path: (read.append(path), cloth(side=200))[1])
    tools.studies.unseen_kinds.held_out_tiles(run, ChangeEngine.definition, 4)
    parts = load_split(run)
    held = (*parts.calibration, *parts.selection)
    assert set(read) == {image.path for image in held} and len(held) == 4
    assert not set(read) & {image.path for image in parts.train}

    read.clear()  # one that a person has called a defect is not good cloth
    (run / "exclude.txt").write_text(f"## training\n{held[0].sha256[:KEY_DIGITS]}  a hole\n")
    assert len(tools.studies.unseen_kinds.held_out_tiles(run, ChangeEngine.definition, 4)) == 6  # two of each of three pictures
    assert set(read) == {image.path for image in held[1:]}


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_bad_input_is_told_in_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--tiles" in refused(capsys, run, "--tiles", 1)
    assert "--seed" in refused(capsys, run, "--seed", -1)
    assert "not writable" in refused(capsys, run, "--tiles", 4, "--sheet", tmp_path / "not" / "there.png")
    with monkeypatch.context() as patch:
        patch.setattr(Info, "config", TrainConfig(input="crop", border_px=0, weave_share=0))
        assert "resized crops" in refused(capsys, run)
    with monkeypatch.context() as patch:
        patch.setattr(ChangeEngine, "score", lambda self, tiles: np.full((len(tiles), 12, 12), np.nan, np.float32))
        assert "not finite" in refused(capsys, run)
    with monkeypatch.context() as patch:
        patch.setattr(tools.studies.unseen_kinds, "read_image", lambda path: cloth(side=70))
        assert "smaller than a tile" in refused(capsys, run)
    cv2.imwrite(str(load_split(run).selection[0].path), cloth(99, side=200))
    assert "changed since training" in refused(capsys, run)
    split(sorted(tmp_path.glob("*.png")), SplitFractions(train=1, calibration=0, selection=0), 0).save(run)
    assert "no held-out picture" in refused(capsys, run)
