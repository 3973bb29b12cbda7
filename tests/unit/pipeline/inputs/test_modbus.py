"""Contacts: bounces are no edges, and a closing is an event or a roll at the place where the cloth was then."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.config.inputs import ContactConfig
from pipeline.config.line import LineConfig
from pipeline.decision.cloth import ClothTerms
from pipeline.inputs.modbus import Edge
from pipeline.messages.cloth import Contact, Roll, SpanEvent
from pipeline.messages.commands import RollStart
from pipeline.messages.states import EventAction, EventKind
from tests.decision_bench import Bench

MS = 1_000_000


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 5))
def test_an_edge_is_a_closing_that_lasts(reads: list[bool], debounce: int) -> None:
    edge = Edge(debounce)
    found = [(t, since) for t, closed in enumerate(reads) if (since := edge.read(closed, t)) is not None]
    expected, settled = [], reads[0]
    for t, closed in enumerate(reads):
        since = next(s for s in range(t, -1, -1) if s == 0 or reads[s - 1] is not closed)
        if closed is not settled and t - since >= debounce:
            settled = closed
            if closed:
                expected.append((t, since))
    assert found == expected


CONTACTS = {
    "seam": ContactConfig(name="seam", address=0, says=EventKind.SEAM, length_mm=40.0, y_offset_mm=-10.0),
    "doff": ContactConfig(name="doff", address=1, says="ROLL", y_offset_mm=5.0),
}


def test_a_closing_is_placed_where_the_web_was_then() -> None:
    bench = Bench(cloth=ClothTerms("R-9", "twill", contacts=CONTACTS))
    bench.move(1000.0, speed_mm_s=500.0, now_ns=200 * MS)
    bench.inbox.send(Contact(name="seam", t_mono_ns=180 * MS))  # 20 ms and 10 mm before the cloth's last word
    bench.inbox.send(Contact(name="doff", t_mono_ns=200 * MS))
    bench.inbox.send(Contact(name="unknown", t_mono_ns=200 * MS))
    bench.decision.step(210 * MS)
    (event,) = bench.air.take(SpanEvent)
    assert (event.kind, event.action, event.start_mm, event.end_mm, event.cause) == (
        EventKind.SEAM, EventAction.RECORD, 980, 1020, "contact seam",
    )  # fmt: skip
    begun = bench.air.take(Roll)[-1]
    assert (begun.roll_id, begun.style, begun.start_mm, begun.cause) == ("R-10", "twill", 1005, "contact doff")


def test_after_the_end_of_a_roll_the_next_one_counts_on_from_it() -> None:
    bench = Bench(cloth=ClothTerms("R-9", contacts=CONTACTS))
    bench.move(0.0)
    for word in (RollStart(at_mm=50.0), Contact(name="doff", t_mono_ns=1_000 * MS)):
        bench.inbox.send(word)
    bench.decision.step(1_000 * MS)
    assert [(r.roll_id, r.start_mm) for r in bench.air.take(Roll)] == [("R-9", 0), ("", 50), ("R-10", 105)]


def inputs(**change: Any) -> dict[str, Any]:
    contact = {"name": "seam", "address": 0, "says": "SEAM", "length_mm": 300}
    return {"inputs": [{"kind": "modbus", "host": "10.0.0.5", "contacts": [contact]} | change]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (inputs(contacts=[]), "at least 1 item"),
        (inputs(contacts=[{"name": "s", "address": 0, "says": "SEAM"}]), "needs length_mm"),
        (inputs(contacts=[{"name": "s", "address": 0, "says": "ROLL", "length_mm": 3}]), "a ROLL has none"),
        (inputs(contacts=[{"name": "s", "address": 0, "says": "HOLE", "length_mm": 3}]), "'SEAM'"),
        (inputs(table="holding"), "`bit` is for the registers"),
        (inputs(name="worker"), "names must differ"),
        ({"inputs": inputs()["inputs"] * 2}, "names must differ"),
        ({"inputs": [*inputs()["inputs"], *inputs(name="more")["inputs"]]}, "contacts' names must differ"),
    ],
)
def test_contacts_that_cannot_be_are_refused(body: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LineConfig.model_validate(body)
