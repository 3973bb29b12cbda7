"""verdicts.jsonl: every verdict as one line of JSON, for programs that do not read the ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.ledger.journal import Journal
from pipeline.messages.verdicts import Verdict

VERDICTS_FILE = "verdicts.jsonl"


class VerdictLines:
    """Takes each verdict of a run once; InputError where the file cannot be opened.

    Decision repeats its latest records to the successor of a killed recorder: what is there already is left out.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self._run_id = run_id
        self._journal = Journal(folder / VERDICTS_FILE)
        last = json.loads(self._journal.last() or "{}")
        self._written = (last["generation"], last["number"]) if last.get("run") == run_id else (-1, -1)

    def add(self, verdict: Verdict) -> None:
        """Take one verdict, written at the next flush."""
        if (verdict.generation, verdict.number) <= self._written:
            return
        self._written = verdict.generation, verdict.number
        self._journal.add(_line(self._run_id, verdict))

    def flush(self) -> None:
        """Write what waits; OSError keeps every line for the next try."""
        self._journal.flush()

    def close(self) -> None:
        """Close the file; may be called after a failed flush."""
        self._journal.close()


def _line(run_id: str, verdict: Verdict) -> str:
    """Strict JSON: a score that is not finite is null."""
    body: dict[str, Any] = json.loads(verdict.model_dump_json())
    body["lane_scores"] = body.pop("lanes")
    return json.dumps({"schema": 1, "run": run_id, **body})
