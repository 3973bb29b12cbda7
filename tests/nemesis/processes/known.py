"""Kinds of violations that are known, each with why: a list to be emptied."""

from __future__ import annotations

from tests.nemesis.checker import Violation
from tests.nemesis.processes.checker import CUT_OFF

KNOWN = {
    ("I7", "published, and nothing shows that it is missing" + CUT_OFF): "no mark in the ledger says that a run ended in order",
}


def is_new(violation: Violation) -> bool:
    """Whether nobody knows yet why."""
    return (violation.invariant, violation.kind) not in KNOWN
