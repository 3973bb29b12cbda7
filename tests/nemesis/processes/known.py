"""Kinds of violations that are known, each with why: a list to be emptied."""

from __future__ import annotations

from tests.nemesis.checker import Violation

KNOWN: dict[tuple[str, str], str] = {}


def is_new(violation: Violation) -> bool:
    """Whether nobody knows yet why."""
    return (violation.invariant, violation.kind) not in KNOWN
