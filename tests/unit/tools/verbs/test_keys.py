"""`glassline keys` prints what to write into the config, and the line's config takes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pipeline.config.line import LineConfig
from pipeline.dashboard.users import read_users
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


def test_a_user_of_the_page_gets_a_token_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = tmp_path / "users.json"
    assert main(["keys", "user", "Ada", "--role", "operator", "--users", str(users), "--json"]) == 0
    token = json.loads(capsys.readouterr().out)["tokens"]["Ada"]
    found = read_users(users).by_token(token)
    assert found is not None and (found.name, found.role) == ("Ada", "operator")
    assert not (tmp_path / "user").exists() and main(["keys", "user", "Bob", "--role", "engineer", "--users", str(users)]) == 0
    assert capsys.readouterr().out.startswith("Bob, engineer: ")


def test_a_user_without_a_role_makes_no_keys_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keys", "user", "Ada"]) == 2
    assert "--role operator" in capsys.readouterr().err and not (tmp_path / "user").exists()


def test_a_role_without_the_word_user_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = tmp_path / "users.json"
    for words in ([str(tmp_path / "k"), "Ada", "--role", "operator"], ["user", "Ada"]):
        assert main(["keys", *words, "--users", str(users)]) == 2
        assert "keys user NAME --role" in capsys.readouterr().err
    assert not users.exists() and not (tmp_path / "k").exists()
