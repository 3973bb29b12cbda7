"""A lock is one program's, and whoever looks at it neither takes it nor leaves anything."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from glass_core.files import lock_files
from glass_core.files.lock_files import is_locked, take_lock


def test_a_lock_is_had_by_one_and_seen_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_files, "LOOK_S", 0.05)
    path = tmp_path / "lock"
    assert not is_locked(path) and not is_locked(path / "below") and not path.exists()
    with path.open("a") as first, path.open("a") as second:
        assert not is_locked(path)
        assert take_lock(first.fileno()) and is_locked(path)
        assert not take_lock(second.fileno())
    assert not is_locked(path)


def test_a_named_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")


def test_whoever_looks_for_a_moment_keeps_nobody_from_it(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a") as looking, (tmp_path / "lock").open("a") as taking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        looked = threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN))
        looked.start()
        assert take_lock(taking.fileno())
        looked.join()
