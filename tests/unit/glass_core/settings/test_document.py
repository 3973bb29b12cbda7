"""The one reader of YAML: what is read as what, and the one line for what no two people read alike."""

import resource
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_core.errors import InputError
from glass_core.settings.document import Document, read_document

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
NUMBER = ": write a finite decimal number, or put text in quotes"
LONG = "it is a number of more than 64 bits: put it in quotes if it is text"
TAG = ", take it out, put text in quotes"
STRANGE = st.text("ab: -[]{}&*!?|>'\"#%@,\n\t\\01._eE<~=", max_size=40)


def read(folder: Path, content: str | bytes) -> Document:
    path = folder / "line.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_document(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("0x1f", 31), ("80.5", 80.5), (".5", 0.5), ("1e-4", 1e-4), ("1e3", 1000.0), ("+2", 2),
        ("yes", True), ("Off", False), ("true", True), ("~", None), ("", None), ("null", None),
        ("twill", "twill"), ("'12'", "12"), ('"no"', "no"), ("0815-0000", "0815-0000"), ("127.0.0.1:9100", "127.0.0.1:9100"),
        ("ipc://auto", "ipc://auto"), ("=", "="), ("[1, a]", [1, "a"]), ("{a: {b: 1}}", {"a": {"b": 1}}), ("|\n  12\n", "12\n"),
    ],
)  # fmt: skip
def test_what_is_read_as_what(tmp_path: Path, text: str, value: object) -> None:
    read_value = read(tmp_path, f"x: {text}").body["x"]
    assert (read_value, type(read_value)) == (value, type(value))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: 1\nb: 2\na: 3", "duplicate key a, {path}:1 and line 3, keep one of the two"),
        ("a:\n- {b: 1}\n- c: 1\n  'c': 2", "duplicate key a[1].c, {path}:3 and line 4, keep one of the two"),
        ("a:\n\tb: 1", "not YAML (a tab in the indentation), {path}:2, use spaces"),
        ("x: 1\ny: [1:30]", "bad value 1:30 for y[0], {path}:2, it reads as 90{number}"),
        ("x: 1:30.5", "bad value 1:30.5 for x, {path}:1, it reads as 90.5{number}"),
        ("x: .nan", "bad value .nan for x, {path}:1, it reads as nan{number}"),
        ("x: -.Inf", "bad value -.Inf for x, {path}:1, it reads as -inf{number}"),
        ("x: 1e999", "bad value 1e999 for x, {path}:1, it reads as inf{number}"),
        ("x: 010", "bad value 010 for x, {path}:1, it reads as 8{number}"),
        ("x: 1_000", "bad value 1_000 for x, {path}:1, it reads as 1000{number}"),
        ("x: 2026-11-30", "bad value 2026-11-30 for x, {path}:1, it reads as a date: put it in quotes"),
        ("x: 9223372036854775808", "bad value 9223372036854775808 for x, {path}:1, {long}"),
        ("s:\n  no: {}", "bad key no under s, {path}:2, it reads as false: put it in quotes"),
        ("1: 2", "bad key 1, {path}:1, it reads as 1: put it in quotes"),
        ("007: 2", "bad key 007, {path}:1, it reads as 7{number}"),
        ("? [a]\n: 1", "a key that is no text, {path}:1, write a word before the colon"),
        ("a: 1\n---\nb: 2", "a second document, {path}:2, keep one in a file"),
        ("a: !mine 1", "not YAML (no tag is known, got !mine), {path}:1{tag}"),
        ("!!str a: 1", "not YAML (no tag is known, got !!str), {path}:1{tag}"),
        ("a: !!python/name:os.getcwd", "not YAML (no tag is known, got !!python/name:os.getcwd), {path}:1{tag}"),
        ("a: &a [*a]", "alias *a for nothing before it, {path}:1, write &a there"),
        (BOMB, "over 20000 values, with what aliases repeat, {path}:5, no configuration needs so many"),
        ("x: " + "[" * 50_000, "over 32 levels deep, {path}:1, no setting lies so deep"),
        ("<<: 3", "a merge key << without a mapping, {path}:1, give it the alias of one"),
        ("- 1", "no mapping at top level, {path}:1, begin with train: or line:"),
        ("a: 1\nb: \x07", "not YAML (a control character), {path}:2, take it out"),
        ('a: "\\0"', "a character that is none in a, {path}:1, write plain text"),
        ('a: "\\ud800"', "a character that is none in a, {path}:1, write plain text"),
        ("a: 1\n b: 2", "not YAML (mapping values are not allowed here), {path}:2, mend the syntax"),
        ("a: 1".encode("utf-16"), "not YAML (not UTF-8), {path}:1, save it as UTF-8"),
        ("a: 1\nb: ü".encode("latin-1"), "not YAML (not UTF-8), {path}:2, save it as UTF-8"),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_what_is_refused_is_told_on_one_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(caught.value) == said.format(path=tmp_path / "line.yaml", number=NUMBER, long=LONG, tag=TAG)


def test_a_byte_order_mark_and_an_empty_file_are_no_mistakes(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffa: 1").body == {"a": 1}
    assert read(tmp_path, "").body == read(tmp_path, "# nothing yet\n").body == {}


def test_aliases_and_merge_keys_are_followed(tmp_path: Path) -> None:
    text = "a: &a {rows: 8, rate: 2}\nb: &b {rate: 3, loop: on}\nc: {<<: [*a, *b], rows: 9}\nd: *a"
    body = read(tmp_path, text).body
    assert body["c"] == {"rows": 9, "rate": 2, "loop": True}
    assert body["d"] == body["a"] == {"rows": 8, "rate": 2}


def test_lines_and_words_are_those_of_the_file(tmp_path: Path) -> None:
    document = read(tmp_path, "# a line\na:\n  - b: 1\n  - c:\n\n      off\n")
    path = tmp_path / "line.yaml"
    assert document.where(("a", 1, "c")) == f"{path}:4"
    assert document.where(("a", 0, "b", "nothing", 3)) == f"{path}:3"
    assert document.where(()) == str(path)
    assert document.texts == {("a", 0, "b"): "1", ("a", 1, "c"): "off"}


def test_a_bomb_of_aliases_costs_no_memory_and_no_time(tmp_path: Path) -> None:
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(InputError, match="over 20000 values"):
        read(tmp_path, BOMB)
    assert time.process_time() - started < 0.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10 << 10  # KiB


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.text(max_size=40), st.text("ab: -[]{}&*!?|>'\"#%@,\n\t\\01._eE<~=", max_size=40)).map(str.encode)
    | st.binary(max_size=30)
)
def test_no_bytes_give_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    try:
        document = read(tmp_path_factory.getbasetemp(), content)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(document.body, dict)
