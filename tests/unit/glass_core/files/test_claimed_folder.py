"""A folder for output: new, added to, or replaced; never lost by mistake."""

from pathlib import Path

import pytest

from glass_core.errors import InputError
from glass_core.files.claimed_folder import claimed_folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder that an earlier work has left."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.json").write_text("old")
    return out


@pytest.mark.parametrize("there", [False, True])
def test_a_new_or_empty_folder_is_free(tmp_path: Path, there: bool) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
    with claimed_folder(out, ["model.json"], replace=True):
        assert out.exists() is there
    with claimed_folder(out):
        pass
    assert list(tmp_path.iterdir()) == ([out] if there else [])


def test_a_full_folder_is_refused_with_what_can_be_said(old: Path) -> None:
    for append, words in ((None, "say --replace"), (False, "say --append to add to it, --replace")):
        with pytest.raises(InputError, match=f"not empty, {old}, {words}"), claimed_folder(old, ["model.json"], append=append):
            pytest.fail("let in")
    assert (old / "model.json").read_text() == "old"


def test_what_is_added_to_stays(old: Path) -> None:
    with claimed_folder(old, ["model.json"], append=True):
        (old / "more").touch()
    assert sorted(p.name for p in old.iterdir()) == ["model.json", "more"]


@pytest.mark.parametrize("way", ["as it is", "working directory", "link"])
def test_what_is_replaced_goes_when_the_work_is_done(old: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = old
    if way == "working directory":
        monkeypatch.chdir(old)
        out = Path()
    elif way == "link":
        (out := old.with_name("current")).symlink_to(old)
    with claimed_folder(out, ["demo.json", "model.json"], replace=True):
        assert list(out.iterdir()) == []
        (out / "new").touch()
    assert [p.name for p in old.iterdir()] == ["new"] and not old.with_name(".out.replaced").exists()


@pytest.mark.parametrize("failure", [InputError("no pictures"), OSError(28, "No space left"), RuntimeError("a fault of ours")])
def test_what_is_replaced_comes_back_when_the_work_fails(old: Path, failure: Exception) -> None:
    with pytest.raises(type(failure)), claimed_folder(old, ["model.json"], replace=True):
        (old / "half").touch()
        raise failure
    assert [p.name for p in old.parent.rglob("*")] == ["out", "model.json"]


def test_interrupted_work_stays_beside_what_it_was_to_replace(old: Path) -> None:
    with pytest.raises(KeyboardInterrupt), claimed_folder(old, ["model.json"], replace=True):
        (old / "half").touch()
        raise KeyboardInterrupt
    aside = old.with_name(".out.replaced")
    assert [p.name for p in old.iterdir()] == ["half"] and [p.name for p in aside.iterdir()] == ["model.json"]
    with pytest.raises(InputError, match=f"was interrupted, {aside}"), claimed_folder(old, ["half"], replace=True):
        pytest.fail("let in")
    with claimed_folder(old, ["half"], append=True):
        (old / "half").unlink()
    assert (aside / "model.json").exists()


def test_a_folder_of_somebody_else_is_never_replaced(old: Path) -> None:
    (old / "model.json").rename(old / "thesis.doc")
    with pytest.raises(InputError, match="something else"), claimed_folder(old, ["model.json"], append=True):
        pytest.fail("let in")
    with pytest.raises(InputError, match="something else"), claimed_folder(old, ["model.json"], replace=True):
        pytest.fail("let in")
    assert (old / "thesis.doc").read_text() == "old"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="not a folder"), claimed_folder(tmp_path / "out", replace=True):
        pytest.fail("let in")
