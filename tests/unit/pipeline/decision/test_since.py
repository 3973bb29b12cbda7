"""What a killed decision had decided after its last report: its successor neither loses nor doubles a frame of it."""

from __future__ import annotations

import random

import pytest

from pipeline.decision.handover import Heard
from pipeline.messages.line import Totals
from pipeline.messages.stages import Decided, Mark, Progress
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from tests.decision_bench import Bench
from tests.fakes import totals


def report(bench: Bench) -> Progress:
    decision = bench.decision
    return Progress(
        name="decision", generation=decision._terms.generation, state=decision.state, steps=0, handled=0, waiting=0,
        kept=decision.kept,
    )  # fmt: skip


def given(number: int, seq: int | None, boot: str = "b", lost: int = 0, generation: int = 0, camera: str = "c") -> Verdict:
    return Verdict(
        number=number, generation=generation, camera=camera, boot_id=boot, seq=seq, result=Result.NOT_INSPECTED, lost=lost,
        t_mono_ns=0, t_utc_ns=0,
    )  # fmt: skip


def kept(generation: int, verdicts: int, **marks: Mark) -> Progress:
    decided = Decided(cameras=marks, verdicts=verdicts)
    return Progress(name="d", generation=generation, state=None, steps=0, handled=0, waiting=0, kept=decided)


ACCOUNTS = [
    ([given(0, 0), given(1, 1)], Mark(boot_id="b", next_seq=2)),
    ([given(0, 4)], Mark(boot_id="b", next_seq=5, undecided=4)),
    ([given(0, None, lost=4)], Mark(boot_id="b", undecided=-4)),
    ([given(0, None, lost=4), given(1, 4)], Mark(boot_id="b", next_seq=5)),
    ([given(0, 3), given(1, 1)], Mark(boot_id="b", next_seq=4, undecided=2)),
    ([given(0, 0), given(1, 2, "b2"), given(2, 5)], Mark(boot_id="b2", next_seq=3, undecided=1)),
]


@pytest.mark.parametrize(("verdicts", "mark"), ACCOUNTS)
def test_verdicts_speak_for_frames_of_their_start(verdicts: list[Verdict], mark: Mark) -> None:
    for order in (1, -1):
        heard = Heard()
        for verdict in verdicts[::order]:
            heard.hear(verdict)
        assert heard.handover(False).decided.cameras == {"c": mark}


@pytest.mark.parametrize("report_comes", [0, 1, 2, 3])
def test_a_report_and_the_verdicts_may_come_in_any_order(report_comes: int) -> None:
    words: list[Verdict | Progress] = [given(7, 3), given(8, 5), given(9, None)]  # the last is on cloth without a frame
    words.insert(report_comes, kept(0, 8, c=Mark(boot_id="b", next_seq=5, undecided=2)))
    heard = Heard()
    for word in words:
        heard.hear(word)
    assert heard.handover(False).decided.cameras == {"c": Mark(boot_id="b", next_seq=6, undecided=2)}


def test_a_successor_goes_on_from_its_predecessor_s_verdicts_until_it_reports_itself() -> None:
    heard = Heard()
    heard.hear(kept(0, 8, c=Mark(boot_id="b", next_seq=5, undecided=2), d=Mark(mm=9.0)))
    for verdict in (given(8, 3), given(0, None, lost=1, generation=1), given(1, 5, generation=1), given(2, 0, camera="d")):
        heard.hear(verdict)
    assert heard.handover(False).decided.cameras["c"] == Mark(boot_id="b", next_seq=6)
    assert heard.handover(False).decided.cameras["d"] == Mark(mm=9.0)  # of a generation before the report
    again = Heard(heard.handover(False))  # of a supervisor that was started again
    again.hear(given(0, 7, generation=2))
    assert again.handover(False).decided.cameras["c"] == Mark(boot_id="b", next_seq=8, undecided=1)
    heard.hear(kept(1, 2, c=Mark(boot_id="b", next_seq=6)))
    assert heard.handover(False).decided.cameras == {"c": Mark(boot_id="b", next_seq=6)}


def test_a_frame_that_was_told_as_lost_is_not_judged_when_its_word_comes_late() -> None:
    heard = Heard()
    for verdict in (given(0, 0), given(1, None, lost=2)):  # decision was killed with frame 3 in hand
        heard.hear(verdict)
    bench = Bench(decided=heard.handover(False).decided)
    for seq in (1, 2, 3, 2, 5):
        bench.announce(seq, sent=False)
    assert [(v.seq, v.lost) for v in bench.verdicts()] == [(3, 0), (None, 1), (5, 0)]


@pytest.mark.parametrize("seed", range(40))
def test_whenever_decision_is_killed_every_frame_is_judged_or_told_as_lost(seed: int) -> None:
    rng = random.Random(seed)
    heard, told, seq = Heard(), 0, 0
    for generation in range(4):
        bench = Bench(decided=heard.handover(False).decided, generation=generation)
        waiting: list[int] = []
        for _ in range(rng.randrange(12)):
            seq += rng.choice((0, 0, 0, 1, 3))  # lost by the camera, or on the way
            if rng.random() < 0.8:
                bench.announce(seq, budget_ms=None)
                waiting.append(seq)
            seq += 1
            while waiting and rng.random() < 0.6:
                bench.score(waiting.pop(rng.randrange(len(waiting))))
            for verdict in bench.verdicts():
                heard.hear(verdict)
                told += verdict.lost + (verdict.seq is not None)
            if rng.random() < 0.3:
                heard.hear(report(bench))
    last = Bench(decided=heard.handover(False).decided, generation=4)
    last.announce(seq)
    last.score(seq)
    assert told + sum(v.lost + (v.seq is not None) for v in last.verdicts()) == seq + 1


@pytest.mark.parametrize("totals_come", [0, 1, 2, 3])
def test_the_totals_of_a_killed_decision_count_what_it_published_after_them(totals_come: int) -> None:
    memory, told = Heard(), [given(5, 5), kept(0, 6), given(7, 7)]
    for message in [totals(verdicts=2), *told[:totals_come], totals(verdicts=5), *told[totals_come:]]:
        memory.hear(message)
    memory.hear(given(90, 3, generation=1))
    before = memory.handover(bypass=False).totals
    assert before is not None and (before.generation, before.verdicts) == (0, 8)
    memory.hear(totals(verdicts=1, generation=1))
    assert memory.handover(bypass=False).totals == totals(verdicts=1, generation=1)


def test_a_successor_tells_its_predecessors_totals_first_and_last() -> None:
    bench = Bench(totals=totals(verdicts=8))
    bench.decision.step(0)
    assert bench.recorder.take(Totals)[0] == totals(verdicts=8)
    bench.decision.close()
    assert bench.recorder.take(Totals)[-2] == totals(verdicts=8)
