"""Every page of docs/ that the code or another page cites is there, and so is the heading that is cited."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.shared_data import ROOT

CITED = re.compile(r"\b(docs/[\w./-]+\.md)(?:#([\w-]+))?")
LINKED = re.compile(r"\]\((?!https?:)([\w./-]*?)(?:#([\w-]+))?\)")
ROOMS = ("glass_core", "calibration", "pipeline", "tools", "tests", "configs")


@cache
def anchors(page: Path) -> set[str]:
    """Of its headings, as a Markdown renderer makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def is_there(page: Path, heading: str) -> bool:
    if not page.exists():
        return False
    return not heading or heading in anchors(page)


@pytest.mark.parametrize("room", ROOMS)
def test_what_code_cites_is_there(room: str) -> None:
    files = [path for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".yaml")]
    cited = [(path, *found) for path in files for found in CITED.findall(path.read_text(encoding="utf-8"))]
    assert not [f"{path}: {page}#{heading}" for path, page, heading in cited if not is_there(ROOT / page, heading)]


def test_what_pages_link_to_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(page, *found) for page in pages for found in LINKED.findall(page.read_text(encoding="utf-8"))]
    assert len(links) > len(pages)
    wrong = [
        f"{page}: {to}#{heading}" for page, to, heading in links if not is_there(page.parent / to if to else page, heading)
    ]
    assert not wrong


def test_a_heading_that_is_not_there_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One page\n\n## The `x`, and y\n")
    assert is_there(tmp_path / "a.md", "the-x-and-y")
    assert not is_there(tmp_path / "a.md", "the-x")
    assert not is_there(tmp_path / "b.md", "")
