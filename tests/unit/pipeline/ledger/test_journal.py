"""The journal never holds half a line."""

from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.ledger.journal import Journal


@pytest.mark.parametrize(
    ("before", "after"), [(b"", b""), (b"one\ntw", b"one\n"), (b"x" * 200_000, b""), (b"1\n" + b"y" * 99_999, b"1\n")]
)
def test_a_journal_goes_on_behind_the_last_whole_line(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(before)
    journal = Journal(path)
    journal.add("three")
    journal.flush()
    journal.close()
    assert path.read_bytes() == after + b"three\n"


def test_a_journal_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"record not writable \(Is a directory\), .*, choose another ledger.path"):
        Journal(tmp_path)


def test_a_link_that_somebody_left_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "dispositions.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"record not writable"):
        Journal(tmp_path / "dispositions.jsonl")
    assert (tmp_path / "elsewhere").read_text() == "precious"
