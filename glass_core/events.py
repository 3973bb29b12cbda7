"""What long work tells its caller, who shows it or does not: each event says itself in one line."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Pass:
    """How far a pass over pictures, tiles or batches has come."""

    title: str
    done: int
    total: int | None
    """Null where nobody knows."""


@dataclass(frozen=True)
class Note:
    """What the caller may want to know, and nothing depends on."""

    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class LeftOut:
    """Pictures that were given and are not used."""

    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.count} pictures are left out: {self.why}"


def passing(things: Sequence[T], title: str, report: Callable[[Pass], None]) -> Iterator[T]:
    """Each thing in turn; a Pass is reported before the first and after each."""
    report(Pass(title, 0, len(things)))
    for done, thing in enumerate(things, 1):
        yield thing
        report(Pass(title, done, len(things)))


def keep_quiet(event: object) -> None:
    """For callers that show nothing."""
