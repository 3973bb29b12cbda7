"""Every shipped configuration is valid and begins with the command that uses it."""

import json
from pathlib import Path

import pytest

from glass_core.config import PROFILES, load_train_config
from glass_core.settings.document import read_document
from pipeline.config.cards import load_config
from pipeline.config.schema import SCHEMA_FILE, config_schema
from tests.shared_data import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_it_is_valid_and_says_how_it_is_used(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and "glassline " in first and path.name in first
    load_config(path)
    load_train_config(path)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_editors_find_its_schema_beside_it(path: Path) -> None:
    told = [line for line in path.read_text(encoding="utf-8").splitlines() if "yaml-language-server" in line]
    assert told == [f"# yaml-language-server: $schema={SCHEMA_FILE}"]


def test_the_schema_is_that_of_the_program() -> None:
    written = json.loads((ROOT / "configs" / SCHEMA_FILE).read_text(encoding="utf-8"))
    assert written == config_schema(), f"make it anew: glassline validate --schema > configs/{SCHEMA_FILE}"


def test_quick_is_the_profile_key_by_key() -> None:
    written = read_document(ROOT / "configs/quick.yaml").body["train"]
    assert written == {"profile": "quick", **PROFILES["quick"]}


def test_there_is_one_for_each_kind_of_line() -> None:
    assert {"area_scan.yaml", "four_line_scan.yaml", "replay.yaml", "gpu_server.yaml"} <= {p.name for p in CONFIGS}
    four = load_config(ROOT / "configs/four_line_scan.yaml")
    assert len(four.cameras) == 4 and all(camera.rows for camera in four.cameras)
    (area,) = load_config(ROOT / "configs/area_scan.yaml").cameras
    assert area.source == "basler" and area.rows is None
