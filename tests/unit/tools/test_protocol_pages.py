"""The pages of the protocols are those that the program makes, and their schemas describe what is sent."""

from __future__ import annotations

import json
import re

import pytest

from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.outputs import OUTPUTS
from tests.shared_data import ROOT
from tools.protocol_pages import FOLDER, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_it_is_current(name: str) -> None:
    assert (ROOT / FOLDER / name).read_text(encoding="utf-8") == PAGES[name], "run `python -m tools.protocol_pages`"


def test_no_page_is_left_over_and_links_lead_somewhere() -> None:
    assert {p.name for p in (ROOT / FOLDER).iterdir()} == set(PAGES)
    for name, text in PAGES.items():
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / FOLDER / link).exists(), f"{name}: {link}"


def test_every_kind_of_output_is_on_the_first_page() -> None:
    known = {"folder": "roll.md"}
    assert all(f"({known.get(kind, kind + '.md')})" in PAGES["README.md"] for kind in OUTPUTS)


def test_the_schema_has_every_field_that_is_sent() -> None:
    schema = json.loads(PAGES["topics.schema.json"])["$defs"]["Verdict"]["properties"]
    verdict = Verdict(number=0, generation=0, camera="a", boot_id="", seq=0, result=Result.PASS, t_mono_ns=0, t_utc_ns=0)
    assert set(json.loads(verdict.model_dump_json())) == set(schema)
