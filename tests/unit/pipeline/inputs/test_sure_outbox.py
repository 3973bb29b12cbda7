"""Contacts on their way to a decision that dies: each is heard by it or by its successor."""

from __future__ import annotations

import pytest

from pipeline.config.inputs import ContactConfig
from pipeline.decision.cloth import Cloth, ClothTerms
from pipeline.inputs.sure_outbox import HEARTBEATS, SureOutbox
from pipeline.messages.cloth import Contact, Roll, SpanEvent
from pipeline.messages.line import Heartbeat
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState, State
from pipeline.outputs.publisher import Publisher
from tests.fakes import Box

STATUS = Status(role="input", name="i", generation=0, state=StageState.READY)


def contact(t_mono_ns: int) -> Contact:
    return Contact(name="seam", t_mono_ns=t_mono_ns)


class Bench:
    def __init__(self) -> None:
        self.decision, self.heard = Box(), Box()
        self.outbox = SureOutbox(self.decision, self.heard)
        self.beat(0)

    def beat(self, generation: int, times: int = 1) -> None:
        for _ in range(times):
            beat = Heartbeat(number=0, generation=generation, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0)
            self.heard.send(beat)
        self.outbox.send(STATUS)

    @property
    def told(self) -> list[int]:
        return [c.t_mono_ns for c in self.decision.take(Contact)]


@pytest.mark.parametrize(("beats", "again"), [(0, [7, 9]), (HEARTBEATS - 1, [7, 9]), (HEARTBEATS, [])])
def test_what_a_dead_decision_may_not_have_heard_is_said_again(beats: int, again: list[int]) -> None:
    bench = Bench()
    assert bench.outbox.send(contact(7)) and bench.outbox.send(contact(9))
    assert bench.told == [7, 9]
    bench.beat(0, beats)
    assert bench.told == []
    bench.beat(1)
    assert bench.told == again
    bench.beat(1, HEARTBEATS)
    bench.beat(2)
    assert bench.told == []


def test_what_was_to_be_said_again_comes_first_once_decision_can_be_reached() -> None:
    bench = Bench()
    bench.outbox.send(contact(7))
    bench.decision.queue.clear()
    bench.decision.room = 0
    bench.beat(1)
    assert not bench.outbox.send(contact(9))
    bench.decision.room = 99
    assert bench.outbox.send(contact(9))
    assert bench.told == [7, 9]


def test_one_that_starts_among_others_takes_no_generation_for_a_restart() -> None:
    bench = Bench()
    late = SureOutbox(bench.decision, bench.heard)
    late.send(contact(7))
    bench.heard.send(Heartbeat(number=0, generation=4, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0))
    late.send(STATUS)
    assert bench.told == [7]


def handle(contact: Contact, says: str, generation: int, now_ns: int) -> Roll | SpanEvent:
    """What a decision publishes of it."""
    told = Box()
    body = {"name": "seam", "address": 0, "says": says, "length_mm": None if says == "ROLL" else 30.0}
    seam = ContactConfig.model_validate(body)
    cloth = Cloth(
        ClothTerms("R-0001", contacts={"seam": seam}), told.publish, Publisher(Box(), generation), generation, lambda: 0
    )
    cloth.closed(contact, 500.0, now_ns)
    word = told.queue.pop()[0]
    assert isinstance(word, Roll | SpanEvent)
    return word


@pytest.mark.parametrize("says", ["ROLL", "SEAM"])
def test_what_a_dead_decision_has_published_of_is_not_said_again(says: str) -> None:
    bench = Bench()
    bench.outbox.send(contact(7))
    bench.outbox.send(contact(9))
    assert bench.told == [7, 9]
    receipt = handle(contact(7), says, 0, 12)
    for _ in range(1 + (says == "ROLL")):  # the present roll is told again to newcomers
        bench.heard.send(receipt)
    bench.beat(1)
    assert bench.told == [9]


@pytest.mark.parametrize("says", ["ROLL", "SEAM"])
def test_a_word_from_before_a_contact_is_no_receipt_for_it(says: str) -> None:
    bench = Bench()
    bench.heard.send(handle(contact(3), says, 0, 6))
    bench.outbox.send(contact(7))
    bench.heard.send(handle(contact(3), says, 0, 6))
    bench.beat(1)
    assert bench.told == [7, 7]


def test_a_receipt_that_comes_late_still_counts_while_decision_cannot_be_reached() -> None:
    bench = Bench()
    bench.outbox.send(contact(7))
    bench.decision.queue.clear()
    bench.decision.room = 0
    bench.beat(1)
    bench.heard.send(handle(contact(7), "ROLL", 0, 8))
    bench.decision.room = 99
    bench.beat(1)
    assert bench.told == []
