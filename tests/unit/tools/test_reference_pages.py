"""Nothing that a reader needs is left out of the pages of the reference."""

from __future__ import annotations

import re

import pytest

from pipeline.link.wire import TYPES
from tools.cli import VERBS
from tools.protocol_pages import HEAD
from tools.reference_pages import PUBLISHED, pages

PAGES = pages(HEAD)


def rows(name: str, head: str) -> dict[str, list[str]]:
    """Of one section, the cells behind each key."""
    section = re.search(rf"^## {head}\n(.*?)(?=^#|\Z)", PAGES[name], re.MULTILINE | re.DOTALL)
    assert section, head
    lines = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in section[1].splitlines() if line.startswith("| `")]
    return {key.strip("`"): rest for key, *rest in lines}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_every_key_of_a_published_kind_has_its_meaning(kind: str) -> None:
    said = rows("messages.md", kind)
    assert set(said) == set(TYPES[kind].model_fields)
    assert not [key for key, cells in said.items() if len(cells) < 4 or not cells[3]]


def test_a_key_that_is_always_sent_is_told_from_one_that_is_left_out() -> None:
    said = rows("messages.md", "Action")
    assert (said["event"][1], said["camera"][1], said["target_mm"][1:3]) == ("always sent", '`""`', ["`null`", "mm"])
    assert rows("configuration.md", "LineSection")["roll_length_m"][:3] == ["number, ≥ 0.01, ≤ 1e+06", "`20000.0`", "m"]
    assert rows("configuration.md", "BaslerConfig")["mm_per_px_x"][2] == "mm/px"


def test_every_verb_has_its_section() -> None:
    assert set(re.findall(r"^## (.+)$", PAGES["verbs.md"], re.MULTILINE)) == set(VERBS)
