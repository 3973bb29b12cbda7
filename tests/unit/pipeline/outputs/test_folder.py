"""Documents in a folder: whole, once, kept for as long as the folder cannot be written, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config.line import LineConfig
from pipeline.config.outputs import FolderConfig
from pipeline.devices import DeviceLost
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState
from pipeline.outputs.documents import Document, Documents
from pipeline.outputs.folder import MAX_RETRY_NS, FolderOutput, make, trials
from tests.fakes import Box

HOUR_NS = 3_600_000_000_000


@pytest.fixture
def line(tmp_path: Path) -> LineConfig:
    return LineConfig.model_validate({"ledger": {"path": tmp_path / "record" / "ledger.sqlite"}})


def stage_of(line: LineConfig, path: Path, decision: Box) -> FolderOutput:
    return make(FolderConfig(kind="folder", path=path), Box(), decision, 0, line)


def test_an_hour_without_the_folder_is_told_and_nothing_is_lost(line: LineConfig, tmp_path: Path) -> None:
    mes, decision, documents = tmp_path / "mes", Box(), Documents(line, "mes")
    stage = stage_of(line, mes, decision)
    documents.put(Document("run-0001-l.json", b"second"))
    documents.put(Document("run-0000-l.json", b"first"))
    looks = 0
    for now_ns in range(0, HOUR_NS, 1_000_000_000):
        looks += now_ns >= stage._due_ns
        assert not stage.step(now_ns)
    told = decision.take(Status)
    assert told[-1].state is StageState.DEGRADED
    assert told[-1].detail == f"folder not writable (No such file or directory), {mes}, rolls' documents wait: mount it"
    assert looks < HOUR_NS / MAX_RETRY_NS + 8 and stage.counters == {"delivered": 0, "queued": 2}
    stage.close()
    stage = stage_of(line, mes, decision)  # started again meanwhile
    mes.mkdir()
    while stage.step(HOUR_NS):
        pass
    assert {p.name: p.read_bytes() for p in mes.iterdir()} == {"run-0000-l.json": b"first", "run-0001-l.json": b"second"}
    assert documents.names() == [] and decision.take(Status)[-1].state is StageState.READY


def test_a_kill_between_delivery_and_its_note_delivers_nothing_twice(
    line: LineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mes, documents = tmp_path / "mes", Documents(line, "mes")
    mes.mkdir()
    documents.put(Document("a.json", b"once"))

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Documents, "delivered", killed)
        stage_of(line, mes, Box()).step(0)
    before = (mes / "a.json").stat()
    stage_of(line, mes, Box()).step(0)
    after = (mes / "a.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns) and documents.names() == []


def test_a_file_that_somebody_began_is_no_document(line: LineConfig) -> None:
    documents = Documents(line, "mes")
    documents.put(Document("a.json", b"1"))
    (documents.folder / ".b.json.part").write_bytes(b"half")
    assert documents.names() == ["a.json"]


def test_the_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    assert [name for name, _ in trials(FolderConfig(kind="folder", path=tmp_path))] == ["file"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DeviceLost, match="not writable"):
        list(trials(FolderConfig(kind="folder", path=tmp_path / "absent")))
