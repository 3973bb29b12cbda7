"""What a record lacks is found by its numbers and by its millimetres, and never counts as inspected."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from glass_core.errors import InputError
from pipeline.ledger.lost import Missing, read_missing, read_spans
from pipeline.ledger.reading import read_defect_verdicts, read_runs, read_verdicts
from pipeline.ledger.store import Ledger
from pipeline.ledger.verdict_lines import VerdictLines
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Roll
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import ActionKind, Cause, Phase, Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.report.roll import summarise
from tests.fakes import totals

OFFSET_MM = {"a": 0.0, "b": 7.0}
CONFIG = {"cameras": [{"name": name, "y_offset_mm": mm} for name, mm in OFFSET_MM.items()]}


def verdict(number: int, camera: str, seq: int, generation: int = 0, **changes: Any) -> Verdict:
    start_mm = 25.0 * seq + OFFSET_MM[camera]
    body = {
        "number": number, "generation": generation, "camera": camera, "boot_id": "b", "seq": seq, "result": Result.PASS,
        "start_mm": start_mm, "end_mm": start_mm + 25.0, "t_mono_ns": 0, "t_utc_ns": 0, "roll_id": "R1", **changes,
    }  # fmt: skip
    return Verdict.model_validate(body)


def cloth(frames: int, generation: int = 0, first: int = 0) -> list[Verdict]:
    """Both cameras' frames in turn: number 2n is camera a's, 2n + 1 camera b's."""
    return [verdict(2 * n + i, c, first + n, generation) for n in range(frames) for i, c in enumerate("ab")]


def write(folder: Path, messages: list[Message], **facts: Any) -> Path:
    held = Ledger(folder / "ledger.sqlite", {"config": CONFIG, **facts}, run_id="r")
    for message in messages:
        held.add(message)
    held.close()
    return folder / "ledger.sqlite"


def lost(path: Path) -> list[tuple[str, float, float]]:
    found = [(camera, a, b, result) for camera, _, a, b, result, reason in read_spans(path) if reason == Reason.RECORD_LOST]
    assert all(result == Result.NOT_INSPECTED for *_, result in found)
    return sorted((camera, a, b) for camera, a, b, _ in found)


@pytest.mark.parametrize(
    ("kept", "spans", "missing"),
    [
        (lambda v: True, [], 0),
        (lambda v: v.number not in (4, 5), [("a", 50, 75), ("b", 57, 82)], 2),
        (lambda v: v.number not in (5, 7, 8), [("a", 100, 125), ("b", 57, 107)], 3),
        (lambda v: v.number > 2, [("a", 0, 50), ("b", 7, 32)], 3),
        (lambda v: v.number not in (1, 3), [("b", 7, 57)], 2),
        (lambda v: v.number < 14 and v.number != 11, [("b", 132, 157)], 1),
        (lambda v: v.number < 13 and v.number not in (9, 11), [("b", 107, 182)], 2),
    ],
)
def test_a_gap_in_the_numbers_lies_between_each_cameras_neighbours(
    tmp_path: Path, kept: Any, spans: list[tuple[str, float, float]], missing: int
) -> None:
    path = write(tmp_path, [v for v in cloth(8) if kept(v)])
    assert lost(path) == spans
    assert read_missing(path).records == ({"verdicts": missing} if missing else {})


def test_a_generations_end_is_bounded_by_where_the_next_begins(tmp_path: Path) -> None:
    path = write(tmp_path, [*cloth(3), *cloth(3, generation=1, first=6)])
    assert lost(path) == [("a", 75, 150), ("b", 82, 157)]
    assert read_missing(path).records == {}  # how many numbers that were, nobody has said


def test_a_generation_without_any_record_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, [*cloth(3), *cloth(3, generation=2, first=6)])
    assert lost(path) == [("a", 75, 150), ("b", 82, 157)]
    assert read_missing(path).records == {"generations": 1}


def test_the_last_totals_say_what_the_end_lacks(tmp_path: Path) -> None:
    said = totals(verdicts=10, passed=10, rejects=2, position_mm=130.0)
    reject = Reject(number=1, generation=0, verdict=5, camera="b", cause=Result.DEFECT, start_mm=57, end_mm=82, t_mono_ns=0)
    path = write(tmp_path, [*cloth(3), reject, said])
    assert lost(path) == [("a", 75, 130), ("b", 82, 137)]
    assert read_missing(path).records == {"verdicts": 4, "rejects": 1}


def test_an_action_told_again_after_a_restart_invents_no_verdicts(tmp_path: Path) -> None:
    stop = Action(
        number=0,
        generation=0,
        event=0,
        kind=ActionKind.STOP,
        cause=Cause.DEFECT,
        phase=Phase.NOW,
        verdict=5,
        camera="b",
        t_mono_ns=0,
    )
    again = stop.model_copy(update={"generation": 1})  # by the next decision, of a verdict of the first
    path = write(tmp_path, [*cloth(3), stop, again, *cloth(1, generation=1, first=3)])
    assert read_missing(path) == Missing()


def test_a_reject_tells_of_its_verdict(tmp_path: Path) -> None:
    reject = Reject(number=0, generation=0, verdict=8, camera="b", cause=Result.DEFECT, start_mm=57, end_mm=82, t_mono_ns=0)
    assert read_missing(write(tmp_path, [*cloth(3), reject])).records == {"verdicts": 3}


def test_totals_of_what_is_on_record_lose_nothing(tmp_path: Path) -> None:
    later = totals(generation=1, position_mm=500.0)  # a decision that has said nothing yet
    path = write(tmp_path, [*cloth(3), totals(verdicts=6, position_mm=99.0), later])
    assert lost(path) == [] and read_missing(path) == Missing()


def test_rows_that_only_verdicts_jsonl_has_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, [*cloth(3)])  # as after a -wal that was cut
    lines = VerdictLines(tmp_path, "r")
    for each in cloth(5):
        lines.add(each)
    lines.flush()
    lines.close()
    assert lost(path) == [("a", 75, 125), ("b", 82, 132)]
    missing = read_missing(path)
    assert (missing.records, missing.in_verdicts_jsonl) == ({"verdicts": 4}, 4)
    assert str(missing) == "The record is not whole: it lacks 4 verdicts. 4 of the verdicts still stand in verdicts.jsonl."


def write_lines(folder: Path, verdicts: list[Verdict], run_id: str = "r") -> None:
    lines = VerdictLines(folder, run_id)
    for each in verdicts:
        lines.add(each)
    lines.flush()
    lines.close()


def told(path: Path) -> dict[tuple[str, float, float], tuple[str, str | None]]:
    return {(camera, a, b): (result, reason) for camera, _, a, b, result, reason in read_spans(path)}


def test_verdicts_from_the_middle_count_as_their_lines_say(tmp_path: Path) -> None:
    decided = [*cloth(8), *cloth(3, generation=1, first=8)]
    decided[5] = verdict(5, "b", 2, result=Result.NOT_INSPECTED, reason=Reason.DAMAGED)
    decided[7] = verdict(7, "b", 3, result=Result.DEFECT, score=2.0, lanes=(0.5, 2.0))
    lost_ones = {(0, 0), (0, 4), (0, 5), (0, 7), (0, 15), (1, 0), (1, 5)}
    path = write(tmp_path, [v for v in decided if (v.generation, v.number) not in lost_ones])
    write_lines(tmp_path, [v.model_copy(update={"result": Result.DEFECT}) for v in decided], "earlier")
    write_lines(tmp_path, [v for v in decided if v.number != 4])
    spans = told(path)
    assert len(spans) == 22
    assert spans["b", 57, 82] == ("NOT_INSPECTED", "DAMAGED") and spans["b", 82, 107] == ("DEFECT", None)
    assert spans["a", 0, 25] == spans["b", 182, 207] == spans["a", 200, 225] == ("PASS", None)
    assert lost(path) == [("a", 50, 75), ("b", 257, 282)]  # no line, and the last of all
    assert read_missing(path) == Missing(records={"verdicts": 7}, in_verdicts_jsonl=6, counted=5)
    assert str(read_missing(path)).endswith(
        "it lacks 7 verdicts. 6 of the verdicts still stand in verdicts.jsonl. 5 from its middle count as told there."
    )
    assert [(v.generation, v.number) for v in read_verdicts(path)] == [
        (v.generation, v.number) for v in decided if (v.generation, v.number) not in {(0, 4), (1, 5)}
    ]  # fmt: skip
    assert [(v.number, v.lanes) for v in read_defect_verdicts(path)] == [(7, (0.5, 2.0))]
    summary = summarise(path)
    assert (summary.verdicts, summary.passed, summary.defect, summary.reasons) == (22, 18, 1, {"DAMAGED": 1, "RECORD_LOST": 2})


@pytest.mark.parametrize(
    ("field", "damaged"),
    [("number", "400"), ("number", "2"), ("end_mm", "99.0"), ("end_mm", "null"), ("start_mm", "10.0"), ("result", '"GOOD"'),
     ("camera", '"b"'), ("lane_scores", "7")],
)  # fmt: skip
def test_a_damaged_line_fills_no_gap(tmp_path: Path, field: str, damaged: str) -> None:
    path = write(tmp_path, [v for v in cloth(8) if v.number not in (4, 10)])
    write_lines(tmp_path, cloth(8))
    lines = (tmp_path / "verdicts.jsonl").read_text().splitlines(keepends=True)
    said = f'"{field}": {json.dumps(json.loads(lines[4])[field])}'
    assert said in lines[4]
    lines[4] = lines[4].replace(said, f'"{field}": {damaged}')
    (tmp_path / "verdicts.jsonl").write_text("".join(lines))
    spans = told(path)
    assert spans["a", 50, 75] == ("NOT_INSPECTED", "RECORD_LOST") and spans["a", 125, 150] == ("PASS", None)
    assert len(spans) == 16


@pytest.mark.parametrize(
    ("field", "damaged", "missing", "a_mm"),
    [
        ("number", 10**18, 4, 125), ("generation", 10**18, 4, 125), ("number", 2**63, 3, 100), ("number", True, 3, 100),
        ("end_mm", '"text"', 3, 100), ("end_mm", "NaN", 3, 100), ("end_mm", 1e300, 3, 100), ("camera", 7, 3, 100),
        ("camera", "\"x\"", 4, 100),
    ],
)  # fmt: skip
def test_a_damaged_line_of_verdicts_jsonl_says_little_or_nothing(
    tmp_path: Path, field: str, damaged: object, missing: int, a_mm: float
) -> None:
    path = write(tmp_path, [*cloth(3)])
    lines = VerdictLines(tmp_path, "r")
    for each in cloth(5):
        lines.add(each)
    lines.flush()
    lines.close()
    told = (tmp_path / "verdicts.jsonl").read_text().splitlines()
    body = json.loads(told[8])  # camera a's last
    said = f'"{field}": {json.dumps(body[field])}'
    assert said in told[8]
    value = json.dumps(damaged) if not isinstance(damaged, str) else damaged
    told[8] = told[8].replace(said, f'"{field}": {value}')
    (tmp_path / "verdicts.jsonl").write_text("".join(f"{line}\n" for line in told))
    assert lost(path) == [("a", 75, a_mm), ("b", 82, 132)]
    assert read_missing(path) == Missing(records={"verdicts": missing}, in_verdicts_jsonl=missing)


def test_a_damaged_number_at_a_generations_end_invents_no_verdicts(tmp_path: Path) -> None:
    path = write(tmp_path, [*cloth(3)[:-1], *cloth(2, generation=1, first=3)])
    write_lines(
        tmp_path, [*cloth(3)[:-1], cloth(3)[-1].model_copy(update={"number": 10**18}), *cloth(2, generation=1, first=3)]
    )
    assert read_missing(path) == Missing(records={"verdicts": 1}, in_verdicts_jsonl=1, counted=1)


@pytest.mark.parametrize(
    ("kept", "lines", "verdicts"),
    [
        (range(14), (18, 19), 6), (range(14), range(14, 20), 6), (range(14), (16,), 1), ((), (18, 19), 20), ((), (3,), 1),
        (range(14), (17, 10**18), 5),
    ],
)  # fmt: skip
def test_lines_at_a_generations_end_tell_how_many_are_lost_before_them(
    tmp_path: Path, kept: Sequence[int], lines: Sequence[int], verdicts: int
) -> None:
    first = cloth(10)
    following = cloth(2, generation=1, first=10)
    path = write(tmp_path, [*(first[n] for n in kept), *following])
    still = [first[min(n, 19)].model_copy(update={"number": n}) for n in lines]
    write_lines(tmp_path, [*(first[n] for n in kept), *still, *following])
    found = read_missing(path)
    assert (found.records, found.counted) == ({"verdicts": verdicts}, len(lines))


def overlapping(number: int) -> Verdict:
    """30 mm of cloth every 25 mm."""
    found: dict[str, Any] = {"result": Result.DEFECT, "score": 2.0} if number == 2 else {}
    return verdict(number, "a", number, end_mm=25.0 * number + 30, **found)


def test_what_is_found_of_overlapping_frames_fills_its_gap(tmp_path: Path) -> None:
    path = write(tmp_path, [overlapping(n) for n in range(8) if n not in (2, 5, 6)])
    write_lines(tmp_path, [overlapping(n) for n in range(8)])
    spans = told(path)
    assert lost(path) == []
    assert spans["a", 55, 75] == ("DEFECT", None)
    assert spans["a", 130, 155] == spans["a", 150, 175] == ("PASS", None)


def test_a_line_that_tells_of_more_than_a_frame_covers_no_other_gap(tmp_path: Path) -> None:
    path = write(tmp_path, [overlapping(n) for n in range(9) if n not in (1, 3, 5)])
    write_lines(
        tmp_path,
        [v.model_copy(update={"end_mm": 160.0}) if v.number == 3 else v for v in map(overlapping, range(9)) if v.number != 5],
    )
    assert lost(path) == [("a", 80, 100), ("a", 130, 150)]
    assert told(path)["a", 30, 50] == ("PASS", None)


def test_one_record_that_is_missing_is_told_in_the_singular() -> None:
    one = Missing(records={"verdicts": 1, "generations": 1, "rejects": 2}, in_verdicts_jsonl=1)
    assert str(one) == (
        "The record is not whole: it lacks 1 verdict, 1 generation, 2 rejects. "
        "1 of the verdicts still stands in verdicts.jsonl."
    )


def test_a_ledger_without_verdicts_lacks_all_that_the_lines_tell(tmp_path: Path) -> None:
    path = write(tmp_path, [])
    lines = VerdictLines(tmp_path, "r")
    for each in [*cloth(3), *cloth(2, generation=1, first=3)]:
        lines.add(each)
    lines.flush()
    lines.close()
    assert lost(path) == [("a", 0, 125), ("b", 7, 132)]
    assert read_missing(path) == Missing(records={"verdicts": 10}, in_verdicts_jsonl=10)


@pytest.mark.parametrize("read", [read_missing, lambda path: list(read_spans(path))])
def test_verdicts_jsonl_that_nobody_may_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    path = write(tmp_path, [*cloth(1)])
    (tmp_path / "verdicts.jsonl").write_text("{}\n")
    for name in ("open", "stat"):
        real = getattr(Path, name)

        def refuse(self: Path, *args: Any, real: Any = real, **options: Any) -> Any:
            if self.name == "verdicts.jsonl":
                raise PermissionError(13, "Permission denied")
            return real(self, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Path, name, refuse)
            with pytest.raises(InputError, match=r"^verdicts not readable \(Permission denied\), .*verdicts.jsonl, make it r"):
                read(path)


def test_lines_of_another_run_say_nothing_of_this_one(tmp_path: Path) -> None:
    path = write(tmp_path, [*cloth(3)])
    for run_id in ("earlier", "r", "later"):
        lines = VerdictLines(tmp_path, run_id)
        for each in cloth(3 if run_id == "r" else 5):
            lines.add(each)
        lines.flush()
        lines.close()
    assert lost(path) == [] and read_missing(path) == Missing()


def test_lost_cloth_across_a_border_is_of_both_rolls(tmp_path: Path) -> None:
    common = {"generation": 0, "style": "", "cause": "command", "t_mono_ns": 0, "t_utc_ns": 0}
    rolls = [Roll(number=n, roll_id=f"R{n + 1}", start_mm=60.0 * n, **common) for n in range(2)]
    path = write(tmp_path, [*rolls, *(v for v in cloth(8) if v.number not in (4, 5))])
    parts = [(c, roll, a, b) for c, roll, a, b, _, reason in read_spans(path) if reason == Reason.RECORD_LOST]
    assert parts == [("a", "R1", 50, 60), ("a", "R2", 60, 75), ("b", "R1", 57, 60), ("b", "R2", 60, 82)]


def test_where_no_scale_is_known_frames_are_counted(tmp_path: Path) -> None:
    bare = [v.model_copy(update={"start_mm": None, "end_mm": None}) for v in cloth(4) if v.number not in (2, 3)]
    path = write(tmp_path, [*bare])
    assert lost(path) == [] and read_missing(path).records == {"verdicts": 2}


def test_a_second_look_at_cloth_does_not_stand_for_a_lost_first_one(tmp_path: Path) -> None:
    cloth_and_again = [*cloth(4), verdict(8, "a", 1, rescan=True)]
    path = write(tmp_path, [v for v in cloth_and_again if v.number != 2])
    assert lost(path) == [("a", 25, 50)]


def test_every_kind_that_decision_numbers_is_missed(tmp_path: Path) -> None:
    states = [
        LineState(number=n, generation=0, state=State.RUNNING, inspection_ok=True, t_mono_ns=0, t_utc_ns=0) for n in (0, 3)
    ]
    assert read_missing(write(tmp_path, [*states])).records == {"states": 2}


@pytest.mark.parametrize(
    ("change", "spans"),
    [
        ("UPDATE verdicts SET result = 'PASS' WHERE number = 4", [("a", 50, 75)]),
        ("UPDATE verdicts SET end_mm = 9e9 WHERE number = 4", [("a", 50, 75)]),
        ("UPDATE verdicts SET camera = 'c' WHERE number = 4", [("a", 50, 75)]),
        ("UPDATE verdicts SET body = replace(body, '\"seq\"', '\"sfq\"') WHERE number = 4", [("a", 50, 75)]),
        ("UPDATE verdicts SET body = CAST(x'7bff7d' AS TEXT) WHERE number = 4", [("a", 50, 75)]),
        ("UPDATE verdicts SET body = '[4]' WHERE number = 4", [("a", 50, 75)]),
        ("UPDATE verdicts SET number = 99 WHERE number = 15", [("b", 182, 207)]),
    ],
)
def test_a_row_that_contradicts_itself_is_lost_and_the_others_are_read(
    tmp_path: Path, change: str, spans: list[tuple[str, float, float]]
) -> None:
    four = cloth(8)[4].model_copy(update={"result": Result.NOT_INSPECTED, "reason": Reason.DAMAGED})
    rows = [four if v.number == 4 else v for v in cloth(8)]
    path = write(tmp_path, [*rows, totals(verdicts=16, position_mm=200.0)])
    db = sqlite3.connect(path)
    with db:
        assert db.execute(change).rowcount == 1
    db.close()
    assert lost(path) == spans
    assert read_missing(path).records == {"verdicts": 1}
    assert len(list(read_verdicts(path))) == 15


def test_scores_that_are_no_numbers_keep_nothing_from_being_read(tmp_path: Path) -> None:
    odd = verdict(0, "a", 0, result=Result.NOT_INSPECTED, reason=Reason.NOT_FINITE, lanes=(float("nan"), float("inf")))
    path = write(tmp_path, [odd, verdict(1, "b", 0)])
    assert [row[4:] for row in read_spans(path)] == [("NOT_INSPECTED", "NOT_FINITE"), ("PASS", None)]


def test_facts_of_a_run_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, [])
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE run SET value = '{' WHERE key = 'config'")
    db.close()
    with pytest.raises(Exception, match=r"^ledger not readable \(config of run r is damaged\), .*, keep all its files"):
        read_runs(path)


@pytest.mark.parametrize(
    "last", ["null", "[1]", "7", '"text"', "{", '{"run": "r"}', '{"run": "r", "generation": "0", "number": []}']
)
def test_a_last_line_that_tells_no_verdict_stops_nobody(tmp_path: Path, last: str) -> None:
    before = VerdictLines(tmp_path, "r")
    before.add(cloth(1)[0])
    before.flush()
    before.close()
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(path.read_bytes() + last.encode() + b"\n\xff\xfe\n")
    held = Ledger(tmp_path / "ledger.sqlite", run_id="r")
    for each in cloth(1):
        held.add(each)
    held.commit()
    after = VerdictLines(tmp_path, "r")
    after.catch_up(held)
    after.close()
    held.close()
    told = [json.loads(line)["number"] for line in path.read_bytes().splitlines() if line.startswith(b'{"schema"')]
    assert told == [0, 1]
