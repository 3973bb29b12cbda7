"""exclude.txt: what a person marks is left out and stays marked."""

from pathlib import Path

import pytest

from glass_core.errors import InputError
from glass_core.pictures.exclusions import read_exclusions, write_exclusions

FOUND = [("aaaa", "1. score 0.9 of one.png"), ("bbbb", "2. score 0.8 of two.png"), ("aaaa", "3. score 0.7 of one.png")]


def unmark(path: Path, key: str) -> None:
    path.write_text(path.read_text().replace(f"# {key}", key, 1))


def test_nothing_is_excluded_until_a_line_is_marked(tmp_path: Path) -> None:
    assert read_exclusions(tmp_path) == frozenset()
    write_exclusions(tmp_path, "training", FOUND)
    assert read_exclusions(tmp_path) == frozenset()
    unmark(tmp_path / "exclude.txt", "bbbb")
    assert read_exclusions(tmp_path) == {"bbbb"}


def test_marks_survive_the_next_list_and_sections_keep_to_themselves(tmp_path: Path) -> None:
    write_exclusions(tmp_path, "training", FOUND)
    write_exclusions(tmp_path, "calibration", [("cccc", "1. score 0.5 of three.png")])
    unmark(tmp_path / "exclude.txt", "aaaa")
    unmark(tmp_path / "exclude.txt", "cccc")
    write_exclusions(tmp_path, "training", [("dddd", "1. score 0.95 of four.png"), ("aaaa", "2. score 0.9 of one.png")])
    assert read_exclusions(tmp_path) == {"aaaa", "cccc"}
    text = (tmp_path / "exclude.txt").read_text()
    assert "# dddd  1. score 0.95 of four.png" in text
    assert "bbbb" not in text and text.count("aaaa") == 1


@pytest.mark.parametrize("content", [b"abcd before any section\n", b"\xff\xfe"])
def test_a_file_that_cannot_be_understood_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "exclude.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"^[^\n]+, {tmp_path}/exclude.txt, [^\n]+$"):
        read_exclusions(tmp_path)
