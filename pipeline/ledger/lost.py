"""What a run's record lacks, found by what it does hold: numbers, totals, places, and the lines of verdicts.jsonl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pipeline.ledger.ending import Ending
from pipeline.ledger.found import Found
from pipeline.ledger.opening import Connection, opened
from pipeline.ledger.reading import read_borders
from pipeline.ledger.rows import find_run, read_config, whole_bodies, whole_totals
from pipeline.ledger.spoken import Spoken
from pipeline.ledger.tables import SpanRow
from pipeline.ledger.verdict_lines import Key, LinesSoFar
from pipeline.ledger.whole_verdicts import whole_verdicts
from pipeline.messages.line import Totals

NUMBERED = {
    "states": ("states", "TRUE"),
    "rejects": ("rejects", "TRUE"),
    "actions": ("actions", "TRUE"),
    "rolls": ("web", "kind = 'Roll'"),
    "events": ("web", "kind = 'SpanEvent'"),
}
"""What decision numbers from 0 in each of its generations beside verdicts, and where it is kept."""


class Missing(BaseModel):
    """How many records of each kind a run should hold and does not."""

    model_config = ConfigDict(frozen=True)

    records: dict[str, int] = Field(default_factory=dict)
    """By verdicts, rejects, states, actions, rolls, events; generations: of decision, from which there is no record at all."""
    in_verdicts_jsonl: int = 0
    """How many of the verdicts still stand there."""
    counted: int = 0
    """How many of these lie before the last that the ledger has. They count as their lines say, the others as lost."""
    end: bool = False
    """Nobody writes the run any more, and it did not end in order: nobody knows what came after its last record."""

    def __str__(self) -> str:
        """Some sentences for people; empty where nothing is missing."""
        return " ".join(filter(None, (self._records(), self._end())))

    def _end(self) -> str:
        if not self.end:
            return ""
        return "The run did not end in order: what was inspected after its last record is not known."

    def _records(self) -> str:
        if not self.records:
            return ""
        counts = ", ".join(f"{n:,} {kind if n > 1 else kind.removesuffix('s')}" for kind, n in self.records.items())
        stand = "stand" if self.in_verdicts_jsonl > 1 else "stands"
        still = (
            f" {self.in_verdicts_jsonl:,} of the verdicts still {stand} in verdicts.jsonl." if self.in_verdicts_jsonl else ""
        )
        if self.counted:
            still += f" {self.counted:,} from its middle {'count' if self.counted > 1 else 'counts'} as told there."
        return f"The record is not whole: it lacks {counts}.{still}"


def read_spans(path: Path, run_id: str | None = None) -> Iterator[SpanRow]:
    """Camera, roll, from mm, to mm, result and reason of every verdict with a place, in order.

    It parses each verdict once, and keeps in memory only what grows with the gaps and rolls. A frame across the border of two
    rolls gives a part to each; cloth seen again is left out. At the end comes the cloth of which the ledger has lost what was
    decided: as a line of verdicts.jsonl says, where one fits in, else as NOT_INSPECTED for RECORD_LOST. Of a run that was cut
    off that is all cloth that is known to have run.
    """
    ending, found = Ending(path), Found()
    borders, lines = read_borders(path, run_id), LinesSoFar.of(path.parent)
    with opened(path) as db:
        run = find_run(db, path, run_id)
        cut_off, looks_at_mm, last = ending.lacks(db, run), _looks_at_mm(db, run), None
        spoken = Spoken(looks_at_mm)
        for body, in_lines in whole_verdicts(db, run, lines):
            span = body["camera"], body["start_mm"], body["end_mm"], body["roll_id"]
            placed = None not in span and not body.get("rescan")
            if in_lines:
                if placed:
                    found.add(*span, body["result"], body["reason"])
                continue
            last = body["generation"], body["number"]
            spoken.count(*last)
            if not placed:
                continue
            spoken.add(*span)
            if body["seq"] is not None:
                found.compare(*span[:3])
            for part in borders.parts(*span[1:]):
                yield span[0], *part, body["result"], body["reason"]
        end_mm = _end_mm(looks_at_mm, last, whole_totals(db, run), lines.after(run, last).end_mm, cut_off)
        for hole in spoken.holes(end_mm):
            for roll_id, start_mm, stop_mm, result, reason in found.fill(*hole):
                for part in borders.parts(start_mm, stop_mm, roll_id):
                    yield hole[0], *part, result, reason


def read_missing(path: Path, run_id: str | None = None) -> Missing:
    """The records that a run (default: the last) should hold and does not, by the numbers and totals that it does hold."""
    ending, lines, last = Ending(path), LinesSoFar.of(path.parent), None
    held, reach, counted = Counter[tuple[str, int]](), dict[tuple[str, int], int](), 0
    doubted: Key | None = None

    def reaches(kind: str, generation: int, count: int) -> None:
        reach[kind, generation] = max(reach.get((kind, generation), 0), count)

    with opened(path) as db:
        run = find_run(db, path, run_id)
        cut_off = ending.lacks(db, run)
        for body, in_lines in whole_verdicts(db, run, lines):
            generation, number = body["generation"], body["number"]
            if doubted is not None and doubted[0] == generation:  # another of its generation follows: it was right
                reaches("verdicts", generation, doubted[1] + 1)
            doubted = None
            if in_lines:
                doubted, counted = (generation, number), counted + 1
                number = min(number, reach.get(("verdicts", generation), 0))
            else:
                last = generation, number
                held["verdicts", generation] += 1
            reaches("verdicts", generation, number + 1)
        for kind, (table, where) in NUMBERED.items():
            for body in whole_bodies(db, run, table, where):
                held[kind, body["generation"]] += 1
                reaches(kind, body["generation"], body["number"] + 1)
                if kind == "rejects":  # an action told again names a verdict of the generation before
                    reaches("verdicts", body["generation"], body["verdict"] + 1)
        for totals in whole_totals(db, run):
            reaches("verdicts", totals.generation, totals.verdicts)
            reaches("rejects", totals.generation, totals.rejects)
    generations = {generation for _, generation in reach}
    beyond = lines.after(run, last).verdicts
    for generation, count in beyond.items():
        reaches("verdicts", generation, count + (last[1] + 1 if last is not None and last[0] == generation else 0))
    records = Counter(dict.fromkeys(("verdicts", *NUMBERED), 0))
    for (kind, generation), count in reach.items():
        records[kind] += count - held[kind, generation]
    records["generations"] = max(generations, default=-1) + 1 - len(generations)
    return Missing(
        records={kind: n for kind, n in records.items() if n},
        in_verdicts_jsonl=beyond.total() + counted,
        counted=counted,
        end=cut_off,
    )


def _looks_at_mm(db: Connection, run_id: str) -> dict[str, float]:
    """Where each camera of a run looks along the cloth."""
    return {str(c.get("name")): c.get("y_offset_mm", 0.0) for c in read_config(db, run_id).get("cameras", [])}


def _end_mm(
    looks_at_mm: dict[str, float], last: Key | None, told: Iterable[Totals], beyond_mm: dict[str, float], cut_off: bool
) -> dict[str, float]:
    """How far cameras told of their cloth, where that was further than the last verdict on record.

    Totals say how many verdicts there were, and how far the cloth had come. `beyond_mm`: how far the lines of verdicts.jsonl
    tell that follow the last verdict. In a run that was `cut_off`, cloth that had come has lost its verdicts, however many.
    """
    end_mm: dict[str, float] = {}
    for totals in told:
        lost = totals.verdicts > 0 and (last is None or (totals.generation, totals.verdicts - 1) > last)
        if (lost or cut_off) and totals.position_mm is not None:
            end_mm = {camera: totals.position_mm + mm for camera, mm in looks_at_mm.items()}
    for camera in beyond_mm.keys() & looks_at_mm.keys():  # a damaged line may name one that the run has not
        end_mm[camera] = max(end_mm.get(camera, beyond_mm[camera]), beyond_mm[camera])
    return end_mm
