"""Kinds of defect learned from what people named in review, and proposed for what nobody has named yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from glass_core.errors import InputError
from glass_core.events import keep_quiet, passing
from glass_core.kinds.classifier import Classifier, CrossValidation, learn
from glass_core.kinds.kept import ADVICE, INFO_FILE, load_kinds, save_kinds
from pipeline.ledger.dispositions import UNKNOWN, Kind
from pipeline.ledger.proposals import ProposedKind, write_proposals
from pipeline.ledger.reading import ledgers_of
from pipeline.report.kept_crops import KeptCrop, read_crops
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

    def features(crops: Sequence[KeptCrop], title: str) -> Iterator[tuple[KeptCrop, np.ndarray]]:
        for crop in passing(crops, title, report):
            if (picture := crop.read()) is not None:
                yield crop, trunk.of(picture, crop.box_px)

    examples = Counter(crop.kind for crop in named if crop.kind)
    validation: CrossValidation | None = None
    if learned is not None:
        classifier = _load(learned, trunk.weights_sha)
    else:
        assert out is not None
        seen = list(features(named, "named defects"))
        examples = Counter(crop.kind for crop, _ in seen if crop.kind)
        table = np.stack([row for _, row in seen]) if seen else np.zeros((0, 0))
        classifier, validation = learn(table, [crop.kind or "" for crop, _ in seen])
    found = [[_proposal(classifier, *one) for one in features(crops, "unnamed defects")] for crops in unnamed]
    if out is not None:
        save_kinds(out, classifier, trunk.weights_sha)
    for (ledger, sheet, _), proposals in zip(runs, found, strict=True):  # not before every picture has been read
        write_proposals(ledger.parent, sheet.run_id, proposals)
    pages = tuple(issue_report(ledger, ledger.parent)[0] for ledger, _, _ in runs)
    counts = Counter(p.kind or UNKNOWN for proposals in found for p in proposals)
    return Proposed(dict(examples), validation, dict(counts), pages)


def _load(folder: Path, model_sha: str) -> Classifier:
    classifier = load_kinds(folder, model_sha)
    try:
        TypeAdapter(tuple[Kind, ...]).validate_python(classifier.kinds)
    except ValidationError:  # somebody has edited them
        raise InputError(f"a name that no kind can have, {folder / INFO_FILE}, {ADVICE}") from None
    return classifier


def _proposal(classifier: Classifier, crop: KeptCrop, features: np.ndarray) -> ProposedKind:
    (p,) = classifier.propose(features[None])
    return ProposedKind(key=crop.row.key, kind=p.kind, confidence=p.confidence)
