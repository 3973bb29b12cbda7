"""Every session of a user finds the same line: with and without XDG_RUNTIME_DIR, of a unit, and whoever came later."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.supervision import runtime_folder as module
from pipeline.supervision.held_folder import HeldFolder
from pipeline.supervision.runtime_folder import is_running, runtime_folder
from pipeline.supervision.supervisor import Supervisor

UID = os.getuid()
OWN = f"glassline-{UID}-loom"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which this user has a session, and no variable says where."""
    for name, folder in (("SERVICES", "run/glassline"), ("SESSIONS", "run/user"), ("TEMPORARY", "tmp")):
        monkeypatch.setattr(module, name, tmp_path / folder)
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / f"run/user/{UID}").mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    return tmp_path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_session_with_the_variable_and_one_without_are_of_one_mind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = root / f"run/user/{UID}"
    assert runtime_folder("loom") == session / OWN
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    monkeypatch.setenv("TMPDIR", str(root / "elsewhere"))
    assert runtime_folder("loom") == session / OWN
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    assert runtime_folder("loom") == session / OWN
    session.rmdir()
    assert runtime_folder("loom") == root / "tmp" / OWN


@pytest.mark.parametrize("told", ["", "run/user/{uid}", "own"])
@pytest.mark.parametrize("place", ["run/glassline/loom", "run/user/{uid}/{own}", "tmp/{own}"])
def test_a_line_that_runs_is_found_from_each_session(
    root: Path, monkeypatch: pytest.MonkeyPatch, told: str, place: str
) -> None:
    (root / "own").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(root / told.format(uid=UID)) if told else "")
    folder = root / place.format(uid=UID, own=OWN)
    assert not is_running("loom")
    with locked(folder):
        assert is_running("loom") and runtime_folder("loom") == folder
        assert not is_running("other") and runtime_folder("other") != folder
        with pytest.raises(InputError, match="already runs"), Supervisor(LineConfig.model_validate({"line": {"name": "loom"}})):
            pass
    assert not is_running("loom")


def test_a_unit_uses_the_folder_that_systemd_has_made_for_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = root / "run/glassline/loom"
    unit.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(root / f"run/user/{UID}"))
    with Supervisor(LineConfig.model_validate({"line": {"name": "loom"}})) as line:
        assert line.folder == unit and is_running("loom")
    assert runtime_folder("other") == root / f"run/user/{UID}/glassline-{UID}-other"


def test_what_a_stranger_lays_there_is_no_line_of_ours(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stranger(folder: Path) -> os.stat_result:
        found = os.lstat(folder)
        theirs = folder.name == OWN or folder == root / "run/glassline/loom" or folder == root / "theirs"
        return os.stat_result((found.st_mode, found.st_ino, found.st_dev, found.st_nlink, UID + theirs, *found[5:]))

    monkeypatch.setattr(Path, "lstat", stranger)
    (root / "theirs").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(root / "theirs"))  # as sudo may leave it
    with locked(root / "tmp" / OWN), locked(root / "run/glassline/loom"):
        assert not is_running("loom")
        assert runtime_folder("loom") == root / f"run/user/{UID}" / OWN


def test_to_look_for_a_line_leaves_nothing_behind(root: Path) -> None:
    (root / "tmp" / OWN).mkdir()
    before = sorted(root.rglob("*"))
    assert not is_running("loom") and sorted(root.rglob("*")) == before


def test_whoever_looks_as_a_line_starts_does_not_hinder_it(tmp_path: Path) -> None:
    folder = tmp_path / "loom"
    folder.mkdir(mode=0o700)
    with (folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        looked = threading.Timer(0.1, fcntl.flock, (lock, fcntl.LOCK_UN))
        looked.start()
        held = HeldFolder(folder, "loom")
        looked.join()
    assert held.is_ours
    held.let_go()
