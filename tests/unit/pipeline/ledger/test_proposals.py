"""What is proposed of defects stands beside the ledger, of one run, and a damaged file proposes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from glass_core.errors import InputError
from pipeline.ledger.dispositions import MAX_KINDS, dispose, known_kinds, read_dispositions
from pipeline.ledger.proposals import FILE, ProposedKind, read_proposals, write_proposals

ONE = ProposedKind(key=(0, 4, 1), kind="Slub ", confidence=0.75)


def test_proposals_are_of_one_run_and_take_the_place_of_those_before(tmp_path: Path) -> None:
    assert read_proposals(tmp_path, "r") == {}
    write_proposals(tmp_path, "r", [ONE, ProposedKind(key=(0, 9, 0), kind=None, confidence=0.6)])
    assert {key: p.kind for key, p in read_proposals(tmp_path, "r").items()} == {(0, 4, 1): "slub", (0, 9, 0): None}
    assert read_proposals(tmp_path, "another") == {}
    write_proposals(tmp_path, "r", [])
    assert read_proposals(tmp_path, "r") == {}
    (tmp_path / "part").write_text("")
    with pytest.raises(InputError, match="not writable"):
        write_proposals(tmp_path / "part", "r", [ONE])


@pytest.mark.parametrize(
    "change", [{"kind": "x" * 65}, {"confidence": 1.5}, {"confidence": None}, {"key": [0, 1]}, {"more": 1}]
)
def test_a_damaged_file_proposes_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    write_proposals(tmp_path, "r", [ONE])
    body = json.loads((tmp_path / FILE).read_text())
    body["proposals"][0] |= change
    (tmp_path / FILE).write_text(json.dumps(body))
    assert read_proposals(tmp_path, "r") == {}
    (tmp_path / FILE).write_bytes(b"\xff{")
    assert read_proposals(tmp_path, "r") == {}


NO_KINDS = [
    "", " \t", "x" * 65, "x" * 300, "a\0b", "a\x7fb", "a\u202eb", "a\u200bb",
    "Unknown ", "Lint", "defect", "=1+1", "-x", "<b>",
]  # fmt: skip


@pytest.mark.parametrize("name", NO_KINDS)
def test_a_kind_that_cannot_be_read_or_means_nothing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="bad `kind` of a defect"):
        dispose(tmp_path, "r", (0, 1, 0), "defect", name, "me", "")
    with pytest.raises(ValidationError):
        ProposedKind(key=(0, 1, 0), kind=name, confidence=0.5)
    assert read_dispositions(tmp_path, "r") == []


@pytest.mark.parametrize(
    ("name", "kind"), [(" Slub\n of  weft", "slub of weft"), ("X/../y", "x/../y"), ("f<b>", "f<b>"), ("No\u0308ppe", "nöppe")]
)
def test_any_other_words_are_a_kind_in_one_spelling(tmp_path: Path, name: str, kind: str) -> None:
    dispose(tmp_path, "r", (0, 1, 0), "defect", name, "me", "")
    assert [d.kind for d in read_dispositions(tmp_path, "r")] == [kind]


def test_kinds_of_all_runs_are_known_and_of_very_many_the_latest(tmp_path: Path) -> None:
    assert known_kinds([]) == []
    for n in range(MAX_KINDS + 5):
        dispose(tmp_path, f"run {n % 2}", (0, n, 0), "defect", f"kind {n:03}", "me", "")
    dispose(tmp_path, "run 0", (0, 0, 0), "lint", None, "me", "")
    dispose(tmp_path, "run 1", (0, 1, 0), "defect", "Kind 002", "me", "")
    known = known_kinds(read_dispositions(tmp_path))
    assert known == ["kind 002", *(f"kind {n:03}" for n in range(6, MAX_KINDS + 5))]
    assert len(read_dispositions(tmp_path, "run 0")) == MAX_KINDS // 2 + 4
