"""Kinds are told by their nearest mean; what is far from all of them is unknown; limits come from the examples alone."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.kinds.classifier import SIDES, Classifier, Proposal, learn

SIZE = 40
ORDER = ("slub", "hole", "stain", "float", "knot")


def examples(kinds: dict[str, int], seed: int = 0, spread: float = 0.4) -> tuple[np.ndarray, list[str]]:
    """So many of each kind: its own three features are high, and one feature differs wildly within every kind."""
    rng = np.random.default_rng(seed)
    rows, names = [], []
    for kind, count in kinds.items():
        at = SIDES + 3 * ORDER.index(kind)
        for _ in range(count):
            row = rng.normal(0, spread, SIZE)
            row[at : at + 3] += 3
            row[-1] += rng.normal(0, 20)
            rows.append(row)
            names.append(kind)
    return np.array(rows), names


def test_kinds_are_named_and_one_never_seen_is_unknown() -> None:
    features, names = examples({"slub": 5, "hole": 7, "stain": 6, "float": 5})
    classifier, validation = learn(features, names)
    fresh, truth = examples({"hole": 9, "slub": 4, "float": 3, "stain": 8}, seed=1)
    told = [p.kind for p in classifier.propose(fresh)]
    assert sum(a == b for a, b in zip(told, truth, strict=True)) >= 22
    assert all(a in (b, None) for a, b in zip(told, truth, strict=True))
    never = classifier.propose(examples({"knot": 10}, seed=2)[0])
    assert sum(p.kind is None for p in never) >= 9
    assert validation.kinds == ("float", "hole", "slub", "stain")
    assert validation.confusion.sum(axis=1).tolist() == [5, 7, 5, 6] and validation.unseen[:, 1].tolist() == [5, 7, 5, 6]
    assert validation.right == 1 and validation.named >= 0.75 and (validation.unknown or 0) > 0.8


def test_confidence_is_a_share_and_falls_with_doubt() -> None:
    features, names = examples({"slub": 8, "hole": 8, "stain": 8}, spread=1.5)
    classifier, _ = learn(features, names)
    fresh = examples({"slub": 30, "hole": 30, "stain": 30}, seed=4, spread=1.5)[0]
    told, (_, doubts) = classifier.propose(fresh), classifier.judge(fresh)
    likely = np.array([p.confidence if p.kind else 1 - p.confidence for p in told])
    assert ((likely >= 0) & (likely <= 1)).all()
    assert (np.diff(likely[np.argsort(doubts)]) <= 1e-3).all() and np.ptp(likely) > 0.2


def test_the_order_of_examples_changes_no_name() -> None:
    features, names = examples({"slub": 5, "hole": 4, "stain": 6})
    turned = np.random.default_rng(5).permutation(len(names))
    fresh = examples({"slub": 5, "knot": 5, "stain": 5}, seed=6)[0]
    first = [p.kind for p in learn(features, names)[0].propose(fresh)]
    assert [p.kind for p in learn(features[turned], [names[n] for n in turned])[0].propose(fresh)] == first


def test_kinds_with_too_few_examples_are_left_aside() -> None:
    features, names = examples({"slub": 5, "hole": 2, "stain": 4, "float": 3})
    classifier, validation = learn(features, names)
    assert classifier.kinds == validation.kinds == ("float", "slub", "stain")
    with pytest.raises(InputError, match=r"too few named defects \(hole 2, slub 5\)"):
        learn(*examples({"slub": 5, "hole": 2}))
    with pytest.raises(InputError, match="too few named defects"):
        learn(np.zeros((0, 0)), [])


def test_with_two_kinds_nobody_can_tell_how_an_unseen_one_fares() -> None:
    features, names = examples({"slub": 5, "hole": 3})
    classifier, validation = learn(features, names)
    assert validation.unknown is None and validation.named == 1
    assert [p.kind for p in classifier.propose(features)] == names


def test_features_without_any_spread_are_no_fault() -> None:
    features, names = np.zeros((6, SIZE)), ["slub"] * 3 + ["hole"] * 3
    features[3:, 5] = 1
    told = learn(features, names)[0].propose(features)
    assert all(isinstance(p, Proposal) and np.isfinite(p.confidence) for p in told)


def test_a_kind_that_counts_as_never_seen_has_no_say_in_the_limit_that_judges_it() -> None:
    """Mean over many cloths: chosen on what it then judged, the limit called a tenth more of them unknown."""
    told = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        features = np.concatenate([rng.normal(middle, 1, (4, 40)) for middle in rng.normal(0, 0.6, (4, 40))])
        told.append(learn(features, [name for name in "abcd" for _ in range(4)])[1].unknown)
    assert 0.5 < np.mean(told) < 0.63


def test_many_crops_are_judged_in_little_memory() -> None:
    rng = np.random.default_rng(0)
    kinds, size = 40, 900
    features = np.repeat(rng.normal(size=(kinds, size)), 3, axis=0) + rng.normal(0, 0.1, (3 * kinds, size))
    few = Classifier(
        tuple(map(str, range(kinds))), np.zeros(size), np.ones(size), features[::3], np.eye(2, size), np.full(2, 0.5)
    )
    tracemalloc.start()
    try:
        nearest, _ = few.judge(np.repeat(features, 10, axis=0))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(set(nearest.tolist())) == kinds
    assert most < 10 * 30 * kinds * size * 8, "a few tables of the examples, and not one for each kind"
