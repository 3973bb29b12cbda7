"""Finished runs are put away, each in a folder that is a record of its own, and removed whole by age and size.

Nothing of that happens unless the configuration asks for it: a record is proof.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from glass_core.files.whole_file import sync_folder
from pipeline.config.ledger import LedgerConfig
from pipeline.ledger import acts, dispositions, proposals
from pipeline.ledger.journal import VERDICTS_FILE
from pipeline.ledger.refused import not_writable
from pipeline.ledger.store import Ledger, stands_alone
from pipeline.ledger.writer_lock import lock

LOOK_NS = 600_000_000_000
AWAY, PART, GOING = "until-", ".until.part", ".going-"
DAY_NS = 86_400_000_000_000


def put_away(path: Path) -> None:
    """Move the record of finished runs beside the ledger into `until-<now>/`, which is read like any other.

    It stays where somebody still reads it, or it is damaged. A kill in between leaves a part, which the next start completes.
    InputError where another line writes it, or it cannot be moved.
    """
    folder, held = path.parent, lock(path)
    part = folder / PART
    try:
        if path.exists() and not stands_alone(path):
            return
        said = folder / dispositions.FILE, folder / acts.FILE, folder / proposals.FILE
        aside = [*folder.glob(f"{path.stem}.damaged-*"), *folder.glob(f"{path.stem}.schema-*")]
        record = [folder / "crops", *said, folder / VERDICTS_FILE, *aside, path]
        there = [file for file in record if file.exists()]
        if there or part.exists():
            part.mkdir(exist_ok=True)
            for file in there:  # the ledger last: until then it is not put away
                file.rename(part / file.name)
            sync_folder(part)
            part.rename(folder / f"{AWAY}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
            sync_folder(folder)
    except OSError as e:
        raise not_writable("record of finished runs", path, e, "mend its folder or drop ledger.keep_*") from None
    finally:
        os.close(held)


class Retention:
    """Removes what was put away longest ago, one file a step, and says so in the record before it begins."""

    def __init__(self, ledger: Ledger, config: LedgerConfig, utc_ns: Callable[[], int]) -> None:
        self._ledger, self._config, self._utc_ns = ledger, config, utc_ns
        self._folder = ledger.path.parent
        self._due_ns = 0
        self._sizes: dict[str, int] = {}
        self._doomed: Path | None = None
        self._files: Iterator[Path] = iter(())

    def step(self, now_ns: int) -> bool:
        """Measure a record, look whether one must go, or remove one file of it; False: nothing to do."""
        if self._doomed is not None:
            return self._ledger.pending == 0 and self._remove_one()  # first the record must say so
        if now_ns < self._due_ns:
            return False
        for folder in self._folder.glob(f"{AWAY}*"):
            if folder.name not in self._sizes:
                self._sizes[folder.name] = _bytes(folder)
                return True  # one a step: a record may be many files
        self._due_ns = now_ns + LOOK_NS
        self._doomed = next(self._folder.glob(f"{GOING}*"), None) or self._choose()
        return self._doomed is not None

    def _choose(self) -> Path | None:
        """The oldest, where it is too old or all together are too much."""
        away = sorted(self._folder.glob(f"{AWAY}*"))
        if not away:
            return None
        days = (self._utc_ns() - _ended_ns(away[0])) / DAY_NS if self._config.keep_days else 0.0
        total = sum(self._sizes[folder.name] for folder in away) + self._ledger.path.stat().st_size
        if self._config.keep_days and days > self._config.keep_days:
            why = f"keep_days {self._config.keep_days:g}"
        elif self._config.keep_gb and total > self._config.keep_gb * 1e9:
            why = f"keep_gb {self._config.keep_gb:g}"
        else:
            return None
        self._ledger.add_fact(f"removed {away[0].name}", {"bytes": self._sizes[away[0].name], "by": why})
        return away[0]

    def _remove_one(self) -> bool:
        assert self._doomed is not None
        try:
            if not self._doomed.name.startswith(GOING):  # from now on nobody takes it for a record
                self._doomed = self._doomed.rename(self._folder / f"{GOING}{self._doomed.name}")
                self._files = iter(())
                return True
            file = next(self._files, None)
            if file is None:
                self._files = (path for path in self._doomed.rglob("*") if not path.is_dir())
                file = next(self._files, None)
            if file is not None:
                file.unlink()
                return True
            shutil.rmtree(self._doomed)
        except OSError:
            pass  # somebody forbids it: it is tried again at the next look
        else:
            self._due_ns = 0  # the next may have to go, too
        self._doomed = None
        return True


def _ended_ns(record: Path) -> int:
    """When it was put away, by its name; one that somebody named otherwise never grows old."""
    try:
        return int(datetime.strptime(record.name, f"{AWAY}%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC).timestamp() * 1e9)
    except ValueError:
        return 1 << 62


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total
