"""How a stage says to decision how it is: at once where that changes, and again each second."""

from __future__ import annotations

from pipeline.link.protocol import Outbox
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState

INTERVAL_NS = 1_000_000_000


class StatusReport:
    """A stage's Status; it is repeated because a decision that is started anew has to learn who is there.

    What decision does not take is told again at the next step: a new decision hears it as soon as it can be reached.
    """

    def __init__(self, decision: Outbox, role: str, name: str, generation: int) -> None:
        self._decision, self._role, self._name, self._generation = decision, role, name, generation
        self._told: tuple[StageState, str, dict[str, str]] | None = None
        self._due_ns = 0

    def tell(self, now_ns: int, state: StageState, detail: str = "", **shas: str) -> None:
        """Say it where it is due; `shas` are further fields of Status."""
        said = state, detail, shas
        if said == self._told and now_ns < self._due_ns:
            return
        status = Status(
            role=self._role, name=self._name, generation=self._generation, state=state, detail=detail, **shas
        )  # fmt: skip
        if self._decision.send(status):
            self._told, self._due_ns = said, now_ns + INTERVAL_NS
