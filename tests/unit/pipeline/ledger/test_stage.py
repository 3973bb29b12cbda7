"""The recorder keeps every row, says when it cannot, and lets pictures wait."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.ledger import album
from pipeline.ledger import stage as module
from pipeline.ledger.lost import read_missing
from pipeline.ledger.reading import read_camera_facts, read_rejects, read_runs, read_states, read_totals, read_verdicts
from pipeline.ledger.stage import Recorder, make_recorder
from pipeline.ledger.store import Ledger, LedgerFull
from pipeline.messages.actions import Reject
from pipeline.messages.frames import CameraFacts
from pipeline.messages.line import LineState
from pipeline.messages.message import Message, Payload
from pipeline.messages.motion import Motion
from pipeline.messages.passages import SAMPLED, Step
from pipeline.messages.reasons import Reason
from pipeline.messages.record import Committed
from pipeline.messages.stages import Status
from pipeline.messages.states import MotionState, Result, StageState, State
from pipeline.messages.verdicts import Region, Verdict
from pipeline.telemetry import Refusals
from tests import fakes

SECOND = 1_000_000_000
LAST = fakes.totals(verdicts=1, last=True)


class Queue:
    """An in-memory inbox and outbox."""

    def __init__(self) -> None:
        self.refused = Refusals()
        self.messages: list[tuple[Message, tuple[memoryview, ...]]] = []
        self.sent: list[Status] = []
        self.safe: list[Committed] = []
        self.refuse = False

    def put(self, message: Message, *payloads: bytes) -> None:
        self.messages.append((message, tuple(memoryview(p) for p in payloads)))

    def receive(self) -> tuple[Message, tuple[memoryview, ...]] | None:
        return self.messages.pop(0) if self.messages else None

    def send(self, message: Message, *payloads: Payload) -> bool:
        if not self.refuse:
            (self.safe if isinstance(message, Committed) else self.sent).append(message)  # type: ignore[arg-type]
        return not self.refuse


class Bench:
    """A recorder over a real ledger in a folder."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder, self.queue = folder, Queue()
        self.ledger = Ledger(folder / "ledger.sqlite", run_id="r", max_rows=4, max_ms=20)
        self.recorder = Recorder(self.queue, self.queue, self.ledger, folder, **options)
        self.now_ns = 0

    def run(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.now_ns += 1_000_000
            self.recorder.step(self.now_ns)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "verdicts.jsonl").read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.recorder.close()


def verdict(number: int, **changes: Any) -> Verdict:
    return Verdict.model_validate(
        {
            "number": number,
            "generation": 0,
            "camera": "left",
            "boot_id": "b",
            "seq": number,
            "result": Result.PASS,
            "t_mono_ns": 0,
            "t_utc_ns": 0,
            **changes,
        }
    )


def defect(number: int, regions: int = 1) -> tuple[Verdict, bytes, bytes]:
    places = tuple(Region(x0_px=8 * i, y0_px=0, x1_px=8 * i + 8, y1_px=8, score=0.9) for i in range(regions))
    found = verdict(
        number,
        result=Result.DEFECT,
        score=0.9,
        lanes=(0.2, 0.9),
        regions=places,
        regions_total=regions,
        frame_shape=(64, 96),
        cells_shape=(8, 12),
    )
    return found, np.zeros((8, 12), np.float32).tobytes(), bytes(64 * 96)


def test_every_kind_of_record_lands_in_its_place(bench: Bench) -> None:
    state = LineState(number=0, generation=0, state=State.RUNNING, inspection_ok=True, t_mono_ns=0, t_utc_ns=0)
    reject = Reject(
        number=0, generation=0, verdict=1, camera="left", cause=Result.DEFECT, start_mm=None, end_mm=None, t_mono_ns=0
    )
    totals = fakes.totals(verdicts=2, passed=1, defect=1, rejects=1)
    for message in (verdict(0), state, reject, totals):
        bench.queue.put(message)
    bench.queue.put(*defect(1))
    bench.queue.put(CameraFacts(camera="left", boot_id="b", t_utc_ns=0, size=2), b"{}")
    bench.queue.put(Motion(position_mm=0, speed_mm_s=0, state=MotionState.STOPPED, source="s", t_mono_ns=0))
    bench.run(40)
    path = bench.folder / "ledger.sqlite"
    assert [v.number for v in read_verdicts(path)] == [0, 1]
    assert (list(read_states(path)), list(read_rejects(path)), list(read_totals(path))) == ([state], [reject], [totals])
    assert read_camera_facts(path) == {("left", "b"): {}}
    assert bench.recorder.handled == 7
    assert bench.recorder.waiting == 0


def test_a_line_of_the_journal_says_all_that_calibration_reads(bench: Bench) -> None:
    bench.queue.put(
        verdict(
            0,
            lanes=(0.25, 0.5),
            score=0.5,
            start_mm=0.0,
            end_mm=9.5,
            weights_sha="w",
            engine_sha="e",
            card_sha="c",
            origin="0001.png",
        )
    )
    bench.queue.put(verdict(1, result=Result.NOT_INSPECTED, reason=Reason.NOT_FINITE, lanes=(float("nan"),)))
    bench.run(40)
    first, second = bench.lines()
    wanted = {
        "schema": 1,
        "run": "r",
        "lane_scores": [0.25, 0.5],
        "result": "PASS",
        "camera": "left",
        "seq": 0,
        "start_mm": 0.0,
        "end_mm": 9.5,
        "weights_sha": "w",
        "engine_sha": "e",
        "card_sha": "c",
        "origin": "0001.png",
        "regions": [],
        "reason": None,
    }
    assert {key: first[key] for key in wanted} == wanted
    assert (second["lane_scores"], second["reason"]) == ([None], "NOT_FINITE")


def test_rows_come_before_pictures(bench: Bench) -> None:
    for number in range(3):
        bench.queue.put(*defect(number))
    crops = bench.folder / "crops" / "r"
    bench.run(3)
    assert not crops.exists()
    bench.run(3)
    assert len(list(crops.glob("*_0.png"))) == 3
    assert len(list(crops.glob("*_map.png"))) == 3


def test_a_picture_is_written_first_where_too_many_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "WAITING", 3)
    for number in range(5):
        bench.queue.put(*defect(number, regions=2))
    bench.run(2)
    assert (bench.recorder.handled, bench.recorder.waiting) == (2, 2 + 4)
    bench.run(2)
    assert len(list(bench.folder.glob("crops/r/*_map.png"))) == 2 and bench.recorder.handled == 2
    bench.run(40)
    assert len(list(bench.folder.glob("crops/r/*_map.png"))) == 10 and bench.recorder.counters["crops_left_out"] == 0


def test_a_full_disk_is_a_fault_until_everything_is_safe(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run()
    commit = bench.ledger.commit

    def full() -> None:
        raise LedgerFull("ledger not writable (database or disk is full), out/ledger.sqlite, make room on the disk")

    monkeypatch.setattr(bench.ledger, "commit", full)
    for number in range(6):
        bench.queue.put(verdict(number))
    bench.run(50)
    states = [s.state for s in bench.queue.sent]
    assert states == [StageState.READY, StageState.FAULT], "told once, not at every try"
    assert bench.queue.sent[-1].detail.endswith("make room on the disk")
    assert bench.ledger.pending == 6 and bench.recorder.waiting == 0
    assert list(read_verdicts(bench.folder / "ledger.sqlite")) == []
    monkeypatch.setattr(bench.ledger, "commit", commit)
    bench.run(10)
    assert bench.queue.sent[-1].state is StageState.FAULT, "the next try is a second after the last"
    bench.now_ns += SECOND
    bench.run()
    assert (bench.queue.sent[-1].state, bench.queue.sent[-1].detail) == (StageState.READY, "")
    assert [v.number for v in read_verdicts(bench.folder / "ledger.sqlite")] == list(range(6))
    assert [line["number"] for line in bench.lines()] == list(range(6))


def test_a_journal_that_fails_half_way_repeats_no_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    room = 700

    def small(file: int, data: bytes, offset: int) -> int:
        nonlocal room
        if room == 0:
            raise OSError(28, "No space left on device")
        done = write(file, bytes(data)[:room], offset)
        room -= done
        return done

    monkeypatch.setattr("os.pwrite", small)
    for number in range(5):
        bench.queue.put(verdict(number))
    bench.run(10)
    assert "No space left on device" in bench.queue.sent[-1].detail
    assert bench.lines() == []
    room = 10**6
    bench.now_ns += SECOND
    bench.run()
    assert [s.state for s in bench.queue.sent] == [StageState.READY, StageState.FAULT, StageState.READY]
    assert [line["number"] for line in bench.lines()] == list(range(5))


def test_what_is_on_disk_is_told_by_its_numbers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    reject = Reject(
        number=3, generation=2, verdict=8, camera="left", cause=Result.DEFECT, start_mm=None, end_mm=None, t_mono_ns=0
    )
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        for message in (verdict(7), verdict(8), reject, verdict(8), verdict(10), fakes.totals(verdicts=9)):
            bench.queue.put(message)
        bench.run(40)
        assert len(list(read_verdicts(bench.folder / "ledger.sqlite"))) == 2
        assert bench.queue.safe == []  # verdicts.jsonl is part of the record
    bench.queue.refuse = True
    bench.now_ns += SECOND
    bench.run()
    bench.queue.refuse = False
    bench.run()
    assert bench.queue.safe == [
        Committed(kind="Reject", generation=2, first=3, last=3),
        Committed(kind="Verdict", generation=0, first=7, last=8),
        Committed(kind="Verdict", generation=0, first=10, last=10),
    ]


def test_what_a_recorder_has_already_is_safe_when_it_comes_again(tmp_path: Path) -> None:
    for _ in range(2):
        bench = Bench(tmp_path)
        bench.queue.put(verdict(0))
        bench.run(40)
        bench.recorder.close()
        assert bench.queue.safe == [Committed(kind="Verdict", generation=0, first=0, last=0)]
    assert [line["number"] for line in bench.lines()] == [0]


def test_a_fault_that_decision_could_not_take_is_told_again(bench: Bench) -> None:
    bench.queue.refuse = True
    bench.run(3)
    assert bench.queue.sent == []
    bench.queue.refuse = False
    bench.run(3)
    assert [s.state for s in bench.queue.sent] == [StageState.READY]


def test_intake_stops_when_memory_is_full(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise LedgerFull("full")

    with monkeypatch.context() as patch:
        patch.setattr(module, "MAX_UNCOMMITTED", 10)
        patch.setattr(bench.ledger, "commit", full)
        for number in range(20):
            bench.queue.put(verdict(number))
        bench.run(50)
        assert (bench.ledger.pending, len(bench.queue.messages)) == (10, 10)


def test_closing_writes_what_is_in_hand(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.queue.put(*defect(0))
    bench.run()
    bench.recorder.close()
    assert len(bench.lines()) == len(list(read_verdicts(tmp_path / "ledger.sqlite"))) == 1
    assert len(list(tmp_path.glob("crops/r/*.png"))) == 2


def test_closing_takes_what_has_arrived(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(3):
        bench.queue.put(verdict(number))
    bench.recorder.close()
    assert len(bench.lines()) == len(list(read_verdicts(tmp_path / "ledger.sqlite"))) == 3


def test_closing_on_a_full_disk_says_so_on_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    bench = Bench(tmp_path)
    bench.queue.put(verdict(0))
    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(InputError, match=r"record incomplete: verdicts.jsonl not writable \(No space.*make room"):
        bench.recorder.close()
    assert len(list(read_verdicts(tmp_path / "ledger.sqlite"))) == 1
    Ledger(tmp_path / "ledger.sqlite").close()


@pytest.mark.parametrize(("generation", "same"), [(0, False), (1, True)])
def test_a_recorder_started_again_goes_on_with_the_run(tmp_path: Path, generation: int, same: bool) -> None:
    config = LineConfig.model_validate({"line": {"name": "loom"}, "ledger": {"path": tmp_path / "out/ledger.sqlite"}})
    for started in (0, generation):
        queue = Queue()
        queue.put(verdict(started))
        make_recorder(queue, queue, config, tmp_path / "model", started, os.getpid()).close()
    runs = read_runs(config.ledger.path)
    assert len(runs) == (1 if same else 2)
    facts = next(iter(runs.values()))
    assert (facts["line"], facts["config_sha"], facts["card"]) == ("loom", config.sha, None)


@pytest.mark.parametrize(
    ("generation", "heard", "ends"),
    [
        (0, [], True),  # nobody has said anything
        (0, [verdict(0), verdict(1), LAST.model_copy(update={"verdicts": 2})], True),
        (0, [verdict(0), verdict(1), fakes.totals(verdicts=2)], False),  # decision was killed as it hung with frames in hand
        (0, [verdict(0), LAST, verdict(1)], False),  # decision died before it had told all
        (0, [verdict(5, generation=1), fakes.totals(generation=1, verdicts=6, last=True), fakes.totals(verdicts=99)], True),
        (0, [verdict(5, generation=1), fakes.totals(generation=0, verdicts=99, last=True)], False),
        (1, [], False),  # what its predecessor had in hand may be lost
        (1, [fakes.totals(last=True)], True),
    ],
)
def test_a_run_has_ended_in_order_where_decision_has_counted_all_that_came(
    tmp_path: Path, generation: int, heard: list[Message], ends: bool
) -> None:
    config = LineConfig.model_validate({"ledger": {"path": tmp_path / "ledger.sqlite"}})
    for number in range(generation + 1):
        recorder = make_recorder(queue := Queue(), queue, config, tmp_path / "model", number, os.getpid())
        if number == generation:
            for message in heard:
                queue.put(message)
            recorder.step(SECOND)
            assert not read_missing(config.ledger.path).end
        recorder.close()
    assert (next(iter(read_runs(config.ledger.path).values()))["ended"] is not None) is ends
    assert read_missing(config.ledger.path).end is not ends


def test_a_recorder_that_is_killed_in_its_last_pictures_has_ended_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = LineConfig.model_validate({"ledger": {"path": tmp_path / "ledger.sqlite"}})
    recorder = make_recorder(queue := Queue(), queue, config, tmp_path / "model", 0, os.getpid())
    queue.put(verdict(0))
    queue.put(LAST)
    seen = list[bool]()

    def write_one(_: album.Album) -> bool:
        (facts,) = read_runs(config.ledger.path).values()
        seen.append(facts["ended"] is not None)
        return False

    monkeypatch.setattr(album.Album, "write_one", write_one)
    recorder.close()
    assert seen == [True]


def test_a_recorder_that_fails_in_a_step_has_not_ended_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = LineConfig.model_validate({"ledger": {"path": tmp_path / "ledger.sqlite"}})
    recorder = make_recorder(queue := Queue(), queue, config, tmp_path / "model", 0, os.getpid())
    queue.put(verdict(0))
    queue.put(LAST)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(recorder._room, "warning", lambda now_ns: 1 / 0)
        recorder.step(SECOND)
    recorder.close()  # as its process does, whose successor goes on or is not to be
    assert read_missing(config.ledger.path).end and len(list(read_verdicts(config.ledger.path))) == 1


@pytest.mark.parametrize("room", [True, False])
def test_a_run_that_closes_on_a_full_disk_has_ended_in_order_only_with_its_last_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    config = LineConfig.model_validate({"ledger": {"path": tmp_path / "ledger.sqlite"}})
    recorder = make_recorder(queue := Queue(), queue, config, tmp_path / "model", 0, os.getpid())
    tries: list[int] = []

    def full(ledger: Ledger) -> list[Message]:
        tries.append(ledger.pending)
        if len(tries) == 1 or not room:
            raise LedgerFull("ledger not writable")
        return commit(ledger)  # somebody makes room just then

    commit = Ledger.commit
    monkeypatch.setattr(Ledger, "commit", full)
    queue.put(verdict(0))
    queue.put(LAST)
    with pytest.raises(InputError, match="record incomplete"):
        recorder.close()
    assert tries == [3, 3] and len(list(read_verdicts(config.ledger.path))) == room
    assert read_missing(config.ledger.path).end is not room


def test_a_recorder_whose_predecessor_wrote_nothing_begins_the_run(tmp_path: Path) -> None:
    config = LineConfig.model_validate({"ledger": {"path": tmp_path / "ledger.sqlite"}})
    make_recorder(queue := Queue(), queue, config, tmp_path / "model", 0, os.getpid()).close()
    with contextlib.closing(sqlite3.connect(config.ledger.path)) as db, db:
        db.execute("DELETE FROM run")
    make_recorder(queue, queue, config, tmp_path / "model", 1, os.getpid()).close()
    assert len(read_runs(config.ledger.path)) == 1


def test_a_recorder_started_again_never_joins_a_run_of_another_line(tmp_path: Path) -> None:
    config = LineConfig.model_validate({"ledger": {"path": tmp_path / "ledger.sqlite"}})
    for generation, parent in ((0, 11), (1, 12)):
        queue = Queue()
        make_recorder(queue, queue, config, tmp_path / "model", generation, parent).close()
    assert len(read_runs(config.ledger.path)) == 2


def test_what_comes_late_or_twice_has_one_line_and_costs_no_other_its_own(bench: Bench) -> None:
    for number in (0, 3, 1, 1):
        bench.queue.put(verdict(number))
    bench.run(40)
    for number in (3, 2, 4):
        bench.queue.put(verdict(number))
    bench.run(40)
    assert [line["number"] for line in bench.lines()] == [0, 3, 1, 2, 4]


def test_lines_that_a_kill_or_a_power_cut_took_are_written_again_from_the_ledger(tmp_path: Path) -> None:
    for run_id, numbers in (("before", (0, 1, 2)), ("r", (2, 0, 1))):
        held = Ledger(tmp_path / "ledger.sqlite", run_id=run_id)
        for number in numbers:
            held.add(verdict(number))
        held.close()
    Bench(tmp_path).recorder.close()
    assert [(li["run"], li["number"]) for li in lines_of(tmp_path)] == [("r", 2), ("r", 0), ("r", 1)], "no file: this run's"
    with (tmp_path / "verdicts.jsonl").open("r+b") as file:
        file.truncate(len(file.readline()) + 100)
    Bench(tmp_path).recorder.close()
    assert [(li["run"], li["number"]) for li in lines_of(tmp_path)] == [("r", 2), ("r", 0), ("r", 1)]
    first = lines_of(tmp_path)[0] | {"run": "before", "number": 1}
    (tmp_path / "verdicts.jsonl").write_text(json.dumps(first) + "\n")
    Bench(tmp_path).recorder.close()
    assert [(li["run"], li["number"]) for li in lines_of(tmp_path)[1:]] == [("before", 2), ("r", 2), ("r", 0), ("r", 1)]


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]


def test_totals_that_are_told_again_replace_no_later_ones(bench: Bench) -> None:
    for t, verdicts in ((5, 50), (9, 90), (7, 70)):
        bench.queue.put(fakes.totals(verdicts=verdicts, t_mono_ns=t))
        bench.run(30)
    assert [t.verdicts for t in read_totals(bench.folder / "ledger.sqlite")] == [90]
    with contextlib.closing(sqlite3.connect(bench.folder / "ledger.sqlite")) as db, db:
        db.execute("UPDATE totals SET body = '{'")
    bench.queue.put(fakes.totals(verdicts=10, t_mono_ns=1))
    bench.run(30)
    assert [t.verdicts for t in read_totals(bench.folder / "ledger.sqlite")] == [10]


def test_a_reader_finds_lines_behind_one_that_came_late(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in (0, 1, 3, 4, 2):
        bench.queue.put(verdict(number))
        bench.run(30)
    bench.recorder.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db, db:
        db.execute("DELETE FROM verdicts WHERE number > 2")
    missing = read_missing(tmp_path / "ledger.sqlite")
    assert (missing.records, missing.in_verdicts_jsonl) == ({"verdicts": 2}, 2)


def test_a_sampled_frame_is_recorded_when_its_verdict_is_on_disk(bench: Bench) -> None:
    bench.queue.put(verdict(SAMPLED))
    bench.queue.put(verdict(2 * SAMPLED, seq=None))
    bench.queue.put(verdict(3 * SAMPLED, seq=3))
    bench.run(3)
    assert bench.recorder.trail.take() == ()
    bench.run(30)
    (passed,) = bench.recorder.trail.take()
    assert (passed.seq, passed.steps.keys()) == (SAMPLED, {Step.RECORDED})
