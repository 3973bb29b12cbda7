"""The verdicts of a run: those of the ledger, and those that fell out of its middle as verdicts.jsonl still has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.ledger.opening import Connection
from pipeline.ledger.rows import whole_bodies
from pipeline.ledger.verdict_lines import Key, LinesSoFar


def whole_verdicts(db: Connection, run_id: str, lines: LinesSoFar) -> Iterator[tuple[dict[str, Any], bool]]:
    """The body of each verdict in the order of their numbers, and whether verdicts.jsonl alone has it.

    A line is believed where its number is one that the ledger lacks before the last that it has. Behind that, nothing says
    that a line's number is right. InputError where the lines cannot be read.
    """
    following, last, coming = (0, 0), (-1, -1), None
    for body in whole_bodies(db, run_id, "verdicts"):
        key = body["generation"], body["number"]
        if key != following:
            coming = coming or _Coming(lines, run_id)
            yield from ((found, True) for found in coming.between(last, key))
        yield body, False
        last, following = key, (key[0], key[1] + 1)


class _Coming:
    """The lines of a run, gone through once."""

    def __init__(self, lines: LinesSoFar, run_id: str) -> None:
        self._lines = lines.verdicts(run_id)
        self._next = next(self._lines, None)

    def between(self, last: Key, key: Key) -> Iterator[dict[str, Any]]:
        """The bodies of the whole ones that lie between two numbers."""
        while self._next is not None and self._next[0] < key:
            if self._next[0] > last and (body := self._next[1]()) is not None:
                last = self._next[0]
                yield body
            self._next = next(self._lines, None)
