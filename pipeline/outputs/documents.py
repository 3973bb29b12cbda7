"""Documents of finished rolls that wait for one output, as files: they outlive any process, and go once they are delivered."""

from __future__ import annotations

from typing import NamedTuple

from glass_core.files.whole_file import make_folder, whole_file
from pipeline.config.line import LineConfig

LOOK_NS = 1_000_000_000
"""As often is looked whether a document waits."""


class Document(NamedTuple):
    """A file that waits; its name is the same each time that it is told, so that a receiver knows a twin."""

    name: str
    body: bytes


class Documents:
    """The folder of one output, beside the ledger."""

    def __init__(self, line: LineConfig, output: str) -> None:
        self.folder = line.ledger.path.parent / "rolls" / output
        self._gone: set[str] = set()
        """Delivered, and perhaps still there, since the disk refused: they are not sent again."""

    def put(self, document: Document) -> None:
        """Keep it until it is delivered, also after a power cut; OSError where that fails."""
        make_folder(self.folder)
        with whole_file(self.folder / document.name) as part:
            part.write_bytes(document.body)

    def first(self) -> Document | None:
        """The one that has waited longest, if any; OSError where the disk refuses."""
        self._remove()
        names = self.names()
        return Document(names[0], (self.folder / names[0]).read_bytes()) if names else None

    def names(self) -> list[str]:
        """Of all that wait, the oldest first: names begin with the time of their run, and with the roll's turn in it."""
        try:
            return sorted(p.name for p in self.folder.iterdir() if p.suffix == ".json" and not p.name.startswith("."))
        except FileNotFoundError:
            return []

    def delivered(self, document: Document) -> None:
        """It need not wait any longer; OSError where it cannot be removed, which is then tried again."""
        self._gone.add(document.name)
        self._remove()

    def _remove(self) -> None:
        for name in [*self._gone]:
            (self.folder / name).unlink(missing_ok=True)
            self._gone.discard(name)

    def refused(self, error: OSError) -> str:
        """What to say of it."""
        return f"rolls' documents wait, their folder refuses ({error.strerror}), {self.folder}, mend its disk"
