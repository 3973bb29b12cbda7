"""What a supervisor leaves in its folder while it lives: if it is killed or gives up, the next one goes on from there.

That is soon after, and with the same configuration. Who stops in order removes the folder with all that is in it. A latched
fault holds longer: `latch` keeps it elsewhere, and where a full disk refused it there, it is still read here.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glass_core.files.whole_file import whole_file
from pipeline.decision.handover import Handover
from pipeline.messages.states import StageState

GO_ON_NS = 300_000_000_000
"""Who starts a line later than this begins anew: roll, model and people may be others by then."""
FILE, BOOT = "left.json", Path("/proc/sys/kernel/random/boot_id")


def _boot() -> str:
    return BOOT.read_text(encoding="ascii").strip()


class Left(BaseModel):
    """A run as it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    boot: str = Field(default_factory=_boot)
    """Of the machine: the times in it are of one clock, which begins anew there."""
    t_mono_ns: int = Field(default_factory=time.monotonic_ns)
    config_sha: str
    observe: bool
    begun_by: int
    """The process that began the run."""
    generations: dict[str, int]
    """The last one of each process, by role and name."""
    before: Handover
    states: dict[str, StageState | None] = Field(default_factory=dict)
    """How each process of the line last said it is, by role and name; null: it is being started. For whoever looks on."""


def write_left(folder: Path, left: Left) -> None:
    """Whole or not at all; where it cannot be written the line goes on all the same."""
    with suppress(OSError), whole_file(folder / FILE, durable=False) as part:
        part.write_text(left.model_dump_json(), encoding="utf-8")


def look_at_left(folder: Path) -> Left | None:
    """What the supervisor that runs now, or ran last, has left there; None where there is nothing that can be read."""
    try:
        return Left.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def left_at_ns(folder: Path) -> int:
    """When it was left there; 0: there is nothing."""
    try:
        return (folder / FILE).stat().st_mtime_ns
    except OSError:
        return 0


def read_left(folder: Path, config_sha: str, observe: bool) -> Left | None:
    """What the supervisor before has left of just such a run; None where there is nothing to go on from."""
    left = look_at_left(folder)
    if left is None or (left.boot, left.config_sha, left.observe) != (_boot(), config_sha, observe):
        return None
    return left if time.monotonic_ns() - left.t_mono_ns < GO_ON_NS else None


def read_fault(folder: Path) -> str:
    """The latched fault of the line that ran there last, whatever it was and however long ago; empty: none."""
    left = look_at_left(folder)
    return left.before.fault if left else ""
