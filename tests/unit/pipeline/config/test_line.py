"""Configuration: typed, unknown keys refused, the fault named with file, key and value."""

from pathlib import Path

import pytest
import yaml

from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig

HOUSE = """
line: {name: demo, inspection_ok: {tolerate_not_inspected_mm: 500}}
model: runs/f02
motion: {source: simulated, speed_mm_s: 500}
cameras:
  - {name: left, source: basler, serial: "0815-0000", pfs: left.pfs, features: {ExposureTime: 80.0}, rows: 256,
     overlap_rows: 32, mm_per_px_x: 0.2, mm_per_px_y: 0.2, x_offset_mm: 0, inspect_x_px: [430, 4096]}
  - {name: right, source: replay, path: footage/, rate: 20}
worker: {backend: auto, precision: auto, max_batch: 16, batch_wait_ms: 5}
decision: {budget_ms: 500, recording_floor: 0.5}
outputs: [{kind: publisher, bind: "ipc://auto"}]
ledger: {path: out/ledger.sqlite}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "line.yaml"
    path.write_text(text)
    return path


def test_a_whole_line_is_read_and_hashed(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, HOUSE))
    left = config.cameras[0]
    assert (left.source, left.rows, left.inspect_x_px) == ("basler", 256, (430, 4096))
    assert len(config.sha) == 64 and config.sha == LineConfig.model_validate(config.model_dump(mode="json")).sha
    other = load_config(write(tmp_path, HOUSE.replace("speed_mm_s: 500", "speed_mm_s: 501")))
    assert other.sha != config.sha


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lines": {}}, "unknown key lines, "),
        ({"worker": {"max_batch": 0}}, "bad value 0 for worker.max_batch, "),
        ({"worker": {"backend": "onnx"}}, "'torch'"),
        ({"decision": {"budget": 5}}, "unknown key decision.budget, "),
        ({"cameras": [{"name": "a", "source": "webcam"}]}, "'replay'"),
        ({"cameras": [{"name": "a b", "source": "replay", "path": "."}]}, "a b"),
        ({"cameras": [{"name": "a", "source": "replay", "path": "."}] * 2}, "names must differ"),
        ({"cameras": [{"name": "a", "source": "replay", "path": ".", "overlap_rows": 8}]}, "needs rows"),
        ({"cameras": [{"name": "a", "source": "replay", "path": ".", "rows": 8, "overlap_rows": 8}]}, "below rows"),
        ({"cameras": [{"name": "a", "source": "replay", "path": ".", "inspect_x_px": [9, 3]}]}, "inspect_x_px [9, 3]"),
        ({"outputs": [{"kind": "publisher", "bind": "tcp://0.0.0.0:5555"}]}, "glassline keys"),
        ({"outputs": [{"kind": "publisher", "bind": "tcp://127.0.0.1:5555"}]}, "glassline keys"),
        ({"outputs": [{"kind": "publisher", "bind": "tcp://127.0.0.1:0", "keys": "k"}]}, "tcp://ADDRESS:PORT"),
        ({"outputs": [{"kind": "publisher", "bind": "tcp://127.0.0.1:65536", "keys": "k"}]}, "65535"),
        ({"outputs": [{"kind": "publisher", "bind": "tcp://a:b:5555", "keys": "k"}]}, "tcp://ADDRESS:PORT"),
        ({"outputs": [{"kind": "publisher", "bind": "udp://127.0.0.1:5555", "keys": "k"}]}, "tcp://ADDRESS:PORT"),
        ({"outputs": [{"kind": "publisher", "bind": "ipc://@everybody"}]}, "ipc://PATH"),
        ({"outputs": [{"kind": "publisher", "bind": "ipc://*"}]}, "ipc://PATH"),
        ({"outputs": [{"kind": "publisher", "bind": "ipc://auto", "keys": "k"}]}, "keys are for tcp://"),
        ({"cameras": [{"name": "worker", "source": "replay", "path": "."}]}, "another process's name"),
        ({"cameras": [{"name": f"c{i}", "source": "replay", "path": "."} for i in range(17)]}, "at most 16"),
        ({"line": {"roll_id": "r" * 65}}, "at most 64"),
        ({"outputs": []}, "exactly one publisher"),
        ({"line": {"name": "../etc"}}, "../etc"),
    ],
)
def test_faults_are_named_on_one_line(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = write(tmp_path, yaml.safe_dump(change))
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert said in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "!!python/object/apply:os.system ['true']", "\x00"])
def test_what_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        load_config(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")
