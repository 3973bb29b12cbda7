"""The `ledger:` section."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from glass_core.settings.section import Section


class LedgerConfig(Section):
    """Where the record is kept, and how long: ledger, verdicts.jsonl and crops lie in the ledger's folder.

    With `keep_days` or `keep_gb` each start puts the runs before away in a folder of their own, `until-<time>/`.
    """

    path: Path = Path("out/ledger.sqlite")
    crops_mb: float = Field(default=2000.0, ge=0)
    """Pictures of defects, one and its heat map each, take up to so many MB on the disk in a run."""
    keep_days: float | None = Field(default=None, gt=0)
    """Runs that were put away are removed whole so long after; null: never."""
    keep_gb: float | None = Field(default=None, gt=0)
    """The oldest of them go while they and the ledger are more than that; null: never. The run that is written stays."""

    @property
    def removes(self) -> bool:
        """Whether anything of the record is ever removed."""
        return self.keep_days is not None or self.keep_gb is not None
