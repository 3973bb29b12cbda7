"""Which conversion it is, the names tell; what cannot be converted is one line and leaves nothing behind."""

import resource
import sys
from pathlib import Path

import pytest
import torch

import glass_core
from glass_core.errors import InputError, MissingError
from glass_core.network.checkpoint import read_info


@pytest.fixture(scope="module")
def imported(checkpoint: Path) -> Path:
    run = checkpoint.parent / "run"
    glass_core.convert(checkpoint, run, "embedded")
    return run


def test_a_checkpoint_becomes_a_run_and_the_run_a_checkpoint(imported: Path, tmp_path: Path) -> None:
    assert read_info(imported).arch == "embedded"
    info = glass_core.convert(imported, tmp_path / "ckpt.pth")
    assert info == read_info(imported)
    assert set(torch.load(tmp_path / "ckpt.pth", weights_only=True)) == {"pre_projection", "discriminator"}


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("{run}", "{tmp}/model.bin", r"neither \.onnx nor \.pth"),
        ("{run}", "{tmp}/no/such/model.pth", "no such folder"),
        ("{tmp}/none", "{tmp}/model.onnx", "no trained model"),
        ("{tmp}/none.pth", "{tmp}/run", "not readable"),
        ("{ckpt}", "{tmp}/model.onnx", "a checkpoint becomes a run"),
        ("{ckpt}", "{run}", "a model lies there already"),
    ],
)
def test_what_cannot_be_converted_is_one_line(
    source: str, target: str, words: str, imported: Path, checkpoint: Path, tmp_path: Path
) -> None:
    places = {"run": imported, "tmp": tmp_path, "ckpt": checkpoint}
    with pytest.raises(InputError, match=rf"^[^\n]*{words}[^\n]*$"):
        glass_core.convert(Path(source.format(**places)), Path(target.format(**places)), "embedded")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_a_full_disk_does_not_hold_is_one_line(imported: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (1_000_000, hard)
    )  # bytes a file may have; Python turns the signal into an OSError
    try:
        with pytest.raises(InputError, match=r"^cannot write \(File too large\)[^\n]*$"):
            glass_core.convert(imported, tmp_path / "ckpt.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_onnx_without_its_package_says_what_to_install(imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingError, match="pip install"):
        glass_core.convert(imported, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
