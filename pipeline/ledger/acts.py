"""What people did on the page: a file beside the ledger that only grows, with who, when and what."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.ledger.journal import Journal, lines_backwards

FILE = "acts.jsonl"


class Act(BaseModel):
    """One person's act, and what became of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    run_id: str | None
    """Null: of no run that the page knew."""
    by: str
    role: str
    act: dict[str, Any]
    """Its name and what belongs to it, as the page sent it."""
    done: bool
    outcome: str = ""
    """What the line or the record answered; why not, where it is not done."""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


def note_act(folder: Path, act: Act) -> None:
    """Write it down, and wait until it is on the disk. OSError or InputError where that cannot be."""
    journal = Journal(folder / FILE, shared=True)
    try:
        journal.add(act.model_dump_json(by_alias=True))
        journal.flush()
        journal.sync()
    finally:
        journal.close()


def read_acts(folder: Path, most: int) -> list[Act]:
    """The last acts that are on file, so many at most, the last first; a line that cannot be read is left out."""
    found = list[Act]()
    with suppress(OSError), (folder / FILE).open("rb") as file:
        for line in lines_backwards(file.fileno(), os.fstat(file.fileno()).st_size):
            with suppress(ValidationError):
                found.append(Act.model_validate_json(line))
            if len(found) >= most:
                break
    return found
