"""`glassline page` says no before it opens a port."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeline.ledger.store import Ledger
from tools.cli import main


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    Ledger(tmp_path / "ledger.sqlite", {"line": "loom", "config": {}}, run_id="r").close()
    return tmp_path / "ledger.sqlite"


@pytest.mark.parametrize(
    "bind", ["8420", "127.0.0.1:", ":8420", "127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:²", "127.0.0.1:٣"]
)
def test_no_address_is_said(ledger: Path, bind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page", str(ledger), "--bind", bind]) == 2
    assert "give ADDRESS:PORT" in capsys.readouterr().err


def test_no_token_crosses_a_network_as_plain_text(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page", str(ledger), "--bind", "0.0.0.0:0"]) == 2
    assert "--tls CERT KEY" in capsys.readouterr().err


def test_a_certificate_that_is_none_is_said(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page", str(ledger), "--bind", "0.0.0.0:0", "--tls", str(ledger), str(ledger)]) == 2
    assert "certificate and key not usable" in capsys.readouterr().err


def test_an_address_in_use_is_said(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["page", str(ledger), "--bind", f"127.0.0.1:{taken.getsockname()[1]}"]) == 2
    assert "address not free" in capsys.readouterr().err


def test_no_ledger_and_no_config_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in (tmp_path, tmp_path / "x.sqlite", tmp_path / "x.yaml"):
        assert main(["page", str(what)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
