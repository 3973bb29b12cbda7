"""`glassline soak` answers by its exit status, in words, as JSON and as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.supervision.soaking import SAMPLES, Soaked
from tests.unit.pipeline.supervision.test_soaking import soaked, written
from tools.cli import main
from tools.verbs import soak as verb


@pytest.fixture
def line(tmp_path: Path) -> str:
    (tmp_path / "line.yaml").write_text("line: {name: l}\n")
    return str(tmp_path / "line.yaml")


def instead(monkeypatch: pytest.MonkeyPatch, handles_per_day: float, **more: Any) -> None:
    def soak(config: object, minutes: float, out: Path, report: object) -> Soaked:
        per_day = {"worker_of_handles": handles_per_day, "decision_of_handles": 0.0, "line_of_p99_ms": 0.0}
        return soaked(written(out, **per_day), **{"minutes": minutes, **more})

    monkeypatch.setattr(verb, "soak", soak)


@pytest.mark.parametrize(("per_day", "restarts", "status"), [(0.0, {}, 0), (50.0, {}, 1), (0.0, {"a": 2}, 1)])
def test_what_it_answers(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    per_day: float, restarts: dict[str, int], status: int,
) -> None:  # fmt: skip
    instead(monkeypatch, per_day, restarts=restarts)
    out = tmp_path / "out"
    assert main(["soak", line, "--minutes", "7", "--out", str(out)]) == status
    said = capsys.readouterr().out
    assert ("NOT STEADY" in said) == bool(status) and "7 minutes" in said
    assert ("a was started again 2 times" in said) == bool(restarts)
    assert "worker handles" in said and ("decision handles" in said) == (per_day == 0)
    assert (out / "soak.png").read_bytes().startswith(b"\x89PNG")
    assert main(["soak", line, "--out", str(out)]) == 2  # it is not empty
    assert main(["soak", line, "--out", str(out), "--replace", "--json"]) == status
    assert json.loads(capsys.readouterr().out) == json.loads((out / "soak.json").read_text())


def test_the_folder_of_something_else_stays(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, 0.0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    assert main(["soak", line, "--out", str(tmp_path / "mine"), "--replace"]) == 2
    assert (tmp_path / "mine" / "file").exists() and not (tmp_path / "mine" / SAMPLES).exists()
