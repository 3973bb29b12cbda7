"""What stands for a running line: its lock, its state and heartbeat, and how it answers what it is told."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.message import Message
from pipeline.messages.states import State
from pipeline.supervision.supervisor import runtime_folder

FAULT = "recorder: disk full"


@contextmanager
def stand_in(
    name: str,
    state: State,
    answers: Callable[[Message], dict[str, Any]],
    says: Callable[[Message], Sequence[Message]] = lambda message: (),
    detail: str = FAULT,
    **beat: Any,
) -> Iterator[list[Message]]:
    """A line of that name; what it is told changes its heartbeat by `answers`, after what it `says`. Yields what it heard."""
    heard: list[Message] = []
    ended = threading.Event()
    link = ZmqLink(runtime_folder(name))
    inbox, air = link.inbox("supervisor"), link.broadcast("ipc://auto")
    common = {"number": 0, "generation": 0, "state": state, "inspection_ok": False, "t_mono_ns": 0}
    facts = {**common, "verdicts": 0, **beat}

    def run() -> None:
        while not ended.is_set():
            while received := inbox.receive():
                heard.append(received[0])
                for message in says(received[0]):
                    air.publish(message)
                facts.update(answers(received[0]))
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
