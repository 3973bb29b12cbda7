"""Engines that are kept: the very scores and identity of fresh ones, or none at all."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glass_core.config import TrainConfig
from glass_core.engines import cache as kept
from glass_core.engines import load_engine, openvino_engine
from glass_core.engines.bundle import load_manifest, seal
from glass_core.engines.canary import MIN_TOLERANCE, drawn_tiles
from glass_core.errors import InputError
from glass_core.network.checkpoint import ModelInfo, read_info, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling

TILES = np.random.default_rng(3).integers(0, 256, (5, 64, 64), dtype=np.uint8)


def make_run(folder: Path, seed: int = 1, overlap_px: int = 16) -> Path:
    glass = Glass("embedded").eval()
    glass.init_heads(torch.Generator().manual_seed(seed))
    tensors = tensors_of(glass)
    definition = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=overlap_px))
    info = ModelInfo(
        arch="embedded", weights_sha=weights_sha(tensors), score=definition, config=TrainConfig(backbone="embedded"),
        split_digest="", weights=None, textures="procedural", curve=(), versions={},
    )  # fmt: skip
    save_model(folder, tensors, info)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The runs whose models were made ready from scratch."""
    made: list[Path] = []
    prepare = openvino_engine.prepare

    def noted(run: Path, *asked: object) -> object:
        made.append(run)
        return prepare(run, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(openvino_engine, "prepare", noted)
    return made


def scores(run: Path, cache: Path | None, tiles: np.ndarray = TILES) -> np.ndarray:
    engine = load_engine(run, backend="openvino", cache=cache)
    assert engine.sha == load_engine(run, backend="openvino").sha and engine.pixel_format is None
    return engine.score(tiles)


def test_the_second_start_converts_nothing_and_scores_the_same(run: Path, tmp_path: Path, conversions: list[Path]) -> None:
    cache = tmp_path / "engines"
    fresh = scores(run, None)
    np.testing.assert_array_equal(scores(run, cache), fresh)
    assert len(conversions) == 2 and cache.stat().st_mode & 0o777 == 0o700
    np.testing.assert_array_equal(scores(run, cache), fresh)
    assert len(conversions) == 2
    colour = np.repeat(TILES[..., None], 3, axis=-1)
    scores(run, cache, colour)  # another shape is another engine
    assert len(conversions) == 3 and len([p for p in cache.iterdir() if p.is_dir()]) == 2
    np.testing.assert_array_equal(scores(run, cache, colour), scores(run, None, colour))
    assert len(conversions) == 4


@pytest.mark.parametrize("file", ["engine.f32.blob", "manifest.json"])
def test_a_damaged_one_is_made_again(run: Path, tmp_path: Path, conversions: list[Path], file: str) -> None:
    cache = tmp_path / "engines"
    fresh = scores(run, cache)
    (place,) = (p for p in cache.iterdir() if p.is_dir())
    content = bytearray((place / file).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (place / file).write_bytes(content)
    np.testing.assert_array_equal(scores(run, cache), fresh)
    assert len(conversions) == 2
    np.testing.assert_array_equal(scores(run, cache), fresh)
    assert len(conversions) == 2


def test_another_model_definition_library_or_device_is_another_engine(
    run: Path, tmp_path: Path, conversions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "engines"
    scores(run, cache)
    scores(make_run(tmp_path / "weights", seed=2), cache)
    scores(make_run(tmp_path / "definition", overlap_px=32), cache)
    assert len(conversions) == 3
    monkeypatch.setattr(kept, "_torch", lambda: "0.0")
    scores(run, cache)
    assert len(conversions) == 4
    device = openvino_engine.device().model_copy(update={"name": "another processor"})
    monkeypatch.setattr(openvino_engine, "device", lambda: device)
    scores(run, cache)
    assert len(conversions) == 5


def test_an_engine_that_scores_otherwise_once_written_is_not_kept(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = openvino_engine.read

    def a_little_off(*asked: object) -> object:
        runner = read(*asked)  # type: ignore[arg-type]
        return lambda tiles: np.nextafter(runner(tiles), np.float32(1))

    monkeypatch.setattr(openvino_engine, "read", a_little_off)
    cache = tmp_path / "engines"
    np.testing.assert_array_equal(scores(run, cache), scores(run, None))
    assert not [p for p in cache.iterdir() if p.is_dir()]


def test_the_number_is_bounded_and_the_one_not_used_for_longest_goes(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MAX_KEPT", 2)
    cache, places = tmp_path / "engines", list[set[str]]()
    for age, seed in ((300, 1), (200, 2), (100, 3)):
        scores(make_run(tmp_path / str(seed), seed=seed), cache)
        places.append({p.name for p in cache.iterdir() if p.is_dir()})
        (new,) = places[-1] - {name for before in places[:-1] for name in before}
        os.utime(cache / new, (1e9 - age, 1e9 - age))
    first, second, third = places
    assert len(second) == len(third) == 2 and third & second == second - first


@pytest.mark.parametrize("mode", [0o755, 0o500])
def test_a_folder_that_cannot_be_used_keeps_nothing_and_fails_nobody(run: Path, tmp_path: Path, mode: int) -> None:
    cache = tmp_path / "engines"
    cache.mkdir(mode=mode)
    cache.chmod(mode)
    if mode == 0o500 and os.geteuid() == 0:
        shutil.rmtree(cache)
        cache.write_text("a file lies here")
    said = list[str]()
    engine = load_engine(run, backend="openvino", cache=cache, report=lambda note: said.append(str(note)))
    np.testing.assert_array_equal(engine.score(TILES), scores(run, None))
    assert not cache.is_dir() or not list(cache.iterdir())
    (line,) = said
    assert line.startswith("engine not kept: folder of engines ") and str(cache) in line and "\n" not in line


def test_a_parent_that_may_not_be_entered_fails_nobody(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("is_dir", "mkdir", "lstat"):
        real = getattr(Path, name)

        def refuse(self: Path, *asked: object, real: object = real, **how: object) -> object:
            if self.is_relative_to(tmp_path / "home"):
                raise PermissionError(13, "Permission denied", str(self))
            return real(self, *asked, **how)  # type: ignore[operator]

        monkeypatch.setattr(Path, name, refuse)
    said = list[str]()
    engine = load_engine(
        run, backend="openvino", cache=tmp_path / "home" / "engines", report=lambda note: said.append(str(note))
    )
    np.testing.assert_array_equal(engine.score(TILES), scores(run, None))
    (line,) = said
    assert "Permission denied" in line


def test_an_engine_that_openvino_does_not_export_is_made_at_each_start(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sealed:
        def __init__(self, compiled: Any) -> None:
            self._compiled = compiled

        def __call__(self, tiles: Any) -> Any:
            return self._compiled(tiles)

        def export_model(self) -> None:
            raise RuntimeError("Check failed\nnot implemented")

    compiled: Any = openvino_engine._compiled

    def seal(*asked: object) -> openvino_engine.Compiled:
        return openvino_engine.Compiled(Sealed(compiled(*asked)._compiled))

    monkeypatch.setattr(openvino_engine, "_compiled", seal)
    said = list[str]()
    load_engine(run, backend="openvino", cache=tmp_path / "engines", report=lambda note: said.append(str(note))).score(TILES)
    (line,) = said
    assert "OpenVINO cannot export (not implemented)" in line


def test_a_process_without_free_files_deletes_no_good_engine(
    run: Path, tmp_path: Path, conversions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "engines"
    fresh = scores(run, cache)
    real = Path.open

    def refuse(self: Path, *asked: object, **how: object) -> object:
        if self.name == "engine.f32.blob" and self.parent.parent == cache:
            raise OSError(24, "Too many open files", str(self))
        return real(self, *asked, **how)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        np.testing.assert_array_equal(scores(run, cache), fresh)
    assert len(conversions) == 2
    np.testing.assert_array_equal(scores(run, cache), fresh)
    assert len(conversions) == 2


def make_bundle(run: Path, folder: Path) -> Path:
    """A run's engine as a bundle whose network OpenVINO must compile."""
    folder.mkdir()
    info, tiles = read_info(run), drawn_tiles((64, 64))
    shutil.copyfile(run / "model.json", folder / "model.json")
    files = tuple(openvino_engine.write(run, tiles, "fp32", folder))
    cells = openvino_engine.read(folder, (64, 64), "fp32", None)(tiles)
    seal(folder, info, "openvino", "fp32", tiles, cells, MIN_TOLERANCE, {}, files)
    return folder


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whenever a network is compiled."""
    done: list[str] = []
    real: Any = openvino_engine._compiled

    def noted(model: object, precision: str, threads: int | None) -> object:
        done.append(precision)
        return real(model, precision, threads)

    monkeypatch.setattr(openvino_engine, "_compiled", noted)
    return done


def test_a_bundle_is_compiled_once_and_scores_and_is_named_as_ever(run: Path, tmp_path: Path, compiled: list[str]) -> None:
    bundle, cache = make_bundle(run, tmp_path / "bundle"), tmp_path / "engines"
    fresh = load_engine(bundle)
    before = len(compiled)
    for starts in (1, 1, 1):
        engine = load_engine(bundle, cache=cache)
        assert len(compiled) == before + starts
        assert (engine.sha, engine.pixel_format, engine.precision) == (fresh.sha, "Mono8", "fp32")
        np.testing.assert_array_equal(engine.score(TILES), fresh.score(TILES))
    assert load_engine(bundle, threads=1, cache=cache).sha == fresh.sha and len(compiled) == before + 2
    load_engine(make_bundle(make_run(tmp_path / "other", seed=2), tmp_path / "second"), cache=cache)
    assert len(compiled) == before + 4  # once to make it


@pytest.mark.parametrize("file", ["engine.f32.blob", "manifest.json", "goldens.safetensors"])
def test_a_damaged_compiled_bundle_is_compiled_again(run: Path, tmp_path: Path, compiled: list[str], file: str) -> None:
    bundle, cache = make_bundle(run, tmp_path / "bundle"), tmp_path / "engines"
    fresh, before = load_engine(bundle, cache=cache), len(compiled)
    (place,) = (p for p in cache.iterdir() if p.is_dir())
    content = bytearray((place / file).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (place / file).write_bytes(content)
    for _ in range(2):
        np.testing.assert_array_equal(load_engine(bundle, cache=cache).score(TILES), fresh.score(TILES))
        assert len(compiled) == before + 1


def test_what_is_kept_of_a_bundle_and_scores_otherwise_goes(run: Path, tmp_path: Path, compiled: list[str]) -> None:
    bundle, cache = make_bundle(run, tmp_path / "bundle"), tmp_path / "engines"
    fresh = load_engine(bundle, cache=cache).score(TILES)
    load_engine(make_bundle(make_run(tmp_path / "other", seed=2), tmp_path / "second"), cache=cache)
    first, second = (p for p in cache.iterdir() if p.is_dir())
    for file in ("engine.f32.blob", "manifest.json", "goldens.safetensors"):  # a sound engine, but of the other model
        one, other = (first / file).read_bytes(), (second / file).read_bytes()
        (first / file).write_bytes(other)
        (second / file).write_bytes(one)
    before = len(compiled)
    for compilations in (1, 2, 2):  # its own files decide, the next start keeps them
        np.testing.assert_array_equal(load_engine(bundle, cache=cache).score(TILES), fresh)
        assert len(compiled) == before + compilations


def test_a_bundle_that_is_itself_at_fault_is_refused_with_and_without_what_was_kept(run: Path, tmp_path: Path) -> None:
    bundle, cache = make_bundle(run, tmp_path / "bundle"), tmp_path / "engines"
    tiles = drawn_tiles((64, 64))
    wrong = openvino_engine.read(bundle, (64, 64), "fp32", None)(tiles) / 2
    files = tuple(f for f in load_manifest(bundle).files if f != "goldens.safetensors")
    seal(bundle, read_info(run), "openvino", "fp32", tiles, wrong, MIN_TOLERANCE, {}, files)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(InputError, match="golden tile's score moved"):
            load_engine(bundle, cache=cache)
