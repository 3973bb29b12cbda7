"""`glassline validate`: its exit status, its JSON, and the command that comes next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.cli import main

GOOD = "line: {name: v}\ncameras: [{name: a, source: weave, mm_per_px_y: 0.2, frames: 1}]\n"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        (GOOD, 0, "next: glassline record line.yaml --out footage --metres 50"),
        (GOOD.replace("mm_per_px_y: 0.2, ", ""), 0, "next: glassline record line.yaml --out footage --frames 500"),
        (GOOD + "model: nowhere\n", 1, "error"),
        ("train: {epochs: 3}\n", 0, "training alone"),
    ],
)
def test_it_says_how_things_are_and_what_comes_next(
    elsewhere: Path, capsys: pytest.CaptureFixture[str], text: str, status: int, said: str
) -> None:
    (elsewhere / "line.yaml").write_text(text)
    assert main(["validate", "line.yaml"]) == status
    out, err = capsys.readouterr()
    assert said in out and err == "" and ("next: " in out) is ("next: " in said)


def test_where_something_is_wrong_nothing_comes_next(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "my cloth").mkdir()
    (elsewhere / "my cloth" / "a.png").write_bytes(b"no picture")
    (elsewhere / "line.yaml").write_text("line: {name: v}\ncameras: [{name: a, source: replay, path: my cloth}]\n")
    assert main(["validate", "line.yaml"]) == 1, "a picture that is none"
    assert "next: " not in capsys.readouterr().out


def test_its_json_has_every_finding(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "line.yaml").write_text(GOOD + "model: nowhere\n")
    assert main(["validate", "line.yaml", "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert (body["schema"], body["line"], body["valid"]) == (1, "v", False)
    assert {finding["status"] for finding in body["findings"]} == {"ok", "warning", "error"}


def test_without_a_file_or_with_a_wrong_one_it_is_bad_input(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate"]) == 2 and "give CONFIG" in capsys.readouterr().err
    (elsewhere / "line.yaml").write_text("lines: {}\n")
    assert main(["validate", "line.yaml"]) == 2 and "did you mean line" in capsys.readouterr().err


def test_it_prints_the_schema(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--schema"]) == 0
    assert "cameras" in json.loads(capsys.readouterr().out)["properties"]
