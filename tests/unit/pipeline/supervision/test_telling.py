"""One way to speak to a running line: what it publishes confirms, and where it does not, that is said."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.commands import Acknowledge, Answer, Bypass, Command, Reset
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.message import Message
from pipeline.messages.states import State
from pipeline.supervision.supervisor import runtime_folder
from tools.cli import main

Answers = Callable[[Message], dict[str, Any] | str]
"""How a word changes the line's heartbeat, or why it is refused."""


@contextmanager
def line(name: str, state: State, answers: Answers, **beat: Any) -> Iterator[list[Message]]:
    """What stands for a line of that name: its lock, its heartbeat, and how that changes with what it is told."""
    heard: list[Message] = []
    ended = threading.Event()
    link = ZmqLink(runtime_folder(name))
    inbox, air = link.inbox("supervisor"), link.broadcast("ipc://auto")
    common = {"number": 0, "generation": 0, "state": state, "inspection_ok": False, "t_mono_ns": 0}
    facts = {**common, "verdicts": 0, **beat}

    def run() -> None:
        while not ended.is_set():
            while received := inbox.receive():
                word = received[0]
                assert isinstance(word, Command)
                heard.append(word.model_copy(update={"ticket": ""}))
                changed = answers(word)
                if not isinstance(changed, str):
                    facts.update(changed)
                    air.publish(Heartbeat.model_validate(facts))
                if changed:
                    for ticket, refused in (
                        ("another", "not yours"),
                        (word.ticket, changed if isinstance(changed, str) else ""),
                    ):
                        air.publish(Answer(number=0, generation=0, ticket=ticket, refused=refused, t_mono_ns=0))
            if air.joined():
                air.publish(LineState.model_validate({**common, "detail": "recorder: disk full", "t_utc_ns": 0}))
            air.publish(Heartbeat.model_validate(facts))
            link.wait(10)

    thread = threading.Thread(target=run)
    with (runtime_folder(name) / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        try:
            yield heard
        finally:
            ended.set()
            thread.join()
            link.close()


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
    with line("l", state, lambda message: after, **before) as heard:
        assert main(command) == 0
    assert heard == [told]
    capsys.readouterr()
    with line("l", state, lambda message: "no roll runs", **before):
        assert main(command) == 1
    assert "refused: no roll runs" in capsys.readouterr().out
    with line("l", state, lambda message: {}, **before) as heard:  # it hears, and answers nothing
        assert main(command) == 1
    assert heard == [told]
    out, err = capsys.readouterr()
    body = json.loads(out)
    assert body["schema"] == 1 and f"after 0.5 s it is {state}: recorder: disk full" in (
        body.get("detail") or body["failed"]["l"]
    )
    assert body.get("answer") is None
    with line("l", state, lambda message: {}, **before):
        assert main([w for w in command if w != "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("glassline: ") and "recorder: disk full" in err and err.count("\n") == 1
