"""The supervisor among processes that die at once, cannot be started, are stopped, or have lost their folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.config.worker import WorkerConfig
from pipeline.ledger.black_box import read_box
from pipeline.ledger.box_folder import boxes
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.frames import Frame
from pipeline.supervision import child as children
from pipeline.supervision.child import RESTARTS, Child
from pipeline.supervision.supervisor import LineFailed, Supervisor

CONFIG = LineConfig.model_validate({"line": {"name": "supervised"}})
SLEEP = "import time; time.sleep(60)"
START = subprocess.Popen


def instead(monkeypatch: pytest.MonkeyPatch, code: str, before: Callable[[], None] = lambda: None) -> list[str]:
    """Each process runs that code in place of its stage; the specs of those that were started."""
    started: list[str] = []

    def start(command: list[str], **how: Any) -> subprocess.Popen[bytes]:
        if "pipeline.supervision.process" not in command:
            return START(command, **how)
        before()
        started.append(Path(command[-1]).read_text())
        return START([sys.executable, "-S", "-c", code], **how)

    monkeypatch.setattr(children.subprocess, "Popen", start)
    return started


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # black boxes lie beside the ledger


def until_it_fails(line: Supervisor, limit_s: float = 20) -> LineFailed:
    with pytest.raises(LineFailed) as failed:
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            line.step()
    return failed.value


@pytest.mark.parametrize(
    ("code", "status"),
    [("pass", "0"), ("raise SystemExit(1)", "1"), ("import os; os.kill(os.getpid(), 9)", "-9")],
)
def test_a_process_that_ends_again_and_again_ends_the_line_however_it_ends(
    monkeypatch: pytest.MonkeyPatch, code: str, status: str
) -> None:
    started, said = instead(monkeypatch, code), list[str]()
    with Supervisor(CONFIG, say=said.append) as line:
        failed = until_it_fails(line)
    assert (failed.code, str(failed)) == (
        1, f"recorder failed 4 times in a minute, ended with status {status}, see the lines above",
    )  # fmt: skip
    assert [f'"generation":{n},' in spec for n, spec in enumerate(started)] == [True] * (RESTARTS + 1)
    assert said[:-1] == [f"glassline: recorder ended with status {status}, starting it again"] * RESTARTS
    (path,) = boxes(Path("out"))
    assert said[-1] == f"glassline: what led to it is kept, {path}"
    assert [(f.process, f.status) for f in read_box(path).faults] == [("recorder", int(status))] * 4 + [("supervisor", None)]


@pytest.mark.parametrize(("number", "words"), [(errno.EMFILE, "Too many open files"), (errno.EAGAIN, "temporarily")])
def test_a_process_that_cannot_be_started_is_tried_again_and_then_ends_the_line(
    monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    refusals = 2

    def refuse() -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise OSError(number, os.strerror(number))

    started = instead(monkeypatch, SLEEP, refuse)
    with Supervisor(CONFIG, say=lambda words: None) as line:
        end_s = time.monotonic() + 10
        while not started and time.monotonic() < end_s:
            line.step()
        assert len(started) == 1 and '"generation":2,' in started[0]
    refusals = 99
    with Supervisor(CONFIG, say=lambda words: None) as line:
        failed = until_it_fails(line)
    assert "recorder failed 4 times in a minute, cannot be started (" in str(failed) and words in str(failed)


def test_a_full_disk_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, SLEEP)

    def full(path: Path, *words: object, **how: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with Supervisor(CONFIG, say=lambda words: None) as line, monkeypatch.context() as broken:
        broken.setattr(Path, "write_text", full)
        failed = until_it_fails(line)
    assert "cannot be started (No space left on device)" in str(failed)


@pytest.mark.parametrize("made_again", [False, True])
def test_a_line_whose_folder_was_removed_ends_with_the_next_process_that_dies(
    monkeypatch: pytest.MonkeyPatch, made_again: bool
) -> None:
    started = instead(monkeypatch, SLEEP)
    with Supervisor(CONFIG, say=lambda words: None) as line:
        while not started:
            line.step()
        shutil.rmtree(line.folder)
        if made_again:
            line.folder.mkdir(mode=0o700)
            (line.folder / "lock").touch()
        line.step()  # as long as nobody dies it goes on
        process = line._children[0].process
        assert process is not None
        process.kill()
        failed = until_it_fails(line)
    assert (failed.code, len(started)) == (1, 1)
    assert str(failed) == f"the line's socket folder was removed, {line.folder}, start the line again"


def test_something_foreign_in_its_folder_is_told_in_one_line() -> None:
    line = Supervisor(CONFIG)
    (line.folder / "folder").mkdir(parents=True)
    line.folder.chmod(0o700)
    with pytest.raises(InputError, match="socket folder not usable"), line:
        pass


def test_processes_that_are_stopped_hold_up_neither_a_step_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    started, said = instead(monkeypatch, SLEEP), list[str]()
    config = CONFIG.model_copy(update={"worker": WorkerConfig(standby=True)})
    with Supervisor(config, say=said.append) as line:
        for child in line._children:
            child.was_ready = True  # so that all are started
        assert line._standby is not None
        processes = [*line._children, line._standby]
        while len(started) < len(processes):
            line.step()
        assert [json.loads(spec)["standby"] for spec in started] == [False] * len(line._children) + [True]
        for child in processes:
            assert child.process is not None
            os.kill(child.process.pid, signal.SIGSTOP)
        monkeypatch.setattr(children, "STARTING_NS", 0)
        began_s = time.monotonic()
        line.step()  # all of them hang
        assert time.monotonic() - began_s < 1.0
        assert len(said) == len(processes)
        assert {report._generation for report, why in line._down.values()} == {0}  # decision hears nothing of the standby
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 4.0
    (path,) = boxes(Path("out"))
    told = {(f.process, f.why) for f in read_box(path).faults}
    assert told == {(c.name, "does not get ready") for c in line._children}


def test_only_small_pictures_of_its_own_cameras_are_kept_and_others_are_counted() -> None:
    body = {"name": "left", "source": "replay", "path": "."}
    config = LineConfig.model_validate({**CONFIG.model_dump(exclude={"cameras"}), "cameras": [body]})
    pictures = [("left", 4), ("right", 4), ("left", 300)]
    with Supervisor(config, say=lambda words: None) as line, closing(ZmqLink(line.folder)) as link:
        line._children = []
        supervisor = link.outbox("supervisor")
        for camera, side in pictures:
            frame = Frame(
                camera=camera, boot_id="b", seq=0, t_mono_ns=1, t_utc_ns=1, block_id=1, shape=(side, side), pixel_format="Mono8"
            )
            while not supervisor.send(frame, bytes(side * side)):
                time.sleep(0.01)
        end_s = time.monotonic() + 10
        while line._inbox.refused.by_sender.total() < 2 and time.monotonic() < end_s:
            line._hear(1)
        assert line._inbox.refused.by_sender == {"left": 1, "right": 1}
        line._children = [Child("decision", "decision")]
