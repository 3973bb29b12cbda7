"""The command line's promises: one line for every refusal, the exit status, and nothing loaded that is not needed."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from glass_core.engines.canary import EngineFault
from glass_core.errors import InputError, MissingError, NotAccepted
from pipeline.supervision.supervisor import LineFailed
from tests.shared_data import ROOT
from tools import cli


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "VERB"),
        (["weave"], "invalid choice"),
        (["replay"], "SOURCE"),
        (["replay", "x", "--model", "y", "--speed", "9"], "--speed"),
        (["run", "x", "--frames", "3", "--seconds", "4"], "not allowed with"),
    ],
)
def test_wrong_usage_is_one_line_and_two(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    err = capsys.readouterr().err
    assert left.value.code == 2 and err.startswith("glassline: ") and said in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (InputError("a, b, c"), 2),
        (NotAccepted("a, b, c"), 1),
        (MissingError("a, b, c"), 3),
        (EngineFault("no finite score"), 1),
        (LineFailed("worker failed 4 times in a minute", 1), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_expected_failures_become_a_line_and_a_status(
    failure: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise failure

    monkeypatch.setattr("tools.verbs.replay.run", fail)
    assert cli.main(["replay", "x", "--model", "y"]) == status
    assert capsys.readouterr().err.startswith("glassline: ")


@pytest.mark.full
@pytest.mark.parametrize(
    "module",
    [
        "pipeline.grabber.stage",
        "pipeline.decision.stage",
        "pipeline.ledger.stage",
        "pipeline.cameras.replay",
        "tools.verbs.camera",
        "tools.verbs.record",
        "tools.verbs.validate",
        "pipeline.supervision.recording",
        "pipeline.supervision.machine.examination",
        "tools.verbs.evaluate",
    ],
)
def test_torch_is_loaded_only_where_it_is_used(module: str) -> None:
    code = f"import sys, {module}, pipeline.supervision.process; sys.exit('torch' in sys.modules or 'openvino' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_every_verb_has_help() -> None:
    for verb in cli.VERBS:
        with pytest.raises(SystemExit) as left:
            cli.parser([verb]).parse_args([verb, "--help"])
        assert left.value.code == 0
