"""Kinds of defect learned from what people named in review, and proposed for what nobody has named yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glass_core.errors import InputError
from glass_core.events import keep_quiet, passing
from glass_core.kinds.classifier import Classifier, CrossValidation, learn
from glass_core.kinds.kept import load_kinds, save_kinds
from pipeline.ledger.dispositions import UNKNOWN
from pipeline.ledger.proposals import ProposedKind, write_proposals
from pipeline.report.kept_crops import KeptCrop, ledgers_of, read_crops
from pipeline.report.page import issue_report


@dataclass(frozen=True)
class Proposed:
    """What came of it: how well named defects were told when left out (null: nothing was learned), and what was proposed."""

    examples: dict[str, int]
    """Named defects that have a picture, by kind; those of too few are left aside."""
    validation: CrossValidation | None
    proposals: dict[str, int]
    """Proposed names, and how often each."""
    pages: tuple[Path, ...]
    """The reports, issued again."""


def propose_kinds(
    ledgers: Sequence[Path],
    model: Path,
    *,
    out: Path | None = None,
    learned: Path | None = None,
    report: Callable[[object], None] = keep_quiet,
) -> Proposed:
    """Propose kinds for the unnamed defects of the last run of each ledger, and issue the reports again.

    The kinds are learned from the named defects of all these runs, with features of the trunk of `model` (RUN or BUNDLE), and
    kept in the folder `out`. Or they are those that an earlier call has `learned` with the same model. No verdict, point or
    row of a ledger changes. Raises InputError where there is no such ledger or model, or too few defects are named.
    """
    from glass_core.kinds.features import load_crop_features  # loads torch

    if (out is None) == (learned is None):
        raise InputError("kinds are either learned or were learned before, the call, give one of out and learned")
    runs = [(ledger, *read_crops(ledger)) for ledger in ledgers_of(ledgers)]
    named = [crop for _, _, crops in runs for crop in crops if crop.kind]
    unnamed = [[crop for crop in crops if crop.waits] for _, _, crops in runs]
    trunk = load_crop_features(model)

    def features(crops: Sequence[KeptCrop], title: str) -> np.ndarray:
        return np.stack([trunk.of(crop.read(), crop.box_px) for crop in passing(crops, title, report)])

    examples = Counter(crop.kind for crop in named if crop.kind)
    validation: CrossValidation | None = None
    if learned is not None:
        classifier = load_kinds(learned, trunk.weights_sha)
    else:
        assert out is not None
        table = features(named, "named defects") if named else np.zeros((0, 0))
        classifier, validation = learn(table, [crop.kind or "" for crop in named])
        save_kinds(out, classifier, trunk.weights_sha)
    counts, pages = Counter[str](), list[Path]()
    for (ledger, sheet, _), crops in zip(runs, unnamed, strict=True):
        found = _proposals(classifier, crops, features(crops, "unnamed defects")) if crops else []
        write_proposals(ledger.parent, sheet.run_id, found)
        counts.update(p.kind or UNKNOWN for p in found)
        pages.append(issue_report(ledger, ledger.parent)[0])
    return Proposed(dict(examples), validation, dict(counts), tuple(pages))


def _proposals(classifier: Classifier, crops: Sequence[KeptCrop], table: np.ndarray) -> list[ProposedKind]:
    found = classifier.propose(table)
    return [ProposedKind(key=crop.row.key, kind=p.kind, confidence=p.confidence) for crop, p in zip(crops, found, strict=True)]
