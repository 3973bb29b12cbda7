"""verdicts.jsonl: every verdict as one line of JSON, for programs that do not read the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.ledger.journal import Journal, lines_backwards
from pipeline.messages.verdicts import Verdict

VERDICTS_FILE = "verdicts.jsonl"
Key = tuple[int, int]


class VerdictLines:
    """Takes each verdict of a run once; InputError where the file cannot be opened.

    Decision repeats its latest records to the successor of a killed recorder: what is there already is left out.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self._run_id = run_id
        self._journal = Journal(folder / VERDICTS_FILE)
        told = ((line.get("run"), _key(line)) for line in map(_object, self._journal.lines_backwards()))
        last_run, key = next(((run, key) for run, key in told if key is not None), ("", None))
        self._written = key if key is not None and last_run == run_id else (-1, -1)

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


@dataclass(frozen=True)
class LinesSoFar:
    """The file as long as it is now: what is in it by now, the ledger has, too, unless it lost it."""

    path: Path
    size: int

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The file of a ledger's folder; it need not be there."""
        path = folder / VERDICTS_FILE
        return cls(path, path.stat().st_size if path.is_file() else 0)

    def after(self, run_id: str, last: Key | None) -> list[dict[str, Any]]:
        """The lines of a run behind the last verdict (generation, number) in the ledger, from the last to the first."""
        found: list[dict[str, Any]] = []
        if not self.size:
            return found
        with self.path.open("rb") as file:
            of_run = (raw for raw in lines_backwards(file.fileno(), self.size) if run_id.encode() in raw)
            for line in map(_object, of_run):
                if line.get("run") != run_id or (key := _key(line)) is None:
                    continue
                if last is not None and key <= last:
                    break
                found.append(line)
        return found


def _object(line: bytes) -> dict[str, Any]:
    """A line's JSON; what is no object, a killed writer or a broken disk has left, and it says nothing."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _key(line: dict[str, Any]) -> Key | None:
    """Generation and number of the verdict that a line tells; null where it tells none."""
    key = line.get("generation"), line.get("number")
    return (key[0], key[1]) if isinstance(key[0], int) and isinstance(key[1], int) else None


def _line(run_id: str, verdict: Verdict) -> str:
    """Strict JSON: a score that is not finite is null."""
    body: dict[str, Any] = json.loads(verdict.model_dump_json())
    body["lane_scores"] = body.pop("lanes")
    return json.dumps({"schema": 1, "run": run_id, **body})
