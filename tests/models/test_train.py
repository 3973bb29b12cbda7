"""Training: repeatable, resumable to the bit, honest about what it cannot take up, and learning."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import glass_core.training.beginning
import glass_core.training.fit
import glass_core.training.iteration
from glass_core.config import TrainConfig
from glass_core.engines import load_engine
from glass_core.errors import InputError
from glass_core.evaluation.metrics import image_figures
from glass_core.network.checkpoint import EpochFigures, load_model, read_tensors
from glass_core.network.model import Glass
from glass_core.pictures.datasets import list_images
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import score_image
from glass_core.pictures.split import load_split
from glass_core.synthesis.samples import TileSource
from glass_core.synthesis.texture import ProceduralTextures
from glass_core.training.curves import CURVES_PICTURE
from glass_core.training.events import Start, Step
from glass_core.training.fit import fit
from glass_core.training.iteration import draw_rows
from glass_core.training.selection import best, held_out
from glass_core.training.training_state import STATE_FILE


@pytest.fixture(scope="module", autouse=True)
def small_scale() -> Iterator[None]:
    """Textures drawn on the spot, and a short recalibration."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glass_core.training.iteration, "RECALIBRATION_BATCHES", 2)
        patch.delenv("GLASSLINE_TEXTURES", raising=False)
        yield


Reports = list[Start | Step | EpochFigures]


class Interrupted(Exception):
    """Stands for the person at the keyboard."""


@pytest.fixture(scope="module")
def cloth(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six small pictures of a woven grating with noise of their own."""
    folder, rng = tmp_path_factory.mktemp("cloth"), np.random.default_rng(0)
    wave = 30 * np.cos(np.arange(96) * (2 * np.pi / 6))
    for k in range(6):
        image = 128 + wave[:64, None] + wave[None, :] + rng.normal(0, 4, (64, 96))
        cv2.imwrite(str(folder / f"{k}.png"), image.clip(0, 255).astype(np.uint8))
    return list_images(folder)


def config(**settings: object) -> TrainConfig:
    small = {"backbone": "embedded", "tile_px": 64, "overlap_px": 16, "border_px": 8, "batch_tiles": 2, "step": 5}
    schedule = {"gas": True, "epochs": 2, "iterations_per_epoch": 2, "evaluate_every": 1}
    return TrainConfig.model_validate({**small, **schedule, **settings})


def run(images: list[Path], out: Path, stop_after: int | None = None, **settings: object) -> Reports:
    """Train and gather the reports; `stop_after` interrupts after so many steps."""
    reports: Reports = []

    def report(event: Any) -> None:
        reports.append(event)
        if isinstance(event, Step) and event.done == stop_after:
            raise Interrupted

    fit(images, config(**settings), out, report)
    return reports


def tensors(out: Path) -> dict[str, np.ndarray]:
    return read_tensors(out / "model.safetensors")[0]


@pytest.fixture(scope="module")
def trained(cloth: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reports]:
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, run(cloth, out)


def test_the_run_folder_holds_the_model_and_how_it_came_about(cloth: list[Path], trained: tuple[Path, Reports]) -> None:
    out, reports = trained
    glass, info = load_model(out)
    assert glass.arch == info.arch == "embedded"
    assert info.weights is None
    assert info.config == config()
    assert info.score.tiling == config().tiling
    assert info.split_digest == load_split(out).digest
    assert [row.epoch for row in info.curve] == [1, 2]
    assert list(info.curve) == [event for event in reports if isinstance(event, EpochFigures)]
    files = ["model.json", "model.safetensors", "split.json", CURVES_PICTURE, STATE_FILE]
    assert sorted(path.name for path in out.iterdir()) == sorted(files)


def test_reports_begin_with_a_start_and_count_every_iteration(
    trained: tuple[Path, Reports],
) -> None:
    start, *rest = trained[1]
    assert isinstance(start, Start)
    assert (start.textures, start.weights, start.resumed_epochs) == ("procedural", None, 0)
    steps = [event for event in rest if isinstance(event, Step)]
    assert [(step.done, step.total, step.epoch) for step in steps] == [(1, 4, 1), (2, 4, 1), (3, 4, 2), (4, 4, 2)]
    assert {"loss", "loss_normal", "loss_gas", "loss_las", "p_true", "p_fake"} <= set(steps[0].figures)


@pytest.mark.parametrize("stop_after", [1, 3])  # within the first epoch and within the second
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    cloth: list[Path], trained: tuple[Path, Reports], tmp_path: Path, stop_after: int
) -> None:
    with pytest.raises(Interrupted):
        run(cloth, tmp_path, stop_after=stop_after)
    assert not (tmp_path / "model.json").exists()
    start = run(cloth, tmp_path)[0]
    assert isinstance(start, Start)
    assert start.resumed_epochs == (stop_after - 1) // 2
    whole = tensors(trained[0])
    assert all(np.array_equal(value, whole[key]) for key, value in tensors(tmp_path).items())
    assert load_model(tmp_path)[1] == load_model(trained[0])[1]


def test_more_epochs_go_on_from_a_finished_run_the_seed_matters_and_global_random_state_does_not(
    cloth: list[Path], trained: tuple[Path, Reports], tmp_path: Path
) -> None:
    key, whole = "discriminator.tail.0.weight", tensors(trained[0])
    torch.manual_seed(99)
    run(cloth, tmp_path / "other", seed=1, epochs=1)
    run(cloth, tmp_path / "same", epochs=1)
    run(cloth, tmp_path / "same")
    assert np.array_equal(tensors(tmp_path / "same")[key], whole[key])
    assert not np.array_equal(tensors(tmp_path / "other")[key], whole[key])


@pytest.mark.parametrize("averaging", [0, 0.98])
def test_a_training_that_ends_sooner_than_it_was_meant_to_equals_a_short_one(
    cloth: list[Path], tmp_path: Path, averaging: float
) -> None:
    settings: dict[str, Any] = {"iterations_per_epoch": 1, "evaluate_every": 2, "averaging": averaging, "mining": False}
    with pytest.raises(Interrupted):
        run(cloth, tmp_path / "cut", stop_after=4, epochs=6, **settings)  # the third epoch was not evaluated
    for select in ("last", "synthetic"):
        run(cloth, tmp_path / "cut", epochs=3, select=select, **settings)
        run(cloth, tmp_path / "short", epochs=3, select=select, **settings)
        cut, short = tensors(tmp_path / "cut"), tensors(tmp_path / "short")
        assert all(np.array_equal(value, short[key]) for key, value in cut.items())
        assert load_model(tmp_path / "cut")[1].curve == load_model(tmp_path / "short")[1].curve


@pytest.mark.parametrize("change", [{"lr": 1e-3}, {"mining": False}, {"seed": 5}])
def test_a_state_of_other_settings_is_not_taken_up(
    cloth: list[Path], trained: tuple[Path, Reports], change: dict[str, Any]
) -> None:
    before = (trained[0] / STATE_FILE).read_bytes()
    with pytest.raises(InputError, match="choose another --out"):
        run(cloth, trained[0], **change)
    assert (trained[0] / STATE_FILE).read_bytes() == before


def test_a_state_of_other_pictures_is_not_taken_up(cloth: list[Path], trained: tuple[Path, Reports]) -> None:
    with pytest.raises(InputError, match="pictures"):
        run(cloth[:-1], trained[0])


def test_minutes_are_filled_with_whole_epochs_that_are_those_of_so_many(
    cloth: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s = iter([0, 60, 130, 200, 0, 300])  # as it begins and after each epoch; the second epoch is slower
    settings = {"iterations_per_epoch": 1, "evaluate_every": 2, "mining": False}
    run(cloth, tmp_path / "four", epochs=4, **settings)
    monkeypatch.setattr(glass_core.training.fit, "time", SimpleNamespace(monotonic=lambda: next(clock_s)))
    minutes = TrainConfig.model_validate({**config(**settings).model_dump(exclude={"epochs"}), "minutes": 4})
    reports: list[Any] = []
    fit(cloth, minutes, tmp_path / "timed", reports.append)
    assert [e.epochs for e in reports if isinstance(e, Step)] == [8, 4, 3]  # a guess, and then by the pace
    curve = load_model(tmp_path / "timed")[1].curve
    assert [row.selection_auroc is None for row in curve] == [True, False, False]  # the last is evaluated in any case
    fit(cloth, minutes, tmp_path / "timed", reports.append)  # a later call has its own time, and learns at least one more
    timed, four = tensors(tmp_path / "timed"), tensors(tmp_path / "four")
    assert all(np.array_equal(value, four[key]) for key, value in timed.items())


def test_fewer_epochs_than_are_done_are_refused(cloth: list[Path], trained: tuple[Path, Reports]) -> None:
    with pytest.raises(InputError, match="2 epochs are done"):
        run(cloth, trained[0], epochs=1)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100])
def test_a_damaged_state_is_one_line(cloth: list[Path], tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(InputError, match=STATE_FILE) as caught:
        run(cloth, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_said_before_training(cloth: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        run(cloth, tmp_path / "file" / "run", stop_after=1)


def test_divergence_is_said(cloth: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glass_core.training.fit, "iterate", lambda *_: {"loss": float("nan")})
    with pytest.raises(InputError, match="diverged"):
        run(cloth, tmp_path)


def test_a_training_keeps_what_memory_it_frees(cloth: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = list[bool]()
    monkeypatch.setattr(glass_core.training.fit, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(glass_core.training.fit, "iterate", lambda *_: {"loss": float("nan")})
    with pytest.raises(InputError):
        run(cloth, tmp_path)
    assert kept == [True]


@pytest.mark.parametrize("failure", ["diverged", "No space left"])
def test_what_was_trained_before_a_failure_stays(
    cloth: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    short = {"mining": False, "iterations_per_epoch": 1, "recalibrate_bn": False}
    settings: dict[str, Any] = {**short, "split": {"train": 0.8, "calibration": 0.2, "selection": 0}}
    run(cloth, tmp_path, epochs=1, **settings)
    before = {name: (tmp_path / name).read_bytes() for name in (STATE_FILE, "model.safetensors", "model.json")}
    if failure == "diverged":
        monkeypatch.setattr(glass_core.training.fit, "iterate", lambda *_: {"loss": float("nan")})
    else:
        whole = Path.write_bytes

        def half(self: Path, content: bytes) -> int:
            if STATE_FILE not in self.name:
                return whole(self, content)
            whole(self, content[: len(content) // 2])
            raise OSError(28, failure)

        monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(InputError, match=failure):
        run(cloth, tmp_path, epochs=2, **settings)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert not list(tmp_path.glob(".*.part"))


def test_a_model_that_shrinks_pictures_is_trained_and_scored_as_any_other(cloth: list[Path], tmp_path: Path) -> None:
    run(cloth, tmp_path, shrink=2, tile_px=128, overlap_px=32, border_px=16)
    glass, info = load_model(tmp_path)
    assert info.score.tiling.cell_px == glass.cell_px == 16
    picture = read_image(cloth[0])  # (64, 96)
    tile = np.tile(picture, (2, 2))[None, :128, :128]
    engine = load_engine(tmp_path, "torch")
    np.testing.assert_allclose(engine.score(tile), glass(torch.from_numpy(tile)), atol=1e-5)
    score_map, lanes = score_image(engine, info.score, picture)
    assert score_map.shape == (4, 6) and len(lanes) == 1


def test_training_lowers_the_loss_and_tells_synthetic_defects_from_held_out_cloth(cloth: list[Path], tmp_path: Path) -> None:
    reports = run(cloth, tmp_path, mining=False, epochs=2, iterations_per_epoch=10, evaluate_every=2, lr=3e-4)
    first, last = (event for event in reports if isinstance(event, EpochFigures))
    assert last.loss < first.loss
    assert first.selection_auroc is None
    assert last.selection_auroc is not None
    assert last.selection_auroc > 0.5


def test_held_out_figures_are_those_of_the_network(cloth: list[Path]) -> None:
    glass = Glass("embedded").eval()
    glass.init_heads(torch.Generator().manual_seed(3))
    tiles = TileSource(cloth, config(), ProceduralTextures())
    with torch.no_grad():
        cells = torch.cat([glass(torch.from_numpy(good)) for _, good in tiles.good(4)]).numpy()
    highest = config().tiling.scored(cells).max(axis=(1, 2))
    figures = held_out(glass, tiles)
    assert figures["selection_good_q99"] == pytest.approx(float(np.quantile(highest, 0.99)), abs=1e-5)


def test_recalibration_moves_running_statistics_and_no_weight(cloth: list[Path], tmp_path: Path) -> None:
    for name in ("with", "without"):
        run(cloth, tmp_path / name, recalibrate_bn=name == "with", select="last")
    a, b = tensors(tmp_path / "with"), tensors(tmp_path / "without")
    differing = {key.rsplit(".", 1)[1] for key in a if not np.array_equal(a[key], b[key])}
    assert differing == {"running_mean", "running_var", "num_batches_tracked"}


def test_without_global_synthesis_good_tiles_are_passed_only_where_they_count(
    cloth: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    glass_loss = glass_core.training.iteration.glass_loss
    monkeypatch.setattr(glass_core.training.iteration, "glass_loss", lambda *a: passes.append(1) or glass_loss(*a))
    short = {"gas": False, "mining": False, "iterations_per_epoch": 3}
    run(cloth, tmp_path / "alone", **short)
    assert not passes
    run(cloth, tmp_path / "all", **short, recalibrate_bn=False)
    assert passes
    a, b = tensors(tmp_path / "alone"), tensors(tmp_path / "all")
    weights = [key for key in a if "running" not in key and "tracked" not in key]
    assert all(np.allclose(a[key], b[key], rtol=0, atol=1e-7) for key in weights)


@pytest.mark.parametrize(
    ("good", "defective", "wanted"),
    [([0.1, 0.2], [0.3, 0.4], 1.0), ([0.3, 0.4], [0.1, 0.2], 0.0), ([0.5], [0.5], 0.5), ([1, 3], [2, 4], 0.75)],
)
def test_auroc(good: list[float], defective: list[float], wanted: float) -> None:
    assert image_figures(np.array(good), np.array(defective)).auroc == wanted


def test_the_model_is_the_best_epoch_on_synthetic_defects_and_the_last_is_kept_beside(
    cloth: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([0.6, 0.9, 0.9, 0.7] * 2)
    monkeypatch.setattr(
        glass_core.training.fit, "held_out", lambda *_: {"selection_good_q99": 0.1, "selection_auroc": next(figures)}
    )
    run(cloth, tmp_path / "best", mining=False, epochs=4, iterations_per_epoch=1)
    info = load_model(tmp_path / "best")[1]
    assert info.selected_epoch == 2  # the first of equals
    run(cloth, tmp_path / "last", mining=False, epochs=4, iterations_per_epoch=1, select="last")
    assert load_model(tmp_path / "last")[1].selected_epoch == 4
    key = "discriminator.tail.0.weight"
    assert not np.array_equal(tensors(tmp_path / "best")[key], tensors(tmp_path / "last")[key])
    state = read_tensors(tmp_path / "best" / STATE_FILE)[0]
    assert np.array_equal(state["average/" + key], tensors(tmp_path / "last")[key])
    assert np.array_equal(state["selected/" + key], tensors(tmp_path / "best")[key])
    for folder, select, selected, other in (("best", "last", 4, "last"), ("last", "synthetic", 2, "best")):
        wanted = tensors(tmp_path / other)[key] if folder == "best" else state["selected/" + key]
        run(cloth, tmp_path / folder, mining=False, epochs=4, iterations_per_epoch=1, select=select)  # nothing left to train
        assert load_model(tmp_path / folder)[1].selected_epoch == selected
        assert np.array_equal(tensors(tmp_path / folder)[key], wanted)


def test_a_training_that_diverges_saves_nothing_of_it(cloth: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"diverged, epoch 1, give a smaller lr than 1e\+30"):
        run(cloth, tmp_path, mining=False, epochs=2, iterations_per_epoch=1, lr=1e30)
    assert not (tmp_path / STATE_FILE).exists() and not (tmp_path / "model.json").exists()


def test_a_damaged_picture_for_the_card_is_told_before_training(
    cloth: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = run(cloth, tmp_path / "sound", mining=False, epochs=1, iterations_per_epoch=1)
    card = {image.path for event in reports if isinstance(event, Start) for image in event.split.calibration}
    assert card

    def cut_short(path: Path) -> np.ndarray:
        if path in card:
            raise InputError(f"picture cut short, {path}")
        return read_image(path)

    monkeypatch.setattr(glass_core.training.beginning, "read_image", cut_short)
    with pytest.raises(InputError, match="cut short"):
        run(cloth, tmp_path / "damaged", mining=False, epochs=1, iterations_per_epoch=1)
    assert not (tmp_path / "damaged").exists()


def test_the_selected_epoch_survives_an_interruption(
    cloth: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, stop in (("whole", None), ("cut", 3)):
        figures = iter([0.9, 0.5, 0.6])
        monkeypatch.setattr(
            glass_core.training.fit, "held_out", lambda *_, f=figures: {"selection_good_q99": 0.1, "selection_auroc": next(f)}
        )
        if stop:
            with pytest.raises(Interrupted):
                run(cloth, tmp_path / folder, stop_after=stop, mining=False, epochs=3, iterations_per_epoch=1)
        run(cloth, tmp_path / folder, mining=False, epochs=3, iterations_per_epoch=1)
    whole = tensors(tmp_path / "whole")
    assert all(np.array_equal(value, whole[key]) for key, value in tensors(tmp_path / "cut").items())
    assert load_model(tmp_path / "cut")[1].selected_epoch == 1


def test_without_a_selection_split_the_last_epoch_is_the_model(cloth: list[Path], tmp_path: Path) -> None:
    run(cloth, tmp_path, mining=False, split={"train": 0.6, "calibration": 0.4, "selection": 0})
    info = load_model(tmp_path)[1]
    assert info.selected_epoch == 2 and best(list(info.curve)) is None


def test_the_figures_are_plain_json(trained: tuple[Path, Reports]) -> None:
    curve = json.loads((trained[0] / "model.json").read_text())["curve"]
    assert all(isinstance(row["selection_auroc"], float) for row in curve)


@given(st.integers(1, 40), st.integers(0, 64), st.integers(0, 1000))
def test_drawn_rows_are_distinct_and_hold_changed_cells_up_to_half(count: int, changed: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cells = torch.zeros(3, 64)
    for tile in cells:
        tile[torch.randperm(64, generator=generator)[:changed]] = 1
    rows = draw_rows(cells, count, generator).reshape(3, count)
    for number, (tile, drawn) in enumerate(zip(cells, rows, strict=True)):
        own = drawn - 64 * number
        assert len(set(own.tolist())) == count and own.min() >= 0 and own.max() < 64
        least = count - (64 - changed)  # not enough unchanged cells to fill the rest
        assert int(tile[own].sum()) == max(min(changed, count // 2), least)


def test_rows_are_drawn_evenly() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([draw_rows(torch.zeros(1, 16), 4, generator) for _ in range(2000)])
    counts = torch.bincount(drawn, minlength=16).float()
    assert (counts - 500).abs().max() < 5 * 500**0.5
