"""Every frame of a camera whose network loses packets has a verdict, and no frame that was not whole has a PASS."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.cameras.blocks import WRAP
from pipeline.cameras.protocol import CameraLost
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_verdicts
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.supervision.process import run_in_one_process
from tests.fakes import BrightnessEngine
from tests.gige.aravis import AravisCamera, camera_on_loopback, usable
from tests.nemesis.line import make_card

WIDTH, HEIGHT, RATE_HZ, BLOCKS = 256, 128, 40.0, 240
PACKETS_LOST_PER_THOUSAND = 5

pytestmark = pytest.mark.skipif(not usable(), reason="needs a real peer, Aravis' fake camera: .ci/peers installs it")


def line(folder: Path) -> LineConfig:
    make_card(folder / "model")
    camera = {"name": "a", "source": "basler", "serial": "1", "mm_per_px_x": 0.5, "mm_per_px_y": 0.5}
    body = {
        "line": {"name": "gige"},
        "model": folder / "model",
        "cameras": [camera],
        "ledger": {"path": folder / "ledger.sqlite"},
    }
    return LineConfig.model_validate(body)


def run(config: LineConfig, camera: AravisCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cameras.make_camera", lambda config: camera)
    monkeypatch.setattr("pipeline.supervision.loaded_models.load_engine", lambda *args, **kwargs: BrightnessEngine())
    run_in_one_process(config, observe=False, stop=lambda: False, heard=lambda n: None)


def test_a_frame_with_missing_packets_is_damaged_and_no_other_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera, config = AravisCamera(WIDTH, HEIGHT, RATE_HZ, BLOCKS), line(tmp_path)
    with camera_on_loopback(PACKETS_LOST_PER_THOUSAND):
        run(config, camera, monkeypatch)
    assert camera.damaged + camera.late > 0  # of 5,280 packets some 26 are lost
    assert min(camera.blocks) == 1 and max(camera.blocks) == WRAP  # its counter begins shortly before its wrap
    found = sorted((v for v in read_verdicts(config.ledger.path) if v.seq is not None), key=lambda v: v.seq or 0)
    assert [v.seq for v in found] == [(block - camera.blocks[0]) % WRAP for block in camera.blocks]
    damaged = [v for v in found if v.reason is Reason.DAMAGED]
    assert len(damaged) == camera.damaged and {v.detail for v in damaged} <= {"missing packets"}
    assert {v.result for v in damaged} <= {Result.NOT_INSPECTED}
    whole = [v for v in found if v not in damaged]
    assert all(v.result in (Result.PASS, Result.DEFECT) and v.score is not None for v in whole)
    never_came = sum((b - a) % WRAP - 1 for a, b in pairwise(camera.blocks))
    assert never_came >= camera.late and sum(v.lost for v in read_verdicts(config.ledger.path)) == never_came


def test_a_camera_that_is_switched_off_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = AravisCamera(WIDTH, HEIGHT, RATE_HZ, 10_000)
    with camera_on_loopback(0) as process:
        camera.open()
        shots = camera.shots()
        assert next(s for s in shots if s is not None).pixels is not None
        process.kill()
        began_s = time.monotonic()
        with pytest.raises(CameraLost):
            while time.monotonic() - began_s < 30:
                next(shots)
    camera.close()
