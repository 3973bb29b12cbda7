"""What other programs read stays as it is: every message's bytes on the wire, and its JSON in the ledger and verdicts.jsonl.

`headers.json` was written before the messages were last rearranged. Each example states all of its fields, but for the ticket
of a word to the line: what is told without one is as it always was. A change here is a change of the protocol: it needs a word
to those who read it. Progress and Passages are left out: only the supervisor and the metrics hear them.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgpack
import pytest

from pipeline.ledger.verdict_lines import _line
from pipeline.link import wire
from pipeline.messages.message import Message
from pipeline.messages.verdicts import Verdict

HEADERS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("headers.json").read_text(encoding="utf-8"))


def payloads(header: bytes) -> tuple[bytes, ...]:
    """As many zeros as the header asks for."""
    body = msgpack.unpackb(header, use_list=False)
    kind = wire.TYPES[body.pop("t")]
    return tuple(bytes(n) for n in kind.model_validate({k: v for k, v in body.items() if k != "v"}).payload_sizes())


def read(name: str) -> Message:
    header = bytes.fromhex(HEADERS[name]["header"])
    return wire.decode([header, *payloads(header)])[0]


def test_every_message_has_an_example() -> None:
    assert set(HEADERS) == set(wire.TYPES) - {"Progress", "Passages"}


@pytest.mark.parametrize("name", HEADERS)
def test_a_field_that_is_not_told_means_what_it_did(name: str) -> None:
    optional = {n: f.default for n, f in wire.TYPES[name].model_fields.items() if not f.is_required()}
    assert json.dumps(optional) == HEADERS[name]["defaults"]


@pytest.mark.parametrize("name", HEADERS)
def test_bytes_and_json_are_what_they_were(name: str) -> None:
    header, message = bytes.fromhex(HEADERS[name]["header"]), read(name)
    assert list(json.loads(HEADERS[name]["json"])) == list(type(message).model_fields)  # nothing was added, nothing moved
    assert wire.encode(message, payloads(header))[0] == header
    assert message.model_dump_json() == HEADERS[name]["json"]


def test_a_line_of_verdicts_jsonl_is_the_verdict_with_its_scores_by_lane() -> None:
    verdict = read("Verdict")
    assert isinstance(verdict, Verdict)
    body = json.loads(HEADERS["Verdict"]["json"])
    body["lane_scores"] = body.pop("lanes")
    assert _line("r", verdict) == json.dumps({"schema": 1, "run": "r", **body})
