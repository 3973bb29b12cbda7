"""A word to a running line, and what it answers."""

from __future__ import annotations

import secrets
import time
from contextlib import closing

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.link.protocol import portion
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.commands import Answer, Command
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.supervision.runtime_folder import is_running, runtime_folder

ANSWER_S = 3.0
"""A line that runs answers within a step of decision."""


class NotConfirmed(Exception):
    """A running line has not done what it was told: it says why, or how it is where it does not answer."""


def tell(config: LineConfig, word: Command) -> list[Message]:
    """Send a word: what the line has published, from its state before the word to its answer.

    The state that the word made comes just before the answer, which is last. Raises NotConfirmed where the line refuses the
    word or does not answer in time, InputError where no such line runs.
    """
    word = word.model_copy(update={"ticket": secrets.token_hex(8)})
    if not is_running(config.line.name):
        raise InputError(f"no such line runs, {config.line.name}, start it with `glassline run`")
    end_s = time.monotonic() + ANSWER_S
    shown = ""
    with closing(ZmqLink(runtime_folder(config.line.name))) as link:
        heard = link.subscribe(config.publisher.bind)
        supervisor = link.outbox("supervisor")
        sent, said = False, list[Message]()
        while time.monotonic() < end_s:
            for message, _ in portion(heard):
                said.append(message)
                if isinstance(message, Answer) and message.ticket == word.ticket:
                    if message.refused:
                        raise NotConfirmed(f"refused: {message.refused}")
                    return said
                if isinstance(message, LineState):
                    shown = f"it is {message.state}: {message.detail}".rstrip(": ")
                # A line tells each newcomer its state; once that is heard, its answer will be, too.
                sent = sent or (bool(shown) and supervisor.send(word))
            link.wait(50)
    why = "not answered, see whether it was done or say it again" if sent else "not said"
    raise NotConfirmed(f"{why}: after {ANSWER_S:g} s {shown or 'it says nothing'}")
