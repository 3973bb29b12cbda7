"""What overrules a judgement, and that of two doubts at once the one that comes first in the order is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from pipeline.decision.doubts import (
    DOUBTS,
    Doubt,
    Facts,
    not_ready,
    overrule,
    set_aside,
    taken_for_another_style,
    unlike_the_card,
)
from pipeline.decision.judgement import Judgement
from pipeline.messages.commands import Bypass
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region
from tests.decision_bench import STANDARD, Bench, outcome

REGION = Region(x0_px=0, y0_px=0, x1_px=8, y1_px=8, score=0.9)
PASS = Judgement(Result.PASS)
DEFECT = Judgement(Result.DEFECT, regions=(REGION,), regions_total=3, above_mm=(1.0, 2.0))
WELL = Facts(style="satin")
DOUBTFUL: dict[Doubt, Facts] = {
    taken_for_another_style: replace(WELL, suits=False),
    unlike_the_card: replace(WELL, unlike="texture 3 instead of 8"),
    not_ready: replace(WELL, distrust="disk full"),
    set_aside: replace(WELL, bypass=True),
}
REASONS = [Reason.MODEL_MISMATCH, Reason.WRONG_STYLE, Reason.NOT_READY, Reason.BYPASS]
IN_ORDER = list(zip(DOUBTFUL.values(), REASONS, strict=True))


def both(first: Facts, second: Facts) -> Facts:
    told = {k: v for k, v in vars(second).items() if v != getattr(WELL, k)}
    return replace(first, **told)


@pytest.mark.parametrize("judgement", [PASS, DEFECT])
def test_without_a_doubt_a_judgement_stands(judgement: Judgement) -> None:
    assert overrule(judgement, WELL) is judgement


@pytest.mark.parametrize(("facts", "reason"), IN_ORDER)
def test_each_doubt_alone_takes_a_pass_away(facts: Facts, reason: Reason) -> None:
    told = overrule(PASS, facts)
    assert (told.result, told.reason) == (Result.NOT_INSPECTED, reason) and told.detail


def test_a_doubt_about_the_line_leaves_a_defect_one() -> None:
    assert overrule(DEFECT, DOUBTFUL[not_ready]) is DEFECT


@pytest.mark.parametrize("doubt", [unlike_the_card, set_aside])
def test_what_was_found_stays_on_record(doubt: Doubt) -> None:
    told = overrule(DEFECT, DOUBTFUL[doubt])
    assert (told.regions, told.regions_total, told.above_mm) == ((REGION,), 3, (1.0, 2.0)) and "DEFECT" in told.detail


def test_what_another_styles_model_found_is_dropped() -> None:
    told = overrule(DEFECT, DOUBTFUL[taken_for_another_style])
    assert told == Judgement(Result.NOT_INSPECTED, Reason.MODEL_MISMATCH, "taken for style satin")


@pytest.mark.parametrize(("first", "second"), list(pairwise(IN_ORDER)))
def test_of_two_neighbours_the_first_is_told(first: tuple[Facts, Reason], second: tuple[Facts, Reason]) -> None:
    assert overrule(PASS, both(first[0], second[0])).reason is first[1]


def test_the_order_holds_every_doubt() -> None:
    assert set(DOUBTS) == set(DOUBTFUL)


def test_cloth_that_was_not_inspected_keeps_its_reason() -> None:
    facts = Facts(suits=False, unlike="texture", distrust="disk full", bypass=True)
    late = Judgement(Result.NOT_INSPECTED, Reason.NO_SCORE)
    assert overrule(late, facts) is late


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1, (0, Result.NOT_INSPECTED, Reason.NOT_READY)), (0.9, (0, Result.NOT_INSPECTED, Reason.BYPASS))],
)
def test_decision_in_fault_and_in_bypass_says_not_ready_of_a_pass_and_bypass_of_a_defect(
    value: float, expected: tuple[int, Result, Reason]
) -> None:
    bench = Bench(fault="disk full", standards={"": STANDARD})
    bench.inbox.send(Bypass(on=True))
    bench.announce(0)
    bench.score(0, value)
    assert [outcome(v) for v in bench.verdicts()] == [expected]
