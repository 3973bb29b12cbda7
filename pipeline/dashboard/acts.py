"""What a person may do on the page, and how it is done: the words of `glassline tell` and `glassline review`, with a name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from pipeline.dashboard.page import Page
from pipeline.dashboard.users import User
from pipeline.dashboard.view import Resettable
from pipeline.ledger.acts import Act, note_act
from pipeline.ledger.dispositions import Kind, Word, dispose
from pipeline.messages.commands import Acknowledge, Bypass, Command, MarkEvent, Reset, RollStart
from pipeline.messages.domains import MAX_LABEL, Count, EventMm
from pipeline.messages.states import EventKind
from pipeline.supervision.telling import NotConfirmed, tell

Text = Annotated[str, Field(min_length=1, max_length=MAX_LABEL, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Wish(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Acknowledging(Wish):
    """A stop or a lamp was seen to; null: all of them that were shown."""

    act: Literal["acknowledge"]
    event: Count | None = None
    seen: Count = 0
    """How many had opened by then, as the state tells it: nobody has read of those that opened since."""


class Resetting(Wish):
    """The latched fault is taken back, or a roll that looks like other cloth is accepted."""

    act: Literal["reset"]
    of: Resettable
    """Which of the two the person has read of."""
    since: Annotated[str, Field(max_length=MAX_LABEL)]
    """And which one, as the state tells it: another may have the same words."""


class RollStarting(Wish):
    """A roll begins here and now."""

    act: Literal["roll_start"]
    roll_id: Text
    style: Text | None = None


class RollEnding(Wish):
    """The roll ends here and now."""

    act: Literal["roll_end"]


class Marking(Wish):
    """It is no plain cloth from here on."""

    act: Literal["event"]
    kind: EventKind
    length_mm: EventMm


class Bypassing(Wish):
    """Rejects are set aside, or that is taken back."""

    act: Literal["bypass"]
    on: bool


class Reviewing(Wish):
    """What a defect is; without a word, what was said of it is taken back."""

    act: Literal["review"]
    key: tuple[Count, Count, Count]
    word: Word | None
    kind: Kind | None = None
    note: Annotated[str, Field(max_length=500)] = ""


AnyWish = Annotated[
    Acknowledging | Resetting | RollStarting | RollEnding | Marking | Bypassing | Reviewing, Field(discriminator="act")
]


class NotDone(Exception):
    """Nothing was done, and why: words for the person."""


def do(page: Page, wish: Any, user: User) -> str:
    """Do what a user wishes, and note it with the name: what came of it. Raises NotDone, which is noted as well."""
    try:
        outcome, why = _do(page, wish, user), None
    except (NotConfirmed, InputError, NotDone) as e:
        outcome, why = "", str(e)
    noted = _note(page, wish, user, outcome if why is None else why, why is None)
    if why is not None:
        raise NotDone(why)
    return outcome if noted is None else f"{outcome or 'done'}, but who did it is not on record: {noted}"


def _do(page: Page, wish: Any, user: User) -> str:
    if isinstance(wish, Reviewing):
        return _review(page, wish, user)
    if page.config is None:
        raise NotDone("this is a record: no line runs here that could be told")
    if isinstance(wish, Bypassing) and wish.on and user.role != "engineer":
        raise NotDone("only an engineer may set rejects aside")
    _check_read(page, wish)
    tell(page.config, _word(wish))
    return ""


def _check_read(page: Page, wish: Any) -> None:
    """NotDone where what would be done away with is not what the person has read of."""
    with page.lock:
        opened, resettable = page.view.opened, page.view.resettable
    if isinstance(wish, Acknowledging) and wish.event is None and opened > wish.seen:
        raise NotDone("another stop or lamp has opened since: look at it first")
    if isinstance(wish, Resetting) and resettable != (wish.of, wish.since):
        stands = {"fault": "a fault", "unlike": "other cloth than the card's", None: "neither"}
        of = resettable[0] if resettable else None
        now = "another" if of == wish.of else stands[of]
        raise NotDone(f"this was to reset {stands[wish.of]}, but {now} stands now: look again")


def _word(wish: Any) -> Command:
    match wish:
        case Acknowledging():
            return Acknowledge(event=wish.event)
        case Resetting():
            return Reset()
        case RollStarting():
            return RollStart(roll_id=wish.roll_id, style=wish.style)
        case RollEnding():
            return RollStart()
        case Marking():
            return MarkEvent(kind=wish.kind, length_mm=wish.length_mm)
        case Bypassing():
            return Bypass(on=wish.on)
    raise TypeError(wish)


def _review(page: Page, wish: Reviewing, user: User) -> str:
    if page.run_id is None:
        raise NotDone("the record of this run is not there yet, try again in a few seconds")
    if (found := page.find(wish.key)) is None:
        raise NotDone("no such defect is shown here, load the page again")
    if not found[1]:
        raise NotDone("the defect is still under the cameras, say what it is once it has passed them")
    dispose(page.folder, page.run_id, wish.key, wish.word, wish.kind if wish.word == "defect" else None, user.name, wish.note)
    page.reread_words()
    return ""


def _note(page: Page, wish: Any, user: User, outcome: str, done: bool) -> str | None:
    """Why it could not be noted; null: it was."""
    act = Act(
        run_id=page.run_id, by=user.name, role=user.role, act=wish.model_dump(mode="json"), done=done, outcome=outcome
    )  # fmt: skip
    try:
        with page.noting:
            note_act(page.folder, act)
    except (OSError, InputError) as e:
        return str(e)
    return None
