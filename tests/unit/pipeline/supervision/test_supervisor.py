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
from pipeline.link import status
from pipeline.link.memory_link import MemoryQueue
from pipeline.link.protocol import PORTION, Received, portion
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.frames import Frame, ScoreMap
from pipeline.messages.line import LineState
from pipeline.messages.stages import Progress, Status
from pipeline.messages.states import Result, StageState, State
from pipeline.messages.verdicts import Verdict
from pipeline.supervision import child as children
from pipeline.supervision.child import RESTARTS, Child
from pipeline.supervision.latch import read_latched
from pipeline.supervision.runtime_folder import is_running
from pipeline.supervision.spec import Spec
from pipeline.supervision.supervisor import LineFailed, Supervisor
from pipeline.supervision.who_is_down import WhoIsDown

CONFIG = LineConfig.model_validate({"line": {"name": "supervised"}})
SLEEP = "import time; time.sleep(60)"
STANDS_BY = "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN); print('up', flush=True); " + SLEEP
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
        assert len(said) == len(processes)
    assert time.monotonic() - began_s < 30  # none of them would have ended by then
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


def test_whoever_watches_gets_the_small_pictures_and_maps_of_its_cameras() -> None:
    body = {"name": "left", "source": "replay", "path": "."}
    config = LineConfig.model_validate({**CONFIG.model_dump(exclude={"cameras"}), "cameras": [body]})
    key = {"boot_id": "b", "seq": 7}
    frame = Frame(camera="left", **key, t_mono_ns=1, t_utc_ns=1, block_id=1, shape=(3, 5), pixel_format="Mono8")
    scored = ScoreMap(
        camera="left", **key, generation=0, weights_sha="w", engine_sha="e", score=0.5, lanes=(0.5,), tiles=1,
        frame_shape=(3, 5), cells_shape=(1, 2),
    )  # fmt: skip
    stranger, bare = scored.model_copy(update={"camera": "right"}), scored.model_copy(update={"cells_shape": None})
    large = scored.model_copy(update={"frame_shape": (300, 300)})
    with Supervisor(config, say=lambda words: None) as line, closing(ZmqLink(line.folder)) as link:
        line._children = []
        supervisor, inbox = link.outbox("supervisor"), link.watch()
        sent: list[Any] = [
            (stranger, bytes(8), bytes(15)), (bare,), (large, bytes(8), bytes(90000)), (frame, bytes(range(15))),
            (scored, bytes(8), bytes(range(15))),
        ]  # fmt: skip
        seen, end_s = list[Received](), time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < end_s:  # again and again: it takes a moment until it is known who watches
            for message, *payloads in sent:
                supervisor.send(message, *payloads)
            line._hear(1)
            seen += portion(inbox)
            time.sleep(0.01)
        kinds = {type(message): [bytes(p) for p in payloads] for message, payloads in seen}
        assert kinds == {Frame: [bytes(range(15))], ScoreMap: [bytes(8), bytes(range(15))]}
        assert {message.camera for message, _ in seen} == {"left"}  # type: ignore[attr-defined]
        assert line._inbox.refused.by_sender.keys() == {"left", "right"}
        line._children = [Child("decision", "decision")]


def reported(child: children.Child) -> None:
    word = Progress(
        name=child.name, generation=child.generation, state=StageState.READY, steps=1, handled=0, waiting=0,
    )  # fmt: skip
    assert child.hears(word, time.monotonic_ns())


def until(line: Supervisor, seen: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end_s
        line.step()


class Told:
    """What decision's inbox gets, at each step again."""

    def __init__(self, line: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(status, "INTERVAL_NS", 0)
        self._queue = MemoryQueue(100_000)
        monkeypatch.setattr(line, "_decision", self._queue)
        monkeypatch.setattr(line, "_down", WhoIsDown(self._queue))

    def take(self) -> list[tuple[str, int, StageState, str]]:
        """Since the last call, each word once."""
        told = [m for m, _ in portion(self._queue, 100_000) if isinstance(m, Status)]
        return sorted({(m.role, m.generation, m.state, m.detail) for m in told})


def test_decision_is_told_of_a_process_that_hangs_until_its_successor_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, SLEEP)
    with Supervisor(CONFIG, say=lambda words: None) as line:
        told, recorder = Told(line, monkeypatch), line._children[0]
        line.step()
        reported(recorder)
        line.step()
        assert told.take() == []
        with monkeypatch.context() as silent:
            silent.setattr(children, "SILENT_NS", -1)
            line.step()
        assert told.take() == [("recorder", 0, StageState.DOWN, "reports no progress")]
        until(line, lambda: recorder.generation == 1)
        told.take()
        line.step()
        assert told.take() == [("recorder", 0, StageState.DOWN, "ended with status -6")]
        reported(recorder)
        line.step()
        told.take()
        line.step()
        assert told.take() == []


def test_decision_is_told_of_a_worker_until_the_standby_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    instead(monkeypatch, STANDS_BY)
    config = CONFIG.model_copy(update={"worker": WorkerConfig(standby=True)})
    with Supervisor(config, say=said.append) as line:
        told = Told(line, monkeypatch)
        for child in line._children:
            child.was_ready = True
        until(line, lambda: said.count("up") == len(line._children) + 1)
        worker, standby = next(c for c in line._children if c.role == "worker"), line._standby
        assert standby is not None and standby.process is not None and worker.process is not None
        for child in (*line._children, standby):
            reported(child)
        line.step()
        assert told.take() == []
        worker.process.kill()
        until(line, lambda: line._standby is not standby)
        assert told.take() == [("worker", 0, StageState.DOWN, "ended with status -9")]
        until(line, lambda: not standby.waits)
        line.step()
        told.take()
        line.step()
        assert told.take() == [] and standby.process.poll() is None and standby.generation == 1


def test_the_metrics_are_told_of_the_worker_and_not_of_the_standby_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG.model_copy(update={"worker": WorkerConfig(standby=True)})
    with Supervisor(config, say=lambda words: None) as line:
        worker, standby = next(c for c in line._children if c.role == "worker"), line._standby
        assert standby is not None and worker.name == standby.name
        worker.generation, standby.generation = 2, 3
        said, passed_on = MemoryQueue(10), MemoryQueue(10)
        monkeypatch.setattr(line, "_inbox", said)
        monkeypatch.setattr(line, "_metrics", passed_on)
        for child in (worker, standby):
            said.send(
                Progress(name=child.name, generation=child.generation, state=StageState.READY, steps=1, handled=0, waiting=0)
            )
        line._hear(time.monotonic_ns())
        assert [m.generation for m, _ in portion(passed_on, 10) if isinstance(m, Progress)] == [2]
        assert standby.progress is not None


def test_decision_is_not_told_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, SLEEP)
    with Supervisor(CONFIG, say=lambda words: None) as line:
        told, decision = Told(line, monkeypatch), line._children[1]
        line._children[0].was_ready = True
        for generation in range(RESTARTS):
            until(line, lambda now=generation: decision.process is not None and decision.generation == now)  # type: ignore[misc]
            assert decision.process is not None
            decision.process.kill()
        until(line, lambda: decision.process is not None and decision.generation == RESTARTS)
        assert decision.process is not None
        decision.process.kill()
        assert str(until_it_fails(line)).startswith("decision failed 4 times in a minute")
        assert decision.role == "decision" and told.take() == []


def test_a_line_whose_folder_another_has_taken_leaves_its_sockets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    started = instead(monkeypatch, SLEEP)
    with Supervisor(CONFIG, say=lambda words: None) as line:
        until(line, lambda: bool(started))
        shutil.rmtree(line.folder)
        with Supervisor(CONFIG, say=lambda words: None) as second:
            assert (second.folder / "supervisor").is_socket()
            assert line._children[0].process is not None
            line._children[0].process.kill()
            assert "folder was removed" in str(until_it_fails(line))
            line.__exit__()
            assert second._held is not None and second._held.is_ours and (second.folder / "supervisor").is_socket()
        assert not second.folder.exists()


def test_a_line_is_no_longer_held_only_when_its_sockets_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with Supervisor(CONFIG, say=lambda words: None) as line:
        assert line._link is not None
        close, held = line._link.close, list[bool]()

        def closing() -> None:
            held.append(is_running(CONFIG.line.name) and line.folder.is_dir())
            close()

        monkeypatch.setattr(line._link, "close", closing)
    assert held == [True] and not line.folder.exists()


def test_the_last_verdicts_of_a_dead_decision_are_read_before_its_successor_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    started = instead(monkeypatch, SLEEP)
    with Supervisor(CONFIG, say=lambda words: None) as line:
        decision, published = line._children[1], MemoryQueue(10_000)
        line._children[0].was_ready = True
        until(line, lambda: decision.process is not None)
        monkeypatch.setattr(line, "_many", published)
        for n in range(5 * PORTION):
            published.send(Verdict(
                number=n, generation=0, camera="c", boot_id="b", seq=n, result=Result.PASS, t_mono_ns=0, t_utc_ns=0,
            ))  # fmt: skip
        assert decision.process is not None
        decision.process.kill()
        decision.process.wait()
        until(line, lambda: decision.generation == 1)
    (before,) = (Spec.model_validate_json(spec).before for spec in started if '"decision"' in spec and '"generation":1' in spec)
    assert before.decided.cameras["c"].next_seq == 5 * PORTION


def test_a_supervisor_that_was_stopped_itself_takes_nobody_s_silence_for_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    instead(monkeypatch, SLEEP)
    with Supervisor(CONFIG, say=said.append) as line:
        until(line, lambda: line._children[0].process is not None)
        reported(line._children[0])
        later_ns = time.monotonic_ns() + 60_000_000_000
        monkeypatch.setattr("pipeline.supervision.supervisor.time.monotonic_ns", lambda: later_ns)
        line.step()
        assert not said
        later_ns += 500_000_000
        line.step()
        monkeypatch.setattr(children, "SILENT_NS", 400_000_000)
        line.step()
        assert said == ["glassline: recorder reports no progress, killed and started again"]


def test_a_line_that_gave_up_leaves_its_fault_whatever_decision_says_as_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "pass")
    late = LineState(number=0, generation=0, state=State.STARTING, inspection_ok=False, t_mono_ns=1, t_utc_ns=1)
    with pytest.raises(LineFailed), Supervisor(CONFIG, say=lambda words: None) as line:
        stop = line.stop

        def stop_late() -> None:
            stop()
            line._heard.hear(late)

        monkeypatch.setattr(line, "stop", stop_late)
        raise until_it_fails(line)
    assert read_latched(Path("out/fault.json")).startswith("recorder: recorder failed 4 times in a minute")
    with Supervisor(CONFIG, say=lambda words: None):
        pass
    assert not line.folder.exists()


@pytest.mark.parametrize(("number", "up"), [(1, False), (2, False), (3, True)])
def test_a_line_is_not_up_without_a_stage_that_it_cannot_do_without(
    monkeypatch: pytest.MonkeyPatch, number: int, up: bool
) -> None:
    instead(monkeypatch, SLEEP)
    body = {"name": "left", "source": "replay", "path": "."}
    config = LineConfig.model_validate({**CONFIG.model_dump(exclude={"cameras"}), "cameras": [body]})
    with Supervisor(config, say=lambda words: None) as line:
        for child in line._children:
            child.was_ready = True
        absent = line._children[number]
        absent.was_ready, absent.away = False, True
        assert line.up == up


def test_why_a_stage_is_away_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started = instead(monkeypatch, "print('glassline: no such address'); raise SystemExit(75)")
    said = list[str]()
    with Supervisor(CONFIG, say=said.append) as line:
        told = Told(line, monkeypatch)
        line._children = line._children[1:2]
        until(line, lambda: len(started) == 4)
        assert told.take() == []
    assert said[:2] == ["glassline: no such address", "glassline: decision ended with status 75, starting it again and again"]
    assert len(said) == 3  # and where it is kept
