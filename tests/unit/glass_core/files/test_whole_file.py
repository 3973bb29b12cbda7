"""A file is there whole or as it was before."""

from pathlib import Path

import pytest

from glass_core.files.whole_file import whole_file


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text("before")
    with whole_file(path) as part, part.open("w") as file:
        file.write("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_after_an_error_nothing_has_changed(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "card.json"
    path.write_text("before")
    with pytest.raises(type(error)), whole_file(path) as part:
        part.write_text("ha")
        raise error
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for path in (tmp_path / "nowhere" / "card.json", tmp_path / "file" / "card.json"):
        with pytest.raises(OSError, match=r"No such file|Not a directory"), whole_file(path) as part:
            part.write_text("x")


def test_a_link_that_somebody_left_is_not_written_through(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "given" / "card.json", tmp_path / "elsewhere"
    path.parent.mkdir()
    elsewhere.write_text("precious")
    path.symlink_to(elsewhere)
    (path.parent / ".card.json.part").symlink_to(elsewhere)
    with whole_file(path) as part:
        part.write_text("mine")
    assert elsewhere.read_text() == "precious"
    assert path.read_text() == "mine" and not path.is_symlink()
