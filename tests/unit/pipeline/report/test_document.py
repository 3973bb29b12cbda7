"""One document per finished roll: when it is finished, what stands in it, and once each over restarts and kills."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.grading import CutRules
from pipeline.ledger.store import Ledger
from pipeline.messages.cloth import Roll
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Status
from pipeline.messages.states import Result, StageState
from pipeline.messages.verdicts import Region, Verdict
from pipeline.outputs.documents import Documents
from pipeline.outputs.passing import MAX_WAIT_NS
from pipeline.report.document import Order, make_documents
from pipeline.report.finishing import BEGIN_NS, RETRY_NS, SETTLE_NS, Finishing
from tests.fakes import Box

S = 1_000_000_000
NOON = 1_800_000_000 * S


@pytest.fixture
def line(tmp_path: Path) -> LineConfig:
    """Two cameras; documents go to a folder and to a broker."""
    cameras = [
        {"name": n, "source": "weave", "mm_per_px_x": 0.2, "mm_per_px_y": 0.2, "x_offset_mm": x}
        for n, x in (("a", 0.0), ("b", 180.0))
    ]
    return LineConfig.model_validate({
        "line": {"name": "loom"}, "cameras": cameras, "ledger": {"path": tmp_path / "ledger.sqlite"},
        "outputs": [
            {"kind": "publisher"}, {"kind": "folder", "path": tmp_path / "mes"}, {"kind": "mqtt", "host": "h", "rolls": True},
            {"kind": "mqtt", "name": "screens", "host": "h"},
        ],
    })  # fmt: skip


def told(number: int, roll_id: str, start_mm: float | None, at_s: int, **changes: Any) -> Roll:
    return Roll.model_validate({
        "number": number, "generation": 0, "roll_id": roll_id, "style": "twill", "start_mm": start_mm, "cause": "command",
        "t_mono_ns": at_s * S, "t_utc_ns": NOON + at_s * S, **changes,
    })  # fmt: skip


def cloth(from_mm: int, to_mm: int, roll_id: str, first: int) -> list[Message]:
    found: list[Message] = []
    for i, start in enumerate(range(from_mm, to_mm, 100)):
        for j, camera in enumerate("ab"):
            found.append(Verdict.model_validate({
                "number": first + 2 * i + j, "generation": 0, "camera": camera, "boot_id": "b", "seq": first + i,
                "result": Result.PASS, "score": 0.1, "start_mm": start, "end_mm": start + 100, "frame_shape": (500, 1000),
                "t_mono_ns": 0, "t_utc_ns": 0, "roll_id": roll_id,
            }))  # fmt: skip
    return found


def record(line: LineConfig, run_id: str, messages: list[Message]) -> None:
    facts = {"line": "loom", "config": line.model_dump(mode="json"), "weights_sha": "w", "engine_sha": "e", "card_sha": "c"}
    held = Ledger(line.ledger.path, facts, run_id=run_id)
    for message in messages:
        held.add(message)
    held.close()


def day(line: LineConfig, run_id: str = "20260101T000000.000000Z") -> None:
    """R1 from 5 m to 7 m with a defect and a hole in the record of camera b, R2 to 8 m, then R1 again, which still runs."""
    verdicts = [*cloth(5000, 7000, "R1", 0), *cloth(7000, 8000, "R2", 40), *cloth(8000, 8300, "R1", 60)]
    region = Region(x0_px=0, y0_px=0, x1_px=50, y1_px=50, score=0.9, x0_mm=50, x1_mm=60, y0_mm=5310, y1_mm=5320)
    verdicts[6] = verdicts[6].model_copy(update={"result": Result.DEFECT, "regions": (region,)})
    verdicts[21] = verdicts[21].model_copy(update={"result": Result.NOT_INSPECTED, "reason": Reason.DAMAGED})
    rolls = [told(0, "R1", 5000.0, 1), told(1, "R2", 7000.0, 21), told(2, "R1", 8000.0, 31, cause="contact doffed")]
    record(line, run_id, [*verdicts, *rolls])


def order(line: LineConfig, a_mm: float = 8300, b_mm: float = 8300, at_s: int = 40) -> Order:
    return Order(config=line, passed_mm={"a": a_mm, "b": b_mm}, now_utc_ns=NOON + at_s * S)


def waiting(line: LineConfig, output: str = "mes") -> list[str]:
    return Documents(line, output).names()


def body(line: LineConfig, name: str, output: str = "mes") -> dict[str, Any]:
    return json.loads((Documents(line, output).folder / name).read_bytes())


def test_each_finished_roll_has_one_document_for_every_output_that_wants_it(line: LineConfig) -> None:
    day(line)
    assert make_documents(order(line)) == 2
    names = [f"20260101T000000.000000Z-000{n}-loom.json" for n in (0, 1)]
    assert waiting(line) == waiting(line, "mqtt") == names and waiting(line, "screens") == []
    found = body(line, names[0])
    assert found == body(line, names[0], "mqtt") and found["schema"] == 1 and found["document"] + ".json" == names[0]
    roll = found["roll"]
    assert (roll["roll_id"], roll["start_mm"], roll["end_mm"]) == ("R1", 5000, 7000)
    assert roll["inspected_m"] == pytest.approx(1.9) and len(roll["defects"]) == 1 and roll["grade"] is not None
    assert [(u["from_m"], u["reason"]) for u in roll["not_inspected"]] == [(1.0, "DAMAGED")]
    assert (found["style"], found["complete"], found["engine_sha"]) == ("twill", True, "e")
    assert found["began"] == "2027-01-15T08:00:01Z" and found["ended"] == "2027-01-15T08:00:21Z"
    assert make_documents(order(line)) == 0


def test_a_document_has_the_cut_that_the_line_wishes_for(line: LineConfig) -> None:
    line = line.model_copy(update={"cut": CutRules(lengths_m=(0.5,))})
    day(line)
    assert make_documents(order(line)) == 2
    cut = body(line, waiting(line)[1])["roll"]["cut"]
    assert [(p["from_m"], p["to_m"], p["kind"]) for p in cut["pieces"]] == [(0, 0.5, "first"), (0.5, 1, "first")]


def test_a_run_after_the_clock_was_set_back_has_its_documents_once(line: LineConfig) -> None:
    day(line, "20260201T000000.000000Z")
    assert make_documents(order(line)) == 2
    day(line, "20260101T000000.000000Z")
    assert make_documents(order(line)) == 3  # the third roll of the run before is over
    assert make_documents(order(line)) == 0
    assert [n[:6] for n in waiting(line)] == ["202601"] * 2 + ["202602"] * 3


def test_it_waits_until_every_camera_is_past_the_end_or_a_minute_where_the_cloth_rests(line: LineConfig) -> None:
    day(line)
    assert make_documents(order(line, b_mm=6999.9)) == 0
    assert make_documents(order(line, a_mm=7999.9)) == 1
    late_s = 31 + MAX_WAIT_NS // S
    assert make_documents(order(line, a_mm=7999.9, at_s=late_s)) == 0
    assert make_documents(order(line, a_mm=7999.9, at_s=late_s + 1)) == 1
    assert body(line, waiting(line)[1])["complete"] is False


def test_what_was_delivered_comes_never_again_and_the_last_roll_of_a_run_comes_with_the_next(line: LineConfig) -> None:
    day(line)
    make_documents(order(line))
    for output in ("mes", "mqtt"):
        for name in waiting(line, output):
            (Documents(line, output).folder / name).unlink()
    assert make_documents(order(line)) == 0 and waiting(line) == []
    record(line, "20260102T000000.000000Z", [told(0, "R9", 0.0, 90), *cloth(0, 500, "R9", 0)])
    assert make_documents(order(line)) == 1
    (name,) = waiting(line)
    found = body(line, name)
    assert (found["roll"]["roll_id"], found["ended"], found["complete"]) == ("R1 (2)", None, False)


def test_a_run_that_was_put_away_meanwhile_is_found(line: LineConfig) -> None:
    day(line)
    make_documents(order(line))
    away = line.ledger.path.parent / "until-20260102T000000.000000Z"
    away.mkdir()
    line.ledger.path.rename(away / line.ledger.path.name)
    record(line, "20260102T000000.000000Z", [told(0, "R9", 0.0, 90), *cloth(0, 500, "R9", 0)])
    assert make_documents(order(line)) == 1 and len(waiting(line)) == 3


def test_who_asks_for_documents_today_is_not_sent_those_of_last_year(line: LineConfig) -> None:
    day(line, "20250101T000000.000000Z")
    day(line)
    assert make_documents(order(line)) == 2
    assert all(name.startswith("2026") for name in waiting(line))


@pytest.mark.parametrize("killed_at", ["put", "made"])
def test_a_kill_at_any_moment_costs_no_document_and_makes_none_twice(
    line: LineConfig, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    import pipeline.report.document as module

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    day(line)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if killed_at == "put":
            patch.setattr(Documents, "put", killed)
        else:
            patch.setattr(module, "_write_made", killed)
        make_documents(order(line))
    assert len(waiting(line)) == (0 if killed_at == "put" else 1)
    make_documents(order(line))
    assert [body(line, n)["roll"]["roll_id"] for n in waiting(line)] == ["R1", "R2"]


def test_a_damaged_note_of_what_is_made_is_told(line: LineConfig) -> None:
    day(line)
    make_documents(order(line))
    (line.ledger.path.parent / "rolls" / "made.json").write_text("{")
    with pytest.raises(InputError, match="remove it"):
        make_documents(order(line))


def steps(stage: Finishing, from_ns: int, to_ns: int) -> None:
    for now_ns in range(from_ns, to_ns, 100_000_000):
        stage.step(now_ns)
        if stage._program is not None:
            stage._program.wait()


def test_the_stage_has_documents_made_once_the_end_has_passed_every_camera(line: LineConfig) -> None:
    day(line)
    heard, decision = Box(), Box()
    stage = Finishing(heard, decision, line, 0, lambda: NOON + 40 * S)
    steps(stage, 0, BEGIN_NS + S)
    assert stage.handled == 1 and waiting(line) == []  # nobody has said yet how far the cameras are
    heard.send(told(1, "R2", 7000.0, 21))
    for verdict in cloth(6900, 7000, "R1", 0)[:1]:
        heard.send(verdict)
    steps(stage, 10 * S, 15 * S)
    assert stage.handled == 1
    heard.send(cloth(6900, 7000, "R1", 0)[1])
    steps(stage, 20 * S, 20 * S + SETTLE_NS + S)
    assert stage.handled == 2 and len(waiting(line)) == 1
    assert decision.take(Status)[-1].state is StageState.READY
    stage.close()


def test_a_disk_that_takes_no_documents_is_told_and_tried_again(line: LineConfig) -> None:
    day(line)
    folder = line.ledger.path.parent / "rolls"
    folder.write_text("no folder")
    decision = Box()
    stage = Finishing(Box(), decision, line, 0, time.time_ns)
    steps(stage, 0, BEGIN_NS + S)
    status = decision.take(Status)[-1]
    assert status.state is StageState.DEGRADED and "documents of rolls: not writable" in status.detail
    folder.unlink()
    steps(stage, BEGIN_NS + RETRY_NS, BEGIN_NS + RETRY_NS + 2 * S)
    assert decision.take(Status)[-1].state is StageState.READY
    stage.close()
