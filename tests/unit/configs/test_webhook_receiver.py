"""The example of a webhook's other side: the key, the time and the twin are checked."""

from __future__ import annotations

import pytest

from configs.webhook_receiver import MAX_AGE_S, Receiver
from pipeline.outputs.webhook import signature

KEY, BODY = b"key", b'{"kind": "state", "body": {}}'


def headers(seconds: str = "1000", key: bytes = KEY, name: str = "a-1") -> dict[str, str]:
    signed = signature(key, seconds, BODY)
    return {"X-Glassline-Time": seconds, "X-Glassline-Signature": signed, "Idempotency-Key": name}


def test_a_message_is_taken_once() -> None:
    receiver = Receiver(KEY)
    assert receiver.check(headers(), BODY, 1001.0) == (200, {"kind": "state", "body": {}})
    assert receiver.check(headers(), BODY, 1002.0) == (200, None)
    assert receiver.check(headers(name="a-2"), BODY, 1002.0)[1] is not None


@pytest.mark.parametrize(
    ("said", "body", "now_s", "status"),
    [
        (headers(key=b"other"), BODY, 1000.0, 401), (headers(), BODY + b" ", 1000.0, 401), ({}, BODY, 1000.0, 401),
        (headers(), BODY, 1001.0 + MAX_AGE_S, 408), (headers("9999"), BODY, 1000.0, 408), (headers("-5"), BODY, 0.0, 408),
    ],
)  # fmt: skip
def test_a_stranger_and_old_words_are_refused(said: dict[str, str], body: bytes, now_s: float, status: int) -> None:
    assert Receiver(KEY).check(said, body, now_s) == (status, None)
