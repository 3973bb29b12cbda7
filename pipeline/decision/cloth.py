"""What decision knows of the cloth beside its defects: which roll, and which spans are no plain cloth; told as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.cloth.rolls import Events, EventSpan, Rolls, RollSpan
from pipeline.config.inputs import ContactConfig
from pipeline.config.styles import EventsConfig, StyleConfig
from pipeline.decision.judgement import Judgement, Standard
from pipeline.messages.cloth import Contact, Roll, SpanEvent
from pipeline.messages.commands import MarkEvent, RollStart
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.message import Message, Refused
from pipeline.messages.states import EventKind
from pipeline.messages.values import Span
from pipeline.outputs.publisher import Publisher


@dataclass(frozen=True)
class ClothTerms:
    """What the line says of its cloth; `style_of` gives all that is in force for a style."""

    roll_id: str = ""
    style: str = ""
    roll_length_mm: float = 20e6
    style_of: Callable[[str], StyleConfig] = lambda style: StyleConfig()
    start_mm: float | None = None
    """Where the first roll began, if that was before a restart."""
    contacts: Mapping[str, ContactConfig] = field(default_factory=dict)
    """By their names."""
    styles: tuple[str, ...] = ("",)
    """All that there are."""
    longest_event_mm: float = 50_000.0
    events: tuple[SpanEvent, ...] = ()
    """Those told of before a restart."""


class Cloth:
    """Rolls and events by place; `tell` publishes and records."""

    def __init__(
        self,
        terms: ClothTerms,
        tell: Callable[[Message], None],
        publisher: Publisher,
        generation: int,
        utc_ns: Callable[[], int],
    ) -> None:
        self._terms, self._tell, self._publisher = terms, tell, publisher
        self._generation, self._utc_ns = generation, utc_ns
        self._rolls = Rolls(terms.roll_id, terms.style, terms.roll_length_mm, terms.start_mm)
        self._told = False
        self._events = Events()
        for told in terms.events:
            self._events.add(EventSpan(told.kind, told.action, told.start_mm, told.end_mm))

    def suppressed(self, stretch_mm: tuple[float, float] | None) -> str:
        """In which event on that stretch of the line a defect is no reject, and how far; empty where there is none."""
        event = self._events.suppress(*stretch_mm) if stretch_mm else None
        return f"no rejects in {event.kind} up to {event.end_mm / 1000:.3f} m" if event else ""

    def moved(self, position_mm: float, now_ns: int) -> None:
        """The cloth is there: the first roll is placed, and a roll that is full ends."""
        placed = self._rolls.present.start_mm is not None
        if placed and not self._told:
            self._show(self._rolls.present, "restart", now_ns)
        while (roll := self._rolls.reached(position_mm)) is not None:
            self._show(roll, "length" if placed else "config", now_ns)
            placed = True

    def begin(self, start: RollStart, here_mm: float | None, now_ns: int) -> None:
        """A roll begins by command, or the present one ends; Refused where that cannot be."""
        if start.at_mm is not None and here_mm is None:
            raise Refused("nobody knows yet where the cloth is, leave the place out")
        present, at_mm = self._rolls.present, None if here_mm is None else self._place(start.at_mm, here_mm)
        style = present.style if start.style is None else start.style
        if start.style not in (None, *self._terms.styles):
            raise Refused(f"no such style {style}, choose one of {', '.join(filter(None, self._terms.styles)) or 'none'}")
        if not start.roll_id and not present.roll_id:
            raise Refused("no roll runs that could end")
        if not start.roll_id and at_mm is not None and present.start_mm is not None and at_mm <= present.start_mm:
            raise Refused(f"roll {present.roll_id} began at {present.start_mm:g} mm, it ends after that")
        if start.roll_id and (same := self._rolls.namesake(start.roll_id, at_mm)):
            where = "has begun" if same.start_mm is None else f"began at {same.start_mm:g} mm"
            raise Refused(f"roll {start.roll_id} {where} already, choose another name")
        self._show(self._rolls.begin(start.roll_id, style, at_mm), "command", now_ns)

    def mark(self, event: MarkEvent, here_mm: float | None, now_ns: int) -> None:
        """A span is told of by command; Refused where that cannot be."""
        if here_mm is None:
            raise Refused("nobody knows yet where the cloth is, tell it once the cloth runs")
        at_mm = self._place(event.at_mm, here_mm)
        if event.length_mm > self._terms.longest_event_mm:
            raise Refused(f"{event.length_mm:g} mm is over decision.longest_event_m, {self._terms.longest_event_mm:g} mm")
        self._mark(event.kind, at_mm, at_mm + event.length_mm, "command", now_ns)

    def closed(self, message: Contact, here_mm: float | None, now_ns: int) -> None:
        """A contact says that a roll or an event begins; `here_mm` is where the cloth was then. Refused as by command."""
        contact = self._terms.contacts.get(message.name)
        if contact is None:
            raise Refused("no such contact")
        at_mm = None if here_mm is None else here_mm + contact.y_offset_mm
        if contact.says == "ROLL":
            self._show(self._rolls.next(at_mm), f"contact {contact.name}", now_ns)
        elif contact.length_mm is not None and at_mm is not None:
            self._mark(contact.says, at_mm, at_mm + contact.length_mm, f"contact {contact.name}", now_ns)
        else:
            raise Refused("nobody knows yet where the cloth is")

    def look(
        self, camera: str, judgement: Judgement, scored: ScoreMap, standard: Standard, roll: RollSpan, now_ns: int
    ) -> None:
        """A DEFECT over a camera's full width is an event, where the style says so."""
        rules = self._events_of(roll)
        if rules.transverse is None:
            return
        everywhere = all(score > standard.threshold(lane) for lane, score in enumerate(scored.lanes))
        span = judgement.above_mm
        if everywhere and span is not None and span[1] - span[0] <= rules.transverse_most_mm:
            self._mark(rules.transverse, *span, camera, now_ns)

    def roll(self, span: Span) -> RollSpan:
        """Which roll a span lies on."""
        return self._rolls.at(span.start_mm, span.end_mm)

    def suits(self, frame: Announced) -> bool:
        """Whether the frame was taken for a style like that of the cloth in it; across a border either will do."""
        if frame.start_mm is None or frame.end_mm is None:
            return True  # the grabber alone knows when it was taken
        taken, style_of = self._terms.style_of(frame.style), self._terms.style_of
        if self._terms.start_mm is not None and frame.start_mm < self._terms.start_mm:
            # Of a roll before the one that a restart left us: nobody knows its style any more.
            return all(style_of(style).taken_as(taken) for style in self._terms.styles)
        return any(style_of(r.style).taken_as(taken) for r in self._rolls.touched(frame.start_mm, frame.end_mm))

    def event(self, span: Span) -> EventSpan | None:
        """The event that a span lies in."""
        return self._events.of(span.start_mm, span.end_mm)

    def _place(self, at_mm: float | None, here_mm: float) -> float:
        """Where a word means: here and now, or a place that somebody can mean; Refused for any other.

        A splice that was seen and the beginning of the roll that runs lie at most a roll back, the next roll begins at most a
        roll ahead.
        """
        if at_mm is None:
            return here_mm
        reach_mm = self._terms.roll_length_mm
        if abs(at_mm - here_mm) > reach_mm:
            raise Refused(
                f"{at_mm:g} mm is over a roll's length from the cloth, "
                f"{here_mm - reach_mm:.0f} to {here_mm + reach_mm:.0f} mm are allowed"
            )
        return at_mm

    def _events_of(self, roll: RollSpan) -> EventsConfig:
        return self._terms.style_of(roll.style).events or EventsConfig()

    def _mark(self, kind: EventKind, start_mm: float, end_mm: float, cause: str, now_ns: int) -> None:
        roll = self._rolls.at(start_mm, end_mm)
        span = EventSpan(kind, self._events_of(roll).action(kind), start_mm, end_mm)
        self._events.add(span)
        self._tell(
            SpanEvent(
                number=self._publisher.number(SpanEvent), generation=self._generation, kind=kind, action=span.action,
                start_mm=start_mm, end_mm=end_mm, roll_id=roll.roll_id, cause=cause, t_mono_ns=now_ns, t_utc_ns=self._utc_ns(),
            )
        )  # fmt: skip

    def _show(self, roll: RollSpan, cause: str, now_ns: int) -> None:
        self._told = True
        self._tell(
            Roll(
                number=self._publisher.number(Roll), generation=self._generation, roll_id=roll.roll_id, style=roll.style,
                start_mm=roll.start_mm, cause=cause, t_mono_ns=now_ns, t_utc_ns=self._utc_ns(),
            )
        )  # fmt: skip
