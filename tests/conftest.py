"""Every test must leave the machine as it found it: no process, thread, socket or ipc file of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def children() -> set[int]:
    """Processes whose parent is this one."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


def sockets() -> set[str]:
    """Open sockets of this process."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = descriptor.readlink()
        except OSError:
            continue
        if str(target).startswith("socket:"):
            found.add(str(target))
    return found


def leftovers(before: tuple[set[int], set[str], set[str]], folder: Path) -> list[str]:
    """What is there that was not there before."""
    processes, threads, open_sockets = before
    found = [f"process {p}" for p in children() - processes]
    found += [f"thread {t.name}" for t in threading.enumerate() if t.name not in threads and not t.daemon]
    found += sorted(sockets() - open_sockets)
    return found + [f"ipc file {p}" for p in folder.rglob("*") if p.is_socket()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes why each test was not run where `make` asks for it: it tells of all parts together at the end."""
    path = os.environ.get("GLASSLINE_NOT_RUN")
    if path and "PYTEST_XDIST_WORKER" not in os.environ:  # who started the workers has their reports
        with Path(path).open("a", encoding="utf-8") as file:
            for report in terminalreporter.stats.get("skipped", []):
                file.write(f"{report.longrepr[2].removeprefix('Skipped: ')}\n")


@pytest.fixture(scope="session", autouse=True)
def own_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Engines that workers keep are not the user's; weights and fonts are."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in (("TORCH_HOME", "torch"), ("MPLCONFIGDIR", "matplotlib")):
            patch.setenv(name, os.environ.get(name) or str(user / folder))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def no_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails the test that leaked."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = (children(), {t.name for t in threading.enumerate()}, sockets())
    yield
    end_s = time.monotonic() + 2  # a closed socket's thread needs a moment to go
    while (found := leftovers(before, tmp_path)) and time.monotonic() < end_s:
        time.sleep(0.02)
    assert not found, f"left behind: {found}"
