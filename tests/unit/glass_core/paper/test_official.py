"""Checkpoints of the official code go both ways, and ONNX gives the same scores; bad files are one clear line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glass_core.backbones.resnet import ResNet
from glass_core.errors import InputError
from glass_core.network.checkpoint import ModelInfo, load_model, read_info, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.paper.official import export_official, import_official, read_heads
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from tests.official import Heads, heads


@pytest.fixture(scope="module")
def imported(checkpoint: Path) -> Path:
    run = checkpoint.parent / "run"
    import_official(checkpoint, "embedded", None, run)
    return run


def test_a_model_that_shrinks_pictures_is_none_for_the_official_code(imported: Path, tmp_path: Path) -> None:
    glass, info = load_model(imported)
    tiling = Tiling.model_validate({"tile_px": 320, "cell_px": 16})
    save_model(tmp_path, tensors_of(glass), info.model_copy(update={"score": ScoreDefinition(tiling=tiling)}))
    with pytest.raises(InputError, match="shrinks pictures"):
        export_official(tmp_path, tmp_path / "x.pth")


def test_a_model_of_other_levels_is_none_for_the_official_code(tmp_path: Path) -> None:
    glass = Glass("resnet18", levels=(1, 3)).eval()
    tensors, score = tensors_of(glass), ScoreDefinition(tiling=Tiling(cell_px=4))
    info = ModelInfo(
        arch="resnet18", levels=(1, 3), weights_sha=weights_sha(tensors), score=score, config=None, split_digest=None,
        weights=None, textures=None, curve=(), versions={},
    )  # fmt: skip
    save_model(tmp_path, tensors, info)
    with pytest.raises(InputError, match=r"levels \[1, 3\]"):
        export_official(tmp_path, tmp_path / "x.pth")


def test_an_imported_checkpoint_scores_by_its_own_weights(imported: Path) -> None:
    glass, info = load_model(imported)
    assert info.score.tiling.tile_px == 288 and info.config is None
    assert info.selection.startswith("not known: official checkpoint") and "best on the test set" in info.selection
    tiles = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8))
    a, d = heads()["pre_projection"], heads()["discriminator"]
    with torch.no_grad():
        rows = glass.features(tiles) @ a["layers.0fc.weight"].T + a["layers.0fc.bias"]
        rows = rows @ d["body.block1.0.weight"].T + d["body.block1.0.bias"]
        rows = (rows - d["body.block1.1.running_mean"]) / (d["body.block1.1.running_var"] + 1e-5).sqrt()
        rows = rows * d["body.block1.1.weight"] + d["body.block1.1.bias"]
        plain = torch.sigmoid(torch.where(rows > 0, rows, 0.2 * rows) @ d["tail.0.weight"].T).view(2, 8, 12)
        torch.testing.assert_close(glass(tiles), plain, atol=1e-5, rtol=0)


def test_a_run_becomes_a_checkpoint_and_the_same_run_again(imported: Path, checkpoint: Path, tmp_path: Path) -> None:
    back = tmp_path / "ckpt.pth"
    export_official(imported, back)
    found = torch.load(back, weights_only=True)
    assert set(found) == {"pre_projection", "discriminator"}
    for part, tensors in heads().items():
        assert set(found[part]) == set(tensors)
        for key, value in tensors.items():
            torch.testing.assert_close(found[part][key], value, atol=0, rtol=0)
    import_official(back, "embedded", None, tmp_path / "again")
    assert read_info(tmp_path / "again").weights_sha == read_info(imported).weights_sha
    assert not list(tmp_path.glob(".*"))


def test_the_flat_form_of_a_whole_network_is_read_too(tmp_path: Path) -> None:
    flat = {f"{part}.{key}": value for part, tensors in heads().items() for key, value in tensors.items()}
    torch.save({**flat, "backbone.layer1.weight": torch.zeros(3)}, tmp_path / "ckpt.pth")
    assert set(flat) <= set(read_heads(tmp_path / "ckpt.pth"))


def test_a_checkpoint_from_another_backbone_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = {f"{part}.{key}": value for part, tensors in heads().items() for key, value in tensors.items()}
    torch.save({**flat, "forward_modules.backbone.layer3.0.conv1.weight": torch.zeros(256, 512, 1, 1)}, tmp_path / "a.pth")
    path = str(tmp_path / "resnet18.pth")
    glass = Glass("resnet18")
    assert isinstance(glass.backbone, ResNet)
    torch.save(glass.backbone.state_dict(), path)
    monkeypatch.setenv("GLASSLINE_WEIGHTS", path)
    with pytest.raises(InputError, match=r"^a checkpoint from another backbone than resnet18, [^\n]+, name its own [^\n]+$"):
        import_official(tmp_path / "a.pth", "resnet18", None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def without_tail(made: Heads) -> Heads:
    del made["discriminator"]["tail.0.weight"]
    return made


def with_tensor(part: str, key: str, *shape: int) -> Callable[[Heads], Heads]:
    return lambda made: {**made, part: {**made[part], key: torch.zeros(shape)}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a file of tensors"),
        (b"hello", "not a file of tensors"),
        (lambda _: {"model": torch.zeros(3)}, "no pre_projection and discriminator"),
        (lambda made: {"pre_projection": made["pre_projection"]}, "no pre_projection and discriminator"),
        (lambda _: [1, 2], "no pre_projection and discriminator"),
        (with_tensor("discriminator", "tail.0.weight", 1, 512), r"tail\.0\.weight is \(1, 512\), not \(1, 1024\)"),
        (without_tail, r"tail\.0\.weight is missing"),
        (with_tensor("pre_projection", "layers.1fc.bias", 4), r"1fc\.bias is unknown"),
    ],
)
def test_a_foreign_or_damaged_file_is_one_clear_line(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "ckpt.pth"
    if callable(content):
        torch.save(content(heads()), path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^[^\n]*{words}[^\n]*, {path}, [^\n]+$"):
        import_official(path, "embedded", None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_cut_short_is_one_clear_line(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "ckpt.pth").write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(InputError, match="not a file of tensors"):
        read_heads(tmp_path / "ckpt.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"pre_projection": Path("x"), "discriminator": {}}, tmp_path / "ckpt.pth")
    with pytest.raises(InputError, match="not a file of tensors"):
        read_heads(tmp_path / "ckpt.pth")
