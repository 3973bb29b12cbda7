"""`glassline outputs` refuses what cannot be done with one line each."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools.cli import main


@pytest.mark.parametrize(
    ("word", "outputs", "told"),
    [
        ("test", [{"kind": "publisher"}], "no outputs to test"),
        ("reset", [{"kind": "publisher"}], "no such line runs, nobody"),
        ("acknowledge", [{"kind": "publisher"}], "no such line runs, nobody"),
        ("test", [{"kind": "publisher"}, {"kind": "modbus"}], "missing key outputs[1].host, "),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, outputs: list[dict[str, str]], told: str
) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(yaml.safe_dump({"line": {"name": "nobody"}, "outputs": outputs}))
    assert main(["outputs", word, str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("glassline: ") and told in line
