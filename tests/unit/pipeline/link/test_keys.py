"""Keys are made whole and private, read strictly, and are what ZeroMQ's own tools read and write."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq.auth import create_certificates, load_certificate
from zmq.utils import z85

from glass_core.errors import InputError
from pipeline.link.keys import make_keys, read_keys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two clients; the umask of a careless user must not open it."""
    before = os.umask(0)
    try:
        make_keys(tmp_path / "keys", ["plc", "office"])
    finally:
        os.umask(before)
    return tmp_path / "keys"


def test_what_is_made_is_private_and_reads_back(folder: Path) -> None:
    names = ["office.key", "office.key_secret", "plc.key", "plc.key_secret", "server.key", "server.key_secret"]
    assert sorted(p.name for p in folder.iterdir()) == names
    assert folder.stat().st_mode & 0o777 == 0o700 and {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}
    keys = read_keys(folder)
    assert zmq.curve_public(z85.encode(keys.secret)) == z85.encode(keys.public)
    ours = {load_certificate(folder / f"{name}.key")[0] for name in ("plc", "office")}
    assert keys.clients == {z85.decode(key) for key in ours} and len(ours) == 2
    public, secret = load_certificate(folder / "plc.key_secret")
    assert secret is not None and zmq.curve_public(secret) == public == load_certificate(folder / "plc.key")[0]
    assert load_certificate(folder / "plc.key")[1] is None


def test_a_certificate_of_another_tool_is_read(folder: Path, tmp_path: Path) -> None:
    public, _ = create_certificates(tmp_path, "hmi")
    Path(public).rename(folder / "hmi.key")
    with pytest.raises(InputError, match="open to others"):
        read_keys(folder)
    (folder / "hmi.key").chmod(0o600)
    assert z85.decode(load_certificate(folder / "hmi.key")[0]) in read_keys(folder).clients


def test_a_later_client_joins_and_the_rest_stays(folder: Path) -> None:
    before = read_keys(folder)
    assert [p.name for p in make_keys(folder, ["late", "late"])] == ["late.key", "late.key_secret"]
    after = read_keys(folder)
    assert (after.public, after.secret) == (before.public, before.secret) and after.clients > before.clients
    (folder / "plc.key").unlink()
    assert len(read_keys(folder).clients) == 2


@pytest.mark.parametrize(
    "names", [["late", "plc"], ["late", "server"], ["late", "../x"], ["late", "/x"], ["late", "a\0b"], ["late", ""]]
)
def test_nothing_is_overwritten_and_a_refusal_leaves_nothing(folder: Path, names: list[str]) -> None:
    before = {p: p.read_bytes() for p in folder.parent.rglob("*") if p.is_file()}
    with pytest.raises(InputError) as caught:
        make_keys(folder, names)
    assert "\n" not in str(caught.value)
    assert {p: p.read_bytes() for p in folder.parent.rglob("*") if p.is_file()} == before


def test_a_link_is_neither_followed_nor_filled(folder: Path, tmp_path: Path) -> None:
    (folder / "late.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"already there.*late\.key"):
        make_keys(folder, ["late"])
    assert not (tmp_path / "elsewhere").exists() and not (folder / "late.key_secret").exists()
    with pytest.raises(InputError, match="not a file of its own"):
        read_keys(folder)
    (tmp_path / "other").symlink_to(folder)
    with pytest.raises(InputError, match="not a folder of its own"):
        read_keys(tmp_path / "other")


def test_a_disk_that_is_full_leaves_no_file_of_the_call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(folder.iterdir())
    real = os.fdopen

    def full(handle: int, mode: str) -> object:
        file = real(handle, mode)
        return Full(file) if len(list(folder.iterdir())) > len(before) + 1 else file

    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __enter__(self) -> Any:
            self._file.write = self.write
            return self

        def __exit__(self, *failure: object) -> None:
            self._file.close()

        def write(self, text: str) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(InputError, match=r"not writable .No space left"):
        make_keys(folder, ["late"])
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", ["server.key", "server.key_secret"])
def test_half_a_pair_of_the_line_is_not_made_anew(folder: Path, name: str) -> None:
    (folder / name).unlink()
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match=rf"^{name} is lost, .*restore it, or make all keys in another folder"):
        make_keys(folder, ["late"])
    assert sorted(folder.iterdir()) == before


def test_a_clients_key_that_cannot_be_read_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def refuse(self: Path, *asked: Any, **how: Any) -> Any:
        if self.name == "plc.key":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
        return real(self, *asked, **how)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"keys not readable .Input/output error., .*plc\.key"):
        read_keys(folder)


def spoil(folder: Path, kind: str) -> None:
    """Break a good folder in one way."""
    match kind:
        case "open folder":
            folder.chmod(0o750)
        case "open secret":
            (folder / "server.key_secret").chmod(0o640)
        case "no secret":
            (folder / "server.key_secret").unlink()
        case "no clients":
            (folder / "plc.key").unlink()
            (folder / "office.key").unlink()
        case "another's secret":
            (folder / "server.key_secret").write_bytes((folder / "plc.key_secret").read_bytes())
        case "empty client":
            (folder / "plc.key").write_text("")
        case "over 32 bits":
            (folder / "plc.key").write_text(f'public-key = "{"#" * 40}"\n')
        case "not Z85":
            (folder / "plc.key").write_text(f'public-key = "{"~" * 40}"\n')
        case "commented":
            (folder / "plc.key").write_text("# " + (folder / "plc.key").read_text().replace("\n", " "))
        case "a pipe":
            (folder / "plc.key").unlink()
            os.mkfifo(folder / "plc.key", 0o600)
        case "gone":
            folder.rename(folder.with_name("gone"))


KINDS = (
    "open folder", "open secret", "no secret", "no clients", "another's secret", "empty client", "over 32 bits", "not Z85",
    "commented", "a pipe", "gone",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_not_right_is_refused_on_one_line(folder: Path, kind: str) -> None:
    spoil(folder, kind)
    with pytest.raises(InputError) as caught:
        read_keys(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
