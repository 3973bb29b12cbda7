"""`glassline keys` prints what to write into the config, and the line's config takes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pipeline.config.line import LineConfig
from pipeline.link.keys import read_keys
from tools.cli import main


def test_what_it_prints_is_a_config_that_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "the line's: keys"
    assert main(["keys", str(folder), "plc", "office"]) == 0
    said = capsys.readouterr().out
    section = yaml.safe_load(said[said.index("  outputs:") : said.index("for plc:")].replace("ADDRESS:PORT", "10.0.0.1:5555"))
    publisher = LineConfig.model_validate(section).publisher
    assert publisher.bind == "tcp://10.0.0.1:5555" and publisher.keys is not None
    assert len(read_keys(publisher.keys).clients) == 2
    assert all(f"take {name}.key_secret and server.key there" in said for name in ("plc", "office"))
    secrets = [p.read_text().split('secret-key = "')[1][:40] for p in folder.glob("*.key_secret")]
    assert len(secrets) == 3 and not any(secret in said for secret in secrets)


def test_it_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", str(tmp_path / "k"), "plc", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["made"]) == 4
    assert main(["keys", str(tmp_path / "k"), "plc"]) == 2
    assert "already there" in capsys.readouterr().err
