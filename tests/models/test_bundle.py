"""Bundles: what `glassline compile` writes, what a start checks, and every way in which it can be wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import glass_core.engines.building as building
from calibration import calibrate_threshold
from calibration.threshold import load_card
from glass_core.config import SplitFractions, TrainConfig
from glass_core.engines import load_engine
from glass_core.engines.backend import Device, backend
from glass_core.engines.building import ALLOWED, compare, prove_batches, refuse_beyond
from glass_core.engines.bundle import ForeignDevice, Manifest, load_manifest
from glass_core.engines.canary import EngineFault, check_scores
from glass_core.errors import InputError, NotAccepted
from glass_core.network.checkpoint import ModelInfo, read_info, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.split import split
from pipeline.config.line import LineConfig
from pipeline.supervision.bundles import make_for_here
from tools.cli import main

ONE_LINE = r"^[^\n]+, [^\n]+, [^\n]+$"


def make_run(folder: Path, shrink: int = 1) -> Path:
    """A calibrated run of untrained heads on the filter bank, with the pictures that it is said to have learned from."""
    pictures = folder / "good"
    pictures.mkdir(parents=True)
    for number in range(20):
        picture = np.random.default_rng(number).integers(60, 120, (64, 64), dtype=np.uint8)
        assert cv2.imwrite(str(pictures / f"{number}.png"), picture)
    run, config = folder / "run", TrainConfig(
        backbone="embedded", tile_px=64 * shrink, overlap_px=16 * shrink, border_px=0, shrink=shrink
    )  # fmt: skip
    run.mkdir()
    parts = split(sorted(pictures.iterdir()), SplitFractions(train=0.4, calibration=0.5, selection=0.1), 0)
    parts.save(run)
    glass = Glass("embedded", shrink).eval()
    glass.init_heads(torch.Generator().manual_seed(1))
    tensors = tensors_of(glass)
    info = ModelInfo(
        arch="embedded", weights_sha=weights_sha(tensors), score=ScoreDefinition(tiling=config.tiling), config=config,
        split_digest=parts.digest, weights=None, textures="procedural", curve=(), versions={},
    )  # fmt: skip
    save_model(run, tensors, info)
    calibrate_threshold(run)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("model"))


def compiled(run: Path, out: Path, *words: str) -> int:
    return main(["compile", str(run), "--out", str(out), *words])


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "b"
    assert compiled(run, out, "--backend", "openvino") == 0
    return out


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for file in made.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def tiles(count: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, 64, 64), dtype=np.uint8)


def test_a_bundle_scores_as_its_run_and_has_a_card_of_its_own(run: Path, made: Path) -> None:
    engine, of_run = load_engine(made), load_engine(run)
    np.testing.assert_allclose(engine.score(tiles(9)), of_run.score(tiles(9)), rtol=0, atol=1e-5)
    assert (engine.backend, engine.precision, engine.pixel_format) == ("openvino", "fp32", "Mono8")
    assert engine.weights_sha == of_run.weights_sha and engine.sha != of_run.sha
    card, of_run_card = load_card(made), load_card(run)
    assert card is not None and of_run_card is not None
    card.check(engine.weights_sha, engine.sha, engine.definition)
    assert card.thresholds == pytest.approx(of_run_card.thresholds, abs=1e-4)
    assert not list(made.parent.glob(".*"))


def test_a_torch_bundle_too(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compiled(run, tmp_path / "b", "--backend", "torch", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["schema"], facts["backend"], facts["precision"]) == (1, "torch", "fp32")
    assert facts["guard"]["flips"] == 0 and facts["guard"]["tiles"] == 20
    np.testing.assert_allclose(load_engine(tmp_path / "b").score(tiles(2)), load_engine(run).score(tiles(2)), atol=1e-5)


def rewrite(bundle: Path, **changes: object) -> None:
    """A manifest that says something else, and is sealed again."""
    old = load_manifest(bundle)
    fields = {name: getattr(old, name) for name in Manifest.model_fields if name not in ("schema_version", "created", "sha")}
    (bundle / "manifest.json").write_text(Manifest.sealed(**{**fields, **changes}).model_dump_json(by_alias=True))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "an engine cut short": (lambda b: cut(b / "engine.bin"), "damaged or cut short"),
    "no engine": (lambda b: (b / "engine.xml").unlink(), "not readable"),
    "goldens cut short": (lambda b: cut(b / "goldens.safetensors"), "damaged or cut short"),
    "a manifest cut short": (lambda b: cut(b / "manifest.json"), "damaged manifest"),
    "a manifest edited": (
        lambda b: (b / "manifest.json").write_text((b / "manifest.json").read_text().replace("fp32", "bf16")),
        "changed by hand",
    ),
    "another machine": (lambda b: rewrite(b, device=Device(name="H200", capability="9.0", driver="1")), "was built for"),
    "another library": (lambda b: rewrite(b, version="1.0"), "was built for"),
    "another model": (lambda b: rewrite(b, weights_sha="0" * 64), "another model"),
    "other scores": (lambda b: rewrite(b, precision="bf16", tolerance=1e-5), "a golden tile"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_wrong_with_a_bundle_is_said_in_one_line(bundle: Path, how: str) -> None:
    spoil, words = SPOILT[how]
    if how == "other scores" and "BF16" not in load_manifest(bundle).device.capability:
        pytest.skip("this processor does not compute in bfloat16")
    spoil(bundle)
    with pytest.raises(InputError, match=ONE_LINE) as caught:
        load_engine(bundle)
    assert words in str(caught.value)


@pytest.mark.parametrize("asked", [{"backend": "torch"}, {"precision": "bf16"}])
def test_a_bundle_is_what_it_is(made: Path, asked: dict[str, str]) -> None:
    with pytest.raises(InputError, match="is asked for"):
        load_engine(made, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 128, 128), (1, 64, 64, 3)])
def test_other_tiles_are_refused(made: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"takes 64x64 \(Mono8\)"):
        load_engine(made).score(np.zeros(shape, np.uint8))


def test_a_foreign_bundle_is_compiled_anew_where_that_is_configured(bundle: Path) -> None:
    before = load_manifest(bundle)
    rewrite(bundle, version="1.0")
    line = {"model": bundle, "worker": {"on_foreign_device": "refuse"}}
    with pytest.raises(ForeignDevice, match=ONE_LINE):
        make_for_here(LineConfig.model_validate(line))
    line["worker"] = {"on_foreign_device": "recompile"}
    make_for_here(LineConfig.model_validate(line))
    engine, card = load_engine(bundle), load_card(bundle)
    assert card is not None and card.engine_sha == engine.sha
    assert load_manifest(bundle).version == before.version
    assert load_manifest(bundle.with_name("bundle.previous")).version == "1.0"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--backend", "torch", "--precision", "int8"], 2, "has no int8"),
        (["--backend", "tensorrt"], 3, "not usable"),
    ],
)
def test_a_compilation_that_cannot_be_leaves_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, said: str
) -> None:
    if "tensorrt" in words and torch.cuda.is_available():
        pytest.skip("here TensorRT may be usable")
    assert compiled(run, tmp_path / "b", *words) == status
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_without_calibration_pictures_there_is_no_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "m")
    for picture in (tmp_path / "m/good").iterdir():
        picture.unlink()
    assert compiled(run, tmp_path / "b", "--backend", "openvino") == 2
    assert "unreadable picture" in capsys.readouterr().err.splitlines()[-1]
    assert compiled(tmp_path / "none", tmp_path / "b") == 2
    assert not (tmp_path / "b").exists() and not (tmp_path / ".b.part").exists()


def test_a_model_that_shrinks_pictures_compiles_as_any_other(tmp_path: Path) -> None:
    run, bundle = make_run(tmp_path / "m", shrink=2), tmp_path / "b"
    assert compiled(run, bundle, "--backend", "openvino") == 0
    tiles = np.random.default_rng(5).integers(60, 120, (3, 128, 128), dtype=np.uint8)
    cells = load_engine(bundle).score(tiles)
    assert cells.shape == (3, 8, 8) and load_manifest(bundle).tile_shape == (128, 128)
    np.testing.assert_allclose(cells, load_engine(run, "torch").score(tiles), atol=1e-4)


def test_a_run_is_proven_on_its_own_pictures(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compiled(run, tmp_path / "b", "--good", str(run.parent / "good")) == 2
    assert "leave --good out" in capsys.readouterr().err.splitlines()[-1] and list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_an_official_checkpoint_compiles_on_good_pictures_that_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, official, bundle = tmp_path / "ckpt_best_0.pth", tmp_path / "official", tmp_path / "b"
    good = str(run.parent / "good")
    assert main(["convert", str(run), str(checkpoint)]) == 0
    assert main(["convert", str(checkpoint), str(official), "--backbone", "embedded"]) == 0
    assert main(["calibrate", "threshold", str(official), good]) == 0
    assert compiled(official, bundle, "--backend", "openvino") == 2
    assert "--good FOLDER" in capsys.readouterr().err.splitlines()[-1]
    assert compiled(official, bundle, "--backend", "openvino", "--good", good) == 0
    manifest, engine = load_manifest(bundle), load_engine(bundle)
    assert manifest.tile_shape == (288, 288)
    assert engine.weights_sha == read_info(official).weights_sha
    card = load_card(bundle)
    assert card is not None and card.engine_sha == engine.sha
    tiles = np.random.default_rng(5).integers(60, 120, (2, 288, 288), dtype=np.uint8)
    wanted = load_engine(official, "torch").score(tiles)
    np.testing.assert_allclose(engine.score(tiles), wanted, atol=1e-4)


def test_an_existing_folder_is_not_overwritten(run: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compiled(run, made) == 2
    assert "folder is not empty" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_int8_is_near_and_is_not_fp32(run: Path, tmp_path: Path) -> None:
    openvino = backend("openvino")
    if "int8" not in openvino.precisions():
        pytest.skip("this processor does not compute in int8")
    assert openvino.write(run, tiles(8), "int8", tmp_path) == ("engine.xml", "engine.bin")
    moved = np.abs(openvino.read(tmp_path, (64, 64), "int8", None)(tiles(4)) - load_engine(run).score(tiles(4)))
    assert 0 < moved.mean() < 0.05


@pytest.mark.parametrize("between", ["bf16", "f32"])
def test_an_int8_engine_computes_in_what_it_was_written_with(
    between: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino, hint = backend("openvino"), "INFERENCE_PRECISION_HINT"
    if not {"int8", "bf16"} <= set(openvino.precisions()):
        pytest.skip("this processor does not compute in int8 and bf16")
    monkeypatch.setattr(openvino, "_multiplies_bf16", lambda: between == "bf16")
    openvino.write(run, tiles(8), "int8", tmp_path)
    monkeypatch.setattr(openvino, "_multiplies_bf16", lambda: between != "bf16")  # what is found later changes nothing
    fresh: Any = openvino.read(tmp_path, (64, 64), "int8", None)
    (tmp_path / "kept").mkdir()
    fresh.export(tmp_path / "kept")
    kept: Any = openvino.read(tmp_path / "kept", (64, 64), "int8", None)
    assert {each._compiled.get_property(hint).get_type_name() for each in (fresh, kept)} == {between}
    assert (kept(tiles(4)) == fresh(tiles(4))).all()


def test_int8_adds_levels_as_they_are(run: Path, tmp_path: Path) -> None:
    openvino: Any = backend("openvino")
    if "int8" not in openvino.precisions():
        pytest.skip("this processor does not compute in int8")
    openvino.write(run, tiles(8), "int8", tmp_path)
    network = openvino.network(tmp_path, (64, 64))
    of_head = [op for op in network.get_ordered_ops() if not op.get_friendly_name().startswith("__module")]
    grids = [op for op in of_head if op.get_type_name() == "Interpolate"]
    read = [value.get_node().get_type_name() for op in grids for value in op.input_values()[:1]]
    written = [user.get_node().get_type_name() for op in grids for user in op.output(0).get_target_inputs()]
    assert grids and "FakeQuantize" not in {*read, *written}
    rounded = [
        op
        for op in of_head
        if op.get_type_name() == "Convolution" and op.input(0).get_source_output().get_node().get_type_name() == "FakeQuantize"
    ]
    assert rounded, "its products are in int8"


def brightest(tiles: np.ndarray) -> np.ndarray:
    return tiles.reshape(len(tiles), 8, 8, 8, 8).max(axis=(2, 4)).astype(np.float32) / 256


def test_batches_are_proven_row_by_row() -> None:
    shown = tiles(5)
    assert prove_batches(brightest, shown, (1, 4), 0) == 0
    drifting = prove_batches(lambda t: brightest(t) + np.float32(len(t) / 1024), shown, (1, 4), 1)
    assert drifting == pytest.approx(3 / 1024)
    with pytest.raises(InputError, match="with the tiles beside it"):
        prove_batches(lambda t: brightest(t) + np.float32(len(t) / 1024), shown, (1, 4), 0.001)
    with pytest.raises(InputError, match="score differently"):
        prove_batches(lambda t: brightest(t) + np.arange(len(t), dtype=np.float32)[:, None, None] / 1e4, shown, (1, 4), 1)
    with pytest.raises(InputError, match="not finite"):
        prove_batches(lambda t: brightest(t) * np.float32(np.nan), shown, (1, 2), 1)


@pytest.mark.parametrize(("shift", "refused"), [(0.0, None), (0.06, "scores move by 0.06"), (0.03, "verdicts flip")])
def test_the_guard_refuses_what_moves_or_flips(shift: float, refused: str | None) -> None:
    shown = np.repeat(np.arange(0, 200, 2, dtype=np.uint8), 64 * 64).reshape(100, 64, 64)
    guard = compare(lambda t: brightest(t) + np.float32(shift), brightest, shown, [0.5], lambda numbers, title: numbers)
    assert guard["moved_q99"] == pytest.approx(shift, abs=1e-6)
    assert guard["flips"] == (round(shift * 128) if shift else 0)
    if refused is None:
        refuse_beyond(guard, ALLOWED["fp32"], "engine")
    else:
        with pytest.raises(NotAccepted, match=refused):
            refuse_beyond(guard, ALLOWED["int8"], "engine")


def test_scores_that_no_sound_engine_gives() -> None:
    shown = tiles(2)
    check_scores(shown, brightest(shown))
    check_scores(np.zeros((2, 64, 64), np.uint8), np.zeros((2, 8, 8), np.float32))
    for wrong in (np.nan, np.inf):
        with pytest.raises(EngineFault, match="not finite"):
            check_scores(shown, np.full((2, 8, 8), wrong, np.float32))
    with pytest.raises(EngineFault, match=r"0\.25 for whatever"):
        check_scores(shown, np.full((2, 8, 8), 0.25, np.float32))


def test_the_guard_compares_good_and_defective_tiles(run: Path) -> None:
    pairs = building.draw_pairs(sorted((run.parent / "good").iterdir()), TrainConfig(tile_px=64, overlap_px=16, border_px=0), 7)
    assert len(pairs.good) == len(pairs.defective) == 7 and len(pairs.all) == 14
    assert (pairs.all[0] == pairs.good[0]).all() and (pairs.all[1] == pairs.defective[0]).all()
    assert sum((a != b).any() for a, b in zip(pairs.good, pairs.defective, strict=True)) >= 6
