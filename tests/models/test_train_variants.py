"""GLASS-h and -j, the paper's crops and the switches of its ablation, in short trainings."""

import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import glass_core.training.kept_rows
from glass_core.backbones import backbone
from glass_core.config import TrainConfig
from glass_core.engines import load_engine
from glass_core.errors import InputError
from glass_core.events import Pass
from glass_core.network.checkpoint import load_model, read_tensors
from glass_core.network.embedding import EMBED_DIM
from glass_core.network.model import Glass
from glass_core.paper.plain_network import PlainGlass
from glass_core.paper.plain_training import plain_step
from glass_core.pictures.datasets import list_images
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import score_image
from glass_core.synthesis.samples import TileSource
from glass_core.synthesis.texture import ProceduralTextures
from glass_core.training.beginning import method_of, optimisers_of
from glass_core.training.events import Start, Step
from glass_core.training.fit import JUDGE_PICTURE, fit
from glass_core.training.good_features import GoodFeatures, scored_rows
from glass_core.training.iteration import iterate

WHOLE = {"train": 1, "calibration": 0, "selection": 0}


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three pictures of a dark disc on white, 80 x 120 px: an object that the judge calls a hypersphere."""
    folder, rng = tmp_path_factory.mktemp("discs"), np.random.default_rng(0)
    y, x = np.mgrid[:80, :120]
    for k in range(3):
        image = np.where(np.hypot(y - 40, (x - 60) * 2 / 3) < 25, 40, 230) + rng.normal(0, 3, (80, 120))
        cv2.imwrite(str(folder / f"{k}.png"), image.clip(0, 255).astype(np.uint8))
    return list_images(folder)


def config(**settings: object) -> TrainConfig:
    small = {"backbone": "embedded", "tile_px": 64, "overlap_px": 16, "border_px": 0, "batch_tiles": 2, "step": 5}
    schedule = {
        "gas": True,
        "epochs": 2,
        "iterations_per_epoch": 2,
        "split": WHOLE,
        "recalibrate_bn": False,
        "rows_per_tile": 24,
    }
    return TrainConfig.model_validate({**small, **schedule, **settings})


def crops(**settings: object) -> TrainConfig:
    whole = {"input": "crop", "resize_px": 72, "rows_per_tile": None, "iterations_per_epoch": None, "weave_share": 0}
    return config(**{**whole, **settings})


class Interrupted(Exception):
    """Stands for the person at the keyboard."""


def run(images: list[Path], settings: TrainConfig, out: Path, stop_after: int | None = None) -> list[object]:
    reports: list[object] = []

    def report(event: object) -> None:
        reports.append(event)
        if isinstance(event, Step) and event.done == stop_after:
            raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GLASSLINE_TEXTURES", raising=False)
        fit(images, settings, out, report)
    return reports


def same(a: Path, b: Path) -> bool:
    first, second = (read_tensors(out / "model.safetensors")[0] for out in (a, b))
    return all(np.array_equal(value, second[key]) for key, value in first.items())


@pytest.mark.parametrize(
    "settings",
    [
        config(distribution="h"),
        crops(distribution="h"),
        config(precision="bf16", averaging=0, recalibrate_bn=True, distribution="h"),
    ],
    ids=["tiles", "crops", "bf16"],
)
def test_glass_h_takes_up_where_it_was_interrupted(discs: list[Path], tmp_path: Path, settings: TrainConfig) -> None:
    with pytest.raises(Interrupted):
        run(discs, settings, tmp_path / "cut", stop_after=3)
    run(discs, settings, tmp_path / "cut")
    reports = run(discs, settings, tmp_path / "whole")
    assert same(tmp_path / "cut", tmp_path / "whole")
    info = load_model(tmp_path / "whole")[1]
    assert info.distribution == "h"
    assert all(row.clamped is not None and row.clamped > 0 for row in info.curve)  # rows within r_t are pushed out
    seen = [event.done for event in reports if isinstance(event, Pass)]
    assert seen[-1] == next(event.tiles for event in reports if isinstance(event, Start))
    steps = [event for event in reports if isinstance(event, Step)]
    assert {"r_t", "r_g"} <= set(steps[0].figures)


def test_room_for_features_changes_no_weight(discs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(discs, crops(distribution="h"), tmp_path / "kept")
    monkeypatch.setattr(glass_core.training.kept_rows, "MEMORY_BYTES", 64 * EMBED_DIM * 2)  # one crop of three
    run(discs, crops(distribution="h"), tmp_path / "disk")
    assert same(tmp_path / "kept", tmp_path / "disk")
    assert {path.name for path in (tmp_path / "disk").iterdir()} == {path.name for path in (tmp_path / "kept").iterdir()}
    monkeypatch.setattr(glass_core.training.kept_rows, "DISK_BYTES", 0)
    run(discs, crops(distribution="h"), tmp_path / "one")
    first, second = (read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("kept", "one"))
    for key, value in first.items():  # the batches are of other sizes, so not to the bit
        np.testing.assert_allclose(value, second[key], rtol=0, atol=1e-3, err_msg=key)


@pytest.mark.parametrize("settings", [config(), crops()], ids=["tiles", "crops"])
def test_the_centre_is_the_adapted_mean_of_each_position(discs: list[Path], tmp_path: Path, settings: TrainConfig) -> None:
    glass = Glass("embedded")
    glass.init_heads(torch.Generator().manual_seed(3))
    tiles = TileSource(discs, settings, ProceduralTextures())
    good = GoodFeatures(glass, tiles, settings, True, tmp_path, lambda done: None)
    rows = torch.cat([scored_rows(glass, batch, settings) for _, batch in tiles.good(1)])
    with torch.no_grad():
        wanted = glass.pre_projection(rows).double().unflatten(0, (len(tiles), -1)).mean(dim=0)  # (cells, d)
    centre = good.centre()
    assert centre is not None
    assert torch.allclose(centre.double(), wanted, rtol=0, atol=1e-5)
    batch = tiles.draw(0, 0)
    plain = scored_rows(glass, batch.normal, settings)
    torch.testing.assert_close(good.rows(batch), plain, rtol=2**-10 if settings.input == "crop" else 0, atol=1e-6)
    for rows in (plain, good.rows(batch), scored_rows(glass, batch.las, settings)):  # good and synthetic rows alike
        assert torch.equal(rows, rows.half().float()) == (settings.input == "crop")


@pytest.mark.parametrize("settings", [config(border_px=8, light=0), crops()], ids=["tiles", "crops"])
def test_rows_of_drawn_cells_are_those_of_all_scored_cells(discs: list[Path], tmp_path: Path, settings: TrainConfig) -> None:
    tiles = TileSource(discs, settings, ProceduralTextures())
    good, batch = GoodFeatures(Glass("embedded"), tiles, settings, False, tmp_path, lambda done: None), tiles.draw(0, 0)
    rows = good.rows(batch)
    assert len(rows) == batch.mask.size
    chosen = torch.randperm(len(rows))[:40]
    torch.testing.assert_close(good.rows(batch, chosen), rows[chosen], rtol=0, atol=1e-5)


@pytest.mark.parametrize("levels", [(2, 3), (3,), (1, 2, 3)])
def test_an_iteration_equals_that_of_the_official_form(discs: list[Path], tmp_path: Path, levels: tuple[int, ...]) -> None:
    settings = config(distribution="h", backbone="resnet18", levels=levels, rows_per_tile=None, weave_share=0)
    ours = Glass("resnet18", levels=levels)
    ours.init_heads(torch.Generator().manual_seed(3))
    theirs = copy.deepcopy(ours)
    plain = PlainGlass(theirs)
    heads = [theirs.pre_projection, theirs.discriminator]
    for head in heads:
        head.requires_grad_(True)
    tiles = TileSource(discs, settings, ProceduralTextures())
    good = GoodFeatures(ours, tiles, settings, True, tmp_path, lambda done: None)
    batch, centre, method = tiles.draw(0, 0), good.centre(), method_of(settings, hypersphere=True)
    assert centre is not None
    ours.train()
    theirs.train()
    seed = np.random.SeedSequence(0)
    log = iterate(ours, optimisers_of(ours, settings), batch, good, centre, settings, method, seed)
    loss = plain_step(plain, optimisers_of(theirs, settings), batch, centre, settings.noise, method, seed)
    assert log["loss"] == pytest.approx(loss, rel=1e-4)
    # Adam makes a step of the same length of any gradient, so float32 rounding may turn a few that are nearly zero
    moved = (ours.discriminator.linear.weight - theirs.discriminator.linear.weight).abs()
    assert float((moved > 1e-5).float().mean()) < 0.02


@pytest.mark.parametrize("settings", [{"levels": (1, 3)}, {"gas": False}], ids=["1 and 3", "as the profile has it"])
def test_a_model_of_any_levels_is_trained_and_scored(discs: list[Path], tmp_path: Path, settings: dict[str, object]) -> None:
    torch.manual_seed(0)
    torch.save(backbone("resnet18").build((2, 3)).state_dict(), tmp_path / "trunk.pth")
    run(discs, config(backbone="resnet18", weights=tmp_path / "trunk.pth", **settings), tmp_path / "run")
    glass, info = load_model(tmp_path / "run")
    assert info.levels == settings.get("levels", (1, 2, 3)) and info.score.tiling.cell_px == glass.cell_px == 4
    picture = read_image(discs[0])
    score_map, _ = score_image(load_engine(tmp_path / "run", "torch"), info.score, picture)
    assert score_map.shape == (20, 30)
    tile = info.score.tiling.layout(*picture.shape[:2]).cut(picture)[:1]
    np.testing.assert_allclose(score_map[:4, :12], glass(torch.from_numpy(tile))[0, :4, :12], rtol=0, atol=1e-5)  # no overlap


def test_the_judge_decides_and_its_picture_stays(discs: list[Path], tmp_path: Path) -> None:
    start = run(discs, crops(distribution="j", epochs=1), tmp_path)[0]
    assert isinstance(start, Start) and start.judgement is not None
    assert start.hypersphere == start.judgement.hypersphere
    assert load_model(tmp_path)[1].distribution == ("h" if start.hypersphere else "m")
    assert cv2.imread(str(tmp_path / JUDGE_PICTURE)) is not None


def test_what_is_switched_off_gets_no_gradient(discs: list[Path], tmp_path: Path) -> None:
    out = [tmp_path / name for name in ("all", "las", "gas", "ga", "tp", "adaptor")]
    switches = [{}, {"las": False}, {"gas": False}, {"mining": False}, {"projection": False}, {"adaptor": False}]
    for folder, switch in zip(out, switches, strict=True):
        run(discs, crops(epochs=1, iterations_per_epoch=1, **switch), folder)
    figures = [load_model(folder)[1].curve[0] for folder in out]
    # The projection moves nothing: noise of 1536 numbers lies within [0.5, 1] (docs/explanation/glass.md#truncated-projection).
    assert same(out[0], out[4])
    assert not any(same(out[0], other) for other in (*out[1:4], out[5]))
    assert figures[0].loss == pytest.approx(figures[1].loss + figures[2].loss, rel=1e-6)
    assert (figures[0].clamped, figures[3].clamped, figures[4].clamped) == (0, None, 0)
    adaptor = read_tensors(out[5] / "model.safetensors")[0]
    np.testing.assert_array_equal(adaptor["pre_projection.layers.0fc.weight"], np.eye(EMBED_DIM))
    assert not adaptor["pre_projection.layers.0fc.bias"].any()


def test_the_projection_of_glass_h_can_be_switched_off(discs: list[Path], tmp_path: Path) -> None:
    for name, projection in (("on", True), ("off", False)):
        run(discs, crops(distribution="h", epochs=1, iterations_per_epoch=1, projection=projection), tmp_path / name)
    on, off = (load_model(tmp_path / name)[1].curve[0].clamped for name in ("on", "off"))
    assert on is not None and on > 0 and off == 0
    assert not same(tmp_path / "on", tmp_path / "off")


def test_an_epoch_of_crops_is_once_over_the_pictures_and_its_last_batch_what_is_left(discs: list[Path]) -> None:
    tiles = TileSource(discs, crops(), ProceduralTextures())
    batches = [tiles.draw(0, iteration) for iteration in range(tiles.iterations)]
    assert [len(batch.places) for batch in batches] == [2, 1]
    assert sorted(np.concatenate([batch.places for batch in batches])) == [0, 1, 2]
    assert batches[0].normal.shape == (2, 64, 64, 3)  # grey pictures get coloured textures
    assert not np.array_equal(batches[0].las[..., 0], batches[0].las[..., 2])


@pytest.mark.parametrize(("count", "batch", "wanted"), [(60, 8, 8), (391, 8, 49), (395, 8, 50), (900, 8, 50)])
def test_iterations_of_an_epoch(count: int, batch: int, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TileSource, "__len__", lambda self: count)
    assert TileSource([], crops(batch_tiles=batch), ProceduralTextures()).iterations == wanted


def test_pasted_defects_lie_on_the_foreground(discs: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    for path in discs:
        mask = np.zeros((80, 120), np.uint8)
        mask[20:60, 30:90] = 255
        cv2.imwrite(str(folder / f"{path.stem}.png"), mask)
    tiles = TileSource(discs, crops(foreground=folder), ProceduralTextures())
    changed = np.zeros((64, 64), bool)
    for epoch in range(10):
        batch = tiles.draw(epoch, 0)
        changed |= (np.abs(batch.las - batch.normal) > 1e-3).any(axis=(0, 3))
    rows, cols = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    # 80 x 120 resized by 0.9, then cut by 4 rows and 22 columns; an antialiased edge reaches a px or two further
    assert 12 <= rows.min() <= 16 and 48 <= rows.max() <= 52
    assert cols.min() <= 7 and cols.max() >= 56
    (folder / f"{discs[0].stem}.png").unlink()
    with pytest.raises(InputError, match=r"no foreground mask of 0\.png"):
        TileSource(discs, crops(foreground=folder), ProceduralTextures())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"input": "crop", "resize_px": 256}, "at least tile_px"),
        ({"input": "crop"}, "border_px: 0"),
        ({"foreground": "generated"}, "input: crop"),
        ({"las": False, "gas": False}, "nothing is left"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TrainConfig.model_validate(settings)


@pytest.mark.parametrize(
    "settings",
    [{"backbone": "resnet18", "levels": (1, 2, 3), "gas": False}, {"backbone": "resnet18"}, {"distribution": "h"}],
    ids=["cloth", "manifold", "hypersphere, filter bank"],
)
@pytest.mark.full
def test_training_in_bf16_changes_less_than_a_tenth_of_another_seed(tmp_path: Path, settings: dict[str, object]) -> None:
    torch.manual_seed(0)
    torch.save(backbone("resnet18").build((2, 3)).state_dict(), tmp_path / "trunk.pth")
    rng, y = np.random.default_rng(0), np.mgrid[:96, :128][0]
    for k in range(4):  # bright cloth of low contrast, in which rounding shows most
        cloth = 215 + 3 * np.sin(y / 1.5) + rng.normal(0, 1.5, y.shape)
        (tmp_path / "cloth").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "cloth" / f"{k}.png"), cloth.round().astype(np.uint8))
    cloths = list_images(tmp_path / "cloth")
    schedule: dict[str, Any] = {
        "epochs": 2,
        "iterations_per_epoch": 8,
        "weights": tmp_path / "trunk.pth",
        "averaging": 0,
        "recalibrate_bn": True,
    }
    first: dict[str, float] = {}
    scores: dict[str, np.ndarray] = {}
    changes: dict[str, dict[str, Any]] = {"fp32": {}, "bf16": {"precision": "bf16"}, "other": {"seed": 1}}
    for name, own in changes.items():
        reports = run(cloths, config(**schedule, **settings, **own), tmp_path / name)
        first[name] = next(event.figures["loss"] for event in reports if isinstance(event, Step))
        glass, _ = load_model(tmp_path / name)
        pictures = np.stack([read_image(cloth)[:64, :64] for cloth in cloths])
        pictures[2:, 20:26, 20:40] -= 25  # a stain on two of them
        scores[name] = glass(torch.from_numpy(pictures)).logit().numpy()
    assert first["bf16"] != first["fp32"] and first["bf16"] == pytest.approx(first["fp32"], rel=0.01)
    assert rms(scores["bf16"] - scores["fp32"]) < 0.1 * rms(scores["other"] - scores["fp32"])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))
