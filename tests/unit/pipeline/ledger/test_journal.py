"""The journal never holds half a line."""

import threading
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.ledger.dispositions import dispose, read_dispositions
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


def test_two_who_review_at_once_lose_no_word_of_each_other(tmp_path: Path) -> None:
    def review(by: str) -> None:
        for n in range(100):
            dispose(tmp_path, "r", (0, n, 0), "lint", None, by, "x" * n)

    both = [threading.Thread(target=review, args=(by,)) for by in ("Ada", "Bartholomew")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    said = read_dispositions(tmp_path, "r")
    assert sorted((d.by, d.key[1]) for d in said) == [(by, n) for by in ("Ada", "Bartholomew") for n in range(100)]
