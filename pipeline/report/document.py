"""One JSON document per finished roll, for other systems: made once each, in the order of the rolls, over restarts and kills.

Run as a program of its own, `python -m pipeline.report.document`, since a long run takes a while to read: see `Order`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glass_core.errors import InputError
from glass_core.files.whole_file import make_folder, refused_writes, whole_file
from pipeline.config.line import LineConfig
from pipeline.ledger.lost import Missing
from pipeline.ledger.reading import read_borders, read_rolls, read_runs
from pipeline.ledger.retention import AWAY
from pipeline.messages.cloth import Roll
from pipeline.outputs.documents import Document, Documents
from pipeline.outputs.passing import MAX_WAIT_NS
from pipeline.report.cut import with_cut
from pipeline.report.sheet import RollSheet, RunSheet, read_roll

BEYOND_MM = 1e13


class RollDocument(BaseModel):
    """What a finished roll amounts to, as it was when it ended; words of a review that come later are not in it."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    document: str
    """The same each time that it is sent, and no other document's: by it a receiver knows a twin."""
    line: str
    run_id: str
    style: str
    began: datetime
    ended: datetime | None
    """When the end was told; null: the run ended before the roll did."""
    complete: bool
    """Every camera has judged cloth beyond the end of the roll; false: the cloth came to rest, or the run ended."""
    version: str
    config_sha: str | None
    weights_sha: str | None
    engine_sha: str | None
    card_sha: str | None
    roll: RollSheet
    missing: Missing
    """What the record of the whole run has lost."""


class Order(BaseModel):
    """What one run of this program is to do: make the documents of all rolls that are finished and have none yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: LineConfig
    passed_mm: dict[str, float] | None
    """By camera: all cloth before it has its verdict. Null: the last run is over."""
    now_utc_ns: int


class Made(BaseModel):
    """How far documents are made: of this run so many rolls, of those before it all."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    rolls: int


class Finished(NamedTuple):
    """A roll that is finished: its name in the run, how it began, and where and how it ended."""

    name: str
    began: Roll
    ended: Roll | None
    complete: bool


def make_documents(order: Order) -> int:
    """How many were made, each kept for every output that is to have it; InputError where a ledger or the disk refuses.

    Where there were none before, it begins with the rolls of the last run: nobody asked for the older ones.
    """
    config = order.config
    outputs = [Documents(config, o.name) for o in config.wired if getattr(o, "rolls", False)]
    keeper = config.ledger.path.parent / "rolls" / "made.json"
    runs = _runs(config.ledger.path)
    if not outputs or not runs:
        return 0
    present = next(reversed(runs))
    made = _read_made(keeper) or Made(run_id=present, rolls=0)
    count = 0
    with refused_writes(keeper.parent):
        make_folder(keeper.parent)
        for run_id, ledger in _due(runs, made.run_id).items():
            if run_id != made.run_id:
                made = Made(run_id=run_id, rolls=0)
            passed_mm = order.passed_mm if run_id == present else None
            over = passed_mm is None
            finished = _finished(ledger, run_id, over, passed_mm or {}, [c.name for c in config.cameras], order.now_utc_ns)
            for turn, roll in list(enumerate(finished))[made.rolls :]:
                if (document := _document(ledger, run_id, turn, roll, config)) is not None:
                    for output in outputs:
                        output.put(document)
                    count += 1
                made = Made(run_id=run_id, rolls=turn + 1)
                _write_made(keeper, made)  # only now may it be delivered and go: made again it would come twice
        if count == 0 and not keeper.is_file():
            _write_made(keeper, made)
    return count


def _runs(path: Path) -> dict[str, Path]:
    """In which ledger each run is, in the order in which they were recorded."""
    ledgers = [*sorted(path.parent.glob(f"{AWAY}*/{path.name}")), path]
    return {run_id: ledger for ledger in ledgers if ledger.is_file() for run_id in read_runs(ledger)}


def _due(runs: dict[str, Path], last: str) -> dict[str, Path]:
    """The run that had a document last, and those after it; a clock that was set back gives a later run an earlier name."""
    order = [*runs]
    if last in runs:
        return {run_id: runs[run_id] for run_id in order[order.index(last) :]}
    # its record was removed: names are all there is to go by
    return {run_id: runs[run_id] for run_id in order if run_id > last or run_id == order[-1]}


def _finished(
    ledger: Path, run_id: str, over: bool, passed_mm: Mapping[str, float], cameras: Iterable[str], now_utc_ns: int
) -> list[Finished]:
    """Those rolls of a run, in the order in which they were told, up to the first that is not."""
    told, found = list(read_rolls(ledger, run_id)), list[Finished]()
    for name, began in read_borders(ledger, run_id).rolls.items():
        if not name:
            continue
        ended = _end(told, began)
        passed = ended is not None and ended.start_mm is not None and all(
            passed_mm.get(camera, -BEYOND_MM) >= ended.start_mm for camera in cameras
        )  # fmt: skip
        waited = ended is not None and now_utc_ns - ended.t_utc_ns > MAX_WAIT_NS
        if not (passed or waited or over):
            break
        found.append(Finished(name, began, ended, passed))
    return found


def _end(told: list[Roll], began: Roll) -> Roll | None:
    """The word that ended it: of the rolls that lie behind it on the cloth the nearest, or without places the next one."""
    if began.start_mm is None:
        later = [r for r in told if r.t_mono_ns > began.t_mono_ns and r.roll_id != began.roll_id]
        return later[0] if later else None
    start_mm = began.start_mm
    behind = [r for r in told if r.start_mm is not None and r.start_mm > start_mm and r.t_mono_ns > began.t_mono_ns]
    return min(behind, key=lambda r: (r.start_mm or 0.0, r.t_mono_ns), default=None)


def _document(ledger: Path, run_id: str, turn: int, roll: Finished, config: LineConfig) -> Document | None:
    """Null where no cloth of it was ever told of."""
    run = read_roll(ledger, run_id)
    sheet = next((r for r in run.rolls if r.roll_id == roll.name), None)
    if sheet is None:
        return None
    name = f"{run_id}-{turn:04d}-{config.line.name}"
    found = RollDocument(
        document=name, line=run.line, run_id=run_id, style=roll.began.style, began=_time(roll.began.t_utc_ns),
        ended=None if roll.ended is None else _time(roll.ended.t_utc_ns), complete=roll.complete, version=run.version,
        config_sha=run.config_sha, **_hashes(run, ledger, roll.began.style), roll=with_cut(sheet, config.cut),
        missing=run.missing,
    )  # fmt: skip
    return Document(f"{name}.json", found.model_dump_json(by_alias=True, indent=1).encode() + b"\n")


def _hashes(run: RunSheet, ledger: Path, style: str) -> dict[str, str | None]:
    """By which model and card the style is judged."""
    if style in run.styles:
        own = run.styles[style]
        return {"weights_sha": own.weights_sha, "engine_sha": own.engine_sha, "card_sha": own.card_sha}
    engine = read_runs(ledger).get(run.run_id, {}).get("engine_sha")
    return {"weights_sha": run.weights_sha, "engine_sha": engine, "card_sha": run.card_sha}


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)


def _read_made(path: Path) -> Made | None:
    try:
        return Made.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError):
        raise InputError(f"not readable, {path}, remove it: documents then begin with the last run") from None


def _write_made(path: Path, made: Made) -> None:
    with whole_file(path) as part:
        part.write_text(made.model_dump_json(), encoding="utf-8")


def main() -> int:
    """Takes an Order on stdin and prints how many documents were made; exit 2 with one line where it cannot."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    os.nice(19)  # the engine comes first
    try:
        print(json.dumps({"made": make_documents(Order.model_validate_json(sys.stdin.buffer.read()))}))
    except InputError as e:
        print(f"glassline: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
