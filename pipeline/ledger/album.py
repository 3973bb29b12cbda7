"""The pictures kept of a run: one of each defect, that of its strongest sighting, within a budget on the disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from glass_core.files.whole_file import make_folder, whole_file
from pipeline.cloth.joining import Defect, Joiner
from pipeline.ledger.crops import Crop, crop_paths, cut_crop, kept_path, map_path
from pipeline.messages.message import Payload
from pipeline.messages.verdicts import Verdict

WAITING = 64
"""Crops in memory, of 7 MB at most."""


class Album:
    """Joins defects as the report does, and has a picture of each from its first sighting on.

    A stronger sighting takes the place of the picture before once it is on the disk, and not where it was left out. So the
    record of a killed line has its pictures, and a streak of any length has one. Beyond `budget_bytes` in the run's folder new
    ones are left out, counted.
    """

    def __init__(self, folder: Path, run_id: str, budget_bytes: int) -> None:
        self._folder, self._run_id = folder, run_id
        self._joiner = Joiner()
        self._waiting: dict[Path, tuple[Crop, Defect]] = {}
        self._room = budget_bytes - sum(p.stat().st_size for p in (folder / "crops" / run_id).glob("*.png"))
        self._last = (-1, -1)
        self.left_out = 0

    def __len__(self) -> int:
        """Pictures not yet written."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """So many wait that one must be written first."""
        return len(self._waiting) >= WAITING

    def take(self, verdict: Verdict, payloads: tuple[Payload, ...]) -> None:
        """Cut what a DEFECT verdict shows best, and give up what it shows better.

        One that comes again, or after its turn, comes without a picture and changes nothing.
        """
        if (verdict.generation, verdict.number) <= self._last:
            return
        self._last = verdict.generation, verdict.number
        for defect in self._joiner.add(verdict)[0]:
            for shown in defect.pictured[:1]:
                if shown.verdict is verdict:
                    crop = cut_crop(self._folder, self._run_id, shown, payloads)
                    self._waiting[crop.path] = crop, defect
            self._give_up_weaker(defect)

    def write_one(self) -> bool:
        """Write the picture that waits longest; False: none does."""
        if not self._waiting:
            return False
        path = next(iter(self._waiting))
        crop, defect = self._waiting.pop(path)
        files, before = crop.encode(), kept_path(self._folder, self._run_id, defect.final)
        size = sum(map(len, files.values()))
        if size > self._room + (_size(before) if before else 0):
            self.left_out += 1
            return True
        try:
            for file, data in files.items():
                make_folder(file.parent)
                with whole_file(file) as part:
                    part.write_bytes(data)
            self._room -= size
        except OSError:
            self.left_out += 1
        self._give_up_weaker(defect.final)
        return True

    def _give_up_weaker(self, defect: Defect) -> None:
        """Keep the strongest on the disk, and the strongest that waits where it is stronger than that."""
        paths, waits = iter(crop_paths(self._folder, self._run_id, defect)), False
        for path in paths:
            if waits:
                self._waiting.pop(path, None)
            waits |= path in self._waiting
            if path.is_file():
                break
        for path in paths:
            self._waiting.pop(path, None)
            with suppress(OSError):  # it was left out, or somebody took it away
                size = _size(path)
                for file in (path, map_path(path)):
                    file.unlink()
                self._room += size


def _size(picture: Path) -> int:
    """Bytes of a picture and its heat map on the disk."""
    return sum(file.stat().st_size for file in (picture, map_path(picture)))
