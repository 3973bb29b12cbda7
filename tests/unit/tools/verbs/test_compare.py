"""A comparison leaves nothing behind where it fails, and prints whole paths."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from pipeline.report.comparing import Comparison
from tools.cli import main
from tools.verbs.compare import show
from tools.verbs.display import answers


def test_a_comparison_that_fails_leaves_no_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("temporary", "a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "card.json").write_text("{}")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for a in ("a", "a/card.json"):  # a model without a card, and a card that is none
        assert main(["compare", str(tmp_path / a), str(tmp_path / "b"), str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("glassline: ") == 2
    assert list((tmp_path / "temporary").iterdir()) == []


def test_paths_are_whole_where_stdout_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    origin, picture, out = (f"/{name}/" + "deep [1]/" * 30 + name for name in ("origin", "picture", "out"))
    flip = {"camera": "a", "frame": 3, "origin": origin, "a": "PASS", "b": "DEFECT", "score_a": 0.1, "score_b": 0.9}
    found = Comparison.model_validate(
        {
            "accepted": False, "a": "a", "b": "b", "out": out, "frames": 9, "flips": [{**flip, "picture": picture}],
            "score_shift": {"q50": 0.1, "q99": 0.2, "most": 0.8, "frames": 9},
            "defects": {"a": 0, "b": 1, "only_a": 0, "only_b": 1},
        }
    )  # fmt: skip
    show(found, answers())
    printed = capsys.readouterr().out
    assert sum(f"a 3 {origin}" in line and picture in line for line in printed.splitlines()) == 1
    assert printed.endswith(f"records: {out}\n")
