"""What stands for a running line: its lock, its state and heartbeat, and how it answers what it is told."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.commands import Answer, Command
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.message import Message
from pipeline.messages.states import State
from pipeline.supervision.runtime_folder import runtime_folder

FAULT = "recorder: disk full"


@contextmanager
def stand_in(
    name: str,
    state: State,
    answers: Callable[[Command], dict[str, Any] | str | None],
    says: Callable[[Message], Sequence[Message]] = lambda message: (),
    detail: str = FAULT,
    **beat: Any,
) -> Iterator[list[Message]]:
    """A line of that name; yields what it was told.

    Each word changes its heartbeat by `answers`, after what it `says`; in a text it refuses, with None it does not answer.
    """
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
                for message in says(word):
                    air.publish(message)
                if (answer := answers(word)) is None:
                    continue
                if isinstance(answer, dict):
                    facts.update(answer)
                air.publish(Heartbeat.model_validate(facts))
                refused = answer if isinstance(answer, str) else ""
                for ticket, why in (("another", "not yours"), (word.ticket, refused)):
                    air.publish(Answer(number=0, generation=0, ticket=ticket, refused=why, t_mono_ns=0))
            if air.joined():
                air.publish(LineState.model_validate({**common, "detail": detail, "t_utc_ns": 0}))
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
