"""The `ledger:` section."""

from __future__ import annotations

from pathlib import Path

from glass_core.settings.section import Section


class LedgerConfig(Section):
    """Where the record is kept: ledger, verdicts.jsonl and crops lie in the ledger's folder."""

    path: Path = Path("out/ledger.sqlite")
