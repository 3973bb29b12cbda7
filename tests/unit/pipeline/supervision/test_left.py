"""A supervisor that comes after one that was killed goes on with its run; after any other it begins anew."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.decision.handover import Handover
from pipeline.ledger.black_box import read_box
from pipeline.ledger.box_folder import boxes
from pipeline.messages.commands import RollStart
from pipeline.messages.stages import Counted, Decided, Mark
from pipeline.messages.states import StageState
from pipeline.supervision import left as module
from pipeline.supervision.left import FILE, GO_ON_NS, Left, read_left, write_left
from pipeline.supervision.runtime_folder import is_running, runtime_folder
from pipeline.supervision.supervisor import LineFailed, Supervisor
from tests.unit.pipeline.supervision.test_supervisor import SLEEP, instead

CONFIG = LineConfig.model_validate({"line": {"name": "left"}})
BEFORE = Handover(
    roll=RollStart(roll_id="R7", at_mm=12.5), bypass=True, fault="the disk is full", events=3,
    decided=Decided(cameras={"a": Mark(mm=70.0, t_mono_ns=5, boot_id="b", next_seq=9)}),
    travelled=Counted(raw=1, read_ns=2, total=3),
)  # fmt: skip


def of_the_killed(config: LineConfig = CONFIG, begun_by: int = 4711, **generations: int) -> Left:
    of = {name.replace("_", " "): generation for name, generation in generations.items()}
    return Left(config_sha=config.sha, observe=False, begun_by=begun_by, generations=of, before=BEFORE)


def first_spec(monkeypatch: pytest.MonkeyPatch, config: LineConfig = CONFIG) -> dict[str, object]:
    """Of the first process that is started, while the line keeps what it would leave; all is gone after it."""
    started = instead(monkeypatch, SLEEP)
    with Supervisor(config, say=lambda words: None) as line:
        end_s = time.monotonic() + 10
        while not started and time.monotonic() < end_s:
            line.step()
        kept = read_left(line.folder, config.sha, False)
        spec = json.loads(started[0])
        assert kept is not None and kept.generations["recorder recorder"] == spec["generation"]
        assert (kept.begun_by, kept.before.model_dump(mode="json")) == (spec["begun_by"], spec["before"])
    assert not line.folder.exists()
    return spec


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a latched fault lies beside the ledger


@pytest.fixture
def folder() -> Path:
    place = runtime_folder("left")
    place.mkdir(mode=0o700)
    return place


def test_what_was_left_is_gone_on_from(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    write_left(folder, of_the_killed(recorder_recorder=4, decision_decision=2))
    spec = first_spec(monkeypatch)
    assert (spec["role"], spec["generation"], spec["begun_by"], spec["supervisor_pid"]) == ("recorder", 5, 4711, os.getpid())
    assert spec["before"] == BEFORE.model_dump(mode="json")
    assert first_spec(monkeypatch)["generation"] == 0  # the one after it was stopped in order


@pytest.mark.parametrize(("ready", "at_once"), [(("recorder",), 2), (("recorder", "decision"), 3), (("decision",), 1)])
def test_who_was_ready_is_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch, folder: Path, ready: tuple[str, ...], at_once: int
) -> None:
    left = of_the_killed(recorder_recorder=4, decision_decision=2, worker_worker=0)
    states = {f"{name} {name}": StageState.READY if name in ready else None for name in ("recorder", "decision", "worker")}
    write_left(folder, left.model_copy(update={"states": states}))
    started = instead(monkeypatch, SLEEP)
    with Supervisor(CONFIG, say=lambda words: None) as line:
        for _ in range(3):
            line.step()
        assert len(started) == at_once
        assert not line.up  # it is started, and has not reported


def test_a_process_that_the_killed_never_started_is_the_first(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    write_left(folder, of_the_killed(decision_decision=2, recorder_recorder=-1))
    assert first_spec(monkeypatch)["generation"] == 0


@pytest.mark.parametrize("how", ["nothing", "another config", "another boot", "observed", "long ago", "broken", "cut"])
def test_else_a_run_begins_in_the_fault_that_was_latched(monkeypatch: pytest.MonkeyPatch, folder: Path, how: str) -> None:
    write_left(folder, of_the_killed(recorder_recorder=4))
    whole = (folder / FILE).read_text()
    if how == "nothing":
        shutil.rmtree(folder)
    elif how == "another config":
        other = LineConfig.model_validate({"line": {"name": "left", "roll_id": "R1"}})
        write_left(folder, of_the_killed(other, recorder_recorder=4))
    elif how == "another boot":
        boot = folder.parent / "boot"
        boot.write_text("2c3b\n")
        monkeypatch.setattr(module, "BOOT", boot)
    elif how in ("observed", "long ago"):
        change = {"observe": True} if how == "observed" else {"t_mono_ns": time.monotonic_ns() - GO_ON_NS}
        write_left(folder, of_the_killed(recorder_recorder=4).model_copy(update=change))
    else:
        (folder / FILE).write_bytes(b"\xff\xfe" if how == "broken" else whole[:-9].encode())
    spec = first_spec(monkeypatch)
    assert (spec["generation"], spec["begun_by"]) == (0, os.getpid())
    fault = "" if how in ("nothing", "broken", "cut") else BEFORE.fault  # a full disk may have kept it out of fault.json
    assert spec["before"] == Handover(fault=fault).model_dump(mode="json")


@pytest.mark.parametrize("change", [{}, {"roll_id": "R2"}])
def test_a_line_that_gave_up_is_in_its_fault_when_it_is_started_anew(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
) -> None:
    instead(monkeypatch, "pass")
    with (
        pytest.raises(LineFailed, match="recorder failed 4 times") as failed,
        Supervisor(CONFIG, say=lambda words: None) as line,
    ):
        while True:
            line.step()
    assert not is_running("left") and [p.name for p in line.folder.iterdir() if p.name != "lock"] == [FILE]
    said = list[str]()
    again = LineConfig.model_validate({"line": {"name": "left", **change}})
    with pytest.raises(LineFailed), Supervisor(again, say=said.append) as line:
        while True:
            line.step()
    assert said[0].endswith(f"stays in it until `glassline tell CONFIG reset`: recorder: {failed.value}")
    fault, generation = f"recorder: {failed.value}", 0 if change else 8
    spec = first_spec(monkeypatch, again)
    assert (Handover.model_validate(spec["before"]).fault, spec["generation"]) == (fault, generation + 4 * bool(change))
    assert first_spec(monkeypatch, again)["before"] == Handover(fault=fault).model_dump(mode="json")  # no stop is a reset


def test_a_line_that_cannot_open_leaves_the_fault_of_the_one_before(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    write_left(folder, of_the_killed())

    def refuse(folder: Path) -> None:
        raise InputError("no more sockets")

    with monkeypatch.context() as full, pytest.raises(InputError, match="no more sockets"):
        full.setattr("pipeline.supervision.supervisor.ZmqLink", refuse)
        Supervisor(CONFIG, say=lambda words: None).__enter__()
    assert Handover.model_validate(first_spec(monkeypatch)["before"]) == BEFORE


def test_a_folder_without_room_ends_no_line(tmp_path: Path) -> None:
    write_left(tmp_path / "gone", of_the_killed())
    assert read_left(tmp_path / "gone", CONFIG.sha, False) is None


def test_no_generation_is_given_twice_however_soon_the_supervisor_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.supervision.supervisor.KEEP_NS", 1 << 60)
    started = instead(monkeypatch, "pass")
    with Supervisor(CONFIG, say=lambda words: None) as line:
        end_s = time.monotonic() + 20
        while len(started) < 3 and time.monotonic() < end_s:
            line.step()
        kept = read_left(line.folder, CONFIG.sha, False)
    assert kept is not None and kept.generations["recorder recorder"] == 2 == json.loads(started[-1])["generation"]


def test_a_black_box_is_of_the_run_that_goes_on(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"ledger": CONFIG.ledger.model_copy(update={"path": tmp_path / "ledger.sqlite"})})
    instead(monkeypatch, SLEEP)
    write_left(folder, of_the_killed(config))
    with Supervisor(config, say=lambda words: None) as line:
        line._flight.fault("worker", "hangs", time.monotonic_ns())
    end_s = time.monotonic() + 30
    while not (found := boxes(tmp_path)):
        assert time.monotonic() < end_s
        time.sleep(0.05)
    assert read_box(found[0]).opening.supervisor_pid == 4711
