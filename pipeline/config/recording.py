"""The `recording:` section."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from glass_core.settings.section import Section


class RecordingConfig(Section):
    """Pictures, motion, verdicts and events of the running line in MCAP files, for Foxglove and `glassline replay`.

    Around each defect every picture of every camera is kept; with `rate` some of the others, too.
    """

    folder: Path = Path("out/recordings")
    """This line's own: the oldest recordings in it make room for new ones."""
    before_s: float = Field(default=5.0, ge=0, le=600)
    after_s: float = Field(default=2.0, ge=0, le=600)
    """Around the moment at which the defect's picture was taken; neighbouring spans become one file."""
    rate: float | None = Field(default=None, ge=0.001)
    """Pictures per second of each camera that are kept at all times; above the camera's own: all of them. Null: none."""
    memory_mb: float = Field(default=500.0, gt=0)
    """Pictures that wait whether a defect comes; more than that go before `before_s` is over."""
    file_mb: float = Field(default=1000.0, gt=0)
    """A longer recording goes on in the next file."""
    keep_gb: float = Field(default=50.0, gt=0)
    """All files together; the oldest go."""
    keep_days: float | None = Field(default=None, gt=0)
    """Files go so long after; null: never by age."""
    leave_gb: float = Field(default=2.0, ge=0)
    """With less room on the disk nothing is recorded: the ledger may need it."""
