"""The pages of protocols and reference are those that the program makes, and their schemas describe what is sent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.outputs import OUTPUTS
from tests.shared_data import ROOT
from tools import reference_pages
from tools.protocol_pages import FOLDER, HEAD, pages

PAGES = pages()
MADE = {FOLDER: PAGES, reference_pages.FOLDER: reference_pages.pages(HEAD)}


@pytest.mark.parametrize(("place", "name"), [(place, name) for place, made in MADE.items() for name in made])
def test_it_is_current(place: Path, name: str) -> None:
    assert (ROOT / place / name).read_text(encoding="utf-8") == MADE[place][name], "run `python -m tools.protocol_pages`"


@pytest.mark.parametrize("place", MADE)
def test_no_page_is_left_over_and_links_lead_somewhere(place: Path) -> None:
    assert {p.name for p in (ROOT / place).iterdir()} == set(MADE[place])
    for name, text in MADE[place].items():
        heads = {head.lower().replace(" ", "-") for head in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        for path, part in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text):
            assert (ROOT / place / path).exists() if path else part in heads, f"{name}: {path}#{part}"


def test_every_kind_of_output_is_on_the_first_page() -> None:
    known = {"folder": "roll.md"}
    assert all(f"({known.get(kind, kind + '.md')})" in PAGES["README.md"] for kind in OUTPUTS)


def test_the_schema_has_every_field_that_is_sent() -> None:
    schema = json.loads(PAGES["topics.schema.json"])["$defs"]["Verdict"]["properties"]
    verdict = Verdict(number=0, generation=0, camera="a", boot_id="", seq=0, result=Result.PASS, t_mono_ns=0, t_utc_ns=0)
    assert set(json.loads(verdict.model_dump_json())) == set(schema)
