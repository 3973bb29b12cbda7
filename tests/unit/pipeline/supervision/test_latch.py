"""A latched fault lies beside the ledger until somebody resets it, and no disk holds up the line for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.line import LineConfig
from pipeline.decision.handover import Handover
from pipeline.decision.line_state import GONE
from pipeline.messages.line import LineState
from pipeline.messages.states import State
from pipeline.supervision import latch as module
from pipeline.supervision.latch import AGAIN_NS, Latch, read_latched
from pipeline.supervision.left import write_left
from pipeline.supervision.runtime_folder import runtime_folder
from pipeline.supervision.supervisor import LineFailed, Supervisor
from tests.shared_data import ROOT
from tests.unit.pipeline.supervision.test_left import BEFORE, of_the_killed
from tests.unit.pipeline.supervision.test_supervisor import SLEEP, instead

FULL = "recorder: the disk is full"


@pytest.fixture
def config(tmp_path: Path) -> LineConfig:
    return LineConfig.model_validate({"line": {"name": "left"}, "ledger": {"path": tmp_path / "record/ledger.sqlite"}})


def file_of(config: LineConfig) -> Path:
    return config.ledger.path.with_name("fault.json")


def quiet(words: str) -> None:
    """Nobody listens."""


def until(done: Callable[[], bool], step: Callable[[], object] = lambda: None) -> None:
    end_s = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end_s
        step()
        time.sleep(0.01)


def told(state: State, detail: str = "", number: int = 0) -> LineState:
    return LineState(
        number=number, generation=0, state=state, inspection_ok=False, detail=detail, t_mono_ns=number, t_utc_ns=number
    )


def heard(monkeypatch: pytest.MonkeyPatch, config: LineConfig) -> Handover:
    """What decision would be told by a line that is started now, and stopped in order."""
    started = instead(monkeypatch, SLEEP)
    with Supervisor(config, say=quiet) as line:
        until(lambda: bool(started), line.step)
    return Handover.model_validate(json.loads(started[0])["before"])


def test_a_fault_outlasts_a_stop_a_reboot_and_another_name_until_it_is_reset(
    monkeypatch: pytest.MonkeyPatch, config: LineConfig
) -> None:
    path = file_of(config)
    with monkeypatch.context() as patch:
        instead(patch, SLEEP)
        with Supervisor(config, say=quiet) as line:
            line._heard.hear(told(State.FAULT, FULL + GONE))
            until(path.exists, line.step)
    assert not line.folder.exists()  # as after a restart of the machine
    assert read_latched(path) == FULL and json.loads(path.read_text())["line"] == "left"
    assert heard(monkeypatch, config) == Handover(fault=FULL)
    other = config.model_copy(update={"line": config.line.model_copy(update={"name": "other"})})
    said = list[str]()
    instead(monkeypatch, SLEEP)
    with Supervisor(other, say=said.append) as line:
        assert said == [f"glassline: the line ended in FAULT and stays in it until `glassline tell CONFIG reset`: {FULL}"]
        line._heard.hear(told(State.DEGRADED, number=1))  # somebody has reset it
        until(lambda: not path.exists(), line.step)
    assert heard(monkeypatch, config) == Handover()


def test_what_decision_says_as_it_stops_takes_back_no_fault(monkeypatch: pytest.MonkeyPatch, config: LineConfig) -> None:
    instead(monkeypatch, SLEEP)
    with Supervisor(config, say=quiet) as line:
        line._heard.hear(told(State.FAULT, FULL))
        until(lambda: line._latch.fault == FULL, line.step)
        stop = line.stop
        monkeypatch.setattr(line, "stop", lambda: (stop(), line._heard.hear(told(State.STARTING, number=1))))
    assert read_latched(file_of(config)) == FULL


def test_a_line_whose_socket_folder_was_removed_is_in_fault_when_it_comes_again(
    monkeypatch: pytest.MonkeyPatch, config: LineConfig
) -> None:
    with monkeypatch.context() as patch:
        instead(patch, "pass")
        with pytest.raises(LineFailed, match="socket folder was removed") as failed, Supervisor(config, say=quiet) as line:
            shutil.rmtree(line.folder)
            while True:
                line.step()
    assert heard(monkeypatch, config).fault == f"recorder: {failed.value}"


@pytest.mark.parametrize("written", [True, False])
def test_a_run_that_goes_on_is_in_the_fault_that_either_tells(
    monkeypatch: pytest.MonkeyPatch, config: LineConfig, written: bool
) -> None:
    place = runtime_folder("left")
    place.mkdir(mode=0o700)
    left = of_the_killed(config, recorder_recorder=4)
    if written:  # the supervisor was killed between a fault and its word of the run
        left = left.model_copy(update={"before": BEFORE.model_copy(update={"fault": ""})})
        file_of(config).parent.mkdir()
        file_of(config).write_text(json.dumps({"line": "left", "fault": FULL, "since": ""}))
    write_left(place, left)
    assert heard(monkeypatch, config) == BEFORE.model_copy(update={"fault": FULL if written else BEFORE.fault})
    assert read_latched(file_of(config)) == (FULL if written else BEFORE.fault)


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b'{"line": "a", "fault": 7, "since": ""}'])
def test_a_file_that_cannot_be_read_latches_a_fault(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fault.json"
    assert read_latched(path) == read_latched(path / "below") == ""
    path.write_bytes(content)
    assert read_latched(path) == f"a fault was latched, and {path} does not say which"


def test_what_is_no_file_of_its_own_latches_a_fault_and_a_reset_removes_it(config: LineConfig) -> None:
    path = file_of(config)
    path.parent.mkdir()
    for lay in (lambda: os.mkfifo(path), lambda: path.symlink_to("nowhere"), lambda: path.symlink_to("/dev/zero")):
        lay()
        latch = Latch(config, pytest.fail)
        assert latch.fault == f"a fault was latched, and {path} does not say which"
        latch.keep("", time.monotonic_ns())
        latch.leave()
        assert not os.path.lexists(path)


def test_a_fault_that_is_there_though_its_writer_was_given_up_goes_with_its_reset(
    monkeypatch: pytest.MonkeyPatch, config: LineConfig
) -> None:
    path, said = file_of(config), list[str]()
    latch, now_ns = Latch(config, said.append), time.monotonic_ns()
    with monkeypatch.context() as patch:  # the file has its name, and the disk does not say that it has it
        done = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2]); sys.exit(5)"
        start = module.subprocess.Popen
        patch.setattr(module.subprocess, "Popen", lambda command, **how: start([command[0], "-c", done, *command[3:]], **how))
        path.parent.mkdir()
        latch.keep(FULL, now_ns)
        until(lambda: bool(said), lambda: latch._look(now_ns))
    assert read_latched(path) == FULL
    latch.keep("", now_ns + AGAIN_NS)
    latch.leave()
    assert not path.exists()


def test_the_fault_of_the_line_that_ends_as_this_one_begins_is_read(
    monkeypatch: pytest.MonkeyPatch, config: LineConfig
) -> None:
    instead(monkeypatch, SLEEP)
    line = Supervisor(config, say=quiet)
    file_of(config).parent.mkdir()
    file_of(config).write_text(json.dumps({"line": "left", "fault": FULL, "since": ""}))
    with line:
        assert line._heard.fault == FULL


def test_a_folder_that_cannot_be_written_is_told_once_and_tried_again(config: LineConfig) -> None:
    folder, said, now_ns = config.ledger.path.parent, list[str](), time.monotonic_ns()
    folder.write_text("no folder")
    latch = Latch(config, said.append)

    def keep(fault: str, at_ns: int) -> None:
        latch.keep(fault, at_ns)
        until(lambda: latch._writer is None, lambda: latch._look(at_ns))

    for turn in range(3):
        keep(FULL, now_ns + turn * AGAIN_NS)
    why = "File exists"
    assert said == [
        f"glassline: the latched fault is not kept for the next start ({why}), {file_of(config)}, make the folder writable"
    ]
    folder.unlink()
    keep(FULL, now_ns + 3 * AGAIN_NS - 1)
    assert not folder.exists()
    keep(FULL, now_ns + 3 * AGAIN_NS)
    assert read_latched(file_of(config)) == FULL == latch.fault
    file_of(config).unlink()
    file_of(config).mkdir()
    keep("", now_ns + 3 * AGAIN_NS)
    assert len(said) == 2 and "the latched fault is not taken back for the next start (Is a directory)" in said[1]


def test_a_disk_that_hangs_holds_up_neither_a_step_nor_the_end(monkeypatch: pytest.MonkeyPatch, config: LineConfig) -> None:
    pids, start = list[int](), module.subprocess.Popen

    def hangs(command: list[str], **how: Any) -> Any:
        process = start([command[0], "-S", "-c", SLEEP], **how)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(module.subprocess, "Popen", hangs)
    monkeypatch.setattr(module, "LEAVE_S", 0.1)
    said = list[str]()
    latch = Latch(config, said.append)
    for turn in range(3):
        latch.keep(f"{FULL} {turn}", time.monotonic_ns())
    latch.leave(FULL)
    assert len(pids) == 1 and not said
    os.kill(pids[0], signal.SIGALRM)  # as its own clock does
    until(lambda: bool(said), lambda: latch._look(time.monotonic_ns()))
    assert "(the disk is slow)" in said[0]


def test_the_end_waits_for_the_last_fault_and_not_only_for_the_one_before(config: LineConfig) -> None:
    latch = Latch(config, pytest.fail)
    latch.keep("another", time.monotonic_ns())
    latch.leave(FULL)
    assert read_latched(file_of(config)) == FULL


def test_a_file_that_a_kill_cut_off_in_writing_is_not_there(tmp_path: Path) -> None:
    def write(*arguments: str) -> int:  # in a process of its own: it sets itself an alarm
        command = [sys.executable, "-m", "pipeline.supervision.latch_writer", str(tmp_path / "fault.json"), *arguments]
        return subprocess.run(command, cwd=ROOT, check=False).returncode

    (tmp_path / ".fault.json.part").symlink_to(tmp_path / "elsewhere")
    assert write('{"line": "l", "fault": "f", "since": "now"}') == 0
    assert read_latched(tmp_path / "fault.json") == "f" and not (tmp_path / "elsewhere").exists()
    assert write() == write() == 0
    assert not (tmp_path / "fault.json").exists()
