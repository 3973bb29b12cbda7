"""Whether a run ended in order: its recorder says so last of all, and a run that was cut off lacks that word.

It is the fact "ended" of a run: null from its beginning, and then when it ended. An older program's run has no such fact, and
nothing is known of its end. A run that goes on has not ended any more.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.ledger.opening import Connection
from pipeline.ledger.rows import find_run
from pipeline.ledger.tables import ENDED
from pipeline.ledger.writer_lock import is_written


class Ending:
    """Made before the ledger is opened: it looks at the writer's lock before and after.

    A writer that ends in between has said its last word, and one that begins in between has a run that goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._written = path, is_written(path)

    def lacks(self, db: Connection, run_id: str) -> bool:
        """Whether a run was cut off. The ledger's last is not, while somebody writes it."""
        said = db.execute("SELECT value FROM run WHERE run_id = ? AND key = ?", (run_id, ENDED)).fetchone()
        if said != ("null",):
            return False
        return run_id != find_run(db, self._path, None) or not (self._written or is_written(self._path))
