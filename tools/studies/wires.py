"""How long after decision's word each wire has a reject, side by side in one run: `python -m tools.studies.wires`.

Coil of Modbus, message of MQTT, event of OPC UA, on loopback. The outputs run as in a line, each in a process of its own, while
four cameras' verdicts pass at 30 frames a second. `--hold` keeps one core busy. `--freeze` stops the broker in every other
stretch of ten events, and sets the coils' medians of both kinds of stretch against each other. Needs mosquitto.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from asyncua import Client, ua
from paho.mqtt.enums import CallbackAPIVersion

from glass_core.errors import MissingError
from pipeline.config.line import LineConfig
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.actions import Action, Reject
from pipeline.messages.line import Heartbeat
from pipeline.messages.states import ActionKind, Cause, Phase, Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.modbus import RUN_PERMIT
from pipeline.outputs.vision_model import NAMESPACE, RESULT_READY
from pipeline.supervision.child import environment
from pipeline.supervision.spec import Spec

FRAMES_PER_S, CAMERAS = 30, ("a", "b", "c", "d")
BEAT_S = 0.1
STRETCH = 10
WIRES = ("modbus", "mqtt", "opcua")


def listen_mqtt(port: int) -> None:
    """Print when each reject came."""

    def heard(client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        now_ns = time.monotonic_ns()
        print(json.dumps({"event": json.loads(message.payload)["reject"]["verdict"], "t_mono_ns": now_ns}), flush=True)

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda c, *_: c.subscribe("glassline/wires/reject", 1)
    client.on_message = heard
    client.connect("127.0.0.1", port)
    client.loop_forever()


def listen_opcua(url: str) -> None:
    """The same of each result."""

    class Ear:
        def event_notification(self, event: Any) -> None:
            now_ns = time.monotonic_ns()
            print(json.dumps({"event": int(event.ResultId.Id.split(".")[1]), "t_mono_ns": now_ns}), flush=True)

    async def listen() -> None:
        async with Client(url) as client:
            await client.load_data_type_definitions()
            subscription = await client.create_subscription(5, Ear())
            number = ua.NodeId(RESULT_READY, await client.get_namespace_index(NAMESPACE))
            await subscription.subscribe_events(evtypes=number)
            print(json.dumps({"ready": True}), flush=True)
            await asyncio.sleep(1e6)

    asyncio.run(listen())


def free_port() -> int:
    """One that nobody has."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Air:
    """What decision would publish; its numbers go on."""

    def __init__(self, link: ZmqLink, bind: str) -> None:
        self._broadcast, self._inbox = link.broadcast(bind), link.inbox("decision")
        self._beat_s = self._frame_s = time.monotonic()
        self._verdicts = self._beats = self._actions = self._rejects = 0

    def idle(self, seconds: float) -> None:
        """Heartbeats and good frames, for so long."""
        end_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < end_s:
            if now_s >= self._beat_s:
                self._beat_s, self._beats = now_s + BEAT_S, self._beats + 1
                self._broadcast.publish(
                    Heartbeat(
                        number=self._beats, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0
                    )
                )
            if now_s >= self._frame_s:
                self._frame_s += 1 / FRAMES_PER_S
                for camera in CAMERAS:
                    self._verdict(camera, Result.PASS)
            self._broadcast.joined()
            while self._inbox.receive():
                pass
            time.sleep(0.001)

    def reject(self) -> tuple[int, int]:
        """A defect, its reject and a stop; the verdict's number, and when it was said."""
        number, now_ns = self._verdicts, time.monotonic_ns()
        self._act(Phase.NOW, number)
        self._verdict("a", Result.DEFECT)
        self._broadcast.publish(
            Reject(number=self._rejects, generation=0, verdict=number, camera="a", cause=Result.DEFECT, start_mm=0.0,
                   end_mm=1.0, t_mono_ns=now_ns)
        )  # fmt: skip
        self._rejects += 1
        return number, now_ns

    def acknowledge(self, event: int) -> None:
        """Somebody has seen to it."""
        self._act(Phase.ACKNOWLEDGED, event)

    def _verdict(self, camera: str, result: Result) -> None:
        self._broadcast.publish(
            Verdict(number=self._verdicts, generation=0, camera=camera, boot_id="b", seq=self._verdicts, result=result,
                    score=0.5, latency_ms=30.0, start_mm=0.0, end_mm=1.0, t_mono_ns=0, t_utc_ns=0)
        )  # fmt: skip
        self._verdicts += 1

    def _act(self, phase: Phase, event: int) -> None:
        self._broadcast.publish(
            Action(number=self._actions, generation=0, event=event, kind=ActionKind.STOP, cause=Cause.DEFECT, phase=phase,
                   t_mono_ns=0)
        )  # fmt: skip
        self._actions += 1


def measure(folder: Path, events: int, freeze: bool, stack: ExitStack) -> dict[str, Any]:
    """Milliseconds of each event by wire, whether the broker was frozen then, and the processor time of each output."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        raise MissingError("no mosquitto, this machine, run: sudo apt-get install mosquitto")
    plc, mqtt, opcua, metrics = (free_port() for _ in range(4))
    body = {
        "line": {"name": "wires"}, "model": folder, "metrics": {"bind": f"127.0.0.1:{metrics}"},
        "cameras": [{"name": c, "source": "weave", "mm_per_px_x": 0.2, "mm_per_px_y": 0.2} for c in CAMERAS],
        "outputs": [
            {"kind": "publisher"}, {"kind": "modbus", "name": "modbus", "host": "127.0.0.1", "port": plc},
            {"kind": "mqtt", "host": "127.0.0.1", "port": mqtt}, {"kind": "opcua", "bind": f"127.0.0.1:{opcua}"},
        ],
    }  # fmt: skip
    config = LineConfig.model_validate(body)
    (folder / "broker.conf").write_text(f"listener {mqtt} 127.0.0.1\nallow_anonymous true\n")

    def start(words: list[str], out: str) -> subprocess.Popen[bytes]:
        said = stack.enter_context((folder / out).open("wb"))
        process = subprocess.Popen(words, stdout=said, stderr=subprocess.DEVNULL, env=environment())
        stack.callback(process.kill)
        return process

    broker = start([program, "-c", str(folder / "broker.conf")], "broker")
    start([sys.executable, "-m", "tools.studies.plc", str(plc)], "modbus")
    link = ZmqLink(folder / "link")
    stack.callback(link.close)
    air = Air(link, config.publisher.bind)
    outputs = {}
    for role, name in (("output", "modbus"), ("output", "mqtt"), ("output", "opcua"), ("metrics", "metrics")):
        spec = Spec(role=role, name=name, generation=0, folder=folder / "link", config=config, supervisor_pid=os.getpid())
        (folder / f"{name}.json").write_text(spec.model_dump_json(), encoding="utf-8")
        outputs[name] = start(
            [sys.executable, "-m", "pipeline.supervision.process", str(folder / f"{name}.json")], f"{name}.out"
        )
    air.idle(5)
    start([sys.executable, "-m", "tools.studies.wires", "--listen-mqtt", str(mqtt)], "mqtt")
    url = f"opc.tcp://127.0.0.1:{opcua}/glassline"
    while not _lines(folder / "opcua"):
        start([sys.executable, "-m", "tools.studies.wires", "--listen-opcua", url], "opcua")
        air.idle(15)
    rng, said, frozen = random.Random(0), dict[int, int](), set[int]()
    begun_s, spent = time.monotonic(), {name: _cpu_s(p.pid) for name, p in outputs.items()}
    for event in range(events):
        held = freeze and event // STRETCH % 2 == 1
        if freeze and event % STRETCH == 0:
            broker.send_signal(signal.SIGSTOP if held else signal.SIGCONT)
        number, said_ns = air.reject()
        said[number] = said_ns
        if held:
            frozen.add(number)
        air.idle(rng.uniform(0.12, 0.2))
        air.acknowledge(number)
        air.idle(rng.uniform(0.12, 0.2))
    seconds = time.monotonic() - begun_s
    cpu = {name: (_cpu_s(p.pid) - spent[name]) / seconds for name, p in outputs.items()}
    broker.send_signal(signal.SIGCONT)
    air.idle(2)
    came = {wire: {n: (at - said[n]) / 1e6 for n, at in _came(folder / wire, wire, said).items()} for wire in WIRES}
    return {"ms": came, "frozen": frozen, "cpu": cpu, "events": len(said)}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _came(path: Path, wire: str, said: dict[int, int]) -> dict[int, int]:
    """When each event came first."""
    found: dict[int, int] = {}
    if wire == "modbus":
        off = [w["t_mono_ns"] for w in _lines(path) if w["function"] in (5, 15) and not w["values"][RUN_PERMIT]]
        for number, said_ns in said.items():
            with suppress(StopIteration):
                found[number] = next(t for t in off if t >= said_ns)
        return found
    for line in _lines(path):
        if line.get("event") in said:
            found.setdefault(line["event"], line["t_mono_ns"])
    return found


def _quantile(values: list[float], percent: int) -> float | None:
    return round(float(np.percentile(values, percent)), 2) if values else None


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Print one JSON object."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--events", type=int, default=200)
    p.add_argument("--hold", action="store_true", help="one core is held by a busy loop")
    p.add_argument("--freeze", action="store_true", help="the broker is stopped in every other stretch")
    p.add_argument("--listen-mqtt", type=int, help=argparse.SUPPRESS)
    p.add_argument("--listen-opcua", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.listen_mqtt:
        listen_mqtt(args.listen_mqtt)
    elif args.listen_opcua:
        listen_opcua(args.listen_opcua)
    else:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            if args.hold:
                holder = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                stack.callback(holder.kill)
            found = measure(Path(folder), args.events, args.freeze, stack)
        quiet = {w: [ms for n, ms in by.items() if n not in found["frozen"]] for w, by in found["ms"].items()}
        told = {
            w: {f"p{q}": round(float(np.percentile(ms, q)), 2) for q in (50, 99)} | {"n": len(ms)}
            for w, ms in quiet.items()
            if ms
        }
        facts = {"load": os.getloadavg(), "wires_ms": told, "cpu_share_of_a_core": found["cpu"], "events": found["events"]}
        if args.freeze:
            held = [ms for n, ms in found["ms"]["modbus"].items() if n in found["frozen"]]
            facts["coil_median_ms"] = {
                "broker answers": _quantile(quiet["modbus"], 50), "broker frozen": _quantile(held, 50),
            }  # fmt: skip
        print(json.dumps(facts, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
