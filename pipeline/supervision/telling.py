"""A word to a running line, and what it answers."""

from __future__ import annotations

import secrets
import time
from contextlib import closing

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.commands import Answer, Command
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.supervision.supervisor import is_running, runtime_folder

ANSWER_S = 3.0
"""A line that runs answers within a step of decision."""


def tell(config: LineConfig, word: Command, made: type[Message]) -> Message | str:
    """Send a word, and wait for its own answer: the state that it `made`, as published, or in text why there is none.

    The line refuses it, or does not answer; then the text says how the line is. Raises InputError where no such line runs.
    """
    word = word.model_copy(update={"ticket": secrets.token_hex(8)})
    if not is_running(config.line.name):
        raise InputError(f"no such line runs, {config.line.name}, start it with `glassline run`")
    end_s = time.monotonic() + ANSWER_S
    shown = "it says nothing"
    with closing(ZmqLink(runtime_folder(config.line.name))) as link:
        heard = link.subscribe(config.publisher.bind)
        supervisor = link.outbox("supervisor")
        sent, state = False, None
        while time.monotonic() < end_s:
            while received := heard.receive():
                message = received[0]
                if isinstance(message, made):
                    state = message
                if isinstance(message, Answer) and message.ticket == word.ticket:
                    # The line publishes what a word made, and then its answer: no other word comes between.
                    return f"refused: {message.refused}" if message.refused or state is None else state
                if isinstance(message, LineState):
                    shown = f"it is {message.state}: {message.detail}".rstrip(": ")
                # Once the line is heard, its answer will be, too.
                sent = sent or supervisor.send(word)
            link.wait(50)
    return f"after {ANSWER_S:g} s {shown}"
