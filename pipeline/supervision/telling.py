"""A word to a running line, and the answer that confirms it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.supervision.supervisor import is_running, runtime_folder

ANSWER_S = 3.0
"""A line that runs confirms within a step of decision."""


def tell(config: LineConfig, message: Message, confirms: Callable[[Message], bool]) -> Message | str:
    """Send it, and wait for the published message that confirms it; where none comes, how the line is instead.

    Raises InputError where no such line runs.
    """
    if not is_running(config.line.name):
        raise InputError(f"no such line runs, {config.line.name}, start it with `glassline run`")
    end_s = time.monotonic() + ANSWER_S
    shown = "it says nothing"
    with closing(ZmqLink(runtime_folder(config.line.name))) as link:
        heard = link.subscribe(config.publisher.bind)
        supervisor = link.outbox("supervisor")
        sent = False
        while time.monotonic() < end_s:
            while received := heard.receive():
                if sent and confirms(received[0]):
                    return received[0]
                if isinstance(received[0], LineState):
                    shown = f"it is {received[0].state}: {received[0].detail}".rstrip(": ")
                # Once the line is heard, its answer will be, too.
                sent = sent or supervisor.send(message)
            link.wait(50)
    return f"after {ANSWER_S:g} s {shown}"
