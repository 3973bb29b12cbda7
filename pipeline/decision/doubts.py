"""What may overrule a judgement, and in which order: the line's safety rule in one place (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.decision.judgement import Judgement
from pipeline.messages.domains import MAX_FAULT
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result


@dataclass(frozen=True)
class Facts:
    """What is known of a frame and of the line, beside the scores, when the verdict is given."""

    style: str = ""
    """For which the picture was taken."""
    suits: bool = True
    """Cloth of a style like that one lies in the picture."""
    unlike: str = ""
    """What differs in the roll from the card's cloth; empty while nothing does, or where it does not matter."""
    distrust: str = ""
    """Why nothing may pass now, whatever its score; empty while all is well."""
    bypass: bool = False
    """The operator has set rejects aside."""


Doubt = Callable[[Judgement, Facts], Judgement | None]


def taken_for_another_style(judgement: Judgement, facts: Facts) -> Judgement | None:
    """A model knows its own style alone: what it found on other cloth means nothing and is dropped."""
    if facts.suits:
        return None
    return Judgement(Result.NOT_INSPECTED, Reason.MODEL_MISMATCH, f"taken for style {facts.style or 'none'}")


def unlike_the_card(judgement: Judgement, facts: Facts) -> Judgement | None:
    """A threshold holds for the card's cloth alone: on other cloth neither PASS nor DEFECT can be trusted."""
    if not facts.unlike:
        return None
    detail = f"{judgement.result} by a card of other cloth: {facts.unlike}"
    return replace(judgement, result=Result.NOT_INSPECTED, reason=Reason.WRONG_STYLE, detail=detail[:MAX_FAULT])


def not_ready(judgement: Judgement, facts: Facts) -> Judgement | None:
    """A line that is not to be trusted lets no cloth by; a DEFECT stands, since it lets none by either."""
    if judgement.result is not Result.PASS or not facts.distrust:
        return None
    return Judgement(Result.NOT_INSPECTED, Reason.NOT_READY, facts.distrust[:MAX_FAULT])


def set_aside(judgement: Judgement, facts: Facts) -> Judgement | None:
    """In bypass nobody acts on a verdict, so none may read as a judgement; what was found stays on record."""
    if not facts.bypass:
        return None
    return replace(judgement, result=Result.NOT_INSPECTED, reason=Reason.BYPASS, detail=str(judgement.result))


DOUBTS: tuple[Doubt, ...] = (taken_for_another_style, unlike_the_card, not_ready, set_aside)
"""The first that holds gives the verdict.

What is wrong with the picture comes before what is wrong with the roll, that before what is wrong with the line, and the
operator's wish comes last: bypass must not hide that the cloth could not have been judged.
"""


def overrule(judgement: Judgement, facts: Facts) -> Judgement:
    """The judgement as it may stand; one that inspected nothing is beyond doubt."""
    if judgement.result is Result.NOT_INSPECTED:
        return judgement
    found = (doubt(judgement, facts) for doubt in DOUBTS)
    return next((overruled for overruled in found if overruled is not None), judgement)
