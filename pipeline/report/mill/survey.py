"""What a mill's ledgers say together, and the files that it becomes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from pipeline.ledger.reading import ledgers_of
from pipeline.report.files import cell
from pipeline.report.mill.figures import Figure, sum_up, write_parquet
from pipeline.report.mill.page import draw_page
from pipeline.report.mill.rows import Terms, read_rows

NAMED = 5


@dataclass(frozen=True)
class Survey:
    """The statistics over all rolls of some ledgers, in the order in which they are told."""

    figures: Sequence[Figure]
    zone: str
    """In which shifts and weeks are told."""
    torn: Sequence[str] = ()
    """Runs whose record is not whole."""

    @property
    def warning(self) -> str:
        """Why points do not compare, or figures are not whole; empty: they do, and are."""
        rules = sorted(f.name for f in self.figures if f.statistic == "rules" and f.points is not None)
        several = f"the rolls were graded by several rule sets ({', '.join(rules)}): their points do not compare"
        more = f" and {len(self.torn) - NAMED} more" if len(self.torn) > NAMED else ""
        torn = f"the record is not whole of {', '.join(self.torn[:NAMED])}{more}: their reports say what it lacks"
        return "; ".join([several] * bool(rules[1:]) + [torn] * bool(self.torn))

    def write_csv(self, path: Path) -> None:
        """InputError where it cannot be written, as for the others."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(Figure._fields)
        rows.writerows([cell(value) for value in figure] for figure in self.figures)
        _write(path, lambda part: part.write_text(text.getvalue(), encoding="utf-8"))

    def write_parquet(self, path: Path) -> None:
        """The same table."""
        _write(path, lambda part: write_parquet(self.figures, part))

    def write_page(self, path: Path) -> None:
        """One HTML file that needs nothing from elsewhere."""
        page = draw_page(self.figures, self.zone, self.warning)
        _write(path, lambda part: part.write_text(page, encoding="utf-8"))


def survey_mill(ledgers: Sequence[Path], terms: Terms | None = None) -> Survey:
    """Every roll of every run of the ledgers (files, or folders that run, replay or demo wrote).

    InputError where one cannot be read, which is named, or where none of them holds a roll.

    >>> survey = survey_mill([folder / "record"])
    >>> [figure.rolls for figure in survey.figures if figure.statistic == "quality"]
    [1]
    """
    terms = terms or Terms()
    rows = read_rows(ledgers_of(ledgers), terms)
    if not rows.rolls:
        names = ", ".join(map(str, ledgers))
        raise InputError(f"no roll, {names}, give the folders that run, replay or demo wrote")
    return Survey(sum_up(rows), str(terms.zone) if terms.zone else "the time of this machine", rows.torn)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        with whole_file(path) as part:
            write(part)
    except OSError as e:
        raise InputError(f"not writable ({e.strerror}), {path}, choose another folder or make room") from None
