"""The statistics of a mill: one long table, summed up and written as Parquet by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from pipeline.report.mill.rows import FALSE_ALARM, Rows

TABLES = {
    "rolls": "roll BIGINT, loom VARCHAR, style VARCHAR, shift VARCHAR, week VARCHAR, quality VARCHAR, rules VARCHAR, "
    "points BIGINT, inspected_m DOUBLE, not_inspected_m DOUBLE, graded_m2 DOUBLE",
    "defects": "roll BIGINT, kind VARCHAR, place VARCHAR, camera VARCHAR, word VARCHAR, points BIGINT",
    "gaps": "roll BIGINT, reason VARCHAR, metres DOUBLE",
}
COLUMNS = (
    "statistic VARCHAR, name VARCHAR, rolls BIGINT, defects BIGINT, points BIGINT, inspected_m DOUBLE, not_inspected_m DOUBLE, "
    "points_per_100_m2 DOUBLE, share DOUBLE, share_so_far DOUBLE"
)
BY_ROLL = ("loom", "shift", "style", "week", "quality", "rules")
BY_DEFECT = {"kind": f"WHERE word <> '{FALSE_ALARM}'", "place": f"WHERE word <> '{FALSE_ALARM}'",
             "camera": f"WHERE word <> '{FALSE_ALARM}'", "word": ""}  # fmt: skip
IN_TIME = {"shift", "week"}
"""Told in their own order; all others with the worst, or the most, first."""
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""It fetches nothing, and leaves the other cores to a line."""
AT_ONCE = 10_000


class Figure(NamedTuple):
    """One line of a statistic; null where it says nothing of that."""

    statistic: str
    """kind, place, camera, word, loom, shift, style, week, quality, rules or reason."""
    name: str
    rolls: int
    defects: int | None
    points: int | None
    """kind, place, camera, word: by the rules, before the cap in each yard or metre."""
    inspected_m: float | None
    not_inspected_m: float | None
    points_per_100_m2: float | None
    """Of the graded rolls among them."""
    share: float | None
    """Of all defects counted, or of all metres not inspected."""
    share_so_far: float | None
    """With those above it."""


def sum_up(rows: Rows) -> list[Figure]:
    """All statistics of the rows. Kinds, places and cameras are those of what was not found to be a false alarm."""
    with duckdb.connect(config=OFFLINE) as db:
        for name, columns in TABLES.items():
            _fill(db, name, columns, getattr(rows, name))
        db.execute(f"CREATE TABLE figures({COLUMNS})").fetchall()
        for name in ("kind", "place", "camera"):
            _insert(db, _by_defect(name))
        for name in BY_ROLL:
            _insert(db, _by_roll(name))
        _insert(db, _by_defect("word"))
        _insert(db, REASONS)
        return [Figure(*line) for line in db.execute("SELECT * FROM figures ORDER BY rowid").fetchall()]


def write_parquet(figures: Sequence[Figure], path: Path) -> None:
    """OSError where it cannot be written."""
    with duckdb.connect(config=OFFLINE) as db:
        _fill(db, "figures", COLUMNS, [figure._asdict() for figure in figures])
        try:
            db.table("figures").write_parquet(str(path.absolute()))  # DuckDB takes a leading ~ for the home folder
        except duckdb.IOException as e:
            raise OSError(None, str(e).splitlines()[0]) from None


def _fill(db: duckdb.DuckDBPyConnection, table: str, columns: str, rows: list[dict[str, Any]]) -> None:
    db.execute(f"CREATE TABLE {table}({columns})").fetchall()
    for n in range(0, len(rows), AT_ONCE):  # as values they take kilobytes each
        some = rows[n : n + AT_ONCE]
        db.execute(f"INSERT INTO {table} SELECT unnest(?::STRUCT({columns})[], recursive := true)", [some]).fetchall()


def _insert(db: duckdb.DuckDBPyConnection, query: str) -> None:
    db.execute(f"INSERT INTO figures BY NAME {query}").fetchall()


def _by_defect(column: str) -> str:
    return f"""
        SELECT '{column}' AS statistic, {column} AS name, count(DISTINCT roll) AS rolls, count(*) AS defects,
            sum(points) AS points, count(*) / sum(count(*)) OVER () AS share,
            sum(count(*)) OVER (ORDER BY count(*) DESC, {column}) / sum(count(*)) OVER () AS share_so_far
        FROM defects {BY_DEFECT[column]} GROUP BY {column} ORDER BY defects DESC, name"""


def _by_roll(column: str) -> str:
    order = "name" if column in IN_TIME else "points_per_100_m2 DESC NULLS LAST, name"
    return f"""
        SELECT '{column}' AS statistic, {column} AS name, count(*) AS rolls, sum(found) AS defects, sum(points) AS points,
            sum(inspected_m) AS inspected_m, sum(not_inspected_m) AS not_inspected_m,
            100 * sum(points) / nullif(sum(graded_m2), 0) AS points_per_100_m2
        FROM (SELECT *, (SELECT count(*) FROM defects WHERE defects.roll = rolls.roll AND word <> '{FALSE_ALARM}') AS found
            FROM rolls) GROUP BY {column} ORDER BY {order}"""


REASONS = """
    SELECT 'reason' AS statistic, reason AS name, count(DISTINCT roll) AS rolls, sum(metres) AS not_inspected_m,
        sum(metres) / sum(sum(metres)) OVER () AS share,
        sum(sum(metres)) OVER (ORDER BY sum(metres) DESC, reason) / sum(sum(metres)) OVER () AS share_so_far
    FROM gaps GROUP BY reason ORDER BY not_inspected_m DESC, name"""
