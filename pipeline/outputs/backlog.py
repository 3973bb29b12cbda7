"""What waits for another side that is away or slow: bounded, the oldest dropped and counted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

from pipeline.outputs.notices import TOPICS, Notice, Outage

MAX_WAITING = 1000
"""Some minutes of a bad roll; a megabyte or two."""


class Backlog:
    """The notices of queued topics, in their order; `outage` tells afterwards what an absence cost."""

    def __init__(self, utc_ns: Callable[[], int], most: int = MAX_WAITING) -> None:
        self._utc_ns, self._most = utc_ns, most
        self._waiting: deque[Notice] = deque()
        self._lost: Counter[str] = Counter()
        self._since_ns: int | None = None
        self.lost_total = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, notice: Notice) -> None:
        """At the end; the oldest goes where too many wait."""
        if not TOPICS[notice.topic].queued:
            return
        if len(self._waiting) >= self._most:
            self.lose(Counter({self._waiting.popleft().topic: 1}))
        self._waiting.append(notice)

    @property
    def topics(self) -> set[str]:
        """Of all that wait."""
        return {notice.topic for notice in self._waiting}

    def take(self) -> Notice | None:
        """The oldest, if any."""
        return self._waiting.popleft() if self._waiting else None

    def put_back(self, notices: Iterable[Notice]) -> None:
        """What was sent and never acknowledged is the oldest that waits; an outage goes on that nobody heard of."""
        notices = [*notices]
        for outage in (n.body for n in notices if isinstance(n.body, Outage)):
            self._since_ns = outage.from_utc_ns
            self._lost.update(outage.lost)
        self._waiting.extendleft(n for n in reversed(notices) if not isinstance(n.body, Outage))
        while len(self._waiting) > self._most:
            self.lose(Counter({self._waiting.popleft().topic: 1}))

    def lose(self, lost: Counter[str]) -> None:
        """Count what the other side is never told."""
        self._lost.update(lost)
        self.lost_total += lost.total()
        if lost and self._since_ns is None:
            self._since_ns = self._utc_ns()

    def away(self) -> None:
        """The other side takes nothing from now on."""
        if self._since_ns is None:
            self._since_ns = self._utc_ns()

    def outage(self) -> Outage | None:
        """What the absence that ends now has cost, told once; null: there was none."""
        if self._since_ns is None:
            return None
        found = Outage(
            from_utc_ns=self._since_ns, to_utc_ns=self._utc_ns(), late=len(self._waiting), lost=dict(self._lost)
        )  # fmt: skip
        self._since_ns, self._lost = None, Counter()
        return found
