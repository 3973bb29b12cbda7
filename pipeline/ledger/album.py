"""The pictures kept of a run: one of each defect, that of its strongest sighting, within a budget on the disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from glass_core.files.whole_file import whole_file
from pipeline.cloth.joining import Defect, Joiner
from pipeline.ledger.crops import Crop, cut_crop, kept_path, map_path
from pipeline.messages.message import Payload
from pipeline.messages.verdicts import Verdict

WAITING = 64
"""Crops in memory, of 7 MB at most."""


class Album:
    """Joins defects as the report does, and has a picture of each from its first sighting on.

    A stronger sighting takes the place of the picture before, on the disk too. So the record of a killed line has its
    pictures, and a streak of any length has one. Beyond `budget_bytes` in the run's folder new ones are left out, counted.
    """

    def __init__(self, folder: Path, run_id: str, budget_bytes: int) -> None:
        self._folder, self._run_id = folder, run_id
        self._joiner = Joiner()
        self._kept: dict[Defect, Path] = {}
        self._waiting: dict[Path, Crop] = {}
        self._room = budget_bytes - sum(p.stat().st_size for p in (folder / "crops" / run_id).glob("*.png"))
        self.left_out = 0

    def __len__(self) -> int:
        """Pictures not yet written."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """So many wait that one must be written first."""
        return len(self._waiting) >= WAITING

    def take(self, verdict: Verdict, payloads: tuple[Payload, ...]) -> None:
        """Cut what a DEFECT verdict shows best, and give up what it shows better."""
        touched, closed = self._joiner.add(verdict)
        for defect, path in [(d, p) for d, p in self._kept.items() if d.joined_to or d in touched]:
            del self._kept[defect]
            if path == kept_path(self._folder, self._run_id, defect.final):
                self._kept[defect.final] = path
            else:
                self._give_up(path)
        for defect in touched:
            if defect.pictured is not None and defect.pictured.verdict is verdict:
                crop = cut_crop(self._folder, self._run_id, defect.pictured, payloads)
                self._kept[defect] = crop.path
                self._waiting[crop.path] = crop
        for defect in closed:
            self._kept.pop(defect, None)

    def write_one(self) -> bool:
        """Write the picture that waits longest; False: none does."""
        if not self._waiting:
            return False
        files = self._waiting.pop(next(iter(self._waiting))).encode()
        size = sum(map(len, files.values()))
        if size > self._room:
            self.left_out += 1
            return True
        try:
            for path, data in files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as part:
                    part.write_bytes(data)
            self._room -= size
        except OSError:
            self.left_out += 1
        return True

    def _give_up(self, path: Path) -> None:
        if self._waiting.pop(path, None) is not None:
            return
        for file in (path, map_path(path)):
            with suppress(OSError):  # it was left out, or somebody took it away
                size = file.stat().st_size
                file.unlink()
                self._room += size
