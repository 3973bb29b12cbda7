"""What the pages show is so: commands parse, settings are accepted, files are there, and what the program says it does say."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.line import LineConfig
from pipeline.messages.reasons import Reason
from tests.shared_data import ROOT
from tests.unit.test_cited_pages import ROOMS
from tools.cli import VERBS, Parser, parser

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = sorted((ROOT / "configs").glob("*.yaml"))
SPOKEN = ROOT / "docs/how-to/troubleshooting.md"
SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = re.compile(r"^(?:[A-Z_]+=\S+ |sudo -u \S+ )*(glassline|python -m tools\.\S+) ")
PLACEHOLDER = re.compile(r"[A-Z][A-Z_0-9]*$")


class Unparsed(Exception):
    """What the command line would have said."""


@cache
def command_line() -> argparse.ArgumentParser:
    """The real one, which raises where it would exit, and takes N for a number."""
    top = parser()
    for part in parts(top):
        for action in part._actions:
            if action.type in (int, float):
                action.type = number(action.type)
    return top


def parts(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """It and those of all its verbs and words."""
    yield top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parts(below)


def number(kind: Any) -> Any:
    return lambda word: 1 if PLACEHOLDER.match(word) else kind(word)


def options(verb: str) -> set[str]:
    """All that a verb has, also those of its words."""
    verbs = next(a for a in command_line()._actions if isinstance(a, argparse._SubParsersAction))
    return {option for part in parts(verbs.choices[verb]) for action in part._actions for option in action.option_strings}


def check(command: str, whole: bool) -> None:
    """Raises Unparsed; one that is not `whole` may leave out what is needed, as in a sentence."""
    words = shlex.split(RUN.sub(lambda found: f"{found[1]} ", command), comments=True)
    words = words[: next((i for i, word in enumerate(words) if word in ("|", ">", "&&", "...")), len(words))]
    if words[0] == "python":
        return check_module(words[2], words[3:])
    if words[1:] == ["--version"]:
        return None
    if words[1] not in VERBS:
        raise Unparsed(f"no verb {words[1]}")
    if unknown := {w.split("=")[0] for w in words if w.startswith("--")} - options(words[1]):
        raise Unparsed(f"no option {unknown}")
    try:
        command_line().parse_args(words[1:])
    except Unparsed as error:
        if whole or not re.search("are required|expected .* argument", str(error)):
            raise
    return None


def check_module(name: str, words: list[str]) -> None:
    """A program of the tree: it is there, and its source, or that of `--out`, names each option."""
    if not importlib.util.find_spec(name):
        raise Unparsed(f"no module {name}")
    place = ROOT / name.replace(".", "/")
    sources = [*place.glob("*.py"), place.with_suffix(".py"), ROOT / "tools/verbs/out.py"]
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources if source.exists())
    if unknown := [word for word in words if word.startswith("--") and f'"{word}"' not in text]:
        raise Unparsed(f"no option {unknown}")


def shown(path: Path) -> Iterator[str]:
    """Lines of blocks, and of a settings file's comments."""
    text = path.read_text(encoding="utf-8")
    lines = re.findall(r"^(?: {4}|# ?)(\S.*)$", text, re.MULTILINE)
    lines += [line for _, block in FENCE.findall(text) for line in block.splitlines()]
    return filter(RUN.match, lines)


def spans(path: Path) -> list[str]:
    """What stands in a sentence between backticks."""
    found = SPAN.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    return [" ".join(span.replace("\\|", "|").split()) for span in found]


@pytest.fixture(autouse=True)
def raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(self: Parser, message: str) -> None:
        raise Unparsed(message)

    monkeypatch.setattr(Parser, "error", say)


def wrong(path: Path) -> Iterator[str]:
    commands = [(line, True) for line in shown(path)]
    commands += [(span, False) for span in spans(path) if RUN.match(span)]
    for command, whole in commands:
        try:
            check(command, whole)
        except (Unparsed, ValueError, IndexError) as error:
            yield f"{command}: {error}"


@pytest.mark.parametrize("path", [*PAGES, *SETTINGS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_shown_parses(path: Path) -> None:
    assert not list(wrong(path))


def test_commands_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "    glassline train DATA --out RUN   # a comment\n    A=b glassline bench --batch N\n"
        "\nSay `glassline outputs\nreset`.\n"
        "\n    glassline train DATA\n    glassline train DATA --out RUN --outt X\n"
        "\n`glassline weave`, `glassline run --observed`\n"
        "\n    python -m tools.studies.joining demo --camerass 2\n```\nglassline tell C event SEEM\n```\n"
    )
    assert len(list(shown(page))) == 6
    assert [said.split(":")[0] for said in wrong(page)] == [
        "glassline train DATA", "glassline train DATA --out RUN --outt X",
        "python -m tools.studies.joining demo --camerass 2", "glassline tell C event SEEM", "glassline weave",
        "glassline run --observed",
    ]  # fmt: skip


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(path: Path) -> None:
    named = [span for span in spans(path) if re.match(rf"(?:{'|'.join(ROOMS)}|docs)/[\w./-]+$", span)]
    assert not [name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_target_of_make_that_is_named_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:`|^ {4})make ([a-z]+)\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets


PICTURE = re.compile(r"!\[[^\]]{20,}\]\(([^)\s]+)\)")
MAX_PICTURE_BYTES = 150_000


def test_every_picture_is_there_and_small_and_made_by_the_program_that_makes_them() -> None:
    shown = {(path.parent / found).resolve() for path in PAGES for found in PICTURE.findall(path.read_text(encoding="utf-8"))}
    assert shown == set((ROOT / "docs/pictures").iterdir())
    assert all(0 < path.stat().st_size < MAX_PICTURE_BYTES for path in shown)
    program = (ROOT / "tests/browser/pictures.py").read_text(encoding="utf-8")
    of_dashboard = "`python -m tests.line.dashboard docs/pictures/dashboard.png`"
    assert of_dashboard in (ROOT / "tests/line/dashboard.py").read_text(encoding="utf-8")
    assert {path.name for path in shown} == {*re.findall(r'"([\w-]+\.png)"', program), "dashboard.png"}


def test_every_picture_says_in_words_what_it_shows() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PAGES]
    assert sum(text.count("![") for text in texts) == sum(len(PICTURE.findall(text)) for text in texts) > 0


def lines_of_settings() -> Iterator[Any]:
    """Whole lines that pages show in YAML."""
    for path in PAGES:
        for language, block in FENCE.findall(path.read_text(encoding="utf-8")):
            if language == "yaml" and block.startswith("line:"):
                yield pytest.param(yaml.safe_load(block), id=path.name)


@pytest.mark.parametrize("settings", [*lines_of_settings()])
def test_a_line_that_is_shown_is_accepted(settings: dict[str, Any]) -> None:
    assert LineConfig.model_validate(settings).cameras


SECTIONS = ("styles", "line", "actions", "outputs", "inputs", "ledger", "worker", "grading", "motion")


def sections(path: Path) -> Iterator[tuple[str, Any]]:
    """Settings in indented blocks, each a section or a key of the line."""
    for block in re.findall(r"(?:^ {4}.*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE):
        text = re.sub("^ {4}", "", block, flags=re.MULTILINE)
        if re.match(rf"(?:{'|'.join(SECTIONS)}):", text):
            for whole in re.split(r"^(?=motion:)", text, flags=re.MULTILINE):  # several, of which one is chosen
                yield from (yaml.safe_load(whole) or {}).items()


CAMERAS = [
    {"name": name, "source": "basler", "serial": name, "features": {"ExposureTime": 80.0}, "mm_per_px_y": 0.2}
    for name in ("left", "right")
]


def test_sections_that_are_shown_are_accepted() -> None:
    motion = {"source": "simulated", "speed_mm_s": 1}
    found = [section for path in PAGES for section in sections(path)]
    assert {key for key, _ in found} >= set(SECTIONS)
    for key, body in found:
        LineConfig.model_validate({"cameras": CAMERAS, "motion": motion} | {key: body})


@cache
def said() -> list[str]:
    """All that the program may say, each text with … for what is filled in."""
    texts = []
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py") if room not in ("tests", "configs") else ():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    texts.append("".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return texts


def is_said(words: str) -> bool:
    """Whether one text holds them, what is filled in apart."""
    pattern = re.compile(".*".join(re.escape(part) for part in words.split("…")), re.DOTALL)
    return any(map(pattern.search, said()))


def test_troubleshooting_has_the_texts_of_the_program() -> None:
    rows = re.findall(r"^\| (.*?) \|", SPOKEN.read_text(encoding="utf-8"), re.MULTILINE)
    texts = [text for row in rows for text in re.findall("`([^`]+)`", row)]
    assert len(texts) > 50
    assert not [text for text in texts if not is_said(text)]
    assert not is_said("no text … of … the program")


def test_troubleshooting_has_every_reason_with_its_meaning_and_remedy() -> None:
    text = SPOKEN.read_text(encoding="utf-8")
    assert not [r for r in Reason if f"| {r} | {r.meaning} | {r.remedy} |" not in text]


def test_every_page_is_on_the_first_page() -> None:
    first = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    below = [p for folder in ("tutorial", "how-to", "explanation") for p in (ROOT / "docs" / folder).iterdir()]
    assert not [p for p in below if f"({p.relative_to(ROOT / 'docs')})" not in first and p.name != "__pycache__"]


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
