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


class NotConfirmed(Exception):
    """A running line did not say that it has done what it was told; says how it is instead."""


def tell(config: LineConfig, message: Message, confirms: Callable[[Message], bool]) -> Message:
    """Send it, and wait for the published message that confirms it.

    `confirms` is shown all that the line publishes, from how it was before on. Raises NotConfirmed where no message
    confirms it in time, InputError where no such line runs.
    """
    if not is_running(config.line.name):
        raise InputError(f"no such line runs, {config.line.name}, start it with `glassline run`")
    end_s = time.monotonic() + ANSWER_S
    shown = ""
    with closing(ZmqLink(runtime_folder(config.line.name))) as link:
        heard = link.subscribe(config.publisher.bind)
        supervisor = link.outbox("supervisor")
        sent = False
        while time.monotonic() < end_s:
            while received := heard.receive():
                answer = received[0]
                if confirms(answer) and sent:
                    return answer
                if isinstance(answer, LineState):
                    shown = f"it is {answer.state}: {answer.detail}".rstrip(": ")
                # A line tells each newcomer its state; once that is heard, its answer will be, too.
                sent = sent or (bool(shown) and supervisor.send(message))
            link.wait(50)
    raise NotConfirmed(f"after {ANSWER_S:g} s {shown or 'it says nothing'}")
