"""Learned kinds come back as they were; what was changed, cut or made for another model is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.kinds.classifier import Classifier, learn
from glass_core.kinds.kept import INFO_FILE, NUMBERS_FILE, load_kinds, save_kinds
from glass_core.network.checkpoint import read_tensors, weights_sha, write_tensors

MODEL = "ab" * 32


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Classifier]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(11, 9))
    features[:5, 4] += 9
    classifier, _ = learn(features, ["slub"] * 5 + ["hole <b>"] * 6)
    save_kinds(tmp_path / "kinds", classifier, MODEL)
    return tmp_path / "kinds", classifier


def test_what_comes_back_proposes_the_same(kept: tuple[Path, Classifier]) -> None:
    fresh = np.random.default_rng(1).normal(0, 4, size=(20, 9))
    assert load_kinds(kept[0], MODEL).propose(fresh) == kept[1].propose(fresh)


def test_another_model_or_nothing_there_is_refused(kept: tuple[Path, Classifier], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="learned with another model"):
        load_kinds(kept[0], "cd" * 32)
    with pytest.raises(InputError, match="no learned kinds"):
        load_kinds(tmp_path, MODEL)
    (kept[0] / NUMBERS_FILE).unlink()
    with pytest.raises(InputError, match=NUMBERS_FILE):
        load_kinds(kept[0], MODEL)


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "x"), ("slope", -1), ("kinds", ["one"]), ("kinds", ["", "two"]), ("kinds", ["x" * 65, "two"]), ("more", 1)],
)
def test_words_out_of_their_domain_are_refused(kept: tuple[Path, Classifier], name: str, value: Any) -> None:
    body = json.loads((kept[0] / INFO_FILE).read_text())
    (kept[0] / INFO_FILE).write_text(json.dumps(body | {name: value}))
    with pytest.raises(InputError, match="damaged"):
        load_kinds(kept[0], MODEL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("centre", np.zeros(8)), ("scale", np.zeros(9)), ("scale", np.full(9, np.nan)), ("means", np.zeros((3, 9))),
        ("axes", np.full((11, 9), 2.0)), ("axes", np.zeros((11, 8))), ("damping", np.full(11, 1.5)),
        ("centre", np.zeros(9, np.float32)), ("more", np.zeros(1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("vouched", [False, True])
def test_numbers_out_of_their_domain_are_refused(
    kept: tuple[Path, Classifier], name: str, value: np.ndarray, vouched: bool
) -> None:
    tensors, _ = read_tensors(kept[0] / NUMBERS_FILE)
    tensors[name] = value
    write_tensors(kept[0] / NUMBERS_FILE, tensors, {})
    if vouched:  # the hash of what is not in its domain helps nothing
        body = json.loads((kept[0] / INFO_FILE).read_text())
        (kept[0] / INFO_FILE).write_text(json.dumps(body | {"numbers_sha": weights_sha(tensors)}))
    with pytest.raises(InputError, match=NUMBERS_FILE):
        load_kinds(kept[0], MODEL)


def test_a_file_cut_short_is_refused(kept: tuple[Path, Classifier]) -> None:
    whole = (kept[0] / NUMBERS_FILE).read_bytes()
    (kept[0] / NUMBERS_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        load_kinds(kept[0], MODEL)
