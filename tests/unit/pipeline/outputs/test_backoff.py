"""Pauses double up to a limit that is no power of two of the first, and begin anew when the side has answered."""

from pipeline.outputs.backoff import Backoff


def test_pauses_double_up_to_the_limit_and_begin_anew() -> None:
    backoff = Backoff(3, 20)
    assert [backoff.pause_ns() for _ in range(5)] == [3, 6, 12, 20, 20]
    backoff.reset()
    assert [backoff.pause_ns() for _ in range(2)] == [3, 6]
