"""`glassline outputs`, and the answers of `tell` that it gave before: what cannot be done is refused on one line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.messages.actions import Action
from pipeline.messages.message import Message
from pipeline.messages.states import ActionKind, Cause, Phase, State
from tests.line_stand_in import stand_in
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


@pytest.mark.parametrize(
    ("word", "after", "said", "facts"),
    [
        ("acknowledge", {"unacknowledged": ()}, "1 stop acknowledged", {"stops": 1, "lamps": 0}),
        (
            "reset",
            {"state": State.DEGRADED},
            "FAULT reset: recorder: disk full; the line is DEGRADED",
            {"fault": "recorder: disk full", "unlike": "", "now": "DEGRADED"},
        ),
    ],
)
def test_it_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, after: dict[str, Any], said: str, facts: dict[str, Any]
) -> None:
    def told(message: Message) -> list[Action]:
        done = {"kind": ActionKind.STOP, "cause": Cause.DEFECT, "phase": Phase.ACKNOWLEDGED}
        return [Action.model_validate(done | dict.fromkeys(("number", "generation", "event", "t_mono_ns"), 0))]

    path = tmp_path / "line.yaml"
    path.write_text("line: {name: l}\n")
    for json_wanted in (False, True):
        with stand_in("l", State.FAULT, lambda message: after, told, unacknowledged=("STOP",)):
            assert main(["tell", str(path), *(["--json"] if json_wanted else []), word]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        if json_wanted:
            assert json.loads(out) == {"schema": 1, "did": word, "pulsed": {}, "failed": {}, **facts}
        else:
            assert out == f"{said}\n"


def test_the_old_name_is_answered_and_says_the_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "line.yaml"
    path.write_text("line: {name: l}\n")
    with stand_in("l", State.FAULT, lambda message: {"state": State.DEGRADED}):
        assert main(["outputs", "reset", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("FAULT reset") and err.count("\n") == 1 and f"glassline tell {path} reset" in err
