"""Black boxes take so much room and no more, and each is there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.ledger import box_folder
from pipeline.ledger.box_folder import MAX_BOXES, STALE_S, box_path, boxes, keep_box, page_of

DAY_NS = 86_400_000_000_000
LEDGER = "ledger.sqlite"


def keep(folder: Path, number: int, size: int = 10) -> Path:
    path = box_path(folder / LEDGER, number * DAY_NS + 5_000_000, "worker")
    keep_box(path, b"x" * size + b"\n")
    return path


def test_its_name_tells_when_and_who(tmp_path: Path) -> None:
    assert keep(tmp_path, 1) == tmp_path / "black_boxes" / "19700102T000000.005Z-worker.jsonl"


def test_the_oldest_make_room_with_their_pages(tmp_path: Path) -> None:
    kept = [keep(tmp_path, n) for n in range(MAX_BOXES)]
    for path in kept[:2]:
        page_of(path).write_text("page")
    foreign = kept[0].with_name("notes.jsonl")
    foreign.write_text("mine")
    kept.append(keep(tmp_path, MAX_BOXES))
    assert boxes(tmp_path) == kept[1:]
    assert not page_of(kept[0]).exists() and page_of(kept[1]).exists() and foreign.read_text() == "mine"


def test_all_together_hold_so_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box_folder, "MAX_FOLDER_BYTES", 40_000)
    kept = [keep(tmp_path, n, 12_000) for n in range(5)]
    assert boxes(tmp_path) == kept[-3:]
    assert keep(tmp_path, 1, 12_000) == boxes(tmp_path)[0]  # written again, it is not counted twice
    assert len(boxes(tmp_path)) == 3


def test_after_a_full_disk_there_is_no_half_a_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keep(tmp_path, 1)
    text = before.read_bytes()

    def full(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for number in (1, 2):
        with pytest.raises(OSError, match="No space"):
            keep(tmp_path, number)
    assert [*before.parent.iterdir()] == [before] and before.read_bytes() == text


def test_what_a_killed_writer_left_goes_and_what_one_writes_stays(tmp_path: Path) -> None:
    folder = keep(tmp_path, 1).parent
    old, new = folder / ".a.jsonl.part", folder / ".b.jsonl.part"
    for part in (old, new):
        part.write_text("half")
    at_s = new.stat().st_mtime - STALE_S - 5
    os.utime(old, (at_s, at_s))
    keep(tmp_path, 2)
    assert not old.exists() and new.exists()
