"""A way to decision on which no contact is lost with a decision that dies, or hangs and is killed, before it has heard it."""

from __future__ import annotations

from collections import deque

from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.messages.cloth import Contact, Roll, SpanEvent
from pipeline.messages.line import Heartbeat
from pipeline.messages.message import Message, Payload

HEARTBEATS = 5
"""So many steps of decision after it was sent a contact is heard: each step hears all that waits, 64 messages at most."""
MAX_UNSURE = 64


class SureOutbox:
    """Says a contact again to the decision that comes after the one that may not have heard it.

    `heard` brings decision's heartbeats, rolls and events: what it publishes of a contact is the receipt for it.
    """

    def __init__(self, decision: Outbox, heard: Inbox) -> None:
        self._decision, self._heard = decision, heard
        self._generation = -1
        self._unsure: deque[tuple[Contact, int]] = deque(maxlen=MAX_UNSURE)
        """With how many heartbeats were heard since."""
        self._again: deque[Contact] = deque(maxlen=MAX_UNSURE)
        self._roll: Roll | None = None
        """The last one that was a receipt; decision tells its present roll again whenever somebody joins."""

    def send(self, message: Message, *payloads: Payload) -> bool:
        """See Outbox; a stage's Status, which it tells each second, is the occasion to hear how decision is."""
        for heard, _ in portion(self._heard):
            match heard:
                case Heartbeat():
                    self._hear(heard)
                case Roll() | SpanEvent() if heard != self._roll:
                    self._take(heard)
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

    def _take(self, receipt: Roll | SpanEvent) -> None:
        """The oldest contact that it can be of is sure; a word from before that contact is of another."""
        waiting = [*self._again, *(contact for contact, _ in self._unsure)]
        for contact in sorted(waiting, key=lambda c: c.t_mono_ns):
            if receipt.cause == f"contact {contact.name}" and receipt.t_mono_ns >= contact.t_mono_ns:
                self._roll = receipt if isinstance(receipt, Roll) else self._roll
                self._again = deque((c for c in self._again if c is not contact), MAX_UNSURE)
                self._unsure = deque(((c, beats) for c, beats in self._unsure if c is not contact), MAX_UNSURE)
                return
