"""A folder that an MES looks into: each finished roll's document as one file, whole or not there at all.

A document waits beside the ledger until it is in the folder, and goes then. One that is there already with the same bytes was
delivered before a kill. So it comes once, unless a kill falls between the two, and whoever reads the folder took the file
away within that moment: `document` in it, the same each time, tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from glass_core.files.whole_file import whole_file
from pipeline.config.line import LineConfig
from pipeline.config.outputs import FolderConfig
from pipeline.devices import DeviceLost
from pipeline.link.protocol import Inbox, Outbox
from pipeline.link.status import StatusReport
from pipeline.messages.states import StageState
from pipeline.outputs.backoff import Backoff
from pipeline.outputs.documents import LOOK_NS, Document, Documents

MAX_RETRY_NS = 30_000_000_000


def make(config: FolderConfig, heard: Inbox, decision: Outbox, generation: int, line: LineConfig) -> FolderOutput:
    """The stage of one folder."""
    return FolderOutput(decision, config, Documents(line, config.name), generation)


def trials(config: FolderConfig) -> Iterator[tuple[str, str]]:
    """Writes a file that says it is a test, and takes it away."""
    test = Document(".glassline-test.json", b'{"test": true}\n')
    try:
        _write(config.path, test)
        (config.path / test.name).unlink()
    except OSError as e:
        raise DeviceLost(f"folder not writable ({e.strerror}), {config.path}, mount it or give it to this user") from None
    yield "file", f"{config.path / test.name}, written and removed"


class FolderOutput:
    """The stage: nobody waits for it. A folder that cannot be written makes the line DEGRADED; what waits stays on the disk."""

    idle_ms = 200

    def __init__(self, decision: Outbox, config: FolderConfig, documents: Documents, generation: int) -> None:
        self._config, self._documents = config, documents
        self._status = StatusReport(decision, "output", config.name, generation)
        self._due_ns, self._backoff = 0, Backoff(2 * LOOK_NS, MAX_RETRY_NS)
        self._trouble = ""
        self.state = StageState.READY
        self.handled = 0
        self.waiting = 0

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {"delivered": self.handled, "queued": len(self._documents.names())}

    def step(self, now_ns: int) -> bool:
        """Deliver one document where one waits; after a failure later and later."""
        moved = False
        if now_ns >= self._due_ns:
            try:
                moved = self._deliver()
            except OSError as e:
                self._trouble = f"folder not writable ({e.strerror}), {self._config.path}, rolls' documents wait: mount it"
                self._due_ns = now_ns + self._backoff.pause_ns()
            else:
                self._trouble = ""
                self._backoff.reset()
                self._due_ns = 0 if moved else now_ns + LOOK_NS
        self._status.tell(now_ns, StageState.DEGRADED if self._trouble else StageState.READY, self._trouble)
        return moved

    def close(self) -> None:
        """Nothing to release."""

    def _deliver(self) -> bool:
        if (document := self._documents.first()) is None:
            return False
        _write(self._config.path, document)
        self._documents.delivered(document)
        self.handled += 1
        return True


def _write(folder: Path, document: Document) -> None:
    """It is not made where it is missing: an MES's disk that is not mounted is no folder of ours."""
    target = folder / document.name
    if target.is_file() and target.read_bytes() == document.body:
        return
    with whole_file(target) as part:
        part.write_bytes(document.body)
