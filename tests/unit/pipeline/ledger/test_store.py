"""The ledger keeps what it acknowledged: across kills, full disks, second writers and later runs."""

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from glass_core.errors import AbsentError, InputError
from pipeline.ledger import reading as ledger
from pipeline.ledger.lost import read_missing, read_spans
from pipeline.ledger.reading import read_verdicts
from pipeline.ledger.store import Ledger, LedgerFull
from pipeline.ledger.verdict_lines import VerdictLines
from pipeline.messages.actions import Reject
from pipeline.messages.frames import CameraFacts
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict
from tests.fakes import totals
from tests.shared_data import ROOT

WRITER = """
import sys
from pathlib import Path
from pipeline.ledger.store import Ledger
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
held = Ledger(Path(sys.argv[1]), run_id="killed")
print("ready", flush=True)
for number in range(10**9):
    held.add(Verdict(number=number, generation=0, camera="left", boot_id="b", seq=number, result=Result.PASS,
                     t_mono_ns=0, t_utc_ns=0))
    if number % 7 == 6:
        held.commit()
        print(number, flush=True)
"""

FULL_AT_START = """
import resource, sys
from pathlib import Path
from glass_core.errors import InputError
from pipeline.ledger.store import Ledger
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
try:
    Ledger(Path(sys.argv[1]))
except InputError as e:
    print(type(e).__name__, e)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
held = Ledger(Path(sys.argv[1]))
held.add(Verdict(number=0, generation=0, camera="left", boot_id="b", seq=0, result=Result.PASS, t_mono_ns=0, t_utc_ns=0))
held.close()
print("opened")
"""
FULL = """
import resource, sys
from pathlib import Path
from pipeline.ledger.store import Ledger, LedgerFull
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
held = Ledger(Path(sys.argv[1]))
limit = 200_000
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
number = failed = 0
while not failed:
    for number in range(number, number + 50):
        held.add(Verdict(number=number, generation=0, camera="left", boot_id="b", seq=number, result=Result.PASS,
                         detail="x" * 500, t_mono_ns=0, t_utc_ns=0))
    number += 1
    try:
        held.commit()
    except LedgerFull as e:
        failed = held.pending
        print(e)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
held.close()
print(number, failed, held.committed)
"""


def verdict(number: int, **changes: object) -> Verdict:
    body = {
        "number": number,
        "generation": 0,
        "camera": "left",
        "boot_id": "b",
        "seq": number,
        "result": Result.PASS,
        "t_mono_ns": number,
        "t_utc_ns": number,
        **changes,
    }
    return Verdict.model_validate(body)


ROUND_TRIP = [
    (verdict(3, result=Result.DEFECT, score=0.9, lanes=(0.1, 0.9), start_mm=1.5, end_mm=2.5), ledger.read_verdicts),
    (verdict(4, seq=None, result=Result.NOT_INSPECTED, reason=Reason.NO_FRAME), ledger.read_verdicts),
    (LineState(number=1, generation=2, state=State.FAULT, inspection_ok=False, t_mono_ns=1, t_utc_ns=2), ledger.read_states),
    (
        Reject(number=1, generation=0, verdict=3, camera="left", cause=Result.DEFECT, start_mm=1, end_mm=2, t_mono_ns=0),
        ledger.read_rejects,
    ),
    (totals(verdicts=1, passed=1, late_scores=5), ledger.read_totals),
]


@pytest.mark.parametrize(("message", "read"), ROUND_TRIP, ids=lambda x: getattr(x, "__name__", type(x).__name__))
def test_what_was_added_is_read_back(tmp_path: Path, message: Message, read) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path)
    held.add(message)
    held.close()
    assert list(read(path)) == [message]


def test_scores_that_are_not_finite_survive(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path)
    held.add(verdict(0, result=Result.NOT_INSPECTED, reason=Reason.NOT_FINITE, lanes=(float("nan"), float("inf"))))
    held.close()
    (read,) = read_verdicts(path)
    assert read.lanes[0] != read.lanes[0] and read.lanes[1] == float("inf")


def test_camera_facts_and_run_facts_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path, {"config_sha": "abc", "card_provisional": True})
    dump = json.dumps({"Gain": 1}).encode()
    held.add(CameraFacts(camera="left", boot_id="b", t_utc_ns=1, size=len(dump)), (memoryview(dump),))
    held.close()
    assert ledger.read_camera_facts(path) == {("left", "b"): {"Gain": 1}}
    facts = ledger.read_runs(path)[held.run_id]
    assert facts["config_sha"] == "abc" and facts["card_provisional"] is True and "started" in facts


def test_only_the_last_totals_of_a_generation_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path)
    for message in (
        totals(verdicts=1, passed=1, late_scores=1),
        totals(verdicts=1, passed=1, late_scores=2),
        totals(verdicts=1, passed=1, late_scores=7, generation=1),
    ):
        held.add(message)
    held.close()
    assert [t.late_scores for t in ledger.read_totals(path)] == [2, 7]


def test_a_commit_is_due_by_rows_or_by_age(tmp_path: Path) -> None:
    held = Ledger(tmp_path / "ledger.sqlite", max_rows=3, max_ms=10)
    assert not held.commit_due(0)
    held.add(verdict(0))
    assert not held.commit_due(1_000) and not held.commit_due(10_000_999) and held.commit_due(10_001_000)
    held.add(verdict(1))
    held.add(verdict(2))
    assert held.commit_due(2_000)
    held.commit()
    assert (held.pending, held.committed, held.commit_due(10**12)) == (0, 3, False)
    held.close()


def test_a_commit_waits_for_the_disk_itself(tmp_path: Path) -> None:
    """https://www.sqlite.org/pragma.html#pragma_synchronous: in WAL mode FULL (2) keeps a commit over a power cut."""
    held = Ledger(tmp_path / "ledger.sqlite")
    assert held._db is not None
    modes = [held._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert modes == ["wal", 2]
    held.close()


def test_a_row_that_comes_again_stays_as_it_was_written_first(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path, run_id="r")
    held.add(verdict(0, detail="first"))
    held.commit()
    for message in (verdict(0, detail="again"), verdict(1, detail="second"), verdict(1, detail="third")):
        held.add(message)
    assert [m.detail for m in held.commit() if isinstance(m, Verdict)] == ["second"]
    held.close()
    assert [(v.number, v.detail) for v in read_verdicts(path)] == [(0, "first"), (1, "second")]


def test_a_later_run_is_appended_and_the_same_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    for run_id, numbers in (("first", (0, 1)), ("second", (0,)), ("second", (0, 1, 2))):
        held = Ledger(path, {"version": "1"}, run_id=run_id)
        for number in numbers:
            held.add(verdict(number, detail=run_id))
        held.close()
    assert [v.number for v in read_verdicts(path)] == [0, 1, 2]
    assert [v.detail for v in read_verdicts(path, "first")] == ["first", "first"]
    assert list(ledger.read_runs(path)) == ["first", "second"]


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path)
    with pytest.raises(InputError, match="in use by another line"):
        Ledger(path)
    held.add(verdict(0))
    held.close()
    assert len(list(read_verdicts(path))) == 1
    Ledger(path).close()


def test_a_closed_ledger_is_one_file_and_can_be_read_without_writing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path)
    held.add(verdict(0))
    held.close()
    assert [v.number for v in read_verdicts(path)] == [0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ledger.sqlite", "ledger.sqlite.lock"]
    assert path.read_bytes()[18:20] == b"\2\2"  # still in WAL mode: a kill while it is closed leaves no hot journal


def test_defects_and_spans_are_picked_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path)
    held.add(verdict(0, start_mm=0, end_mm=5, roll_id="a"))
    held.add(verdict(1, result=Result.DEFECT))
    held.add(verdict(2, result=Result.NOT_INSPECTED, reason=Reason.NO_FRAME, seq=None, start_mm=5, end_mm=9))
    held.close()
    assert [v.number for v in ledger.read_defect_verdicts(path)] == [1]
    assert list(read_spans(path)) == [("left", "a", 0, 5, "PASS", None), ("left", "", 5, 9, "NOT_INSPECTED", "NO_FRAME")]
    assert ledger.read_cameras(path) == {"left": (2, 1)}


def test_a_reader_beside_the_writer_sees_what_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path)
    held.add(verdict(0))
    held.commit()
    held.add(verdict(1))
    assert [v.number for v in read_verdicts(path)] == [0]
    held.close()


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout is not None
        acknowledged = [p.stdout.readline() for _ in range(30)]
        p.send_signal(signal.SIGKILL)
        acknowledged += p.stdout.readlines()
    numbers = [v.number for v in read_verdicts(path)]
    assert len(acknowledged) > 1
    assert numbers == list(range(len(numbers))), "no gaps"
    # The last line may be cut by the kill; the one before is certain.
    assert numbers[-1] >= int(acknowledged[-2])
    Ledger(path, run_id="killed").close()


def test_a_full_disk_keeps_every_row_until_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    error, figures = done.stdout.splitlines()
    total, failed, committed = (int(n) for n in figures.split())
    assert error.startswith("ledger not writable (") and error.endswith("make room on the disk")
    assert failed >= 50 and committed == total
    assert [v.number for v in read_verdicts(path)] == list(range(total))


def test_a_disk_that_is_full_as_the_ledger_is_opened_is_awaited_and_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    words = [sys.executable, "-c", FULL_AT_START, str(path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    absent, room = done.stdout.splitlines()
    assert absent.startswith("AbsentError ledger not writable (") and absent.endswith(f", {path}, make room on the disk")
    assert room == "opened" and [v.number for v in read_verdicts(path)] == [0]


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, AbsentError), (errno.EIO, AbsentError), (errno.EROFS, InputError)]
)
@pytest.mark.parametrize("name", ["ledger.sqlite.lock", "verdicts.jsonl"])
def test_what_a_person_must_mend_is_told_from_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, error: type[InputError]
) -> None:
    opened = os.open

    def refuse(path: Path, *words: int) -> int:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number))
        return opened(path, *words)

    with monkeypatch.context() as patched:
        patched.setattr("os.open", refuse)
        with pytest.raises(InputError, match="not writable") as told:
            VerdictLines(tmp_path, Ledger(tmp_path / "ledger.sqlite").run_id)
    assert type(told.value) is error


def test_two_lines_never_write_into_one_folder(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "first.sqlite")
    with pytest.raises(InputError, match=r"another line writes its record into this folder, .*first\.sqlite, "):
        Ledger(tmp_path / "second.sqlite")
    first.close()
    Ledger(tmp_path / "second.sqlite").close()  # one after the other they may


def test_a_failed_commit_writes_none_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path)
    held.add(verdict(0))
    held.add(verdict(1))
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN IMMEDIATE")
    held._db.execute("PRAGMA busy_timeout=0")
    with pytest.raises(LedgerFull):
        held.commit()
    blocker.rollback()
    blocker.close()
    assert (held.pending, list(read_verdicts(path))) == (2, [])
    held.close()
    assert [v.number for v in read_verdicts(path)] == [0, 1]


def test_a_message_without_a_table_is_refused(tmp_path: Path) -> None:
    held = Ledger(tmp_path / "ledger.sqlite")
    beat = Heartbeat(number=0, generation=0, state=State.READY, inspection_ok=True, verdicts=0, t_mono_ns=0)
    with pytest.raises(ValueError, match="no table for Heartbeat"):
        held.add(beat)
    held.close()


def foreign_file(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 100)


def foreign_database(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE other (x)")
    db.close()


@pytest.mark.parametrize("make", [foreign_file, foreign_database])
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ledger.sqlite"
    make(path)
    tables = path.read_bytes()[100:]
    with pytest.raises(InputError, match=r"ledger .*, .*ledger\.sqlite, "):
        Ledger(path)
    assert path.read_bytes()[100:] == tables
    with pytest.raises(InputError, match=r"ledger .*, .*ledger\.sqlite, "):
        list(read_verdicts(path))


@pytest.mark.parametrize(("path", "what"), [("missing/ledger.sqlite", "not found"), ("empty.sqlite", "schema 0")])
def test_reading_what_is_not_there(tmp_path: Path, path: str, what: str) -> None:
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(InputError, match=what):
        list(read_verdicts(tmp_path / path))


def test_an_unknown_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with pytest.raises(InputError, match="no such run nightshift"):
        list(read_verdicts(path, "nightshift"))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"ledger not writable \(.*\), .*file/ledger\.sqlite, "):
        Ledger(tmp_path / "file" / "ledger.sqlite")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_record_that_no_line_writes_is_told_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path, run_id="r")
    common = {"generation": 0, "boot_id": "b", "result": Result.PASS, "t_mono_ns": 0, "t_utc_ns": 0}
    for n in range(3):
        held.add(Verdict(number=n, camera="c", seq=n, **common))
    held.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE verdicts SET camera = '../../c', body = json_set(body, '$.camera', '../../c') WHERE number = 1")
    with pytest.raises(InputError, match=r"^ledger not readable \(Verdict generation 0 number 1 is damaged\), [^\n]+$"):
        list(read_verdicts(path))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE verdicts SET camera = 'c' WHERE number = 1")  # its two forms differ: that one is lost
    assert [v.number for v in read_verdicts(path)] == [0, 2] and read_missing(path).records == {"verdicts": 1}


@pytest.mark.parametrize("there", [False, True])
def test_a_ledger_that_is_a_link_is_refused_and_not_followed(tmp_path: Path, there: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    place = tmp_path / "elsewhere" / "ledger.sqlite"
    if there:
        Ledger(place).close()
    before = {p: p.read_bytes() for p in place.parent.iterdir()}
    (tmp_path / "ledger.sqlite").symlink_to(place)
    with pytest.raises(InputError, match="ledger is a link"):
        Ledger(tmp_path / "ledger.sqlite")
    assert {p: p.read_bytes() for p in place.parent.iterdir()} == before
