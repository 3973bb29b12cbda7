"""The line: cameras, worker, decision, record, and what watches over them. Importing this alone loads none of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.report.sheet import read_roll
    from pipeline.supervision.replaying import replay
    from pipeline.supervision.running import run
else:
    _HOMES = {"read_roll": "report.sheet", "replay": "supervision.replaying", "run": "supervision.running"}

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["read_roll", "replay", "run"]
