"""Whether CURVE carries a line's pictures: `python -m tools.studies.curve`.

Four cameras of 1024 x 1024 px at 30 frames/s, 126 MB/s, once over ipc sockets and once over TCP on loopback with CURVE, in
turns. Grabbers, worker, decision and recorder are the line's own, each in its process. Cameras and engine are stand-ins as in
`tools.studies.path`. Over TCP each inbox is a CURVE server behind the gate that the line's publisher has.

A line sends no pictures over TCP: this is what it would cost. Figures are of the frames after the first two seconds of each
camera. Latency is from a frame's own time to its verdict's arrival here. CPU time holds user, system and ZeroMQ's own threads.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket as sockets
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.link.curve import Gate, protect
from pipeline.link.keys import make_keys, read_keys
from pipeline.link.zmq_link import ZmqBroadcast, ZmqInbox, ZmqLink, ZmqOutbox, publisher_endpoint
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from tools.cli import one_line
from tools.studies.path import Processes, path_config, run_stage

CAMERAS, SIDE_PX = 4, 1024
WARM_S = 2
INBOXES = ("supervisor", "recorder", "decision", "worker", "publisher")


class CurveLink(ZmqLink):
    """A line's link over TCP on loopback; each process proves itself by the line's own pair.

    Beside its folder lie the keys, and in it `ports.json`: the port of each inbox and of the publisher.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._keys = read_keys(folder.parent / "keys")
        self._ports: dict[str, int] = json.loads((folder / "ports.json").read_text(encoding="utf-8"))
        self._gate: Gate | None = None

    def inbox(self, name: str) -> ZmqInbox:
        """Over TCP as well."""
        inbox, address = super().inbox(name), self.address(name)
        if self._gate is None:
            self._gate = Gate(self._context, self._keys.clients, self.strangers)
            self._sockets.append(self._gate.socket)
            self._poller.register(self._gate.socket)
        protect(inbox._socket, self._keys, address)
        self._bind(inbox._socket, address)
        return inbox

    def broadcast(self, bind: str, keys: Path | None = None) -> ZmqBroadcast:
        """Its gate is the one of this process."""
        broadcast = super().broadcast(bind, keys)
        self._gate = broadcast._gate
        return broadcast

    def outbox(self, name: str) -> ZmqOutbox:
        """Over TCP alone."""
        outbox = super().outbox(name)
        self._turn(outbox._socket, f"ipc://{self.folder / name}", name)
        return outbox

    def subscribe(self, bind: str, *topics: str) -> ZmqInbox:
        """Over TCP alone."""
        inbox = super().subscribe(bind, *topics)
        self._turn(inbox._socket, publisher_endpoint(bind, self.folder), "publisher")
        return inbox

    def wait(self, timeout_ms: int) -> None:
        """As any link; who knocks is answered."""
        super().wait(timeout_ms)
        if self._gate is not None:
            self._gate.answer()

    def address(self, name: str) -> str:
        """Where that is heard."""
        return f"tcp://127.0.0.1:{self._ports[name]}"

    def _turn(self, socket: Any, away_from: str, name: str) -> None:
        socket.disconnect(away_from)
        socket.curve_serverkey = socket.curve_publickey = self._keys.public
        socket.curve_secretkey = self._keys.secret
        socket.connect(self.address(name))


LINKS = {"ipc": ZmqLink, "curve": CurveLink}


def make_link(kind: str, folder: Path) -> tuple[ZmqLink, dict[str, object]]:
    """This process's link in a new folder, and how the publisher is bound."""
    if kind == "ipc":
        return ZmqLink(folder / "ipc"), {"bind": "ipc://auto"}
    make_keys(folder / "keys", ["office"])
    shutil.copy(folder / "keys" / "server.key", folder / "keys" / "line.key")  # the line is a client of itself
    with ExitStack() as stack:
        free = {name: stack.enter_context(sockets.create_server(("127.0.0.1", 0))) for name in INBOXES}
        ports = {name: each.getsockname()[1] for name, each in free.items()}
    (folder / "ipc").mkdir(0o700)
    (folder / "ipc" / "ports.json").write_text(json.dumps(ports), encoding="utf-8")
    link = CurveLink(folder / "ipc")
    return link, {"bind": link.address("publisher"), "keys": folder / "keys"}


def measure(kind: str, seconds: int, rate: float, budget_ms: float) -> dict[str, Any]:
    """What becomes of the frames of so many seconds."""
    warm, frames = int(WARM_S * rate), int((WARM_S + seconds) * rate)
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="glassline-study-") as name:
        folder = Path(name)
        link, publisher = make_link(kind, folder)
        cameras = [{"name": f"c{n}", "x_offset_mm": n * SIDE_PX * 0.2, "rate": rate, "frames": frames} for n in range(CAMERAS)]
        more = {"decision": {"budget_ms": budget_ms}, "outputs": [{"kind": "publisher", **publisher}]}
        config = path_config(SIDE_PX, SIDE_PX, folder, *cameras, **more)
        with Processes(config, link, Verdict, lambda role: ["tools.studies.curve", "--link", kind, "--stage"]) as processes:
            first, busy_s = None, 0.0
            for verdict in processes.heard():
                if verdict.seq is None or verdict.seq < warm:
                    continue
                if first is None:
                    first, busy_s = processes.read(0), machine_busy_s()
                verdicts.append(verdict)
                if len(verdicts) == CAMERAS * (frames - warm):
                    break
            last, busy_s = processes.read(len(verdicts)), machine_busy_s() - busy_s
    assert first is not None
    took_s = last.at_s - first.at_s
    cpu_s = {name: spent_s - first.cpu_s[name] for name, spent_s in last.cpu_s.items()}
    p50, p99, most = np.percentile([v.latency_ms for v in verdicts], [50, 99, 100])
    return {
        "link": kind, "frames_sent": len(verdicts), "frames_per_s": len(verdicts) / took_s,
        "judged": sum(v.result is not Result.NOT_INSPECTED for v in verdicts),
        "not_inspected": Counter(v.reason for v in verdicts if v.reason is not None),
        "latency_ms": {"p50": p50, "p99": p99, "most": most},
        "cpu_ms_per_frame": sum(cpu_s.values()) / len(verdicts) * 1e3,
        "cores": {name: spent_s / took_s for name, spent_s in cpu_s.items()},
        "cores_of_others": (busy_s - sum(cpu_s.values())) / took_s,
    }  # fmt: skip


def machine_busy_s() -> float:
    """CPU time that anything took on this machine since it was started."""
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def show(row: dict[str, Any]) -> None:
    """Lines on stderr, as soon as they are known."""
    reasons = ", ".join(f"{n} {reason}" for reason, n in row["not_inspected"].items()) or "none"
    latency = ", ".join(f"{name} {ms:.1f}" for name, ms in row["latency_ms"].items())
    cores = ", ".join(f"{name} {cores:.2f}" for name, cores in row["cores"].items())
    print(
        f"{row['link']:5} {row['frames_sent']} frames, {row['frames_per_s']:.1f}/s: {row['judged']} judged, "
        f"not inspected: {reasons}; latency ms: {latency}\n      {row['cpu_ms_per_frame']:.1f} ms CPU a frame; "
        f"cores: {cores}, all {sum(row['cores'].values()):.2f}, others {row['cores_of_others']:.2f} of {os.cpu_count()}",
        file=sys.stderr, flush=True,
    )  # fmt: skip


@one_line
def main() -> int:
    """Exit as the command line does: 1 where a frame was not judged."""
    p = argparse.ArgumentParser(prog="python -m tools.studies.curve", description="Whether CURVE carries a line's pictures.")
    p.add_argument("--seconds", type=int, default=20, help="of each turn (default: 20)")
    p.add_argument("--rounds", type=int, default=2, help="turns of each link (default: 2)")
    p.add_argument("--rate", type=float, default=30.0, help="frames/s of each camera (default: 30)")
    p.add_argument("--budget-ms", type=float, default=500.0, help="of each frame (default: 500)")
    p.add_argument("--json", action="store_true", help="also print one JSON object on stdout")
    p.add_argument("--link", choices=LINKS, help=argparse.SUPPRESS)
    p.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.stage:
        return run_stage(args.stage, LINKS[args.link])
    rows = []
    for kind in [*LINKS] * args.rounds:
        rows.append(measure(kind, args.seconds, args.rate, args.budget_ms))
        show(rows[-1])
    if args.json:
        print(json.dumps({"schema": 1, "budget_ms": args.budget_ms, "rows": rows}))
    return int(any(row["not_inspected"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
