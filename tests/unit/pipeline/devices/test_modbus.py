"""A Modbus device's answer is taken as it was asked for, or not at all."""

from __future__ import annotations

import struct
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.devices import DeviceLost, DeviceRefuses
from pipeline.devices.modbus import ModbusDevice, Table, blocks
from tests.modbus_device import LoopbackModbus, Spoil, frame


def device(port: int, unit: int = 3, timeout_ms: float = 2000.0) -> ModbusDevice:
    return ModbusDevice("127.0.0.1", port, unit, timeout_ms)


@pytest.mark.parametrize(
    ("table", "function", "count", "values"),
    [
        ("holding", 3, 3, [12, 13, 14]), ("input", 4, 1, [12]), ("holding", 3, 125, [*range(12, 137)]),
        ("coil", 1, 3, [0, 1, 0]), ("discrete", 2, 9, [0, 1] * 4 + [0]), ("discrete", 2, 1, [0]),
    ],
)  # fmt: skip
def test_values_are_those_of_the_addresses_asked_for(table: Table, function: int, count: int, values: list[int]) -> None:
    with LoopbackModbus() as other:
        asked = device(other.port)
        assert asked.read(table, 5, count) == values
        assert other.requests == [struct.pack(">BHH", function, 5, count)]
        asked.close()


def test_what_is_written_is_there_and_one_connection_does_for_all() -> None:
    with LoopbackModbus() as other:
        asked = device(other.port)
        asked.write_coils(10, [True, False, False, True, False, False, False, False, True])
        asked.write_registers(40, [1, 0xFFFF])
        assert asked.read("coil", 10, 9) == [1, 0, 0, 1, 0, 0, 0, 0, 1]
        assert asked.read("holding", 39, 4) == [46, 1, 0xFFFF, 49]
        assert other.connections == 1
        asked.close()


def _short(request: bytes, right: bytes) -> bytes:
    return frame(request, bytes([right[7], right[8] - 2]) + right[9:-2])


SPOILS: dict[str, tuple[Spoil, str]] = {
    "one register too few": (_short, "answers with 4 bytes where 6 were asked for"),
    "no register": (lambda request, right: frame(request, right[7:8] + b"\0"), "answers with 2 bytes where 6"),
    "one too many": (lambda request, right: frame(request, b"\x03\x06" + right[9:] + b"\0\1"), "answers with 8 bytes where 6"),
    "another count than bytes": (lambda request, right: frame(request, b"\x03\x02" + right[9:]), "says that 2 bytes follow"),
    "another unit": (lambda request, right: frame(request, right[7:], unit=4), "answers as unit 4 where unit 3 was asked"),
    "another request": (lambda request, right: frame(request, right[7:], transaction=9), "answers another request"),
    "request without number": (lambda request, right: frame(request, right[7:], transaction=0), "answers another request"),
    "another table": (lambda request, right: frame(request, b"\x04" + right[8:]), "answers function 4 where 3 was asked"),
    "another refusal": (lambda request, right: frame(request, b"\x84\x02"), "answers function 132 where 3 was asked"),
    "a refusal too long": (lambda request, right: frame(request, b"\x83\x02\0"), "answers function 131 where 3 was asked"),
    "a page": (lambda request, right: b"HTTP/1.1 400 Bad Request\r\n\r\n", "another protocol than Modbus TCP"),
    "nothing": (lambda request, right: b"", "does not answer (timed out)"),
    "half": (lambda request, right: right[:-1], "does not answer (timed out)"),
    "only a header": (lambda request, right: right[:4] + b"\0\1" + right[6:7], "another protocol than Modbus TCP"),
}


@pytest.mark.parametrize("how", SPOILS)
def test_an_answer_of_another_shape_is_a_lost_device_with_its_own_words(how: str) -> None:
    spoil, words = SPOILS[how]
    with LoopbackModbus(spoil) as other:
        asked = device(other.port, timeout_ms=200 if "timed out" in words else 5000)
        with pytest.raises(DeviceLost) as caught:
            asked.read("holding", 5, 2)
        assert not isinstance(caught.value, DeviceRefuses)
        assert f"127.0.0.1:{other.port} " in str(caught.value) and words in str(caught.value)
        other.spoil = lambda request, right: right
        assert asked.read("holding", 5, 2) == [12, 13]  # on a connection of its own: the old one may say anything
        assert other.connections == 2
        asked.close()


@pytest.mark.parametrize(("function", "write"), [(15, "write_coils"), (16, "write_registers")])
@pytest.mark.parametrize("place", [8, 9, 10, 11])
def test_a_writing_is_confirmed_word_by_word(function: int, write: str, place: int) -> None:
    def spoil(request: bytes, right: bytes) -> bytes:
        return right[:place] + bytes([right[place] ^ 1]) + right[place + 1 :]

    with LoopbackModbus(spoil) as other:
        asked = device(other.port)
        with pytest.raises(DeviceLost, match="confirms another writing"):
            getattr(asked, write)(5, [1, 0, 1])
        assert other.requests[0][0] == function
        asked.close()


def test_a_refusal_is_named_and_keeps_its_connection() -> None:
    with LoopbackModbus() as other:
        asked = device(other.port)
        with pytest.raises(DeviceRefuses, match=r"refuses, check the addresses \(exception 2, no such address\)"):
            asked.read("holding", 399, 2)
        assert asked.read("holding", 399, 1) == [406] and other.connections == 1
        other.spoil = lambda request, right: frame(request, b"\x83\xee")
        with pytest.raises(DeviceRefuses, match="exception 238"):
            asked.read("holding", 0, 1)
        asked.close()


def test_an_answer_may_come_in_pieces_and_two_are_one_too_many() -> None:
    with LoopbackModbus(lambda request, right: right + right) as other:
        asked = device(other.port)
        assert asked.read("holding", 0, 1) == [7]
        with pytest.raises(DeviceLost, match="answers another request"):
            asked.read("holding", 1, 1)
        asked.close()


def test_a_device_that_answers_byte_by_byte_for_ever_holds_nobody_up() -> None:
    sent: list[int] = []

    def drip(request: bytes, right: bytes) -> bytes:
        peer = other._peers[-1]
        for n in range(200):
            peer.sendall(b"\0")
            sent.append(n)
            time.sleep(0.02)
        return b""

    with LoopbackModbus(drip) as other:
        asked = device(other.port, timeout_ms=100)
        with pytest.raises(DeviceLost, match=r"another protocol|timed out"):
            asked.read("holding", 0, 100)
        assert len(sent) < 200, "it would have gone on"


def test_a_host_that_is_none_is_no_connection() -> None:
    for host in ("no such host.invalid", "x" * 70, ".."):
        with pytest.raises(DeviceLost, match="no connection to"):
            ModbusDevice(host, 502, 1, 50).read("holding", 0, 1)


def test_the_number_of_a_request_goes_round() -> None:
    with LoopbackModbus() as other:
        asked = device(other.port)
        asked._transaction = 0xFFFE
        assert [asked.read("holding", n, 1) for n in range(3)] == [[7], [8], [9]]
        asked.close()


@given(st.lists(st.integers(0, 40)), st.integers(1, 9))
def test_blocks_are_neighbours_and_cover_exactly_what_is_asked_for(addresses: list[int], most: int) -> None:
    found = blocks(addresses, most)
    assert [a for block in found for a in block] == sorted(set(addresses))
    assert all(1 <= len(block) <= most for block in found)
    for before, after in pairwise(found):  # no two that could be one
        assert after.start > before.stop or len(before) == most
