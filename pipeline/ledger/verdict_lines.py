"""verdicts.jsonl: every verdict as one line of JSON, for programs that do not read the ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from glass_core.errors import InputError
from pipeline.ledger.journal import VERDICTS_FILE, Journal, lines_backwards
from pipeline.ledger.store import Ledger
from pipeline.messages.domains import Count, Name, RecordMm
from pipeline.messages.verdicts import Verdict

AT_ONCE = 500
LATE = 1000
"""A verdict that was lost on its way and sent again stands behind fewer lines that it precedes."""
Key = tuple[int, int]


class VerdictLines:
    """Takes each verdict once it is new in the ledger, and so in the order of the ledger's writing.

    The lines are not waited for on the disk. What a kill or a power cut took of them is written again from the ledger, when a
    line next begins. InputError where the file cannot be opened.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self._run_id = run_id
        self._journal = Journal(folder / VERDICTS_FILE)

    def catch_up(self, ledger: Ledger) -> None:
        """Write what the ledger has, and the file lacks at its end; what the disk does not take waits for the next flush."""
        last = next((line for line in map(_read, self._journal.lines_backwards()) if line is not None), None)
        lacking = ledger.verdicts_after(last.run, *last.key) if last is not None else ledger.verdicts_of_run()
        for number, (run_id, verdict) in enumerate(lacking):
            self._journal.add(_line(run_id, verdict))
            if number % AT_ONCE == 0:
                with suppress(OSError):
                    self._journal.flush()
        with suppress(OSError):
            self._journal.flush()

    def add(self, verdict: Verdict) -> None:
        """Take one verdict, written at the next flush."""
        self._journal.add(_line(self._run_id, verdict))

    def flush(self) -> None:
        """Write what waits; OSError keeps every line for the next try."""
        self._journal.flush()

    def close(self) -> None:
        """Close the file; may be called after a failed flush."""
        self._journal.close()


class _Line(BaseModel):
    """What is read again of a line."""

    model_config = ConfigDict(frozen=True, strict=True)

    run: str
    generation: Count
    number: Count
    camera: Name
    end_mm: RecordMm | None = None

    @property
    def key(self) -> Key:
        """By which its verdict is known within the run."""
        return self.generation, self.number


@dataclass(frozen=True)
class Beyond:
    """What lines tell of verdicts that the ledger does not have."""

    verdicts: Counter[int] = field(default_factory=Counter)
    """How many, by generation: a damaged number counts as one."""
    end_mm: dict[str, float] = field(default_factory=dict)
    """How far they tell of each camera's cloth."""

    def add(self, line: _Line) -> None:
        """One more."""
        self.verdicts[line.generation] += 1
        if line.end_mm is not None:
            self.end_mm[line.camera] = max(self.end_mm.get(line.camera, line.end_mm), line.end_mm)


@dataclass(frozen=True)
class LinesSoFar:
    """The file as long as it is now: what is in it by now, the ledger has, too, unless it lost it."""

    path: Path
    size: int

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The file of a ledger's folder; it need not be there. InputError where nobody may look."""
        path = folder / VERDICTS_FILE
        try:
            return cls(path, path.stat().st_size if path.is_file() else 0)
        except OSError as e:
            raise _unreadable(path, e) from None

    def after(self, run_id: str, last: Key | None) -> Beyond:
        """What the lines of a run tell behind the last verdict (generation, number) in the ledger; InputError if unreadable."""
        beyond, known = Beyond(), 0
        if not self.size:
            return beyond
        try:
            with self.path.open("rb") as file:
                of_run = (raw for raw in lines_backwards(file.fileno(), self.size) if run_id.encode() in raw)
                for line in map(_read, of_run):
                    if line is None or line.run != run_id:
                        continue
                    if last is None or line.key > last:
                        beyond.add(line)
                    elif (known := known + 1) > LATE:
                        break
        except OSError as e:
            raise _unreadable(self.path, e) from None
        return beyond

    def verdicts(self, run_id: str) -> Iterator[tuple[Key, Callable[[], dict[str, Any] | None]]]:
        """Generation and number of each line of a run, in order, and what gives its body as the ledger has it.

        That gives null for a line that is not whole. A number above that of the next line is damaged. InputError if unreadable.
        """
        before: tuple[_Line, bytes] | None = None
        if not self.size:
            return
        try:
            with self.path.open("rb") as file:
                for raw in takewhile(lambda _: file.tell() <= self.size, iter(file.readline, b"")):
                    line = _read(raw) if run_id.encode() in raw else None
                    if line is None or line.run != run_id:
                        continue
                    if before is not None and before[0].key < line.key:
                        yield before[0].key, partial(_body, before[1])
                    before = line, raw
        except OSError as e:
            raise _unreadable(self.path, e) from None
        if before is not None:
            yield before[0].key, partial(_body, before[1])


def _unreadable(path: Path, e: OSError) -> InputError:
    return InputError(f"verdicts not readable ({e.strerror}), {path}, make it readable or move it to another folder")


def _read(line: bytes) -> _Line | None:
    """A line; what is no verdict, a killed writer or a broken disk has left, and it says nothing."""
    try:
        return _Line.model_validate_json(line)
    except ValidationError:
        return None


def _line(run_id: str, verdict: Verdict) -> str:
    """Strict JSON: a score that is not finite is null."""
    body: dict[str, Any] = json.loads(verdict.model_dump_json())
    body["lane_scores"] = body.pop("lanes")
    return json.dumps({"schema": 1, "run": run_id, **body})


def _body(line: bytes) -> dict[str, Any] | None:
    """Read back the verdict that `_line` wrote; null where the line is not whole."""
    body = json.loads(line)
    try:
        body["lanes"] = body.pop("lane_scores")
        del body["schema"], body["run"]
        verdict = Verdict.model_validate_json(json.dumps(body), strict=True)
    except (KeyError, ValidationError):
        return None
    return verdict.model_dump(mode="json")
