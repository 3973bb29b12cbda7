"""doctor prints what a machine is, and refuses one that cannot run a line."""

import argparse
import json
from pathlib import Path

import pytest

import pipeline
from glass_core.errors import MissingError
from pipeline.supervision.machine.examination import Machine
from pipeline.supervision.machine.part import Part
from tests.specimens import FOLDER
from tools.cli import main
from tools.verbs import doctor


@pytest.mark.parametrize("able", [True, False])
def test_the_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], able: bool) -> None:
    names = ["openvino", "opencv", "ipc folder"] if able else ["opencv"]
    machine = Machine(parts=tuple(Part(name=name, status="ok", text="") for name in names))
    monkeypatch.setattr(pipeline, "examine", lambda: machine)
    parser = argparse.ArgumentParser()
    doctor.add(parser.add_subparsers())
    args = parser.parse_args(["doctor", "--json"])
    if able:
        assert args.func(args) == 0
    else:
        with pytest.raises(MissingError, match=r"^a line cannot run, this machine, no engine: pip install"):
            args.func(args)
    body = json.loads(capsys.readouterr().out)
    assert list(body) == ["schema", "can_run", "missing", "parts"]
    assert (body["schema"], body["can_run"], [p["name"] for p in body["parts"]]) == (1, able, names)
    args = parser.parse_args(["doctor"])
    if able:
        args.func(args)
        assert "openvino" in capsys.readouterr().out


def test_a_part_is_one_line_however_long_where_stdout_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    parts = tuple(Part(name=name, status="ok", text=f"[{name}] " + "/very/long" * 40) for name in ("weights", "disk"))
    doctor.answers().print(doctor.table(Machine(parts=parts)))
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip().endswith(p.text) for line, p in zip(lines, parts, strict=True)] == [True, True]


def test_a_path_is_told_with_its_schema_and_the_exit_status_says_whether_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = FOLDER / "threshold-card-3.json"
    assert main(["doctor", str(card)]) == 0
    assert capsys.readouterr().out.startswith("threshold card, schema 3: of ")
    later = tmp_path / "card.json"
    later.write_text(card.read_text().replace('"schema": 3', '"schema": 4'))
    assert main(["doctor", str(later), "--json"]) == 1
    said = capsys.readouterr()
    body = json.loads(said.out)
    assert (body["schema"], body["kind"], body["file_schema"], body["reads"]) == (1, "threshold card", 4, False)
    assert body["path"] == str(later) in said.err and said.err.count("\n") == 1
    (tmp_path / "letter").write_text("Dear sirs")
    assert main(["doctor", str(tmp_path / "letter")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("glassline: nothing that this program") and said.err.count("\n") == 1
