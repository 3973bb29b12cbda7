"""Settings that cannot be used: every verb that reads them says so on one line, exits 2 and writes nothing."""

from pathlib import Path

import pytest

from tools import cli

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("line:\n\tname: loom", "a tab in the indentation), bad.yaml:2, use spaces"),
        ("line: {name: a}\nline: {name: b}", "duplicate key line, bad.yaml:1 and line 2"),
        (BOMB, "over 20000 values"),
        ("line: {name: loom}".encode("utf-16"), "not UTF-8"),
        ("train: {epoch: 3}", "unknown key train.epoch, bad.yaml:1, did you mean epochs"),
        ("lines: {name: loom}", "unknown key lines, bad.yaml:1, did you mean line"),
        ("line: {name: loom}\ntrain: {lr: .nan}", "bad value .nan for train.lr, bad.yaml:2"),
    ],
    ids=["tab", "duplicate", "bomb", "utf-16", "train", "section", "nan"],
)
@pytest.mark.parametrize(
    "words",
    [
        ["run", "bad.yaml"],
        ["record", "bad.yaml", "--out", "made"],
        ["replay", "pictures", "--model", "model", "--config", "bad.yaml", "--out", "made"],
        ["train", "pictures", "--config", "bad.yaml", "--out", "made"],
    ],
    ids=lambda words: words[0],
)
def test_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], content: str | bytes, said: str,
) -> None:  # fmt: skip
    refused(tmp_path, monkeypatch, capsys, words, content, said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("outputs: [{kind: pigeon}]", "bad value 'pigeon' for outputs[0].kind, bad.yaml:1, give one of "),
        ("decision: {budget_ms: 1:30}", "bad value 1:30 for decision.budget_ms, bad.yaml:1, it reads as 90"),
    ],
    ids=["kind", "base 60"],
)
def test_nothing_is_written_for_a_line_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    refused(tmp_path, monkeypatch, capsys, ["run", "bad.yaml"], content, said)


def refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], content: str | bytes, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    (folder / "pictures").mkdir()
    (folder / "bad.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(folder.rglob("*"))
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("glassline: ") and said in err and err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before
