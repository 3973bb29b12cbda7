"""A folder is there whole, or as far as work came, and never empty for nothing."""

from pathlib import Path

import pytest

from glass_core.errors import InputError
from glass_core.files.whole_folder import folder_for_work, whole_folder


def test_a_whole_folder_appears_at_the_end_and_not_after_an_error(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "bundle"
    with pytest.raises(RuntimeError), whole_folder(out) as part:
        (part / "engine").write_text("half")
        raise RuntimeError
    assert list(tmp_path.rglob("*")) == [out.parent]
    with whole_folder(out) as part:
        (part / "engine").write_text("whole")
        assert not out.exists()
    assert (out / "engine").read_text() == "whole" and list(out.parent.iterdir()) == [out]
    with pytest.raises(InputError, match="already there"), whole_folder(out):
        pass


@pytest.mark.parametrize("name", [".", "../here", "link"])
def test_the_working_folder_itself_and_a_link_to_an_empty_one_are_filled(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here.parent / "link").symlink_to(here)
    monkeypatch.chdir(tmp_path if name == "link" else here)
    with whole_folder(Path(name)) as part:
        (part / "engine").write_text("whole")
    assert (here / "engine").read_text() == "whole" and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("there", "written", "left"), [(False, False, False), (False, True, True), (True, False, True)])
def test_work_that_fails_leaves_what_it_has_written_and_what_was_there(
    there: bool, written: bool, left: bool, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    if there:
        out.mkdir()
    with pytest.raises(InputError), folder_for_work(out):
        if written:
            (out / "state").touch()
        raise InputError("no good pictures")
    assert out.exists() is left and (out / "state").exists() is written
