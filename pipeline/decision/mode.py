"""How people and faults have set the line: rejects set aside, and a fault that stays until somebody resets it."""

from __future__ import annotations

from pipeline.decision.line_state import Roster
from pipeline.decision.terms import DecisionTerms
from pipeline.messages.message import Refused


class Mode:
    """Both outlive a restart of decision."""

    def __init__(self, terms: DecisionTerms, roster: Roster) -> None:
        self._observes, self._roster = terms.observe, roster
        self._fault = terms.fault
        self._bypass = terms.bypass

    @property
    def fault(self) -> str:
        """The latched one; empty: none."""
        return self._fault

    @property
    def bypass(self) -> bool:
        """No verdict is acted on: the operator has set rejects aside, or the line only observes."""
        return self._bypass or self._observes

    @property
    def set_aside(self) -> bool:
        """It is the operator who has set rejects aside."""
        return self._bypass and not self._observes

    def set_bypass(self, on: bool) -> None:
        """The operator sets rejects aside, or takes that back."""
        self._bypass = on

    def latch(self) -> None:
        """Keep what makes a PASS impossible now, also when its cause is gone."""
        self._fault = "; ".join(self._roster.faults) or self._fault

    def reset(self) -> None:
        """A person takes the latched fault back; Refused where its cause is still there."""
        if faults := self._roster.faults:
            raise Refused(f"the cause of its fault is still there: {'; '.join(faults)}")
        self._fault = ""
