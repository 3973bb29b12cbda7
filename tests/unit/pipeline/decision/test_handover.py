"""What a restarted decision is told of the one before."""

from __future__ import annotations

import pytest

from pipeline.decision.handover import Handover, Heard
from pipeline.link.wire import decode, encode
from pipeline.messages.actions import Action
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.commands import RollStart
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.stages import Counted, Decided, Elapsed, Mark, Progress
from pipeline.messages.states import ActionKind, Cause, EventAction, EventKind, Phase, State
from tests.fakes import totals


def state(word: State, detail: str = "") -> LineState:
    return LineState(number=0, generation=0, state=word, inspection_ok=False, detail=detail, t_mono_ns=0, t_utc_ns=0)


def roll(roll_id: str, cause: str, generation: int = 0) -> Roll:
    facts = {"number": 0, "style": "s", "start_mm": 5.0, "t_mono_ns": 0, "t_utc_ns": 0}
    return Roll.model_validate({**facts, "roll_id": roll_id, "cause": cause, "generation": generation})


def kept(what: Decided | Elapsed | Counted | None) -> Progress:
    return Progress(name="p", generation=0, state=None, steps=0, handled=0, waiting=0, kept=what)


def after(verdicts: int) -> Decided:
    return DECIDED.model_copy(update={"verdicts": verdicts})


def seam(start_mm: float) -> SpanEvent:
    return SpanEvent(
        number=0, generation=0, kind=EventKind.SEAM, action=EventAction.IGNORE, start_mm=start_mm, end_mm=start_mm + 50,
        roll_id="A", cause="command", t_mono_ns=0, t_utc_ns=0,
    )  # fmt: skip


COUNTED = Counted(raw=5, read_ns=7, total=70_005)
DECIDED = Decided(cameras={"c": Mark(mm=5.0)})
FURTHER = Decided(cameras={"c": Mark(mm=9.0, t_mono_ns=7, boot_id="b", next_seq=3), "d": Mark(t_mono_ns=8)})


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        ([], Handover()),
        ([state(State.FAULT, "disk full")], Handover(fault="disk full")),
        ([state(State.FAULT, "disk full"), state(State.FAULT, "disk full (gone: reset it)")], Handover(fault="disk full")),
        ([state(State.FAULT, "disk full"), state(State.DEGRADED, "reset")], Handover()),
        ([roll("A", "config"), roll("B", "command")], Handover(roll=RollStart(roll_id="B", style="s", at_mm=5.0))),
        ([roll("A", "config"), roll("A", "config", generation=1)], Handover(roll=RollStart(roll_id="A", style="s", at_mm=5.0))),
        ([roll("A", "config", generation=1)], Handover()),
        ([roll("B", "command", generation=1)], Handover(roll=RollStart(roll_id="B", style="s", at_mm=5.0))),
        ([kept(DECIDED), kept(FURTHER)], Handover(decided=FURTHER)),
        ([seam(100), seam(300)], Handover(spans=(seam(100), seam(300)))),
        ([totals(verdicts=3), totals(verdicts=5)], Handover(totals=totals(verdicts=5))),
        ([totals(verdicts=5), kept(after(8))], Handover(decided=after(8), totals=totals(verdicts=8))),
        ([totals(verdicts=5), kept(after(4))], Handover(decided=after(4), totals=totals(verdicts=5))),
        (
            [totals(verdicts=5, generation=1), kept(after(80))],
            Handover(decided=after(80), totals=totals(verdicts=5, generation=1)),
        ),
        ([kept(Elapsed(elapsed_s=2.5)), kept(None)], Handover(travelled=Elapsed(elapsed_s=2.5))),
        ([kept(COUNTED), kept(DECIDED)], Handover(decided=DECIDED, travelled=COUNTED)),
    ],
)
def test_it_is_what_was_published_or_reported_last(heard: list[Message], kept: Handover) -> None:
    memory = Heard()
    for message in heard:
        memory.hear(message)
    assert memory.handover(bypass=False) == kept
    assert memory.handover(bypass=True) == kept.model_copy(update={"bypass": True})


@pytest.mark.parametrize("what", [DECIDED, FURTHER, Decided(cameras={}), Elapsed(elapsed_s=2.5), COUNTED, None])
def test_it_reaches_the_next_generation_as_what_it_was(what: Decided | Elapsed | Counted | None) -> None:
    memory, (reported, _) = Heard(), decode(encode(kept(what)))
    assert reported == kept(what)
    memory.hear(reported)
    handover = memory.handover(bypass=False)
    assert Handover.model_validate_json(handover.model_dump_json()) == handover


@pytest.mark.parametrize("kind", [ActionKind.STOP, ActionKind.LAMP])
def test_what_was_acknowledged_before_it_was_due_is_handed_on_until_it_has_acted(kind: ActionKind) -> None:
    memory = Heard()

    def hear(event: int, phase: Phase) -> list[tuple[int, Phase]]:
        memory.hear(
            Action(
                number=0, generation=0, event=event, kind=kind, cause=Cause.DEFECT, phase=phase, target_mm=900.0, t_mono_ns=0
            )
        )
        return [(a.event, a.phase) for a in memory.handover(bypass=False).actions]

    hear(3, Phase.AHEAD)
    assert hear(4, Phase.AHEAD) == [(3, Phase.AHEAD), (4, Phase.AHEAD)]
    assert hear(3, Phase.ACKNOWLEDGED) == [(3, Phase.AHEAD), (4, Phase.AHEAD)]
    assert hear(3, Phase.NOW) == [(3, Phase.NOW), (4, Phase.AHEAD)]
    assert hear(3, Phase.ACKNOWLEDGED) == [(4, Phase.AHEAD)]
    assert hear(3, Phase.ACKNOWLEDGED) == [(4, Phase.AHEAD)]  # by another
    assert memory.handover(bypass=False).events == 5


def test_its_totals_reach_the_next_generation_whole() -> None:
    memory = Heard()
    memory.hear(totals(verdicts=7, reasons={"NO_FRAME": 2}, position_mm=4.5))
    handover = memory.handover(bypass=False)
    assert Handover.model_validate_json(handover.model_dump_json()) == handover and handover.totals is not None
