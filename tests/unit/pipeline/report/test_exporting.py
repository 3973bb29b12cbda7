"""Reviewed crops for other tools: a person's name for a kind never becomes a path, and a folder is whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from glass_core.errors import InputError
from pipeline.report.exporting import MAX_FOLDER_NAME, Form, export_crops, folder_names
from pipeline.report.kept_crops import KeptCrop, read_crops
from tests.reviewed_run import record, say
from tools.cli import main

NAMES = [
    "../x",
    "/etc/passwd",
    "..",
    "<b>&",
    "",
    "x" * 300,
    "x" * 299 + "y",
    "a/b",
    "a:b",
    "A b",
    "nöppe",
    "noppe",
    "洞",
    "con\0",
]


def test_folder_names_are_plain_and_never_alike() -> None:
    names = folder_names(NAMES)
    assert names.keys() == set(NAMES) and len(set(names.values())) == len(NAMES)
    for name in names.values():
        assert name and len(name) <= MAX_FOLDER_NAME + 3 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    assert {names["a/b"], names["a:b"], names["A b"]} == {"a-b", "a-b-2", "a-b-3"}
    assert folder_names(reversed(NAMES)) == names, "whatever order they come in"


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    """Two ledgers with runs of one name."""
    record(tmp_path / "one", ["bar", "spot", "patch", "bar", "spot", "patch"])
    say(
        tmp_path / "one",
        {1: ("defect", "x/.."), 2: ("defect", None), 3: ("lint", None), 4: ("mended", "x/.."), 6: ("defect", "lint fibre")},
    )
    record(tmp_path / "two", ["spot"])
    say(tmp_path / "two", {1: ("acceptable", "slub")})
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_a_folder_for_each_class(reviewed: Path) -> None:
    counts = export_crops([reviewed / "one", reviewed / "two"], reviewed / "set")
    assert counts == {"x/..": 2, "defect": 1, "lint": 1, "lint fibre": 1, "acceptable": 1}
    assert files(reviewed / "set") == [
        "acceptable/001_run_0-0-0.png", "classes.json", "defect/000_run_0-1-0.png", "lint-fibre/000_run_0-5-0.png",
        "lint/000_run_0-2-0.png", "x/000_run_0-0-0.png", "x/000_run_0-3-0.png",
    ]  # fmt: skip
    assert json.loads((reviewed / "set" / "classes.json").read_text())["classes"]["x"] == "x/.."
    original = next((reviewed / "one" / "crops" / "run").glob("0-3_*[0-9].png"))
    assert (reviewed / "set" / "x" / "000_run_0-3-0.png").read_bytes() == original.read_bytes()


def test_coco_has_a_box_for_each_defect_and_none_for_what_is_none(reviewed: Path) -> None:
    export_crops([reviewed / "two", reviewed / "one"], reviewed / "set", "coco")
    told = json.loads((reviewed / "set" / "annotations.json").read_text())
    assert [c["name"] for c in told["categories"]] == ["defect", "lint fibre", "x/.."]
    by_image = {a["image_id"]: a for a in told["annotations"]}
    boxed = {}
    for image in told["images"]:
        picture = cv2.imread(str(reviewed / "set" / "images" / image["file_name"]), cv2.IMREAD_GRAYSCALE)
        assert picture is not None and picture.shape == (image["height"], image["width"])
        if (found := by_image.get(image["id"])) is not None:
            x, y, w, h = found["bbox"]
            boxed[image["file_name"]] = (w, h, round(float(picture[y : y + h, x : x + w].mean()), -1))
    assert boxed == {
        "001_run_0-0-0.png": (8, 96, 230), "001_run_0-1-0.png": (24, 24, 20), "001_run_0-3-0.png": (8, 96, 230),
        "001_run_0-5-0.png": (64, 56, 150),
    }  # fmt: skip
    assert len(told["images"]) == 6, "with a false alarm and a lint, which have no box"


def test_it_is_whole_or_not_there(reviewed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    full = reviewed / "full"
    full.mkdir()
    (full / "mine").touch()
    assert main(["kinds", str(reviewed / "one"), "--export", str(full)]) == 2
    assert files(full) == ["mine"]
    record(reviewed / "bare", ["bar"])
    assert main(["kinds", str(reviewed / "bare"), "--export", str(reviewed / "none")]) == 2

    def disk_full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.report.exporting.shutil.copyfile", disk_full)
        assert main(["kinds", str(reviewed / "one"), "--export", str(reviewed / "set"), "--coco"]) == 2
    assert sorted(p.name for p in reviewed.iterdir()) == ["bare", "full", "one", "two"]
    assert main(["kinds", str(reviewed / "one"), "--export", str(reviewed / "set"), "--coco", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["exported"] == {"x/..": 2, "defect": 1, "lint": 1, "lint fibre": 1}
    assert [line.startswith("glassline: ") for line in captured.err.splitlines()] == [True] * 3


@pytest.mark.parametrize("form", ["folders", "coco"])
def test_a_damaged_picture_is_told_and_not_exported(reviewed: Path, form: Form) -> None:
    original = next((reviewed / "one" / "crops" / "run").glob("0-3_*[0-9].png"))
    original.write_bytes(original.read_bytes()[:99])
    with pytest.raises(InputError, match=original.name):
        export_crops([reviewed / "one"], reviewed / "set", form)
    assert not (reviewed / "set").exists()


@pytest.mark.parametrize("form", ["folders", "coco"])
def test_a_picture_that_a_running_line_gives_up_meanwhile_ends_the_export(
    reviewed: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_lose(ledger: Path) -> tuple[object, list[KeptCrop]]:
        sheet, crops = read_crops(ledger)
        crops[1].path.unlink()
        return sheet, crops

    monkeypatch.setattr("pipeline.report.exporting.read_crops", read_and_lose)
    with pytest.raises(InputError, match="export again"):
        export_crops([reviewed / "one"], reviewed / "set", form)
    assert not (reviewed / "set").exists()
