"""Users of the page: a token that only its holder has, and a file for the line's own user alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.dashboard.users import make_user, read_users


def test_the_file_has_no_token_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "users.json"
    ada, bob = make_user(path, "Ada", "operator"), make_user(path, "Bob", "engineer")
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o077 == 0
    assert ada not in path.read_text() and bob not in path.read_text() and ada != bob
    users = read_users(path)
    found = users.by_token(ada)
    assert found is not None and (found.name, found.role) == ("Ada", "operator")
    assert users.by_token("") is None and users.by_token(found.token_sha256) is None


def test_a_second_token_of_a_name_takes_the_place_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    old, new = make_user(path, "Ada", "operator"), make_user(path, "Ada", "engineer")
    users = read_users(path)
    assert users.by_token(old) is None and len(users.users) == 1 and users.users[0].role == "engineer"
    assert users.by_token(new) is not None


@pytest.mark.parametrize(("name", "role"), [("", "operator"), ("../x", "operator"), ("<b>", "operator"), ("Ada", "boss")])
def test_no_bad_name_or_role_gets_in(tmp_path: Path, name: str, role: str) -> None:
    with pytest.raises(InputError, match="no such user"):
        make_user(tmp_path / "users.json", name, role)
    assert not (tmp_path / "users.json").exists()


def test_no_file_is_nobody_and_a_bad_one_is_said(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    assert read_users(path).users == ()
    make_user(path, "Ada", "operator")
    path.chmod(0o640)
    with pytest.raises(InputError, match="open to others"):
        read_users(path)
    path.chmod(0o600)
    for text in ("", "{}x", json.dumps({"schema": 2, "users": []}), json.dumps({"schema": 1, "users": [{"name": "Ada"}]})):
        path.write_text(text)
        with pytest.raises(InputError, match="not readable"):
            read_users(path)
    path.unlink()
    (tmp_path / "real.json").write_text('{"schema": 1, "users": []}')
    path.symlink_to(tmp_path / "real.json")
    with pytest.raises(InputError, match="open to others"):
        read_users(path)
