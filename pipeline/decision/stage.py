"""Gives every announced frame, and every silent span of cloth, exactly one verdict, in time, and acts on it.

It learns of frames from the grabbers and of scores from the worker, and matches them by key, never by order. It never
touches a disk and never waits for anybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pipeline.decision.account import decided_mm, each_says, open_accounts
from pipeline.decision.actions import Actions
from pipeline.decision.apart import Apart
from pipeline.decision.backlog import Backlog
from pipeline.decision.cloth import Cloth
from pipeline.decision.doubts import Facts, overrule
from pipeline.decision.due import Due
from pipeline.decision.judgement import Judgement, Standard, judge, unscored
from pipeline.decision.line_state import Roster, line_state
from pipeline.decision.matching import Matching
from pipeline.decision.tally import Tally
from pipeline.decision.terms import DecisionTerms
from pipeline.link.protocol import Inbox, Outbox
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Alignment, Contact
from pipeline.messages.commands import Acknowledge, Answer, Bypass, Command, MarkEvent, Reset, RollStart
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.line import LineState, Totals
from pipeline.messages.message import Message, Payload, Refused
from pipeline.messages.motion import CARRIED_NS, Motion
from pipeline.messages.reasons import Reason
from pipeline.messages.record import Committed
from pipeline.messages.stages import Decided, Status
from pipeline.messages.states import Cause, FrameStatus, Result, StageState, State
from pipeline.messages.values import Grounds, Measures, Place, Source, Span
from pipeline.messages.verdicts import Verdict
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
    ) -> None:
        self._inbox, self._publisher, self._terms = inbox, publisher, terms
        self._backlog = Backlog(recorder)
        self._utc_ns = utc_ns
        self._actions = actions or Actions()
        self._roster = Roster(tuple(terms.frame_mm), terms.wires, overflows=lambda: self._backlog.overflows)
        self._cameras = open_accounts(terms)
        self._tally = Tally({c: mm is not None for c, mm in terms.frame_mm.items()})
        self._motion: Motion | None = None
        self._bypass, self._fault = terms.observe or terms.bypass, terms.fault
        self._cloth = Cloth(terms.cloth, self._tell, publisher, terms.generation, utc_ns)
        self._due = Due({c: mm - terms.y_offset_mm.get(c, 0.0) for c, mm in terms.actuator_mm.items()})
        self._matching = Matching(self._due)
        self._apart = Apart(terms.alignment_tolerance_mm)
        self._shown: tuple[object, ...] | None = None
        self._answer: Answer | None = None
        self._now_ns = 0
        self._heartbeat_due_ns = self._totals_due_ns = 0
        self.state = StageState.READY
        self.handled = 0
        self._act(self._actions.again())

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
        """Expire, hear, listen for silence, say how the line is, pass records on."""
        self._due.step(now_ns, self._motion)
        self._now_ns = now_ns
        self._publisher.welcome(self._actions.unacknowledged, now_ns)
        moved = self._expire(now_ns)  # first: a score found now in the inbox is too late for a frame that is overdue
        for _ in range(MESSAGES_PER_STEP):
            received = self._inbox.receive()
            if received is None:
                break
            self._hear(received[0], received[1], now_ns)
            self.handled += 1
            moved = True
            if self._answer is not None:
                break  # what a word made is told before the next one is heard
        self._act(self._actions.reached(self._position_mm(now_ns), now_ns, self._bypass))
        self._show_state(now_ns)
        if now_ns >= self._heartbeat_due_ns or self._answer is not None:
            self._heartbeat_due_ns = now_ns + HEARTBEAT_NS
            self._publisher.heartbeat(self._tally.verdicts, self._bypass, self._actions.unacknowledged, now_ns)
        if self._answer is not None:
            self._publisher.publish(self._answer)
            self._answer = None
        if now_ns >= self._totals_due_ns:
            self._totals_due_ns = now_ns + TOTALS_NS
            self._tell(self._totals(now_ns))
        if self._backlog.half_empty:
            self._tell_fallen(now_ns)
        moved |= self._backlog.pass_on()
        self.state = StageState.ENDED if self.finished else StageState.READY
        return moved

    @property
    def verdicts(self) -> int:
        """How many there are."""
        return self._tally.verdicts

    @property
    def kept(self) -> Decided:
        """What a restart goes on from."""
        return Decided(mm=decided_mm(self._cameras, self._matching.frames))

    def close(self) -> None:
        """What is still undecided is not inspected; the last totals are told."""
        for frame in self._matching.give_up():
            self._decide(frame, None, (), self._now_ns)
        self._tell_fallen(self._now_ns)
        self._tell(self._totals(self._now_ns))
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
                self._motion = message
                self._cloth.moved(message.position_mm, now_ns)
                for name, account in self._cameras.items():
                    if self._terms.frame_mm[name] is not None and (span := account.silence.moved(message)):
                        self._silent(name, span, 0, now_ns)
            case Status():
                self._on_status(message, now_ns)
            case Committed():
                self._backlog.committed(message)
            case RollStart():
                self._cloth.begin(message, self._here_mm(now_ns), now_ns)
            case MarkEvent():
                self._cloth.mark(message, self._here_mm(now_ns), now_ns)
            case Contact() if abs(now_ns - message.t_mono_ns) > CARRIED_NS:
                raise Refused("nobody knows any more where the cloth was then")
            case Contact():
                self._cloth.closed(message, self._zero_mm(message.t_mono_ns), now_ns)
            case Alignment() if {message.left, message.right} <= self._cameras.keys():
                self._apart.hear(message)
                self._tell(message)
            case Bypass() if self._terms.observe and not message.on:
                raise Refused("the line observes: rejects stay set aside")
            case Bypass():
                self._bypass = message.on or self._terms.observe
            case Acknowledge():
                acknowledged = self._actions.acknowledge(message.event, now_ns)
                if message.ticket and message.event is not None and not acknowledged:  # a PLC need not know who was first
                    raise Refused(f"no event {message.event} is open")
                self._act(acknowledged)
            case Reset() if not self._fault:
                for account in self._cameras.values():
                    account.likeness.accept()
            case Reset() if faults := self._roster.faults:
                raise Refused(f"the cause of its fault is still there: {'; '.join(faults)}")
            case Reset():
                self._fault = ""
                for account in self._cameras.values():
                    account.gap.open = True  # not before each camera has judged cloth again is the line more than DEGRADED
            case _:
                raise Refused("nothing to be told here")

    def _on_status(self, status: Status, now_ns: int) -> None:
        before = self._roster.state(status.role, status.name)
        self._roster.hear(status)
        self._fault = "; ".join(self._roster.faults) or self._fault
        if status.role == "recorder":
            self._backlog.hear(status)
        if status.role != "grabber" or status.name not in self._cameras:
            return
        state = self._roster.state("grabber", status.name)
        self._cameras[status.name].silence.listening = state is not StageState.ENDED
        measured = self._motion is not None and self._terms.frame_mm[status.name] is not None
        if before is StageState.READY and state is StageState.DOWN and not measured:
            self._silent(status.name, Span(), 0, now_ns)  # how much cloth goes by unseen nobody can tell

    def _on_announced(self, frame: Announced, now_ns: int) -> None:
        lost = self._matching.announced(frame)
        if lost is None:
            self._tally.duplicates += 1
            return
        if self._motion is None and frame.start_mm is not None:
            self._cloth.moved(frame.start_mm, now_ns)
        silence = self._cameras[frame.camera].silence
        skipped = silence.announced(frame)
        if skipped or lost:
            # Lost, and nothing skipped: that cloth has had its silent verdicts already, only the count is new.
            here = Span(frame.start_mm, frame.start_mm)
            self._silent(frame.camera, skipped or here, lost, now_ns)
        if frame.status is not FrameStatus.OK or not frame.sent:
            self._decide(frame, None, (), now_ns)
        elif early := self._matching.wait(frame):
            self._decide(frame, *early, now_ns)

    def _on_score(self, scored: ScoreMap, payloads: tuple[Payload, ...], now_ns: int) -> None:
        if frame := self._matching.match(scored):
            self._decide(frame, scored, payloads, now_ns)
        elif not self._matching.keep(scored, payloads):
            self._tally.late_scores += 1

    def _expire(self, now_ns: int) -> bool:
        overdue = self._matching.overdue()
        for frame in overdue:
            self._decide(frame, None, (), now_ns)
        return bool(overdue)

    def _decide(self, frame: Announced, scored: ScoreMap | None, payloads: tuple[Payload, ...], now_ns: int) -> None:
        """Judge, collect the facts, let the doubts overrule in their order, and make the verdict."""
        account = self._cameras[frame.camera]
        roll, standard = self._cloth.roll(frame.span), self._terms.standard_of(frame.style)
        ready = self._roster.state("worker", "worker") is StageState.READY
        judgement = judge(frame, scored, payloads, standard) if scored else unscored(frame, ready)
        rescan, suits, unlike = account.seen.again(frame), self._cloth.suits(frame), ""
        # What the model of another style found has no place of its own, and says nothing of the cloth.
        lies = Span(*judgement.above_mm) if judgement.above_mm and suits else frame.span
        if scored and standard and suits and judgement.result is not Result.NOT_INSPECTED:
            plain = not rescan and self._cloth.event(lies) is None  # before its own word
            if judgement.result is Result.DEFECT and not rescan:
                self._cloth.look(frame.camera, judgement, scored, standard, roll, now_ns)
            unlike = account.likeness.unlike(frame, scored, judgement.result, standard, roll, plain)
        event = self._cloth.event(lies)
        bypass = self._bypass and not self._terms.observe
        judgement = overrule(judgement, Facts(frame.style, suits, unlike, self._distrust, bypass))
        verdict = self._verdict(
            judgement, frame.part(Source), frame.span,
            Place(roll.roll_id, roll.style, event.kind if event else None, event.action if event else None, rescan),
            standard, now_ns,
            frame.part(Measures), scored.part(Grounds) if scored else Grounds(),
            latency_ms=max(0.0, (now_ns - frame.t_mono_ns) / 1e6),  # both clocks are read a little before the fact
        )  # fmt: skip
        self._account(verdict, payloads, now_ns)

    @property
    def _distrust(self) -> str:
        """Why nothing may pass, whatever its score; empty while all is well."""
        return self._fault or ("nobody has said where the web is" if self._terms.motion and self._motion is None else "")

    def _silent(self, camera: str, span: Span, lost: int, now_ns: int) -> None:
        down = self._roster.state("grabber", camera) is StageState.DOWN
        judgement = Judgement(Result.NOT_INSPECTED, Reason.CAMERA_DOWN if down else Reason.NO_FRAME)
        self._account(self._unseen(camera, span, judgement, lost, now_ns), (), now_ns)

    def _tell_fallen(self, now_ns: int) -> None:
        """Tell of cloth that was decided in time and whose record is lost; no machine acts on it again."""
        for camera, fallen in self._backlog.take_fallen().items():
            which = f"{fallen.count:,} of its verdicts, from {fallen.first} to {fallen.last}"
            judgement = Judgement(Result.NOT_INSPECTED, Reason.RECORD_LOST, f"the recorder did not take {which}, in time")
            self._give(self._unseen(camera, fallen.span, judgement, fallen.count, now_ns), ())

    def _unseen(self, camera: str, span: Span, judgement: Judgement, lost: int, now_ns: int) -> Verdict:
        """The verdict on cloth that no frame stands for."""
        roll = self._cloth.roll(span)
        place, standard = Place(roll.roll_id, roll.style), self._terms.standard_of(roll.style)
        source = Source(camera, self._utc_ns())
        return self._verdict(judgement, source, span, place, standard, now_ns, Measures(), Grounds(), lost=lost)

    def _verdict(
        self,
        judgement: Judgement,
        source: Source,
        span: Span,
        place: Place,
        standard: Standard | None,
        now_ns: int,
        measures: Measures,
        grounds: Grounds,
        latency_ms: float | None = None,
        lost: int = 0,
    ) -> Verdict:
        return Verdict(
            number=self._publisher.number(Verdict), generation=self._terms.generation,
            result=judgement.result, reason=judgement.reason, detail=judgement.detail,
            regions=judgement.regions, regions_total=judgement.regions_total,
            card_sha=standard.card_sha if standard else "", t_mono_ns=now_ns, latency_ms=latency_ms, lost=lost,
            **vars(source), **vars(span), **vars(place), **vars(measures), **vars(grounds),
        ).fitting()  # fmt: skip

    def _account(self, verdict: Verdict, payloads: tuple[Payload, ...], now_ns: int) -> None:
        """Give it, and reject what must be rejected."""
        account = self._cameras[verdict.camera]
        self._give(verdict, payloads)
        if verdict.rescan:
            return
        if verdict.lanes and (self._terms.observe or verdict.result is not Result.NOT_INSPECTED):
            account.seen.judged(verdict.span)
        if not self._bypass:
            self._act(self._actions.judged(verdict, now_ns))
        elif verdict.reason is Reason.BYPASS and verdict.regions:
            self._tally.rejects_inhibited += 1
        if verdict.result is Result.NOT_INSPECTED:
            span = account.gap.missed(verdict.span)
            if span is not None and verdict.reason is not Reason.BYPASS:
                self._reject(verdict, span, now_ns)
            return
        account.gap.judged()
        if verdict.counts_as_defect:
            self._reject(verdict, verdict.span, now_ns)

    def _give(self, verdict: Verdict, payloads: tuple[Payload, ...]) -> None:
        """Count it, publish it, record it."""
        self._tally.add(verdict)
        self._publisher.publish(verdict.model_copy(update={"cells_shape": None}))
        self._record(verdict, payloads)

    def _here_mm(self, t_ns: int) -> float | None:
        """Where the cloth was under the cameras at that time, as far as is known."""
        return max(self._spoken_mm.values(), default=None) if self._motion is None else self._motion.at_mm(t_ns)

    def _zero_mm(self, t_ns: int) -> float | None:
        """Where the cloth was at the place from which all offsets count; without motion, by what the cameras told of it."""
        if self._motion is not None:
            return self._motion.at_mm(t_ns)
        return max((mm - self._terms.y_offset_mm.get(c, 0.0) for c, mm in self._spoken_mm.items()), default=None)

    @property
    def _spoken_mm(self) -> dict[str, float]:
        """How far each camera's cloth was told of."""
        return {c: a.silence.spoken_mm for c, a in self._cameras.items() if a.silence.spoken_mm is not None}

    def _reject(self, verdict: Verdict, span: Span, now_ns: int) -> None:
        if self._bypass:
            self._tally.rejects_inhibited += 1
            return
        self._tally.rejects += 1
        lefts = [r.x0_mm for r in verdict.regions if r.x0_mm is not None]
        rights = [r.x1_mm for r in verdict.regions if r.x1_mm is not None]
        self._tell(
            Reject(
                number=self._publisher.number(Reject), generation=self._terms.generation, verdict=verdict.number,
                camera=verdict.camera, cause=verdict.result, reason=verdict.reason, **vars(span),
                x0_mm=min(lefts, default=None), x1_mm=max(rights, default=None), t_mono_ns=now_ns,
            )
        )  # fmt: skip

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            self._tell(action)

    def _position_mm(self, now_ns: int) -> float:
        """Where the cloth is by now; nowhere without motion."""
        return -math.inf if self._motion is None else self._motion.at_mm(now_ns)

    def _suppressed(self, now_ns: int) -> str:
        """In which event on the cloth under the cameras a defect is no reject, and how far; empty where there is none."""
        zero_mm = self._zero_mm(now_ns)
        looks_mm = [self._terms.y_offset_mm.get(camera, 0.0) for camera in self._cameras]
        if zero_mm is None or not looks_mm:
            return ""
        event = self._cloth.suppress(zero_mm + min(looks_mm), zero_mm + max(looks_mm))
        return f"no rejects in {event.kind} up to {event.end_mm / 1000:.3f} m" if event else ""

    def _show_state(self, now_ns: int) -> None:
        accounts = self._cameras.values()
        shown = line_state(
            self._roster,
            self._motion.state if self._motion else None,
            self._tally.frames,
            gap_open=any(a.gap.open for a in accounts),
            every_camera_judged=all(a.gap.ever_judged for a in accounts),
            bypass=self._bypass,
            fault=self._fault,
            wrong_style=each_says((c, a.likeness.wrong) for c, a in self._cameras.items()),
        )
        warning = each_says((c, a.likeness.drift.warning) for c, a in self._cameras.items())
        if not shown[2]:  # it warns where nothing worse is to be said
            shown = (*shown[:2], "; ".join(filter(None, (warning, *self._apart.warnings))))
        if shown[0] not in (State.FAULT, State.BYPASS):  # neither gives rejects anyhow
            shown = (*shown[:2], "; ".join(filter(None, (shown[2], self._suppressed(now_ns)))))
        if not self._bypass:
            causes = {Cause.FAULT: shown[0] is State.FAULT, Cause.DRIFT: bool(warning)}
            self._act(self._actions.present({cause for cause, here in causes.items() if here}, now_ns))
        if shown == self._shown:
            return
        self._shown = shown
        state, ok, detail = shown
        self._tell(
            LineState(
                number=self._publisher.number(LineState), generation=self._terms.generation, state=state,
                inspection_ok=ok, detail=detail, t_mono_ns=now_ns, t_utc_ns=self._utc_ns(),
            )
        )  # fmt: skip

    def _tell(self, message: Message) -> None:
        self._publisher.publish(message)
        self._record(message, ())

    def _record(self, message: Message, payloads: tuple[Payload, ...]) -> None:
        self._backlog.add(message, payloads)
        if self._backlog.overflows:
            self._fault = "; ".join(self._roster.faults)

    def _totals(self, now_ns: int) -> Totals:
        return self._tally.totals(self._terms.generation, len(self._matching), self._backlog.dropped, self._motion, now_ns)
