"""How long after decision's word a coil is written: `python -m tools.studies.modbus [--events N]`, on loopback.

The output runs as in a line, in a process of its own. The PLC is an emulated one (tools/studies/plc.py) that notes when each
write arrives. Measured from the action's time stamp, set where decision publishes it, to the write of its coil.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from pipeline.config.line import LineConfig
from pipeline.link.zmq_link import ZmqBroadcast, ZmqLink
from pipeline.messages.actions import Action
from pipeline.messages.line import Heartbeat
from pipeline.messages.states import ActionKind, Cause, Phase, State
from pipeline.outputs.modbus import RUN_PERMIT
from pipeline.supervision.spec import Spec

LIMIT_S = 30.0
BEAT_S = 0.1


class Line:
    """What decision would publish."""

    def __init__(self, broadcast: ZmqBroadcast) -> None:
        self._broadcast = broadcast
        self._beat_s = 0.0
        self._number = 0

    def idle(self, seconds: float) -> None:
        """Heartbeats, so that the permit stays."""
        end_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < end_s:
            if now_s >= self._beat_s:
                self._beat_s = now_s + BEAT_S
                self._broadcast.publish(
                    Heartbeat(number=0, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0)
                )
            time.sleep(0.001)

    def say(self, event: int, phase: Phase) -> int:
        """A stop begins or is acknowledged; when it was said."""
        now_ns = time.monotonic_ns()
        self._broadcast.publish(
            Action(number=self._number, generation=0, event=event, kind=ActionKind.STOP, cause=Cause.DEFECT, phase=phase,
                   t_mono_ns=now_ns)
        )  # fmt: skip
        self._number += 1
        return now_ns


def measure(folder: Path, events: int, console: Console) -> list[float]:
    """Milliseconds from each stop to its coil."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    written = folder / "writes.jsonl"
    config = LineConfig.model_validate(
        {"model": folder, "outputs": [{"kind": "publisher"}, {"kind": "modbus", "host": "127.0.0.1", "port": port}]}
    )
    spec = Spec(role="output", name="plc", generation=0, folder=folder / "link", config=config)
    (folder / "spec.json").write_text(spec.model_dump_json(), encoding="utf-8")
    rng = random.Random(0)
    said: list[int] = []
    link = ZmqLink(spec.folder)
    with written.open("w") as out:
        plc = subprocess.Popen([sys.executable, "-m", "tools.studies.plc", str(port)], stdout=out)
        output = subprocess.Popen([sys.executable, "-m", "pipeline.supervision.process", str(folder / "spec.json")])
        try:
            line = Line(link.broadcast(config.publisher.bind))
            end_s = time.monotonic() + LIMIT_S
            while "true" not in written.read_text():
                if output.poll() is not None or time.monotonic() > end_s:
                    raise SystemExit("glassline: output did not start, bench_modbus, see the lines above")
                line.idle(0.1)
            for event in track(range(events), "stops", console=console, transient=True):
                line.idle(rng.uniform(0.02, 0.05))
                said.append(line.say(event, Phase.NOW))
                line.idle(rng.uniform(0.03, 0.05))
                line.say(event, Phase.ACKNOWLEDGED)
            line.idle(0.5)
        finally:
            for process in (output, plc):
                process.terminate()
                process.wait(5)
            link.close()
    return _delays_ms(said, [json.loads(x) for x in written.read_text().splitlines()])


def _delays_ms(said: list[int], writes: list[dict[str, Any]]) -> list[float]:
    """Each stop to the next write that takes the permit away."""
    coils = [(w["t_mono_ns"], w["values"][RUN_PERMIT]) for w in writes if w["function"] == 15]
    falls = [t for (_, before), (t, on) in pairwise(coils) if before and not on]
    delays, n = [], 0
    for t_ns in said:
        while n < len(falls) and falls[n] < t_ns:
            n += 1
        if n < len(falls):
            delays.append((falls[n] - t_ns) / 1e6)
    return delays


def main() -> int:
    """Prints one JSON object."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--events", type=int, default=1000)
    args = p.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder:
        delays = measure(Path(folder), args.events, console)
    p50, p95, p99 = np.percentile(delays, [50, 95, 99])
    print(json.dumps({
        "schema": 1, "events": args.events, "written": len(delays), "p50_ms": round(float(p50), 2),
        "p95_ms": round(float(p95), 2), "p99_ms": round(float(p99), 2), "max_ms": round(max(delays), 2),
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
