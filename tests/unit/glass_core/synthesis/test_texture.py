"""Texture sources: a DTD folder, or procedural ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.synthesis.texture import FolderTextures, ProceduralTextures, find_textures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, name in enumerate(["banded/a.jpg", "bumpy/b.JPG", "bumpy/c.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shape = (40, 60) if index == 2 else (40, 60, 3)  # a grey photograph is fine
        cv2.imwrite(str(tmp_path / name), np.full(shape, 60 * index + 30, np.uint8))
    return tmp_path


def test_every_photograph_of_a_folder_is_drawn_with_its_short_side_resized(folder: Path) -> None:
    source = FolderTextures(folder)
    rng = np.random.default_rng(0)
    drawn = [source.draw(64, rng) for _ in range(40)]
    assert {texture.shape for texture in drawn} == {(64, 96, 3)}
    assert {round(float(texture.mean()) / 30) * 30 for texture in drawn} == {30, 90, 150}
    assert "3 photographs" in source.name


def test_a_folder_without_textures_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^no textures, [^\n]+, give [^\n]+$"):
        FolderTextures(tmp_path)


@pytest.mark.parametrize("size_px", [32, 256])
def test_procedural_textures_have_variety(size_px: int) -> None:
    rng = np.random.default_rng(1)
    drawn = [ProceduralTextures().draw(size_px, rng) for _ in range(60)]
    assert {(texture.shape, texture.dtype) for texture in drawn} == {((size_px, size_px, 3), np.dtype(np.uint8))}
    structured = [texture for texture in drawn if texture.std(axis=(0, 1)).max() > 5]
    assert len(structured) > 50  # hardly any is a plain colour
    assert np.std([texture.mean() for texture in drawn]) > 20


def test_procedural_textures_follow_the_generator() -> None:
    first, again, other = (ProceduralTextures().draw(64, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_textures_are_looked_for_in_the_config_then_the_environment(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLASSLINE_TEXTURES", raising=False)
    assert find_textures(None).name == "procedural"
    monkeypatch.setenv("GLASSLINE_TEXTURES", str(folder))
    assert find_textures(None).name == f"{folder.name}: 3 photographs"
    with pytest.raises(InputError):
        find_textures(tmp_path_factory.mktemp("empty"))
