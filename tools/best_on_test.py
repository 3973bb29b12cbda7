"""The official choice of an epoch, the best on the test set (glass.md 6): its figures for comparison, never a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glass_core.config import TrainConfig
from glass_core.scoring import Scorer
from glass_core.whole_file import whole_file

if TYPE_CHECKING:
    from glass_core.state_scorer import StateScorer

LABEL = "best on test, for comparison only"
BEST_FILE = "best_on_test.json"

Figures = dict[str, float | None]


class BestOnTest:
    """Evaluates every so many epochs of the training in the folder `run`, and keeps the figures of the best beside its state.

    The best has the highest image AUROC + pixel AUROC, the first of equals; without masks, the highest image AUROC.
    """

    def __init__(self, every: int, config: TrainConfig, run: Path, figures_of: Callable[[Scorer], Figures]) -> None:
        self._every, self._config, self._run, self._figures_of = every, config, run, figures_of
        self.found: dict[str, Any] | None = None
        """Figures, the `epoch` they are of, how many were `evaluated`, and the `last` of those."""

    def begin(self, epochs: int) -> None:
        """Takes up what was found before an interruption, when the training begins after so many finished `epochs`."""
        path = self._run / BEST_FILE
        known: dict[str, Any] | None = json.loads(path.read_text()) if path.is_file() else None
        if known and known["last"] <= epochs:
            self.found = known
        else:  # of a training whose state is gone
            path.unlink(missing_ok=True)
        if epochs and (self.found is None or self.found["last"] < epochs):  # interrupted between its state and its figures
            self.after(epochs)

    def after(self, epoch: int) -> None:
        """Evaluates the epoch whose state lies there now, when it is its turn."""
        from glass_core.train import STATE_FILE  # torch is slow to load: not for --help

        if epoch % self._every:
            return
        self._scorer.take_up(self._run / STATE_FILE)
        found = {"epoch": epoch, **self._figures_of(self._scorer)}
        before = self.found
        best = found if before is None or _rank(found) > _rank(before) else before
        self.found = {**best, "evaluated": (before["evaluated"] if before else 0) + 1, "last": epoch, "use": LABEL}
        with whole_file(self._run / BEST_FILE) as part:
            part.write_text(json.dumps(self.found, indent=1) + "\n")

    @cached_property
    def _scorer(self) -> StateScorer:
        from glass_core.state_scorer import StateScorer

        return StateScorer(self._config)


def _rank(found: dict[str, Any]) -> float:
    return float((found["image_auroc"] or 0) + (found["pixel_auroc"] or 0))
