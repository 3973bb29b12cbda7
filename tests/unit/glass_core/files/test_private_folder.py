"""A folder for one user alone is refused where anybody else may do anything with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glass_core.errors import InputError
from glass_core.files.private_folder import make_private


def test_a_new_folder_is_its_owners_alone_and_is_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        make_private(tmp_path / "a" / "b", "socket folder", "go elsewhere")
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o740, 0o720, 0o710, 0o704, 0o702, 0o701])
def test_one_bit_for_the_group_or_for_others_is_enough_to_refuse_it(tmp_path: Path, mode: int) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    with pytest.raises(InputError, match="socket folder is open to others"):
        make_private(tmp_path / "open", "socket folder", "go elsewhere")
    assert (tmp_path / "open").stat().st_mode & 0o777 == mode


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    owner = os.getuid()
    monkeypatch.setattr("os.getuid", lambda: owner + 1)
    with pytest.raises(InputError, match="open to others"):
        make_private(tmp_path / "theirs", "socket folder", "go elsewhere")
