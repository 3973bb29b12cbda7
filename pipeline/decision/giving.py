"""Gives a verdict: collects the facts, makes it, counts it, says it, and sees to the reject and the actions that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pipeline.decision.account import CameraAccount
from pipeline.decision.actions import Actions
from pipeline.decision.backlog import Fallen
from pipeline.decision.cloth import Cloth
from pipeline.decision.doubts import Facts, overrule
from pipeline.decision.judgement import Judgement, Standard, judge, unscored
from pipeline.decision.line_state import Roster
from pipeline.decision.listening import NOWHEN
from pipeline.decision.mode import Mode
from pipeline.decision.tally import Tally
from pipeline.decision.terms import DecisionTerms
from pipeline.decision.voice import Voice
from pipeline.decision.whereabouts import Whereabouts
from pipeline.messages.actions import Action, Reject
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.message import Payload
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, StageState
from pipeline.messages.values import Grounds, Lapse, Measures, Place, Source, Span
from pipeline.messages.verdicts import Verdict


class Giving:
    """Exactly one verdict for each frame and each silent span that it is asked for."""

    def __init__(
        self,
        terms: DecisionTerms,
        cameras: Mapping[str, CameraAccount],
        cloth: Cloth,
        whereabouts: Whereabouts,
        roster: Roster,
        mode: Mode,
        actions: Actions,
        voice: Voice,
        utc_ns: Callable[[], int],
    ) -> None:
        self._terms, self._cameras, self._cloth, self._whereabouts = terms, cameras, cloth, whereabouts
        self._roster, self._mode, self._actions, self._voice, self._utc_ns = roster, mode, actions, voice, utc_ns
        self.tally = Tally({c: mm is not None for c, mm in terms.frame_mm.items()})

    def decide(self, frame: Announced, scored: ScoreMap | None, payloads: tuple[Payload, ...], now_ns: int) -> None:
        """Judge, collect the facts, let the doubts overrule in their order, and give the verdict."""
        account = self._cameras[frame.camera]
        roll, standard = self._cloth.roll(frame.span), self._terms.standard_of(frame.style)
        raised = account.likeness.raised(roll) if standard else 0.0
        standard = standard.raised(raised) if standard else None
        ready = self._roster.state("worker", "worker") is StageState.READY
        judgement = judge(frame, scored, payloads, standard) if scored else unscored(frame, ready, now_ns)
        rescan, suits, unlike = account.seen.again(frame), self._cloth.suits(frame), ""
        # What the model of another style found has no place of its own, and says nothing of the cloth.
        lies = Span(*judgement.above_mm) if judgement.above_mm and suits else frame.span
        if scored and standard and suits and judgement.result is not Result.NOT_INSPECTED:
            plain = not rescan and self._cloth.event(lies) is None  # before its own word
            if judgement.result is Result.DEFECT and not rescan:
                self._cloth.look(frame.camera, judgement, scored, standard, roll, now_ns)
            unlike = account.likeness.unlike(frame, scored, judgement.result, standard, roll, plain)
        event = self._cloth.event(lies)
        judgement = overrule(judgement, Facts(frame.style, suits, unlike, self._distrust, self._mode.set_aside))
        verdict = self._verdict(
            judgement, frame.part(Source), frame.span,
            Place(roll.roll_id, roll.style, event.kind if event else None, event.action if event else None, rescan),
            standard, now_ns,
            frame.part(Measures), scored.part(Grounds) if scored and not scored.given_up else Grounds(),
            latency_ms=max(0.0, (now_ns - frame.t_mono_ns) / 1e6),  # both clocks are read a little before the fact
            raised=raised,
        )  # fmt: skip
        self._account(verdict, payloads, now_ns)

    def silent(self, camera: str, span: Span, lapse: Lapse, now_ns: int, lost: int = 0, boot_id: str = "") -> None:
        """The verdict on cloth, or on time, in which the camera gave no frame; `lost`: frames of that start that are lost."""
        down = self._roster.state("grabber", camera) is StageState.DOWN
        judgement = Judgement(Result.NOT_INSPECTED, Reason.CAMERA_DOWN if down else Reason.NO_FRAME)
        self._account(self._unseen(camera, span, judgement, lost, now_ns, lapse, boot_id), (), now_ns)

    def fallen(self, by_camera: Mapping[str, Fallen], now_ns: int) -> None:
        """A verdict for each camera whose records fell out: its cloth was decided in time, and no machine acts on it again."""
        for camera, fallen in by_camera.items():
            which = f"{fallen.count:,} of its verdicts, from {fallen.first} to {fallen.last}"
            judgement = Judgement(Result.NOT_INSPECTED, Reason.RECORD_LOST, f"the recorder did not take {which}, in time")
            self._give(self._unseen(camera, fallen.span, judgement, fallen.count, now_ns, fallen.lapse), ())

    def act(self, actions: Iterable[Action]) -> None:
        """Say what a machine is asked to do."""
        for action in actions:
            self._voice.tell(action)

    @property
    def _distrust(self) -> str:
        """Why nothing may pass, whatever its score; empty while all is well."""
        nowhere = self._whereabouts.unknown or self._whereabouts.lost
        return self._mode.fault or "nobody says where the cloth is" * nowhere

    def _unseen(
        self, camera: str, span: Span, judgement: Judgement, lost: int, now_ns: int, lapse: Lapse, boot_id: str = ""
    ) -> Verdict:
        """The verdict on cloth that no frame stands for."""
        roll = self._cloth.roll(span)
        place, standard = Place(roll.roll_id, roll.style), self._terms.standard_of(roll.style)
        source = Source(camera, self._utc_ns(), boot_id)
        return self._verdict(judgement, source, span, place, standard, now_ns, Measures(), Grounds(), lost=lost, lapse=lapse)

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
        raised: float = 0.0,
        lost: int = 0,
        lapse: Lapse = NOWHEN,
    ) -> Verdict:
        return Verdict(
            number=self._voice.number(Verdict), generation=self._terms.generation,
            result=judgement.result, reason=judgement.reason, detail=judgement.detail,
            regions=judgement.regions, regions_total=judgement.regions_total,
            card_sha=standard.card_sha if standard else "", raised=raised, t_mono_ns=now_ns, latency_ms=latency_ms, lost=lost,
            **vars(source), **vars(span), **vars(place), **vars(measures), **vars(grounds), **vars(lapse),
        ).fitting()  # fmt: skip

    def _account(self, verdict: Verdict, payloads: tuple[Payload, ...], now_ns: int) -> None:
        """Give it, and reject what must be rejected."""
        account, bypass = self._cameras[verdict.camera], self._mode.bypass
        self._give(verdict, payloads)
        if verdict.rescan:
            return
        if verdict.lanes and (self._terms.observe or verdict.result is not Result.NOT_INSPECTED):
            account.seen.judged(verdict.span)
        if not bypass:
            self.act(self._actions.judged(verdict, now_ns))
        elif verdict.reason is Reason.BYPASS and verdict.regions:
            self.tally.rejects_inhibited += 1
        if verdict.result is Result.NOT_INSPECTED:
            span = account.gap.missed(verdict.span)
            if span is not None and verdict.reason is not Reason.BYPASS:
                self._reject(verdict, span, now_ns)
            return
        account.gap.judged()
        if verdict.counts_as_defect:
            self._reject(verdict, verdict.span, now_ns)

    def _give(self, verdict: Verdict, payloads: tuple[Payload, ...]) -> None:
        self.tally.add(verdict)
        self._voice.tell(verdict, payloads)

    def _reject(self, verdict: Verdict, span: Span, now_ns: int) -> None:
        if self._mode.bypass:
            self.tally.rejects_inhibited += 1
            return
        self.tally.rejects += 1
        lefts = [r.x0_mm for r in verdict.regions if r.x0_mm is not None]
        rights = [r.x1_mm for r in verdict.regions if r.x1_mm is not None]
        self._voice.tell(
            Reject(
                number=self._voice.number(Reject), generation=self._terms.generation, verdict=verdict.number,
                camera=verdict.camera, cause=verdict.result, reason=verdict.reason, **vars(span),
                x0_mm=min(lefts, default=None), x1_mm=max(rights, default=None), t_mono_ns=now_ns,
            )
        )  # fmt: skip
