"""The import contracts bite: one forbidden import for each is planted in a copy, where no list of modules would expect it."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.shared_data import ROOT

pytestmark = pytest.mark.full

PACKAGES = ("pipeline", "glass_core", "calibration", "tools", "configs")
PLANTS = {
    "The rooms of the pipeline: what is below knows nothing of what is above": (
        "pipeline.messages.states",
        "pipeline.link.wire",
    ),
    "The packages: the command line over the line, over the cards, over the model": (
        "glass_core.paper.official",
        "calibration.good",
    ),
    "The rooms of glass_core: what is below knows nothing of what is above": (
        "glass_core.files.sealed",
        "glass_core.training.gas",
    ),
    "The line uses the model's engines, pictures and files, not how it was trained": (
        "pipeline.grabber.lamp",
        "glass_core.training",
    ),
    "torch lives in glass_core": ("calibration.limits", "torch"),
    "zmq lives in link": ("pipeline.cloth.coverage", "zmq"),
    "msgpack lives in link": ("pipeline.ledger.crops", "msgpack"),
    "pypylon lives in cameras.basler": ("pipeline.cameras.replay", "pypylon"),
    "PyAV lives in cameras.decoding and cameras.encoding": ("pipeline.cameras.replay", "av"),
    "simplejpeg lives in pictures.reading": ("glass_core.pictures.headers", "simplejpeg"),
    "The web framework lives in four modules of dashboard": ("pipeline.dashboard.acts", "fastapi"),
    "sqlite3 lives in ledger": ("pipeline.cloth.coverage", "sqlite3"),
    "pymodbus is the other side of a wire, in studies and tests alone": ("pipeline.devices.modbus", "pymodbus"),
    "paho lives in outputs.mqtt": ("pipeline.outputs.backlog", "paho"),
    "prometheus-client lives in metrics.figures": ("pipeline.metrics.door", "prometheus_client"),
    "mcap lives in recording": ("pipeline.cameras.replay", "mcap"),
    "asyncua lives in outputs.vision_server": ("pipeline.outputs.vision_model", "asyncua"),
    "DuckDB lives in report.mill.figures": ("pipeline.report.mill.rows", "duckdb"),
    "No shared memory and no pickle anywhere": ("tools.cli", "pickle"),
    "No threads in the line": ("pipeline.decision.tally", "threading"),
}


with (ROOT / "pyproject.toml").open("rb") as file:
    CONTRACTS = [contract["name"] for contract in tomllib.load(file)["tool"]["importlinter"]["contracts"]]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages and their contracts, without anything that was built."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.yaml", "*.st"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> tuple[int, str]:
    """Exit status and report of the contracts, as `make check` runs them."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    words = [sys.executable, "-c", code, "--no-cache"]
    done = subprocess.run(words, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def test_the_copy_itself_keeps_every_contract(copy: Path) -> None:
    status, report = lint(copy)
    assert status == 0 and f"{len(CONTRACTS)} kept, 0 broken" in report


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_contract_breaks_where_its_import_is_planted(name: str, copy: Path) -> None:
    module, forbidden = PLANTS[name]  # a contract without a plant is not known to bite
    with copy.joinpath(*module.split(".")).with_suffix(".py").open("a") as file:
        file.write(f"\nimport {forbidden}\n")
    status, report = lint(copy)
    assert status == 1 and f"{name} BROKEN" in report and "1 broken" in report
    assert f"{module} -> {forbidden}" in report


def test_a_new_room_must_say_where_it_stands(copy: Path) -> None:
    (copy / "pipeline" / "attic").mkdir()
    (copy / "pipeline" / "attic" / "__init__.py").touch()
    status, report = lint(copy)
    assert status == 1 and "attic" in report
