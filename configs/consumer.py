"""A reference consumer: one output that lets cloth by only while glassline proves that it looks. De-energise to reject.

Copy it beside your machine's program; it needs pyzmq and msgpack alone. `python consumer.py ENDPOINT CAMERA...` prints the
output as it changes; give `Gate.on` to your relay instead. This is no safety function.

What comes in: every message has three parts, its kind, a header, and no payload. The header is a msgpack map with `v` (1) and
`t` (the kind). Of the other fields it has those that differ from their defaults. Four kinds matter here.

    Heartbeat   number, generation, state, inspection_ok, verdicts, t_mono_ns  ten times a second, by decision's own progress
    Verdict     number, generation, camera, seq, result, t_mono_ns, weights_sha, engine_sha, latency_ms ...
    Reject      number, generation, verdict, camera, start_mm, end_mm, t_mono_ns
    LineState   number, generation, state, inspection_ok, detail, t_mono_ns    when it changes, and again for each newcomer

`number` counts each kind from 0 within a `generation` of decision: a gap is a lost word. `t_mono_ns` is CLOCK_MONOTONIC of the
machine that runs glassline. Run this on that machine, over ipc: elsewhere nobody knows the age of a word. Only `result: PASS`
passes.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import msgpack
import zmq

VERSION = 1
MS = 1_000_000
NUMBERED = ("Heartbeat", "Verdict", "Reject", "LineState")


@dataclass
class Gate:
    """Whether cloth may pass: false unless every camera's newest verdict is a PASS, and it and the newest heartbeat are young.

    `window_ms`: a heartbeat that is older counts as silence. `verdict_ms`: so old may a camera's newest PASS be; longer than
    the time between its frames. `hold_ms`: after anything amiss the output stays off for so long, at least until the cloth in
    question has passed, and until every camera has passed cloth anew. Words that took longer than `late_ms` are not believed.
    An empty sha lets any model judge.
    """

    cameras: tuple[str, ...]
    window_ms: float = 350.0
    verdict_ms: float = 1000.0
    late_ms: float = 200.0
    hold_ms: float = 500.0
    weights_sha: str = ""
    engine_sha: str = ""
    why: str = "nothing heard"
    """What was amiss last."""
    _generation: int = -1
    _next: dict[str, int] = field(default_factory=dict)
    _beat_ns: int | None = None
    _passed_ns: dict[str, int] = field(default_factory=dict)
    _held_until_ns: int = 0

    def on(self, now_ns: int) -> bool:
        """The output at that time of the monotonic clock; ask again and again, also while nothing comes."""
        if now_ns < self._held_until_ns or self._beat_ns is None or now_ns - self._beat_ns > self.window_ms * MS:
            return False
        return all(now_ns - self._passed_ns.get(c, -1 << 62) <= self.verdict_ms * MS for c in self.cameras)

    def hear(self, parts: list[bytes], now_ns: int) -> None:
        """One more message; whatever is wrong with it closes the gate."""
        try:
            said = msgpack.unpackb(parts[1])
            if not isinstance(said, dict) or said.pop("v") != VERSION:
                raise ValueError
            self._take(str(said.pop("t")), said, now_ns)
        except Exception:  # what cannot be read may have been a reject
            self._close("a message that cannot be read", now_ns)

    def _take(self, kind: str, said: dict[str, Any], now_ns: int) -> None:
        if kind not in NUMBERED or not self._in_order(kind, said["generation"], said["number"], now_ns):
            return
        age_ns = now_ns - said["t_mono_ns"]
        if kind != "LineState" and not -self.late_ms * MS <= age_ns <= self.late_ms * MS:  # a newcomer is told an old state
            self._close(f"{kind} {age_ns / MS:.0f} ms old", now_ns)
        elif kind == "Reject":
            self._close(f"reject on {said['camera']}", now_ns)
        elif kind == "Verdict":
            self._judge(said, now_ns)
        elif not said["inspection_ok"]:
            self._close(said.get("detail") or f"inspection is not ok: {said['state']}", now_ns)
        elif kind == "Heartbeat" and said["verdicts"] != self._next.get("Verdict", said["verdicts"]):
            self._close(f"{said['verdicts'] - self._next['Verdict']} verdicts were lost on the way", now_ns)
        elif kind == "Heartbeat":
            self._beat_ns = said["t_mono_ns"]

    def _in_order(self, kind: str, generation: int, number: int, now_ns: int) -> bool:
        """Whether the word is the next of its kind; the first one heard of a kind need not be number 0."""
        if generation < self._generation:
            self._close(f"a word of generation {generation}, {self._generation} is in force", now_ns)
            return False
        if generation > self._generation:
            self._close(f"generation {generation} of decision begins", now_ns)
            self._generation, self._next, self._beat_ns, self._passed_ns = generation, {}, None, {}
        if kind == "LineState" and number == self._next.get(kind, 0) - 1:
            return True  # told again because somebody joined
        if number != self._next.get(kind, number):
            self._close(f"{kind} {number} instead of {self._next[kind]}", now_ns)
        self._next[kind] = number + 1
        return True

    def _judge(self, said: dict[str, Any], now_ns: int) -> None:
        camera, result = said["camera"], said["result"]
        for name in ("weights_sha", "engine_sha"):
            if result == "PASS" and getattr(self, name) and said.get(name, "") != getattr(self, name):
                return self._close(f"judged by another model, {name} {said.get(name, '')[:12]}", now_ns)
        if result != "PASS" or said.get("seq") is None:
            return self._close(f"{result} {said.get('reason') or ''} on {camera}".replace("  ", " "), now_ns)
        self._passed_ns[camera] = said["t_mono_ns"]
        return None

    def _close(self, why: str, now_ns: int) -> None:
        """Off for the hold; a PASS from before says nothing of the cloth that comes after it."""
        self.why, self._held_until_ns = why, now_ns + int(self.hold_ms * MS)
        self._passed_ns.clear()


def main() -> None:
    """Print the output as it changes, until Ctrl-C; exit code 2 where there is no such endpoint."""
    parser = argparse.ArgumentParser(description="prints ON and OFF as one output of a machine would be switched")
    parser.add_argument("endpoint", help="outputs: [{kind: publisher, bind: ENDPOINT}] of the line")
    parser.add_argument("cameras", nargs="+")
    arguments = parser.parse_args()
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    for kind in NUMBERED:
        socket.setsockopt(zmq.SUBSCRIBE, kind.encode())
    try:
        socket.connect(arguments.endpoint)
    except zmq.ZMQError as error:
        parser.error(f"endpoint {arguments.endpoint}: {error}")
    with contextlib.suppress(KeyboardInterrupt):
        show(Gate(tuple(arguments.cameras)), socket)


def show(gate: Gate, socket: zmq.Socket[bytes]) -> None:
    """Print the output whenever it changes, for ever."""
    shown = None
    while True:
        if socket.poll(10):
            gate.hear(socket.recv_multipart(), time.monotonic_ns())
        if (on := gate.on(time.monotonic_ns())) is not shown:  # asked after each message, however many wait
            shown = on
            print("ON" if on else f"OFF ({gate.why})", flush=True)


if __name__ == "__main__":
    main()
