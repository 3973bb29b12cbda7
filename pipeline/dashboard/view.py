"""Everything the page shows of a line, as one object: fed with what the line says, or with what its record holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pipeline.dashboard.recent_totals import RecentTotals
from pipeline.dashboard.roll_so_far import RollSoFar
from pipeline.decision.line_state import GONE, UNLIKE
from pipeline.ledger.dispositions import Disposition, Key
from pipeline.ledger.proposals import ProposedKind
from pipeline.messages.actions import Action
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.domains import M_PER_MIN
from pipeline.messages.line import STALE_NS, Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.states import ActionKind, Phase, State
from pipeline.messages.verdicts import Verdict

MAX_OPEN = 50
"""Open stops and lamps that are listed; how many more there are is told."""

Resettable = Literal["fault", "unlike"]


class View:
    """The present state of one line and the roll under its cameras; pure.

    `facts` are those of a run's record: its configuration and cards. `live`: it is heard as it runs.
    """

    def __init__(self, facts: Mapping[str, Any], live: bool, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._live, self._now_ns = live, now_ns
        self._set(facts)
        self._processes: list[dict[str, Any]] = []
        self._words: Mapping[Key, Disposition] = {}
        self._proposed: Mapping[Key, ProposedKind] = {}
        self.rolls: dict[str, RollSoFar] = {}
        """Of a record: each of its rolls by its name, in order; of a line none but `cloth`."""
        self._said = 0
        self.opened = 0
        """How many stops and lamps have opened since the page began."""
        self.forget()

    def _set(self, facts: Mapping[str, Any]) -> None:
        config = facts.get("config") or {}
        self._name, self._cameras = str(facts.get("line", "")), config.get("cameras", [])
        self._in_mm = all(c.get("mm_per_px_y") is not None for c in self._cameras)
        self._scales = {c["name"]: (c.get("mm_per_px_x"), c.get("x_offset_mm", 0.0)) for c in self._cameras}
        self._styles = sorted(filter(None, config.get("styles", {})))
        self._thresholds = _thresholds(facts)

    def forget(self) -> None:
        """Another run begins: nothing of the one before holds."""
        self._state: LineState | None = None
        self._since = ""
        """Which word of the line began what a reset would do away with."""
        self.other_config = False
        """The line runs with another configuration than is shown."""
        self._beat: Heartbeat | None = None
        self._heard_ns: int | None = None
        self._totals = RecentTotals()
        self._open: dict[int, Action] = {}
        self.cloth: RollSoFar = self._begin(None)
        self.running = False

    def learn(self, facts: Mapping[str, Any]) -> None:
        """The run turns out to have this configuration and these cards: its cloth is to be filled anew from the record."""
        self._set(facts)
        self.cloth = self._begin(self.cloth.roll)

    def begin(self) -> None:
        """A line runs from here on; nothing of the run before holds."""
        self.forget()
        self.running = True

    def end(self) -> None:
        """The line has ended: its cloth and counts stay, and what held only while it ran is gone."""
        self.running, self._beat, self._open, self._processes = False, None, {}, []

    def hear(self, message: Message) -> None:
        """Keep what a message of the line says."""
        match message:
            case LineState():
                stood = self._stands
                self._state = message
                if self._stands != stood:
                    self._since = f"{message.generation}-{message.number}"
            case Heartbeat():
                self._beat, self._heard_ns, self.running = message, self._now_ns(), True
                kinds = message.unacknowledged
                self._open = {e: a for e, a in self._open.items() if a.kind in kinds}
            case Totals():
                self._totals.add(message)
            case Action():
                self._hear_action(message)
            case Roll():
                if self.cloth.roll is None or _cloth(self.cloth.roll) != _cloth(message):
                    self.cloth = self._begin(message)
            case SpanEvent():
                self.cloth.add_event(message)
            case Verdict():
                if self.cloth.roll is None or message.roll_id == self.cloth.roll.roll_id:
                    self.cloth.add(message)

    def again(self, roll: Roll | None) -> RollSoFar:
        """A roll's cloth to be filled anew from the record."""
        return self._begin(roll)

    def show(self, rolls: dict[str, RollSoFar]) -> None:
        """The rolls of a record; the last that has a name comes first to the eye."""
        self.rolls = rolls
        if rolls:
            self.cloth = rolls[next((name for name in reversed(rolls) if name), next(reversed(rolls)))]

    def judge(self, words: Mapping[Key, Disposition], proposed: Mapping[Key, ProposedKind]) -> None:
        """What people have said: the last word on each defect, by its key; and what is proposed of the others."""
        self._words, self._proposed, self._said = words, proposed, self._said + 1

    def see(self, processes: Sequence[Mapping[str, Any]]) -> None:
        """How each process of the line is."""
        self._processes = [dict(p) for p in processes]

    @property
    def open_events(self) -> set[int]:
        """The stops and lamps that nobody has seen to."""
        return set(self._open)

    @property
    def cameras(self) -> list[str]:
        """Their names."""
        return list(self._scales)

    @property
    def judged(self) -> bool:
        """Whether there is a card: scores are then told as shares of its thresholds."""
        return bool(self._thresholds)

    def told(self) -> dict[str, Any]:
        """The small state, as JSON takes it: a few kB, whole each time."""
        state = None if self._ended else self._state  # how a line was that has ended is no state of it
        totals = self._totals.last
        return {
            "line": self._name, "live": self._live, "styles": self._styles,
            "state": str(state.state) if state else None, "ok": bool(state and state.inspection_ok and not self._silent),
            "why": state.detail if state else "", "silent": self._silent, "bypass": self._bypass, "running": self.running,
            "next": self._next(), "open": self._told_open(), "roll": self._told_roll(), "totals": self._told_totals(),
            "cameras": [self._told_camera(c["name"]) for c in self._cameras], "processes": self._processes,
            "cloth": self.cloth_version, "found": self.cloth.found,
            "rolls": [{"name": name, "shown": cloth is self.cloth} for name, cloth in self.rolls.items()],
            "verdicts": self._beat.verdicts if self._beat else totals.verdicts if totals else 0,
        }  # fmt: skip

    @property
    def resettable(self) -> tuple[Resettable, str] | None:
        """What a reset would do away with now, and since which word of the line it stands."""
        return (self._stands[0], self._since) if self._stands else None

    @property
    def _stands(self) -> tuple[Resettable, str] | None:
        """A latched fault or other cloth than the card's, with what is said of it."""
        if self._state is None:
            return None
        if self._state.state is State.FAULT:
            return "fault", self._state.detail.removesuffix(GONE)
        return ("unlike", "") if self._state.detail.startswith(UNLIKE) else None

    @property
    def cloth_version(self) -> str:
        """Another one whenever `told_cloth` would tell something new."""
        return "-".join(map(str, (id(self.cloth), *self.cloth.last, self.cloth.events, self._said)))

    def told_cloth(self, roll: str | None = None) -> dict[str, Any]:
        """The roll so far, or one of a record, as JSON takes it: larger, and asked for when it has changed."""
        cloth = self.cloth if roll is None else self.rolls.get(roll, self.cloth)
        return cloth.told(self._words, self._proposed)

    def _begin(self, roll: Roll | None) -> RollSoFar:
        return RollSoFar(roll, self._in_mm, self._scales, self._thresholds)

    def _hear_action(self, action: Action) -> None:
        if action.phase is Phase.NOW and action.kind is not ActionKind.MARK:
            self.opened += action.event not in self._open
            self._open[action.event] = action
        elif action.phase in (Phase.ACKNOWLEDGED, Phase.LET_BY):
            self._open.pop(action.event, None)

    @property
    def _silent(self) -> bool:
        return self._live and (self._heard_ns is None or self._now_ns() - self._heard_ns > STALE_NS)

    @property
    def _ended(self) -> bool:
        return self._live and not self.running

    @property
    def _bypass(self) -> bool:
        return bool(self._beat and self._beat.bypass)

    def _next(self) -> list[dict[str, Any]]:
        """What a person must do, the most pressing first; each a key of the page's words, and what goes into them."""
        state, found = self._state, list[dict[str, Any]]()
        if not self._live:  # of a record nothing is left to do at the line
            return []
        if self._ended:
            return [{"key": "not_running"}]
        if self._silent:
            found.append({"key": "silent"})
        if self.other_config:
            found.append({"key": "other_config"})
        if state is not None and state.state is State.FAULT:
            gone = state.detail.endswith(GONE)
            found.append(
                {"key": "fault_gone" if gone else "fault", "why": state.detail.removesuffix(GONE), "since": self._since}
            )
        stops = [a for a in self._open.values() if a.kind is ActionKind.STOP]
        if stops or (self._beat and ActionKind.STOP in self._beat.unacknowledged):
            found.append({"key": "stop", "count": max(len(stops), 1), **(_place(stops[-1]) if stops else {})})
        if state is not None and state.detail.startswith(UNLIKE):
            found.append({"key": "unlike", "why": state.detail, "since": self._since})
        if self._bypass:
            found.append({"key": "bypass"})
        if state is not None and state.state is State.DEGRADED and not state.detail.startswith(UNLIKE):
            found.append({"key": "degraded" if state.inspection_ok else "not_inspected", "why": state.detail})
        lamps = [a for a in self._open.values() if a.kind is ActionKind.LAMP]
        if lamps or (self._beat and ActionKind.LAMP in self._beat.unacknowledged):
            found.append({"key": "lamp", "count": max(len(lamps), 1), **(_place(lamps[-1]) if lamps else {})})
        return found

    def _told_open(self) -> dict[str, Any]:
        listed = list(self._open.values())[-MAX_OPEN:]
        return {
            "seen": self.opened,
            "more": len(self._open) - len(listed),
            "listed": [{"event": a.event, "kind": str(a.kind), "severity": a.severity, **_place(a)} for a in listed],
        }

    def _told_roll(self) -> dict[str, Any]:
        roll = self.cloth.roll
        return {"id": roll.roll_id if roll else "", "style": roll.style if roll else "", "known": roll is not None}

    def _told_totals(self) -> dict[str, Any] | None:
        if (t := self._totals.last) is None:
            return None
        return {
            "speed_m_min": None if t.speed_mm_s is None or self._ended else round(t.speed_mm_s * M_PER_MIN, 2),
            "position_m": None if t.position_mm is None else round(t.position_mm / 1000, 3),
            "inspected_m": t.inspected_m, "not_inspected_m": t.not_inspected_m, "reasons": t.reasons, "rejects": t.rejects,
            "inhibited": t.rejects_inhibited, "defect": t.defect, "passed": t.passed, "not_inspected": t.not_inspected,
            "waiting": t.waiting, "late": t.late_scores, "unrecorded": t.unrecorded, "latency_ms": t.latency_ms,
        }  # fmt: skip

    def _told_camera(self, name: str) -> dict[str, Any]:
        counts = self._totals.last.cameras.get(name) if self._totals.last else None
        if counts is None:
            return {"name": name, "known": False}
        rate = None if self._ended else self._totals.rate(name)
        finite = [s for s in counts.lanes if s == s]
        return {
            "name": name, "known": True, "rate": None if rate is None else round(rate, 1), "last": counts.last,
            "frames": counts.frames, "passed": counts.passed, "defect": counts.defect, "not_inspected": counts.not_inspected,
            "inspected_m": counts.inspected_m, "score": round(max(finite), 3) if finite else None,
        }  # fmt: skip


def _cloth(roll: Roll) -> tuple[str, float | None]:
    """Which cloth it is: a roll that is told again is the same."""
    return roll.roll_id, roll.start_mm


def _place(action: Action) -> dict[str, Any]:
    at_m = None if action.start_mm is None else round(action.start_mm / 1000, 3)
    return {"cause": str(action.cause), "camera": action.camera, "at_m": at_m}


def _thresholds(facts: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Of each style's card, "" for the line's own; without those that have none."""
    known = {"": facts, **(facts.get("styles") or {})}
    return {name: tuple(card["thresholds"]) for name, own in known.items() if (card := own.get("card"))}
