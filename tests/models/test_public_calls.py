"""The calls that a notebook makes: the examples in their docstrings, and a script of a page, on a little generated cloth."""

from __future__ import annotations

import doctest
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

import calibration
import glass_core
import pipeline
from pipeline.cameras.picture import write_png
from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import WeaveConfig
from pipeline.config.line import LineConfig
from pipeline.messages.actions import Action
from pipeline.messages.commands import Acknowledge
from pipeline.messages.frames import Frame
from pipeline.messages.message import Message
from pipeline.messages.states import State
from pipeline.recording.writing import McapWriter
from pipeline.supervision.machine.examination import CHECKS
from tests.line_stand_in import stand_in
from tests.modbus_server import ModbusServer
from tests.shared_data import ROOT

CLOTH = WeaveConfig(name="c", source="weave", width_px=120, frame_rows=80, seed=3)
CALLS: list[Callable[..., object]] = [  # each needs what those before it have left
    glass_core.train, glass_core.evaluate, glass_core.load, glass_core.draw_map, calibration.calibrate_threshold,
    glass_core.compile_bundle, calibration.compile_bundle, glass_core.convert, calibration.make_flatfield,
    calibration.scale_from_board, calibration.scale_from_ruler, calibration.align, calibration.counts_per_mm,
    pipeline.replay, pipeline.read_roll, pipeline.identify, pipeline.run, pipeline.compare, pipeline.review, pipeline.record,
    pipeline.pulse_outputs, pipeline.acknowledge, pipeline.reset, pipeline.look_through, pipeline.examine,
    pipeline.survey_mill, pipeline.export_video, pipeline.validate,
]  # fmt: skip


def weave(path: Path, number: int, defective: bool = False) -> Path:
    """One picture of the cloth, with a white hole where it is defective."""
    pixels = render(CLOTH, number * CLOTH.frame_rows, CLOTH.frame_rows).copy()
    if defective:
        pixels[30:50, 50:70] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, pixels)
    return path


def keep(path: Path) -> None:
    """A recording of three pictures of one camera."""
    writer = McapWriter(path, "example", "", {"a": {}})
    for n in range(3):
        frame = Frame(
            camera="a",
            boot_id="b",
            seq=n,
            block_id=n,
            t_mono_ns=n * 40_000_000,
            t_utc_ns=0,
            shape=(80, 120),
            pixel_format="Mono8",
        )
        writer.write_frame(frame, render(CLOTH, n * 80, 80).tobytes(), 0, 0)
    writer.close()


def calibration_pictures() -> dict[str, np.ndarray]:
    """A lamp that fades to half at the left, a covered lens, a board of 8 x 6 squares, and cloth that two cameras see."""
    column = 10 + 180 * np.minimum(1, 0.5 + np.arange(120) / 120)
    squares = np.indices((6, 8)).sum(axis=0) % 2  # 6 mm are 30 px across and 20 px along
    board = np.pad(40 + 160 * np.kron(squares, np.ones((20, 30))), 40, constant_values=200)
    cloth = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 255, (100, 200)).astype(np.uint8), (0, 0), 1.5)
    return {
        "white.png": np.tile(column, (80, 1)), "dark.png": np.full((80, 120), 10), "board.png": cv2.blur(board, (2, 2)),
        "left.png": cloth[10:90, :150], "right.png": cloth[5:85, 90:],
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good cloth, one defective picture, and a test set."""
    folder = tmp_path_factory.mktemp("cloth")
    for number in range(12):
        weave(folder / f"good/{number:02d}.png", number)
    weave(folder / "picture.png", 20, defective=True)
    for name, seen in calibration_pictures().items():
        write_png(folder / name, np.ascontiguousarray(seen, np.uint8))
    for number in range(2):
        weave(folder / f"test_set/test/good/{number}.png", 30 + number)
        weave(folder / f"test_set/test/hole/{number}.png", 40 + number, defective=True)
    return folder


@pytest.fixture(scope="module")
def known(folder: Path) -> dict[str, object]:
    """The names that examples use without saying where they are from."""
    line = {
        "line": {"name": "example"}, "model": folder / "run", "ledger": {"path": folder / "line" / "ledger.sqlite"},
        "cameras": [{"name": "a", "source": "replay", "path": folder / "good"}], "decision": {"budget_ms": 60_000},
    }  # fmt: skip
    config = LineConfig.model_validate(line)
    written = {key: value for key, value in config.model_dump(mode="json").items() if key in line}
    (folder / "line.yaml").write_text(yaml.safe_dump(written))
    return {"folder": folder, "np": np, "config": config, "config_file": folder / "line.yaml"}


@pytest.fixture
def surroundings(call: Callable[..., object], known: dict[str, object], folder: Path) -> Iterator[dict[str, object]]:
    """What an example needs beside the folder: a reviewed run, a device that answers, or a line that runs."""
    if call is pipeline.review:
        (folder / "cloth").mkdir()
        shutil.copy(folder / "picture.png", folder / "cloth")
        pipeline.replay(folder / "cloth", folder / "run", folder / "found")
    if call is pipeline.export_video:
        keep(folder / "kept.mcap")
    if call is pipeline.pulse_outputs:
        plc = ModbusServer()
        plc.start()
        outputs = [{"kind": "publisher"}, {"kind": "modbus", "host": "127.0.0.1", "port": plc.port}]
        try:
            yield {**known, "config": LineConfig.model_validate({"line": {"name": "example"}, "outputs": outputs})}
        finally:
            plc.stop()
        return
    if call not in (pipeline.acknowledge, pipeline.reset):
        yield known
        return

    def after(message: Message) -> dict[str, Any]:
        return {"unacknowledged": ()} if isinstance(message, Acknowledge) else {"state": State.DEGRADED}

    stop = {"kind": "STOP", "cause": "DEFECT", "phase": "ACKNOWLEDGED"}
    told = [Action.model_validate(stop | dict.fromkeys(("number", "generation", "event", "t_mono_ns"), 0))]
    with stand_in("running", State.FAULT, after, lambda message: told, unacknowledged=("STOP",)):
        yield {**known, "running_line": LineConfig.model_validate({"line": {"name": "running"}})}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.__module__}.{call.__name__}")
def test_the_example_in_a_docstring_is_true(
    call: Callable[..., object], surroundings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(CHECKS, "pypylon")  # pylon's runtime does not bear torch beside it
    names = {name: getattr(package, name) for package in (pipeline, calibration, glass_core) for name in package.__all__}
    example = doctest.DocTestParser().get_doctest(
        call.__doc__ or "", {**names, **surroundings, call.__name__: call}, call.__name__, None, None
    )
    assert example.examples, "no example"
    said: list[str] = []
    doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("package", [glass_core, calibration, pipeline], ids=lambda package: package.__name__)
def test_every_exported_name_is_there_and_no_other(package: ModuleType) -> None:
    for name in package.__all__:
        assert callable(getattr(package, name))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.full
def test_the_script_of_the_page_trains_scores_and_draws(folder: Path) -> None:
    out = folder / "script"
    script, picture = ROOT / "docs/how-to/from_a_script.py", folder / "picture.png"
    words = [str(word) for word in (sys.executable, script, folder / "good", picture, out)]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("score ")
    drawn = cv2.imread(str(out / "map.png"))
    assert drawn.shape == cv2.imread(str(picture)).shape
    red = drawn[..., 2].astype(int) - drawn[..., 0]  # hot is red, cold is blue
    hole = np.zeros(red.shape, bool)
    hole[30:50, 50:70] = True
    assert red[hole].min() > 40 > red[~hole].mean(), "the defect is what stands out"
