"""Reads a ledger again, also while a line writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from pipeline.cloth.borders import Borders
from pipeline.ledger.opening import opened
from pipeline.ledger.rows import TWICE, damaged, find_run, known_as, read_config, read_object, whole_bodies
from pipeline.ledger.verdict_lines import LinesSoFar
from pipeline.ledger.whole_verdicts import whole_verdicts
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Alignment, Roll, SpanEvent
from pipeline.messages.line import LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict

M = TypeVar("M", bound=Message)


def ledgers_of(places: Iterable[Path]) -> list[Path]:
    """The ledgers of folders that run, replay or demo wrote; one that is named twice counts once."""
    files = (place / "ledger.sqlite" if place.is_dir() else place for place in places)
    return list({file.resolve(): file for file in files}.values())


def read_runs(path: Path) -> dict[str, dict[str, Any]]:
    """The facts of every run in the ledger, oldest first."""
    runs: dict[str, dict[str, Any]] = {}
    with opened(path) as db:
        for run_id, key, value in db.execute("SELECT run_id, key, value FROM run ORDER BY rowid"):
            try:
                runs.setdefault(known_as(path, run_id), {})[key] = from_json(value)
            except (ValueError, TypeError):
                raise damaged(path, f"{key} of run {run_id}") from None
    return runs


def read_verdicts(path: Path, run_id: str | None = None) -> Iterator[Verdict]:
    """The verdicts of a run (default: the last) in the order in which they were given, each on the roll that it lies on."""
    return _placed(path, run_id, _verdicts(path, run_id))


def read_last_verdicts(path: Path, most: int, run_id: str | None = None) -> list[Verdict]:
    """The last verdicts of a run (default: the last), so many at most, each on the roll that it lies on.

    They come from the ledger alone, and in one go: whoever looks on must not hold up its writer.
    """
    last = "SELECT generation, number FROM verdicts WHERE run_id = ? ORDER BY generation DESC, number DESC LIMIT 1 OFFSET ?"
    with opened(path) as db:
        run = find_run(db, path, run_id)
        generation, number = db.execute(last, (run, most - 1)).fetchone() or (0, 0)
        bodies = list(whole_bodies(db, run, "verdicts", f"(generation, number) >= ({int(generation)}, {int(number)})"))
    return list(_placed(path, run, (_typed(path, "verdicts", Verdict, body) for body in bodies)))


def read_defect_verdicts(path: Path, run_id: str | None = None) -> Iterator[Verdict]:
    """The DEFECT verdicts of a run (default: the last), in order, each on the roll that it lies on."""
    return _placed(path, run_id, (v for v in _verdicts(path, run_id, defects=True) if not v.rescan))


def _placed(path: Path, run_id: str | None, verdicts: Iterator[Verdict]) -> Iterator[Verdict]:
    borders = read_borders(path, run_id)
    for verdict in verdicts:
        named = borders.named(verdict.roll_id, verdict.t_mono_ns)
        roll_id = borders.of(verdict.start_mm, verdict.end_mm, named)
        yield verdict if roll_id == verdict.roll_id else verdict.model_copy(update={"roll_id": roll_id})


def read_cloth_edges(path: Path, run_id: str | None = None) -> Iterator[tuple[str, str, float, float]]:
    """Camera, roll and the cloth's two edges in mm of every judged frame that shows them, of a run (default: the last)."""
    borders = read_borders(path, run_id)
    with _bodies(path, run_id) as bodies:
        for v in bodies:
            if v.get("cloth_x_mm") is not None and not v.get("rescan") and v["result"] != Result.NOT_INSPECTED:
                named = borders.named(v["roll_id"], v["t_mono_ns"])
                yield v["camera"], borders.of(v["start_mm"], v["end_mm"], named), *v["cloth_x_mm"]


def read_states(path: Path, run_id: str | None = None) -> Iterator[LineState]:
    """The line states of a run (default: the last), in order."""
    return _read(path, run_id, "states", LineState)


def read_rejects(path: Path, run_id: str | None = None) -> Iterator[Reject]:
    """The reject signals of a run (default: the last), in order."""
    return _read(path, run_id, "rejects", Reject)


def read_actions(path: Path, run_id: str | None = None) -> Iterator[Action]:
    """What the action table asked for in a run (default: the last), in order."""
    return _read(path, run_id, "actions", Action)


def read_rolls(path: Path, run_id: str | None = None) -> Iterator[Roll]:
    """Where the rolls of a run (default: the last) begin and end, in order."""
    return _read(path, run_id, "web", Roll, "kind = 'Roll'")


def read_borders(path: Path, run_id: str | None = None) -> Borders:
    """Which roll of a run (default: the last) a place is on."""
    with opened(path) as db:
        line = read_config(db, find_run(db, path, run_id)).get("line")
    first = line.get("roll_id") if isinstance(line, dict) else None
    return Borders(read_rolls(path, run_id), first if isinstance(first, str) else "")


def read_events(path: Path, run_id: str | None = None) -> Iterator[SpanEvent]:
    """The seams, leads, stop marks and wrinkles of a run (default: the last), in order."""
    return _read(path, run_id, "web", SpanEvent, "kind = 'SpanEvent'")


def read_alignments(path: Path, run_id: str | None = None) -> Iterator[Alignment]:
    """How neighbouring cameras were found to be aligned in a run (default: the last), in order."""
    return _read(path, run_id, "web", Alignment, "kind = 'Alignment'")


def read_totals(path: Path, run_id: str | None = None) -> Iterator[Totals]:
    """The last totals of each generation of decision in a run (default: the last)."""
    return _read(path, run_id, "totals", Totals)


def read_cameras(path: Path, run_id: str | None = None) -> dict[str, tuple[int, int]]:
    """Each camera of a run (default: the last) that has verdicts: its frames, and how many have a known place."""
    frames, placed = Counter[str](), Counter[str]()
    with _bodies(path, run_id) as bodies:
        for v in bodies:
            frames[v["camera"]] += v["seq"] is not None
            placed[v["camera"]] += v["seq"] is not None and v["start_mm"] is not None
    return {camera: (frames[camera], placed[camera]) for camera in sorted(frames)}


def read_frame_shapes(path: Path, run_id: str | None = None) -> dict[str, tuple[int, ...]]:
    """The shape of each camera's pictures in a run (default: the last), of one that was scored."""
    with opened(path) as db:
        bodies = whole_bodies(db, find_run(db, path, run_id), "verdicts", "score IS NOT NULL GROUP BY camera")
        return {v["camera"]: tuple(v["frame_shape"]) for v in bodies if v.get("frame_shape")}


def read_camera_facts(path: Path, run_id: str | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """What each camera of a run (default: the last) was and how it was set, by its name and the boot_id of its verdicts.

    It is empty where that is not on record: a recorder was killed that had taken it and not yet written it.
    """
    query = "SELECT camera, boot_id, facts FROM camera_facts WHERE run_id = ? ORDER BY rowid"
    framed = "SELECT DISTINCT camera, boot_id FROM verdicts WHERE run_id = ? AND seq IS NOT NULL"
    with opened(path) as db:
        run = find_run(db, path, run_id)
        rows = db.execute(query, (run,))
        found = {(camera, boot_id): read_object(facts) or {} for camera, boot_id, facts in rows}
        cameras = {c.get("name") for c in read_config(db, run).get("cameras", [])}
        return found | {key: {} for key in db.execute(framed, (run,)) if key not in found and key[0] in cameras}


@contextmanager
def _bodies(path: Path, run_id: str | None) -> Iterator[Iterator[dict[str, Any]]]:
    lines = LinesSoFar.of(path.parent)
    with opened(path) as db:
        yield (body for body, _ in whole_verdicts(db, find_run(db, path, run_id), lines))


def _verdicts(path: Path, run_id: str | None, defects: bool = False) -> Iterator[Verdict]:
    with _bodies(path, run_id) as bodies:
        for body in bodies:
            if not defects or body["result"] == Result.DEFECT:
                yield _typed(path, "verdicts", Verdict, body)


def _read(path: Path, run_id: str | None, table: str, kind: type[M], where: str = "TRUE") -> Iterator[M]:
    with opened(path) as db:
        for body in whole_bodies(db, find_run(db, path, run_id), table, where):
            yield _typed(path, table, kind, body)


def _typed(path: Path, table: str, kind: type[M], body: dict[str, Any]) -> M:
    try:
        return kind.model_validate(body)
    except ValidationError:
        of = " ".join(f"{name} {body[name]}" for name in TWICE[table][:2])
        raise damaged(path, f"{kind.__name__} {of}") from None
