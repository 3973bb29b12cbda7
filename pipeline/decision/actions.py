"""From verdicts to what a machine is asked to do: the action table, once for each defect and gap, addressed by position."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline.cloth.joining import Defect, Joiner
from pipeline.config.actions import ActionConfig, DefectAction, NotInspectedAction
from pipeline.decision.gap import Gap
from pipeline.grading import Rules, severity
from pipeline.messages.actions import Action
from pipeline.messages.states import ActionKind, Cause, Phase, Result
from pipeline.messages.verdicts import Verdict

UNACKNOWLEDGED = 1000
"""Events kept for acknowledgement; of more than that nobody keeps track."""
MAX_AHEAD = 10_000
"""Actions between cameras and actuators; with more of them only the nearest half is kept."""


class Actions:
    """The table at work; pure but for the numbers it is given.

    A defect is the joined one: a streak through many frames stops the machine once, and again only where a rule asks for
    a severity that it reached later. So a stop that was acknowledged is not followed by another for the same defect. A
    defect of unknown size is held to be of the highest severity, and so is one of a frame with more regions than its
    verdict tells, in whatever lane. `counts_per_mm`: of the encoder, where there is one. `before`: what was open
    or still ahead when decision was started again, `events`: how many there had been, `fault`: it was in FAULT and that was
    answered.
    """

    def __init__(
        self,
        table: tuple[ActionConfig, ...] = (),
        rules: Rules | None = None,
        counts_per_mm: float | None = None,
        generation: int = 0,
        number: Callable[[], int] = lambda: 0,
        before: Sequence[Action] = (),
        events: int = 0,
        fault: bool = False,
    ) -> None:
        self._table = tuple(enumerate(table))
        self._rules = rules or Rules()
        self._counts_per_mm, self._generation, self._number = counts_per_mm, generation, number
        self._joiner = Joiner()
        self._gaps: dict[tuple[int, str], Gap] = {}
        self._ahead: list[tuple[float, int, Action]] = []
        self._open: dict[int, Action] = {}
        self._events = events
        self._present = {Cause.FAULT} if fault else set[Cause]()
        for action in before:
            self._keep(action)

    @property
    def unacknowledged(self) -> list[Action]:
        """What has acted and nobody has seen to."""
        return [a for a in self._open.values() if a.phase is Phase.NOW]

    def again(self) -> list[Action]:
        """The same in the name of this decision, where it stood open before a restart."""
        for action in self.unacknowledged:
            self._open[action.event] = self._told(action)
        return self.unacknowledged

    def judged(self, verdict: Verdict, now_ns: int) -> list[Action]:
        """What follows from one more verdict."""
        touched, _ = self._joiner.add(verdict)
        found = [a for defect in touched for a in self._on_defect(defect, verdict, now_ns)]
        return found + list(self._on_gap(verdict, now_ns))

    def present(self, causes: set[Cause], now_ns: int) -> list[Action]:
        """What follows when the line is in FAULT or warns of DRIFT, once each time that begins."""
        new, self._present = causes - self._present, causes
        rules = (rule for _, rule in self._table if rule.when in new)
        return [self._action(ActionKind(rule.do.upper()), Cause(rule.when), now_ns) for rule in rules]

    def reached(self, position_mm: float, now_ns: int, bypass: bool = False) -> list[Action]:
        """The actions announced ahead whose place is at their actuator now: they act, or in bypass are let by for good."""
        due: list[Action] = []
        while self._ahead and self._ahead[0][0] <= position_mm:
            action = heapq.heappop(self._ahead)[2]
            if bypass:
                self._open.pop(action.event, None)
                due.append(self._told(action, phase=Phase.LET_BY, t_mono_ns=now_ns))
                continue
            due.append(self._told(action, phase=Phase.NOW, t_mono_ns=now_ns))
            self._keep(due[-1])  # also one acknowledged before it was due: it acts now
        return due

    def acknowledge(self, event: int | None, now_ns: int) -> list[Action]:
        """What nobody had seen to so far, of this event or of all."""
        events = [e for e in self._open if event in (None, e)]
        return [self._told(self._open.pop(e), phase=Phase.ACKNOWLEDGED, t_mono_ns=now_ns) for e in events]

    def _on_defect(self, defect: Defect, verdict: Verdict, now_ns: int) -> Iterator[Action]:
        left_out = verdict.regions_total > len(verdict.regions)
        size = None if defect.size_mm is None or left_out else severity(max(defect.size_mm), self._rules)
        lanes = {lane for _, lane in defect.lanes}
        for i, rule in self._table:
            if not isinstance(rule, DefectAction) or i in defect.answered or (size is not None and size < rule.severity):
                continue
            if rule.lanes is not None and lanes and not left_out and not lanes & set(rule.lanes):
                continue
            defect.answered.add(i)
            y0, y1, x0, x1 = defect.box_mm or (None,) * 4
            target_mm = None if rule.distance_mm is None or y0 is None else y0 + rule.distance_mm
            counts = None if target_mm is None or self._counts_per_mm is None else round(target_mm * self._counts_per_mm)
            yield self._action(
                ActionKind(rule.do.upper()), Cause.DEFECT, now_ns, verdict=verdict.number, camera=verdict.camera,
                defect=defect.number, severity=size, start_mm=y0, end_mm=y1, x0_mm=x0, x1_mm=x1, target_mm=target_mm,
                target_count=counts,
            )  # fmt: skip

    def _on_gap(self, verdict: Verdict, now_ns: int) -> Iterator[Action]:
        for i, rule in self._table:
            if not isinstance(rule, NotInspectedAction):
                continue
            gap = self._gaps.setdefault((i, verdict.camera), Gap(rule.after_mm))
            if verdict.result is not Result.NOT_INSPECTED:
                gap.judged()
                continue
            known = gap.rejected
            span = gap.missed(verdict.span)
            if span is not None and not known:
                yield self._action(
                    ActionKind(rule.do.upper()), Cause.NOT_INSPECTED, now_ns, verdict=verdict.number, camera=verdict.camera,
                    **vars(span),
                )  # fmt: skip

    def _action(self, kind: ActionKind, cause: Cause, now_ns: int, **facts: Any) -> Action:
        event, self._events = self._events, self._events + 1
        phase = Phase.NOW if facts.get("target_mm") is None else Phase.AHEAD
        action = Action(
            number=self._number(), generation=self._generation, event=event, kind=kind, cause=cause, phase=phase,
            t_mono_ns=now_ns, **facts,
        )  # fmt: skip
        self._keep(action)
        return action

    def _told(self, action: Action, **facts: Any) -> Action:
        return action.model_copy(update={"number": self._number(), "generation": self._generation, **facts})

    def _keep(self, action: Action) -> None:
        """Until its place comes and until it is acknowledged; nobody acknowledges a mark on the cloth."""
        if action.phase is Phase.AHEAD and action.target_mm is not None:
            heapq.heappush(self._ahead, (action.target_mm, action.event, action))
            if len(self._ahead) > MAX_AHEAD:
                self._ahead = heapq.nsmallest(MAX_AHEAD // 2, self._ahead)
        if action.kind is ActionKind.MARK:
            return
        self._open[action.event] = action
        if len(self._open) > UNACKNOWLEDGED:
            del self._open[next(iter(self._open))]
