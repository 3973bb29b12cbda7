"""A whole line that is wired in: a broker that freezes, a folder that is not there, figures; and the line goes on."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipeline.messages.line import LineState
from pipeline.messages.states import Result, State
from pipeline.metrics.traces import STAGES
from tests.line.test_line import Run, config, running
from tests.mosquitto import Listener, Mosquitto, free_port, needs_mosquitto, until

pytestmark = pytest.mark.full


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read().decode()


def latest(run: Run) -> LineState:
    state = run.state()
    assert state is not None
    return state


@needs_mosquitto
def test_a_line_goes_on_while_its_broker_is_frozen_and_its_folder_is_gone(model: Path, footage: Path, tmp_path: Path) -> None:
    mes, port = tmp_path / "mes", free_port()
    with Mosquitto(tmp_path) as broker:
        outputs = [
            {"kind": "publisher"}, {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port, "rolls": True},
            {"kind": "folder", "path": str(mes)},
        ]  # fmt: skip
        listener = Listener(broker.port)
        line = config(
            model, footage, tmp_path / "out", loop=True, outputs=outputs, metrics={"bind": f"127.0.0.1:{port}"},
            decision={"budget_ms": 30000},
            line={"name": "test", "roll_id": "R-1", "roll_length_m": 0.3072},  # twelve frames: each roll begins alike
        )  # fmt: skip
        with running(line) as run:
            run.until(lambda: "glassline/test/reject" in listener.topics())
            told = json.loads(listener.bodies("glassline/test/reject")[0])
            assert told["verdict"]["result"] == "DEFECT" and told["verdict"]["regions"]
            run.until(lambda: "mes: folder not writable" in latest(run).detail and latest(run).inspection_ok)
            assert latest(run).state is State.DEGRADED  # cloth may pass: no reject goes that way
            mes.mkdir()
            run.until(lambda: latest(run).state is State.RUNNING)
            until(lambda: ask(port, "/health")[0] == 200, meanwhile=run.line.step)
            broker.freeze()
            frozen = len(run.verdicts())
            run.until(lambda: "mqtt: " in latest(run).detail and latest(run).inspection_ok)
            assert latest(run).state is State.DEGRADED
            until(lambda: ask(port, "/health")[0] == 503, meanwhile=run.line.step)
            run.until(lambda: len(run.verdicts()) > frozen + 30)
            assert any(v.result is Result.PASS for v in run.verdicts()[frozen:])  # a loaded machine may refuse some frames
            broker.thaw()
            run.until(lambda: latest(run).state is State.RUNNING)
            numbers = lambda: {json.loads(b)["reject"]["number"] for b in listener.bodies("glassline/test/reject")}  # noqa: E731
            seen = max(numbers())
            run.until(lambda: max(numbers()) > seen)
            first = min(numbers())  # the line inspects before its outputs are up
            assert numbers() == set(range(first, max(numbers()) + 1))
            outages = [json.loads(body) for body in listener.bodies("glassline/test/outage")]
            assert outages and sum(o["lost"].get("reject", 0) for o in outages) == first
            run.until(lambda: len(list(mes.glob("*.json"))) >= 2 and len(listener.bodies("glassline/test/sheet")) >= 2)
            connected = 'glassline_output_connected{output="mqtt"} 1.0'  # a process reports five times a second
            until(lambda: connected in ask(port, "/metrics")[1], meanwhile=run.line.step)
            assert 'glassline_process_restarts_total{process="worker"} 0.0' in ask(port, "/metrics")[1]
            traced = lambda: {e["name"] for e in json.loads(ask(port, "/trace")[1])["traceEvents"]}  # noqa: E731
            until(lambda: traced() >= {s.name for s in STAGES}, meanwhile=run.line.step)
            os.kill(run.pid("metrics"), signal.SIGKILL)
            run.until(lambda: run.pid_or_none("metrics") is not None and run.line.ready)
            until(lambda: ask_quietly(port) == 200, meanwhile=run.line.step)
        until(lambda: listener.bodies("glassline/test/available")[-1] == b"offline")
        listener.close()
    first = json.loads(min(mes.glob("*.json")).read_bytes())
    assert first["roll"]["roll_id"] == "R-1" and first["complete"] and first["roll"]["end_mm"] - first["roll"]["start_mm"] > 250


def ask_quietly(port: int) -> int:
    try:
        return ask(port, "/live")[0]
    except OSError:
        time.sleep(0.05)
        return 0
