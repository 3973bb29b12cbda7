"""A way to decision on which no contact is lost with a decision that dies, or hangs and is killed, before it has heard it."""

from __future__ import annotations

from collections import deque

from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.messages.cloth import Contact
from pipeline.messages.line import Heartbeat
from pipeline.messages.message import Message, Payload

HEARTBEATS = 5
"""So many steps of decision after it was sent a contact is heard: each step hears all that waits, 64 messages at most."""
MAX_UNSURE = 64


class SureOutbox:
    """Says a contact again to the decision that comes after the one that may not have heard it; `heard` brings heartbeats.

    One that was heard and then said again begins its roll or event at the same place: it carries its time.
    """

    def __init__(self, decision: Outbox, heard: Inbox) -> None:
        self._decision, self._heard = decision, heard
        self._generation = -1
        self._unsure: deque[tuple[Contact, int]] = deque(maxlen=MAX_UNSURE)
        """With how many heartbeats were heard since."""
        self._again: deque[Contact] = deque(maxlen=MAX_UNSURE)

    def send(self, message: Message, *payloads: Payload) -> bool:
        """See Outbox; a stage's Status, which it tells each second, is the occasion to hear how decision is."""
        for heartbeat, _ in portion(self._heard):
            if isinstance(heartbeat, Heartbeat):
                self._hear(heartbeat)
        while self._again and self._decision.send(self._again[0]):
            self._unsure.append((self._again.popleft(), 0))
        if self._again and isinstance(message, Contact):  # in their order
            return False
        sent = self._decision.send(message, *payloads)
        if sent and isinstance(message, Contact):
            self._unsure.append((message, 0))
        return sent

    def _hear(self, heartbeat: Heartbeat) -> None:
        if heartbeat.generation > self._generation >= 0:
            self._again.extend(contact for contact, _ in self._unsure)
            self._unsure.clear()
        self._generation = max(self._generation, heartbeat.generation)
        counted = [(contact, beats + 1) for contact, beats in self._unsure if beats + 1 < HEARTBEATS]
        self._unsure = deque(counted, MAX_UNSURE)
