"""Model files broken by chance: model.json, its tensors, a bundle's manifest, an official checkpoint."""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from glass_core.engines.bundle import MANIFEST_FILE, Manifest, load_manifest
from glass_core.errors import InputError
from glass_core.network.checkpoint import INFO_FILE, MODEL_FILE, load_model, read_info, read_tensors
from glass_core.paper.official import read_heads
from glass_core.pictures.scoring import ScoreDefinition
from tests.fuzz.mutation import broken_bytes, broken_document, dumped
from tests.fuzz.test_cards import sealed_again

INFO = {
    "schema": 1, "arch": "resnet18", "levels": [2, 3], "weights_sha": "0" * 64, "score": {"score": "cell_max", "tiling": {}},
    "config": None, "split_digest": None, "weights": None, "textures": None, "origin": "made", "versions": {"torch": "2"},
    "curve": [{"epoch": 0, "loss": 1.0, "p_true": 0.9, "p_fake": 0.1}],
}  # fmt: skip
Case = tuple[bytes, str, Callable[[Path], object], bool]
"""Content, file name, what reads it, and whether it is JSON."""


def _manifest() -> bytes:
    manifest = Manifest.sealed(
        weights_sha="0" * 64, backend="openvino", version="1", precision="fp32", buckets=(1, 2), tile_shape=(64, 64),
        device={"name": "a", "capability": "b"}, score=ScoreDefinition(), tolerance=1e-3, guard={},
        files={"engine.xml": "0" * 64},
    )  # fmt: skip
    return manifest.model_dump_json(by_alias=True).encode()


def _use_manifest(path: Path) -> None:
    manifest = load_manifest(path.parent)
    assert max(manifest.buckets) * max(manifest.tile_shape) < 1 << 28, "else a file of 1 kB takes the memory"
    for name in manifest.files:
        assert (path.parent / name).resolve().parent == path.parent.resolve(), "outside the bundle"


def _checkpoint() -> bytes:
    heads = {part: {"weight": torch.ones(4, 3), "bias": torch.zeros(4)} for part in ("pre_projection", "discriminator")}
    out = io.BytesIO()
    torch.save(heads, out)
    return out.getvalue()


def _cases() -> list[Case]:
    tensors: dict[str, np.ndarray] = {
        "a.weight": np.arange(48, dtype=np.float32).reshape(6, 8),
        "b": np.zeros((2, 0), np.float16),
    }
    return [
        (dumped(INFO), INFO_FILE, lambda path: read_info(path.parent), True),
        (dumped(INFO), INFO_FILE, lambda path: load_model(path.parent), True),
        (_manifest(), MANIFEST_FILE, _use_manifest, True),
        (safetensors.numpy.save(tensors, {"kept": "yes"}), MODEL_FILE, read_tensors, False),
        (_checkpoint(), "ckpt.pth", read_heads, False),
    ]


def fuzz(seed: int, count: int) -> None:
    """Each kind of file in turn."""
    rng = random.Random(seed)
    cases = _cases()
    with tempfile.TemporaryDirectory() as name:
        for n in range(count):
            content, file, read, as_json = cases[n % len(cases)]
            if as_json and rng.random() < 0.8:
                content = dumped(
                    sealed_again(broken_document(json.loads(content), rng))
                    if file == MANIFEST_FILE
                    else broken_document(json.loads(content), rng)
                )
            else:
                content = broken_bytes(content, rng)
            (Path(name) / file).write_bytes(content)
            try:
                read(Path(name) / file)
            except InputError as error:
                assert str(error).isprintable(), repr(error)


def test_broken_model_files_are_one_line() -> None:
    fuzz(seed=1, count=500)


@pytest.mark.parametrize("number", [0, 2, 3, 4])
def test_whole_files_are_read(number: int, tmp_path: Path) -> None:
    content, file, read, _ = _cases()[number]
    (tmp_path / file).write_bytes(content)
    read(tmp_path / file)
