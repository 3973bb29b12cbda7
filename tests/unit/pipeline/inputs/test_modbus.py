"""Contacts: bounces are no edges, and a closing is an event or a roll at the place where the cloth was then."""

import struct
from itertools import groupby
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.config.inputs import ContactConfig, ModbusInputConfig
from pipeline.config.line import LineConfig
from pipeline.decision.cloth import ClothTerms
from pipeline.devices.cycle import Cycle
from pipeline.inputs.modbus import Edge, ModbusInput
from pipeline.messages.cloth import Contact, Roll, SpanEvent
from pipeline.messages.commands import RollStart
from pipeline.messages.stages import Status
from pipeline.messages.states import EventAction, EventKind, StageState
from tests.decision_bench import Bench
from tests.fakes import Box
from tests.modbus_device import LoopbackModbus, frame, whole

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


class Cabinet:
    """The stage of contacts that stand in the registers of a device on loopback, and what it says; 1 step a millisecond."""

    def __init__(self, device: LoopbackModbus, *contacts: dict[str, Any], **change: Any) -> None:
        self.device, self.decision = device, Box()
        body = {"kind": "modbus", "host": "127.0.0.1", "port": device.port, "contacts": contacts, **change}
        self.stage = ModbusInput(self.decision, ModbusInputConfig.model_validate(body), 0)
        self.ms = 1000

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.stage.close()

    def turn(self, ms: int, every_ms: int = 1) -> None:
        for _ in range(ms // every_ms):
            self.ms += every_ms
            self.stage.step(self.ms * MS)

    def closings(self) -> list[tuple[str, int]]:
        return [(c.name, c.t_mono_ns // MS) for c in self.decision.take(Contact)]

    def states(self) -> list[tuple[StageState, str]]:
        """Each change of what was said."""
        return [said for said, _ in groupby((s.state, s.detail) for s in self.decision.take(Status))]


def contact(address: int, **change: Any) -> dict[str, Any]:
    return {"name": f"c{address}{change.get('bit', '')}", "address": address, "says": "SEAM", "length_mm": 300, **change}


@pytest.mark.parametrize(
    ("table", "function", "contacts", "asked"),
    [
        ("discrete", 2, [contact(a) for a in (7, 5, 6, 20, 21, 23)], [(5, 3), (20, 2), (23, 1)]),
        ("coil", 1, [contact(a) for a in range(40, 72)], [(40, 32)]),
        ("holding", 3, [contact(a, bit=b) for a in (9, 8) for b in (15, 0)], [(8, 2)]),
        ("input", 4, [contact(8, bit=b) for b in range(16)], [(8, 1)]),
    ],
)
def test_neighbours_are_one_request_and_nothing_else_is_read(
    table: str, function: int, contacts: list[dict[str, Any]], asked: list[tuple[int, int]]
) -> None:
    with LoopbackModbus() as device:
        device.words = {c["address"]: 0 for c in contacts}  # every other address is refused
        with Cabinet(device, *contacts, table=table) as cabinet:
            cabinet.turn(1)
            assert device.requests == [struct.pack(">BHH", function, *block) for block in asked]
            assert cabinet.states() == [(StageState.READY, "")]


@pytest.mark.parametrize("table", ["discrete", "coil", "holding", "input"])
def test_each_contact_is_its_own_bit_of_its_block(table: str) -> None:
    registers = table in ("holding", "input")
    bits = {3: 0, 4: 9, 6: 15} if registers else {}
    with LoopbackModbus() as device:
        device.words = dict.fromkeys(range(3, 7), 0)
        with Cabinet(device, *(contact(a, **({"bit": bits[a]} if bits else {})) for a in (3, 4, 6)), table=table) as cabinet:
            cabinet.turn(20)
            device.words[4] = 1 << bits.get(4, 0)
            cabinet.turn(100)
            device.words[6] = 1 << bits.get(6, 0)
            cabinet.turn(100)
            assert [name for name, _ in cabinet.closings()] == [f"c4{bits.get(4, '')}", f"c6{bits.get(6, '')}"]


@pytest.mark.parametrize(("every_ms", "debounce_ms", "told"), [(25, 50, False), (26, 50, True), (11, 20, True), (20, 0, False)])
def test_contacts_that_are_read_too_seldom_are_told_with_the_figure(every_ms: int, debounce_ms: int, told: bool) -> None:
    with LoopbackModbus() as device:
        contacts = contact(0, debounce_ms=debounce_ms), contact(2, debounce_ms=900)
        with Cabinet(device, *contacts) as cabinet:
            cabinet.turn(1)
            cabinet.turn(10 * every_ms, every_ms)
            ready, *rest = cabinet.states()
            assert ready == (StageState.READY, "")
            words = f"read every {every_ms} ms (requests: 2), too seldom for a debounce of {debounce_ms} ms"
            assert [(state, words in detail) for state, detail in rest] == [(StageState.DEGRADED, True)] * told
            if told:
                cabinet.turn(2000)
                assert [state for state, _ in cabinet.states()] == [StageState.DEGRADED, StageState.READY]


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(0, 400))
def test_a_closing_of_twice_its_debounce_is_told_or_the_contact_is_read_too_seldom(cycles: list[int], began: int) -> None:
    debounce = 50
    edge, cycle, told, at, seldom = Edge(debounce), Cycle(debounce / MS), [], 0, False
    edge.read(False, -1)
    for cycle_length in [*cycles, *[10] * 60]:
        since = edge.read(began <= at < began + 2 * debounce, at)
        told += [] if since is None else [since]
        cycle.read(at)
        seldom |= cycle.too_seldom
        at += cycle_length
    assert seldom or (len(told) == 1 and began <= told[0] <= began + debounce)


def test_a_wrong_answer_is_a_lost_device_that_is_tried_again() -> None:
    with LoopbackModbus(lambda request, right: frame(request, b"\2\0")) as device:
        device.words = {0: 1, 1: 0}
        with Cabinet(device, contact(0), contact(1)) as cabinet:
            cabinet.turn(500)
            words = f"127.0.0.1:{device.port} answers with 2 bytes where 3 were asked for"
            assert cabinet.states() == [(StageState.DEGRADED, words)] and len(device.requests) == 1
            device.spoil = whole
            device.words[1] = 1  # it closed while nobody could see it
            cabinet.turn(1000)
            assert cabinet.states()[-1] == (StageState.READY, "") and cabinet.closings() == []


def test_it_is_not_left_alone_until_after_it_is_due() -> None:
    with LoopbackModbus() as device, Cabinet(device, contact(0, debounce_ms=10)) as cabinet:
        assert cabinet.stage.step(1_000 * MS)  # it may be due again by now: no wait
        assert not cabinet.stage.step(1_001 * MS)
        assert cabinet.stage.idle_ms == 2


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
