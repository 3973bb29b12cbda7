"""Gives every announced frame, and every silent span of cloth, exactly one verdict, in time, and acts on it.

It learns of frames from the grabbers and of scores from the worker, and matches them by key, never by order. It never
touches a disk and never waits for anybody.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.decision.account import decided, each_says, open_accounts
from pipeline.decision.actions import Actions
from pipeline.decision.apart import Apart
from pipeline.decision.backlog import Backlog
from pipeline.decision.cloth import Cloth
from pipeline.decision.due import Due
from pipeline.decision.giving import Giving
from pipeline.decision.line_state import Roster, Standing, line_state
from pipeline.decision.listening import NOWHEN, NOWHERE, Listening
from pipeline.decision.matching import Matching
from pipeline.decision.mode import Mode
from pipeline.decision.terms import DecisionTerms
from pipeline.decision.voice import Voice
from pipeline.decision.whereabouts import Whereabouts
from pipeline.link.protocol import Inbox, Outbox
from pipeline.messages.cloth import Alignment, Contact
from pipeline.messages.commands import Acknowledge, Answer, Bypass, Command, MarkEvent, Reset, RollStart
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.line import LineState, Totals
from pipeline.messages.message import Message, Payload, Refused
from pipeline.messages.motion import CARRIED_NS, Motion
from pipeline.messages.record import Committed
from pipeline.messages.stages import Decided, Status
from pipeline.messages.states import Cause, FrameStatus, StageState, State
from pipeline.messages.values import Span
from pipeline.outputs.publisher import Publisher

HEARTBEAT_NS = 100_000_000
TOTALS_NS = 500_000_000
MESSAGES_PER_STEP = 64


class Decision:
    """The one place where verdicts are made."""

    def __init__(
        self,
        inbox: Inbox,
        recorder: Outbox,
        publisher: Publisher,
        terms: DecisionTerms,
        utc_ns: Callable[[], int],
        actions: Actions | None = None,
        clock_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._inbox, self._publisher, self._terms = inbox, publisher, terms
        self._utc_ns, self._clock_ns = utc_ns, clock_ns
        self._backlog = Backlog(recorder)
        self._actions = actions or Actions()
        self._roster = Roster(tuple(terms.frame_mm), terms.wires, terms.reject_wires, overflows=lambda: self._backlog.overflows)
        self._cameras = open_accounts(terms)
        self._mode = Mode(terms, self._roster)
        self._voice = Voice(publisher, self._backlog, self._mode.latch)
        self.trail = self._voice.trail
        self._whereabouts = Whereabouts(terms, self._cameras)
        self._cloth = Cloth(terms.cloth, self._voice.tell, publisher, terms.generation, utc_ns)
        self._listening = Listening(self._cameras, self._whereabouts, self._roster)
        self._giving = Giving(
            terms, self._cameras, self._cloth, self._whereabouts, self._roster, self._mode, self._actions, self._voice, utc_ns
        )
        self._due = Due({c: mm - terms.y_offset_mm.get(c, 0.0) for c, mm in terms.actuator_mm.items()})
        self._matching = Matching(self._due, terms.decided.cameras)
        self._apart = Apart(terms.alignment_tolerance_mm)
        self._shown: Standing | None = None
        self._answer: Answer | None = None
        self._now_ns = 0
        self._heartbeat_due_ns = self._totals_due_ns = 0
        self.state = StageState.READY
        self.handled = 0
        self._tell_totals_before()
        self._giving.act(self._actions.again())

    @property
    def waiting(self) -> int:
        """Frames without a verdict and records not yet taken."""
        return len(self._matching) + len(self._backlog)

    @property
    def counters(self) -> dict[str, int]:
        """Figures for the screen."""
        return self._inbox.refused.counters

    @property
    def finished(self) -> bool:
        """Every camera's source is at its end and everything is decided and recorded."""
        ended = (self._roster.state("grabber", c) is StageState.ENDED for c in self._cameras)
        return bool(self._cameras) and all(ended) and not self._matching and not self._backlog

    def step(self, now_ns: int) -> bool:
        """Hear, expire, listen for silence, say how the line is, pass records on."""
        self._whereabouts.step(now_ns)
        self._publisher.welcome(self._actions.unacknowledged, now_ns)
        moved = False
        for _ in range(MESSAGES_PER_STEP):
            received = self._inbox.receive()
            if received is None:
                break
            now_ns = max(now_ns, self._clock_ns())  # this process may have been stopped since the step began
            self._whereabouts.step(now_ns)
            self._hear(received[0], received[1], now_ns)
            self.handled += 1
            moved = True
            if self._answer is not None:
                break  # what a word made is told before the next one is heard
        self._now_ns = now_ns
        for frame in self._matching.overdue(now_ns):
            self._giving.decide(frame, None, (), now_ns)
        for camera, missed in self._listening.passed(now_ns):
            self._giving.silent(camera, *missed, now_ns)
        self._giving.act(self._actions.reached(self._whereabouts.position_mm(now_ns), now_ns, self._mode.bypass))
        self._show_state(now_ns)
        if now_ns >= self._heartbeat_due_ns or self._answer is not None:
            self._heartbeat_due_ns = now_ns + HEARTBEAT_NS
            self._publisher.heartbeat(self.verdicts, self._mode.bypass, self._actions.unacknowledged, now_ns)
        if self._answer is not None:
            self._publisher.publish(self._answer)
            self._answer = None
        if now_ns >= self._totals_due_ns:
            self._totals_due_ns = now_ns + TOTALS_NS
            self._voice.tell(self._totals(now_ns))
        if self._backlog.half_empty:
            self._giving.fallen(self._backlog.take_fallen(), now_ns)
        moved |= self._backlog.pass_on()
        self.state = StageState.ENDED if self.finished else StageState.READY
        return moved

    @property
    def verdicts(self) -> int:
        """How many there are."""
        return self._giving.tally.verdicts

    @property
    def kept(self) -> Decided:
        """What a restart goes on from."""
        return decided(self._cameras, self._matching, self.verdicts)

    def close(self) -> None:
        """What is still undecided is not inspected; the last totals are told."""
        for frame in self._matching.give_up():
            self._giving.decide(frame, None, (), self._now_ns)
        self._giving.fallen(self._backlog.take_fallen(), self._now_ns)
        self._tell_totals_before()  # again: nobody acknowledges totals, and the first time the recorder may have been away
        self._voice.tell(self._totals(self._now_ns).model_copy(update={"last": True}))
        self._backlog.send_uncommitted_again()  # whether it arrived will not be heard any more
        self._backlog.pass_on()

    def _hear(self, message: Message, payloads: tuple[Payload, ...], now_ns: int) -> None:
        """Take a message; of one that says what cannot be, whoever waits for its answer hears why, and any other is counted."""
        ticket = message.ticket if isinstance(message, Command) else ""
        refused = ""
        try:
            self._take(message, payloads, now_ns)
        except Refused as e:
            refused = str(e)
            if not ticket:
                self._inbox.refused.count(message.sender)
        if ticket:
            self._answer = Answer(
                number=self._publisher.number(Answer), generation=self._terms.generation, ticket=ticket,
                refused=refused, t_mono_ns=now_ns,
            )  # fmt: skip

    def _take(self, message: Message, payloads: tuple[Payload, ...], now_ns: int) -> None:
        match message:
            case Announced() | ScoreMap() if message.camera not in self._cameras:
                raise Refused("no such camera")
            case Announced():
                self._on_announced(message, now_ns)
            case ScoreMap():
                self._on_score(message, payloads, now_ns)
            case Motion():
                self._whereabouts.hear(message)
                self._due.hear(message)
                self._cloth.moved(message.position_mm, now_ns)
                self._listening.moved(message)
            case Status():
                self._on_status(message, now_ns)
            case Committed():
                self._backlog.committed(message)
            case RollStart():
                self._cloth.begin(message, self._whereabouts.here_mm(now_ns), now_ns)
            case MarkEvent():
                self._cloth.mark(message, self._whereabouts.here_mm(now_ns), now_ns)
            case Contact() if abs(now_ns - message.t_mono_ns) > CARRIED_NS:
                raise Refused("nobody knows any more where the cloth was then")
            case Contact():
                self._cloth.closed(message, self._whereabouts.zero_mm(message.t_mono_ns), now_ns)
            case Alignment() if {message.left, message.right} <= self._cameras.keys():
                self._apart.hear(message)
                self._voice.tell(message)
            case Bypass() if self._terms.observe and not message.on:
                raise Refused("the line observes: rejects stay set aside")
            case Bypass():
                self._mode.set_bypass(message.on)
            case Acknowledge():
                acknowledged = self._actions.acknowledge(message.event, now_ns)
                if message.ticket and message.event is not None and not acknowledged:  # a PLC need not know who was first
                    raise Refused(f"no event {message.event} is open")
                self._giving.act(acknowledged)
            case Reset() if not self._mode.fault:
                for account in self._cameras.values():
                    account.likeness.accept()
            case Reset():
                self._mode.reset()
                for account in self._cameras.values():
                    account.gap.open = True  # not before each camera has judged cloth again is the line more than DEGRADED
            case _:
                raise Refused("nothing to be told here")

    def _on_status(self, status: Status, now_ns: int) -> None:
        before = self._roster.state(status.role, status.name)
        self._roster.hear(status)
        self._mode.latch()
        if status.role == "recorder":
            self._backlog.hear(status)
        if status.role != "grabber" or status.name not in self._cameras:
            return
        if missed := self._listening.turned(status.name, before, now_ns):
            self._giving.silent(status.name, *missed, now_ns)

    def _on_announced(self, frame: Announced, now_ns: int) -> None:
        lost = self._matching.announced(frame)
        if lost is None:
            self._giving.tally.duplicates += 1
            return
        if self._whereabouts.motion is None and frame.start_mm is not None:
            self._cloth.moved(frame.start_mm, now_ns)
        missed = self._listening.announced(frame, now_ns)
        if missed or lost:
            # Lost, and nothing skipped: that cloth has had its silent verdicts already, only the count is new.
            span, lapse = missed or (NOWHERE, NOWHEN)
            here = Span(frame.start_mm, frame.start_mm) if span == NOWHERE else span
            self._giving.silent(frame.camera, here, lapse, now_ns, lost, frame.boot_id if lost else "")
        if frame.status is not FrameStatus.OK or not frame.sent:
            self._giving.decide(frame, None, (), now_ns)
        elif early := self._matching.wait(frame):
            self._judge(frame, *early, now_ns)

    def _on_score(self, scored: ScoreMap, payloads: tuple[Payload, ...], now_ns: int) -> None:
        if frame := self._matching.match(scored):
            self._judge(frame, scored, payloads, now_ns)
        elif not self._matching.keep(scored, payloads):
            self._giving.tally.late_scores += not scored.given_up

    def _judge(self, frame: Announced, scored: ScoreMap, payloads: tuple[Payload, ...], now_ns: int) -> None:
        """Decide a frame by its scores; those that come too late, or from a worker that is gone, are none."""
        if self._due.over(frame, now_ns) or not self._roster.scores(scored.generation):
            self._giving.tally.late_scores += not scored.given_up
            self._giving.decide(frame, None, (), now_ns)
        else:
            self._giving.decide(frame, scored, payloads, now_ns)

    def _show_state(self, now_ns: int) -> None:
        accounts = self._cameras.values()
        warning = each_says((c, a.likeness.drift.warning) for c, a in self._cameras.items())
        shown = line_state(
            self._roster,
            self._whereabouts.state,
            self._giving.tally.frames,
            gap_open=any(a.gap.open for a in accounts),
            every_camera_judged=all(a.gap.ever_judged for a in accounts),
            bypass=self._mode.bypass,
            fault=self._mode.fault,
            wrong_style=each_says((c, a.likeness.wrong) for c, a in self._cameras.items()),
            blind=self._blind(),
            impaired=[*filter(None, (warning, *self._apart.warnings))],
        )
        if shown.state not in (State.FAULT, State.BYPASS):  # neither gives rejects anyhow
            suppressed = self._cloth.suppressed(self._whereabouts.under_cameras_mm(now_ns))
            shown = shown._replace(detail="; ".join(filter(None, (shown.detail, suppressed))))
        if not self._mode.bypass:
            causes = {Cause.FAULT: shown.state is State.FAULT, Cause.DRIFT: bool(warning)}
            self._giving.act(self._actions.present({cause for cause, here in causes.items() if here}, now_ns))
        if shown == self._shown:
            return
        self._shown = shown
        self._voice.tell(
            LineState(
                number=self._publisher.number(LineState), generation=self._terms.generation, **shown._asdict(),
                t_mono_ns=now_ns, t_utc_ns=self._utc_ns(),
            )
        )  # fmt: skip

    def _blind(self) -> list[str]:
        """Why no cloth may pass, beside what the stages say of themselves."""
        lost = self._whereabouts.lost and self._roster.state("motion", "motion") is not StageState.DOWN
        return ["motion: says nothing"] * lost

    def _tell_totals_before(self) -> None:
        """The predecessor may have died before the recorder had its last totals: by them the record knows what it lacks."""
        if self._terms.totals is not None:
            self._backlog.add(self._terms.totals, ())

    def _totals(self, now_ns: int) -> Totals:
        tally, motion = self._giving.tally, self._whereabouts.motion
        return tally.totals(self._terms.generation, len(self._matching), self._backlog.dropped, motion, now_ns)
