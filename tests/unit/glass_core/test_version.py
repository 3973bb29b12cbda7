"""One version, on the command line and in the record, also of a program that is not installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from glass_core import version
from pipeline.config.line import LineConfig
from pipeline.ledger.facts import run_facts
from tools.cli import parser


@pytest.mark.parametrize("installed", [True, False])
def test_the_command_line_and_the_record_name_the_same_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, installed: bool
) -> None:
    def look_up(name: str) -> str:
        if not installed:
            raise PackageNotFoundError(name)
        return f"9.8 of {name}"

    monkeypatch.setattr(version, "version", look_up)
    with pytest.raises(SystemExit):
        parser(["doctor"]).parse_args(["--version"])
    told = "9.8 of glassline" if installed else "source"
    assert capsys.readouterr().out == f"glassline {told}\n"
    assert run_facts(LineConfig(), tmp_path)["version"] == told
