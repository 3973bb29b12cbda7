"""What this very process takes, before and after it takes more of each."""

from __future__ import annotations

import mmap
import os
import socket
import threading
from pathlib import Path

from pipeline.supervision.footprint import footprint, size_mib

MIB = 1 << 20


def test_each_figure_follows_what_was_taken(tmp_path: Path) -> None:
    before = footprint(os.getpid())
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    shared = (tmp_path / "shared").open("w+b")
    shared.truncate(24 * MIB)
    with socket.socket(), socket.socket(), shared, mmap.mmap(-1, 40 * MIB, flags=mmap.MAP_PRIVATE) as own:
        own.write(b"x" * (40 * MIB))
        after = footprint(os.getpid())
    done.set()
    thread.join()
    gained = {name: after[name] - before[name] for name in before}
    assert (gained["sockets"], gained["handles"], gained["threads"]) == (2, 3, 1)
    assert 39 < gained["uss_mib"] < 60 and 39 < gained["rss_mib"] < 60
    assert after["uss_mib"] < after["rss_mib"]


def test_a_process_that_is_gone_has_none() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert footprint(pid) == {}


def test_a_folder_is_as_big_as_its_files_on_the_disk(tmp_path: Path) -> None:
    assert size_mib(tmp_path) == 0
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "a").write_bytes(os.urandom(3 * MIB))
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.sync()
    assert 2.9 < size_mib(tmp_path) < 3.2
