"""The `ledger:` section."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from glass_core.settings.section import Section


class LedgerConfig(Section):
    """Where the record is kept: ledger, verdicts.jsonl and crops lie in the ledger's folder."""

    path: Path = Path("out/ledger.sqlite")
    crops_mb: float = Field(default=2000.0, ge=0)
    """Pictures of defects, one and its heat map each, take up to so many MB on the disk in a run."""
