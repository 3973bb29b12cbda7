"""What each process of a line loads: a grabber needs no torch, an output no camera, and nobody another's libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from calibration import calibrate_threshold, compile_bundle
from calibration.false_alarms import Budget
from glass_core.network.checkpoint import load_model, save_model, tensors_of
from pipeline.config.line import LineConfig
from pipeline.config.worker import WorkerConfig
from pipeline.supervision.spec import Spec
from tests.line.conftest import good_frame, make_model
from tests.shared_data import ROOT

pytestmark = pytest.mark.full

HEAVY = {"torch", "openvino", "pypylon", "pymodbus", "sqlite3", "matplotlib", "paho", "asyncua", "prometheus_client"}
BUILD = """
import json, sys
from pathlib import Path
from pipeline.link.zmq_link import ZmqLink
from pipeline.supervision.builders import build
from pipeline.supervision.process import main  # what the process itself imports
from pipeline.supervision.spec import Spec
link = ZmqLink(Path(sys.argv[2]))
stage = build(Spec.model_validate_json(Path(sys.argv[1]).read_text()), link)
print(json.dumps([name for name in sys.argv[3:] if name in sys.modules]))
stage.close()
link.close()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a card; its engine is made when a worker starts."""
    return make_model(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, its OpenVINO engine built ahead."""
    folder = tmp_path_factory.mktemp("bundle")
    for number in range(30):
        cv2.imwrite(str(folder / f"{number}.png"), good_frame(number))
    glass, info = load_model(model)
    save_model(folder / "run", tensors_of(glass), info.model_copy(update={"config": None, "split_digest": None}))
    calibrate_threshold(folder / "run", folder, Budget(per_1000_frames=20))
    compile_bundle(folder / "run", folder / "bundle", "openvino", "fp32", folder)
    return folder / "bundle"


def loaded(role: str, name: str, config: LineConfig, folder: Path) -> set[str]:
    """Which heavy libraries a new process has when its stage is built."""
    (folder / "sockets").mkdir(mode=0o700)
    spec = Spec(role=role, name=name, generation=0, folder=folder / "sockets", config=config)
    path = folder / "spec.json"
    path.write_text(spec.model_dump_json())
    words = [sys.executable, "-c", BUILD, str(path), str(folder / "sockets"), *HEAVY]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYLON_CAMEMU": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def line(model: Path, folder: Path) -> LineConfig:
    """A line with one of everything."""
    seam = {"name": "seam", "address": 0, "says": "SEAM", "length_mm": 50}
    body = {
        "line": {"name": "loading"}, "model": model, "ledger": {"path": folder / "ledger.sqlite"},
        "cameras": [
            {"name": "woven", "source": "weave"},
            {"name": "emulated", "source": "basler", "serial": "0815-0000", "trigger": {"source": "Software"}},
        ],
        "motion": {"source": "simulated", "speed_mm_s": 10},
        "outputs": [
            {"kind": "publisher"}, {"kind": "modbus", "host": "localhost"}, {"kind": "mqtt", "host": "localhost"},
            {"kind": "opcua", "bind": "127.0.0.1:48497"}, {"kind": "folder", "path": folder / "mes"},
        ],
        "metrics": {"bind": "127.0.0.1:48498"},
        "inputs": [{"kind": "modbus", "host": "localhost", "contacts": [seam]}],
    }  # fmt: skip
    return LineConfig.model_validate(body)


@pytest.mark.parametrize(
    ("role", "name", "libraries"),
    [
        ("grabber", "woven", set()),
        ("grabber", "emulated", {"pypylon"}),
        ("motion", "motion", set()),
        ("decision", "decision", set()),
        ("recorder", "recorder", {"sqlite3"}),
        ("output", "plc", set()),
        ("output", "mqtt", {"paho"}),
        ("output", "opcua", {"asyncua"}),
        ("output", "mes", set()),
        ("rolls", "rolls", {"sqlite3"}),
        ("metrics", "metrics", {"prometheus_client"}),
        ("input", "contacts", set()),
    ],
)
def test_a_stage_loads_the_libraries_that_it_uses(
    role: str, name: str, libraries: set[str], model: Path, tmp_path: Path
) -> None:
    assert loaded(role, name, line(model, tmp_path), tmp_path) == libraries


def test_only_a_worker_whose_engine_is_torch_loads_torch(model: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    on_torch = line(model, tmp_path).model_copy(update={"worker": WorkerConfig(backend="torch")})
    assert loaded("worker", "worker", on_torch, tmp_path / "a") == {"torch"}
    assert loaded("worker", "worker", line(bundle, tmp_path), tmp_path / "b") == {"openvino"}
