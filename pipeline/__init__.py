"""The line: cameras, worker, decision, record, and what watches over them. Importing this alone loads none of it."""

from typing import TYPE_CHECKING

from glass_core.lazy import lazy_exports

if TYPE_CHECKING:
    from pipeline.cameras.look import look_through
    from pipeline.report.sheet import read_roll
    from pipeline.supervision.machine.examination import examine
    from pipeline.supervision.recording import record
    from pipeline.supervision.replaying import replay
    from pipeline.supervision.running import run
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "examine": "supervision.machine.examination",
            "look_through": "cameras.look",
            "read_roll": "report.sheet",
            "record": "supervision.recording",
            "replay": "supervision.replaying",
            "run": "supervision.running",
        },
    )


__all__ = ["examine", "look_through", "read_roll", "record", "replay", "run"]
