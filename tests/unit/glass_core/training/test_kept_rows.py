"""Feature rows in memory, on the disk, and where neither has room."""

import os
from pathlib import Path

import pytest
import torch

import glass_core.training.kept_rows
from glass_core.training.kept_rows import KeptRows

ROWS = torch.arange(5 * 3 * 4, dtype=torch.float16).reshape(5, 3, 4)  # of five places
BYTES = 3 * 4 * 2


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptRows:
    """Room for two places in memory, and two on the disk."""
    monkeypatch.setattr(glass_core.training.kept_rows, "MEMORY_BYTES", 2 * BYTES + 1)
    monkeypatch.setattr(glass_core.training.kept_rows, "DISK_BYTES", 2 * BYTES + 1)
    return KeptRows(tmp_path)


def test_rows_come_back_from_memory_and_disk(kept: KeptRows, tmp_path: Path) -> None:
    assert [kept.put(place, rows) for place, rows in enumerate(ROWS)] == [True, True, True, True, False]
    assert list(tmp_path.iterdir()) == []  # nothing to be left behind
    for place in (3, 0, 2, 1):
        rows = kept.get(place)
        assert rows is not None
        assert torch.equal(rows, ROWS[place])
    assert kept.get(4) is None


def test_a_disk_that_is_full_keeps_what_it_has(kept: KeptRows, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in range(3):
        assert kept.put(place, ROWS[place])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert not kept.put(3, ROWS[3])
    assert not kept.put(4, ROWS[4])
    rows = kept.get(2)
    assert rows is not None
    assert torch.equal(rows, ROWS[2])


def test_half_of_the_free_disk_stays_free(kept: KeptRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(glass_core.training.kept_rows.shutil.disk_usage(tmp_path))
    free = iter([4 * BYTES, 2 * BYTES, BYTES])  # another process fills it, too
    monkeypatch.setattr(glass_core.training.kept_rows.shutil, "disk_usage", lambda _: usage(1000, 0, next(free)))
    assert [kept.put(place, rows) for place, rows in enumerate(ROWS)] == [True, True, True, False, False]
    assert kept.get(3) is None
