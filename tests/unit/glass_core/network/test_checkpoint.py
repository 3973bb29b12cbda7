"""A run on disk: what is written comes back, and what is damaged is said in one line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.network.checkpoint import (
    INFO_FILE,
    MODEL_FILE,
    EpochFigures,
    ModelInfo,
    load_model,
    read_info,
    read_tensors,
    save_model,
    tensors_of,
    weights_sha,
    write_tensors,
)
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition
from tests.shared_data import ROOT


def info_for(sha: str, arch: str = "embedded") -> ModelInfo:
    return ModelInfo(
        arch=arch,
        weights_sha=sha,
        score=ScoreDefinition(inspect_x_px=(16, 900)),
        config=TrainConfig(backbone="embedded", inspect_x_px=(16, 900)),
        split_digest="0" * 64,
        weights=None,
        textures="procedural",
        curve=(),
        versions={"torch": torch.__version__},
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Glass]:
    run, glass = tmp_path_factory.mktemp("run"), Glass("embedded").eval()
    tensors = tensors_of(glass)
    save_model(run, tensors, info_for(weights_sha(tensors)))
    return run, glass


@pytest.fixture
def run(saved: tuple[Path, Glass], tmp_path: Path) -> Path:
    """A copy to damage; the tensors are linked, for they are large."""
    (tmp_path / INFO_FILE).write_bytes((saved[0] / INFO_FILE).read_bytes())
    (tmp_path / MODEL_FILE).hardlink_to(saved[0] / MODEL_FILE)
    return tmp_path


def test_what_is_saved_comes_back_and_nothing_lies_beside(saved: tuple[Path, Glass]) -> None:
    run, glass = saved
    loaded, info = load_model(run)
    tiles = torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(loaded(tiles), glass(tiles), rtol=0, atol=0)
    assert not loaded.training
    assert info == read_info(run) == info_for(info.weights_sha)
    assert json.loads((run / INFO_FILE).read_text())["schema"] == 1
    assert sorted(path.name for path in run.iterdir()) == [INFO_FILE, MODEL_FILE]


def damage_json(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        content = json.loads((run / INFO_FILE).read_text())
        change(content)
        (run / INFO_FILE).write_text(json.dumps(content))

    return damage


def replace_tensors(content: bytes) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (run / MODEL_FILE).unlink()
        (run / MODEL_FILE).write_bytes(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: (run / INFO_FILE).unlink(), "no trained model"),
        (lambda run: (run / INFO_FILE).write_bytes(b""), "damaged"),
        (lambda run: (run / INFO_FILE).write_bytes(b"\xff{"), "not readable"),
        (damage_json(lambda content: content.update(schema=2)), "schema"),
        (damage_json(lambda content: content.update(extra=1)), "extra"),
        (damage_json(lambda content: content.pop("score")), "score"),
        (damage_json(lambda content: content["score"]["tiling"].update(cell_px=4)), "cells of 4 px are none of levels"),
        (damage_json(lambda content: content.update(levels=[1])), "filter bank has levels"),
        (damage_json(lambda content: content.update(arch="resnet18", levels=[])), "levels must be"),
        (damage_json(lambda content: content.update(weights_sha="1" * 64)), "not the one"),
        (lambda run: (run / MODEL_FILE).unlink(), "not readable"),
        (replace_tensors(b""), "damaged"),
        (replace_tensors(b"\xff" * 64), "damaged"),
        (replace_tensors((1 << 40).to_bytes(8, "little") + b"{}"), "damaged"),
    ],
)
def test_a_damaged_run_is_one_line(run: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(run)
    with pytest.raises(InputError, match=words) as caught:
        load_model(run)
    assert str(run) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_older_file_is_not_given_newer_defaults(run: Path) -> None:
    def age(content: dict[str, Any]) -> None:
        content["config"]["backbone"] = "resnet18"
        content["config"]["profile"] = "paper"
        for newer in ("levels", "light", "trunk"):
            del content["config"][newer]

    damage_json(age)(run)
    config = read_info(run).config
    assert config is not None
    assert (config.levels, config.light, config.trunk) == ((2, 3), 0, "clean")
    assert TrainConfig().levels != config.levels


def test_a_file_cut_short_is_refused(run: Path, saved: tuple[Path, Glass]) -> None:
    replace_tensors((saved[0] / MODEL_FILE).read_bytes()[:-4])(run)
    with pytest.raises(InputError, match="damaged"):
        load_model(run)


def test_tensors_of_another_network_are_refused(tmp_path: Path) -> None:
    tensors = {"conv1.weight": np.zeros(3, dtype=np.float32)}
    save_model(tmp_path, tensors, info_for(weights_sha(tensors)))
    with pytest.raises(InputError, match="do not fit"):
        load_model(tmp_path)


def test_the_hash_depends_on_keys_types_shapes_and_values_but_not_on_order() -> None:
    a, b = np.arange(6, dtype=np.float32), np.ones(2, dtype=np.float32)
    base = weights_sha({"a": a, "b": b})
    assert base == weights_sha({"b": b, "a": a})
    others: list[dict[str, np.ndarray]] = [
        {"a": a, "c": b},
        {"a": a.reshape(2, 3), "b": b},
        {"a": a + 1, "b": b},
        {"a": a.view(np.int32), "b": b},
        {"a": a},
    ]
    assert len({base, *(weights_sha(other) for other in others)}) == 6


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": np.ones(2, dtype=np.float32)}, {"epoch": "1"})

    def full_disk(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(InputError, match="No space"):
        write_tensors(path, {"a": np.zeros(2, dtype=np.float32)}, {"epoch": "2"})
    tensors, metadata = read_tensors(path)
    assert tensors["a"].tolist() == [1, 1]
    assert metadata == {"epoch": "1"}
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


def test_reading_what_a_model_is_needs_no_torch() -> None:
    code = "import sys, glass_core.network.checkpoint, glass_core.engines; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"selected_epoch": 2}, "held-out good pictures and synthetic defects (epoch 2 of 3)"),
        ({"selected_epoch": 3, "config": TrainConfig(select="last")}, "last epoch"),
        ({"selected_epoch": 3, "curve": ()}, "last epoch"),
        ({"config": None, "curve": (), "origin": "elsewhere"}, "not known: elsewhere"),
    ],
)
def test_a_model_says_how_its_epoch_was_chosen(fields: dict[str, object], words: str) -> None:
    figures = EpochFigures(epoch=1, loss=1, p_true=0.5, p_fake=0.5, selection_auroc=0.9)
    assert info_for("0" * 64).model_copy(update={"curve": (figures,) * 3, **fields}).selection == words
