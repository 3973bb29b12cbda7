"""An emulated camera in its grabber, over real sockets: its output follows what decision publishes."""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.cameras.basler import BaslerCamera
from pipeline.config.cameras import RejectLineConfig
from pipeline.config.line import LineConfig
from pipeline.grabber.stage import Grabber
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.actions import Reject
from pipeline.messages.line import Heartbeat
from pipeline.messages.states import Result, State
from pipeline.supervision.builders import build
from pipeline.supervision.spec import Spec
from tools.cli import main

os.environ.setdefault("PYLON_CAMEMU", "2")  # before pylon's factory exists


def test_it_is_on_while_decision_lives_and_off_for_a_reject_and_at_the_end(tmp_path: Path) -> None:
    wire = {"line": "Line3", "user_output": "UserOutput2", "pulse_ms": 300}
    camera = {"name": "c", "source": "basler", "serial": "0815-0001", "features": {"Width": 64, "Height": 32}, "stall_ms": 9000}
    config = LineConfig.model_validate({"line": {"name": "wire"}, "model": "run", "cameras": [{**camera, "reject_line": wire}]})
    link = ZmqLink(tmp_path)
    air = link.broadcast(config.publisher.bind)
    stage = build(Spec(role="grabber", name="c", generation=0, folder=tmp_path, config=config), link)
    assert isinstance(stage, Grabber)
    nodes: Any = stage._camera._camera.GetNodeMap()  # type: ignore[attr-defined]

    numbers = itertools.count()

    def until(on: bool, *also: Reject) -> None:
        end_s = time.monotonic() + 20
        while bool(nodes.GetNode("UserOutputValue").GetValue()) is not on:
            assert time.monotonic() < end_s
            now_ns = time.monotonic_ns()
            air.publish(Heartbeat(
                number=next(numbers), generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=now_ns
            ))  # fmt: skip
            for word in also:
                air.publish(word)
            stage.step(now_ns)

    assert not nodes.GetNode("UserOutputValue").GetValue()
    until(True)
    place = {"camera": "another", "cause": Result.DEFECT, "start_mm": 0.0, "end_mm": 1.0, "t_mono_ns": 0}
    until(False, Reject.model_validate({"number": 0, "generation": 0, "verdict": 0, **place}))
    until(True)
    switched: list[bool] = []
    real = stage._camera._set_output  # type: ignore[attr-defined]
    stage._camera._set_output = lambda *a: switched.append(a[1]) or real(*a)  # type: ignore[attr-defined]
    stage.close()
    link.close()
    assert switched == [False]


def test_it_is_tried_while_no_line_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    switched: list[tuple[str, bool]] = []
    real = BaslerCamera._set_output

    def seen(camera: BaslerCamera, wire: RejectLineConfig, on: bool) -> None:
        real(camera, wire, on)
        switched.append((wire.user_output, bool(camera._camera.GetNodeMap().GetNode("UserOutputValue").GetValue())))

    monkeypatch.setattr(BaslerCamera, "_set_output", seen)
    monkeypatch.setattr("pipeline.supervision.pulsing.PULSE_S", 0.01)
    wire = {"line": "Line3", "user_output": "UserOutput2"}
    cameras = [
        {"name": "plain", "source": "basler", "serial": "0815-0000"},
        {"name": "wired", "source": "basler", "serial": "0815-0001", "reject_line": wire},
        {"name": "gone", "source": "basler", "serial": "0815-0009", "reject_line": wire},
    ]
    path = tmp_path / "line.yaml"
    path.write_text(json.dumps({"line": {"name": "trial"}, "cameras": cameras}))
    assert main(["outputs", "test", str(path), "--json"]) == 1
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert facts["pulsed"] == {"camera wired": ["reject line"]} and list(facts["failed"]) == ["camera gone"]
    assert "camera wired: reject line, on: cloth may pass" in err and "0815-0009" in err
    assert [on for _, on in switched] == [False, True, False, False]  # opened, pulsed, and off as it is closed
    assert {name for name, _ in switched} == {"UserOutput2"}
