"""A process's lines come whole, bounded, and without waiting."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pipeline.supervision.words import MAX_LINE_BYTES, Words


class Pipe:
    """A process's end of it, and ours."""

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        self.words = Words(os.fdopen(reading, "rb"))

    def print(self, text: bytes) -> None:
        os.write(self.writing, text)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.writing)
    pipe.words.last()


def test_lines_are_whole(pipe: Pipe) -> None:
    assert pipe.words.lines() == []
    pipe.print(b"one\ntw")
    assert pipe.words.lines() == ["one"]
    pipe.print("o\n\nd\u00e9".encode()[:-1])
    assert pipe.words.lines() == ["two", ""]
    pipe.print("\u00e9".encode()[1:] + b" \xff\n")
    assert pipe.words.lines() == ["dé \ufffd"]


def test_a_line_without_an_end_is_not_kept_for_ever(pipe: Pipe) -> None:
    told = 0
    for _ in range(8):
        pipe.print(b"x" * (MAX_LINE_BYTES // 2 + 1))
        told += sum(map(len, pipe.words.lines()))
    assert told == 8 * (MAX_LINE_BYTES // 2 + 1)


def test_last_words_need_no_end() -> None:
    pipe = Pipe()
    pipe.print(b"whole\nunfinished")
    os.close(pipe.writing)
    assert pipe.words.last() == ["whole", "unfinished"]
