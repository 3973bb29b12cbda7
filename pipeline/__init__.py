"""The line: cameras, worker, decision, record, and what watches over them. Importing this alone loads none of it."""

from typing import TYPE_CHECKING

from glass_core.lazy import lazy_exports

if TYPE_CHECKING:
    from pipeline.report.sheet import read_roll
    from pipeline.supervision.replaying import replay
    from pipeline.supervision.running import run
else:
    __getattr__ = lazy_exports(
        __name__, {"read_roll": "report.sheet", "replay": "supervision.replaying", "run": "supervision.running"}
    )


__all__ = ["read_roll", "replay", "run"]
