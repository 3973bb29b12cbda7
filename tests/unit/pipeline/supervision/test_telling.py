"""One way to speak to a running line: what it publishes confirms, and where it does not, that is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.messages.commands import Acknowledge, Bypass, Reset
from pipeline.messages.message import Message
from pipeline.messages.states import State
from tests.line_stand_in import stand_in
from tools.cli import main


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("pipeline.supervision.telling.ANSWER_S", 0.5)
    path = tmp_path / "line.yaml"
    path.write_text("line: {name: l}\n")
    return path


@pytest.mark.parametrize(
    ("words", "told", "state", "before", "after"),
    [
        (["tell", "bypass", "on"], Bypass(on=True), State.FAULT, {}, {"bypass": True}),
        (["tell", "bypass", "off"], Bypass(on=False), State.BYPASS, {"bypass": True}, {"bypass": False}),
        (["tell", "reset"], Reset(), State.FAULT, {}, {"state": State.DEGRADED}),
        (["tell", "acknowledge"], Acknowledge(), State.RUNNING, {"unacknowledged": ("LAMP",)}, {"unacknowledged": ()}),
        (["outputs", "reset"], Reset(), State.FAULT, {}, {"state": State.DEGRADED}),
        (
            ["outputs", "acknowledge"],
            Acknowledge(),
            State.RUNNING,
            {"unacknowledged": ("STOP",)},
            {"unacknowledged": ()},
        ),
    ],
)
def test_a_word_is_done_when_the_line_says_so_and_not_before(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: Message,
    state: State,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    verb, *rest = words
    command = [verb, str(config), "--json", *rest] if verb == "tell" else [verb, *rest, str(config), "--json"]
    with stand_in("l", state, lambda message: after, **before) as heard:
        assert main(command) == 0
    assert heard == [told]
    capsys.readouterr()
    with stand_in("l", state, lambda message: "no roll runs", **before):
        assert main(command) == 1
    assert "refused: no roll runs" in capsys.readouterr().out
    with stand_in("l", state, lambda message: None, **before) as heard:  # it hears, and answers nothing
        assert main(command) == 1
    assert heard == [told]
    out, err = capsys.readouterr()
    body = json.loads(out)
    assert body[
        "schema"
    ] == 1 and f"not answered, see whether it was done or say it again: after 0.5 s it is {state}: recorder: disk full" in (
        body.get("detail") or body["failed"]["l"]
    )
    assert body.get("answer") is None
    with stand_in("l", state, lambda message: None, **before):
        assert main([w for w in command if w != "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("glassline: ") and "recorder: disk full" in err and err.count("\n") == 1
