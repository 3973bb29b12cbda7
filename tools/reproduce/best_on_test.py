"""The official choice of an epoch, the best on the test set: its figures for comparison, never a model.

See docs/explanation/glass.md#the-course-of-a-training.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from glass_core.config import TrainConfig
from glass_core.files.kept_json import write_json
from glass_core.pictures.scoring import Scorer
from tools.reproduce.figures import Figures, read

if TYPE_CHECKING:
    from glass_core.training.state_scorer import StateScorer

LABEL = "best on test, for comparison only"
BEST_FILE = "best_on_test.json"


class BestFigures(Figures):
    """Contents of best_on_test.json: of the best `epoch`, of so many `evaluated`, the `last` of which is that of `training`.

    `training` is the digest of the state at that time (glass_core.training.training_state).
    """

    epoch: int = Field(ge=1)
    evaluated: int = Field(ge=1)
    last: int = Field(ge=1)
    training: str
    use: str


class BestOnTest:
    """Evaluates every so many epochs of the training in the folder `run`, and keeps the figures of the best beside its state.

    The best has the highest image AUROC + pixel AUROC, the first of equals; without masks, the highest image AUROC.
    """

    def __init__(
        self, every: int, config: TrainConfig, run: Path, figures_of: Callable[[Scorer], dict[str, float | None]]
    ) -> None:
        self._every, self._config, self._run, self._figures_of = every, config, run, figures_of
        self.found: dict[str, Any] | None = None
        """See BestFigures."""

    def begin(self, epochs: int) -> None:
        """Takes up what was found before an interruption, when the training begins after so many finished `epochs`.

        Raises InputError for a damaged file.
        """
        path = self._run / BEST_FILE
        known = read(path, BestFigures)
        if known and known["last"] <= epochs and known["training"] == self._training(known["last"]):
            self.found = known
        else:  # of another training, or of one whose state is gone
            path.unlink(missing_ok=True)
        if epochs and (self.found is None or self.found["last"] < epochs):  # interrupted between its state and its figures
            self.after(epochs)

    def after(self, epoch: int) -> None:
        """Evaluates the epoch whose state lies there now, when it is its turn."""
        from glass_core.training.training_state import STATE_FILE

        if epoch % self._every:
            return
        self._scorer.take_up(self._run / STATE_FILE)
        found = {"epoch": epoch, **self._figures_of(self._scorer)}
        before = self.found
        best = found if before is None or _rank(found) > _rank(before) else before
        evaluated = (before["evaluated"] if before else 0) + 1
        self.found = {**best, "evaluated": evaluated, "last": epoch, "training": self._training(epoch), "use": LABEL}
        write_json(self._run / BEST_FILE, self.found)

    def _training(self, epochs: int) -> str:
        """Which one the state is of, and its curve so far."""
        from glass_core.training.training_state import STATE_FILE, digest

        return digest(self._run / STATE_FILE, epochs)

    @cached_property
    def _scorer(self) -> StateScorer:
        from glass_core.training.state_scorer import StateScorer

        return StateScorer(self._config)


def _rank(found: dict[str, Any]) -> float:
    return float((found["image_auroc"] or 0) + (found["pixel_auroc"] or 0))
