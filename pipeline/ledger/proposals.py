"""What kind each defect of a run perhaps is: a file beside the ledger, made anew on request, and never part of a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from glass_core.files.kept_json import read_json, write_json
from glass_core.files.whole_file import refused_writes
from pipeline.ledger.dispositions import Key, Kind

FILE = "proposals.json"
MAX_BYTES = 64 << 20


class ProposedKind(BaseModel):
    """What one defect perhaps is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    kind: Kind | None
    """Null: unlike all kinds that people have named."""
    confidence: Annotated[float, Field(ge=0, le=1)]


class Proposals(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    run_id: str
    made: datetime
    proposals: tuple[ProposedKind, ...]


def write_proposals(folder: Path, run_id: str, proposals: Iterable[ProposedKind]) -> None:
    """Take the place of what was proposed before. Raises InputError where it cannot be written."""
    whole = Proposals(run_id=run_id, made=datetime.now(UTC), proposals=tuple(proposals))
    with refused_writes(folder / FILE):
        write_json(folder / FILE, whole.model_dump(mode="json", by_alias=True))


def read_proposals(folder: Path, run_id: str) -> dict[Key, ProposedKind]:
    """What is proposed for a run. A damaged file proposes nothing: no report or page of a line may fail by a mere hint."""
    try:
        found = read_json(folder / FILE, Proposals, "make it again with `glassline kinds`", MAX_BYTES)
    except InputError:
        return {}
    return {} if found is None or found.run_id != run_id else {p.key: p for p in found.proposals}
