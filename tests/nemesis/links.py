"""Links in memory that lose, delay, repeat, exchange and break what they carry, as the schedule says."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack

from pipeline.link.protocol import CAPACITY, DEFAULT_CAPACITY, Received
from pipeline.link.wire import DecodeError, decode, encode
from pipeline.messages.message import Message, Payload
from pipeline.telemetry import Refusals
from tests.nemesis.plant import Plant
from tests.nemesis.schedule import MS

Parts = list[Payload]


@dataclass
class Parcel:
    """A message under way: its bytes, when it may be taken, and a note of what was sent."""

    parts: Parts
    due_ns: int
    note: dict[str, Any] | None = None


@dataclass
class Pipe:
    """What waits for one receiver; `open` while its process lives."""

    capacity: int
    open: bool = False
    parcels: deque[Parcel] = field(default_factory=deque)


class Inbox:
    """A process's own end of its pipe."""

    def __init__(self, pipe: Pipe, plant: Plant) -> None:
        self._pipe, self._plant = pipe, plant
        self.refused = Refusals()

    def receive(self) -> Received | None:
        """The next good message that has arrived."""
        while parcel := take(self._pipe, self._plant.now_ns):
            try:
                message = decode(list(parcel.parts))
            except DecodeError as e:
                self.refused.count(e.sender)
                continue
            if parcel.note is not None:
                parcel.note["heard"] = True
            return message
        return None


class Outbox:
    """A way to a receiver."""

    def __init__(self, links: Links, receiver: str) -> None:
        self._links, self._receiver = links, receiver

    def send(self, message: Message, *payloads: Payload) -> bool:
        """False where the receiver is dead or its pipe is full."""
        return self._links.send(self._receiver, message, payloads)


class Air:
    """The publisher: a listener that misses nothing, and consumers on a link of their own."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self.newcomer = False

    def publish(self, message: Message) -> None:
        """To everybody."""
        self._links.published(message)

    def joined(self) -> bool:
        """Whether a consumer came since the last call."""
        came, self.newcomer = self.newcomer, False
        return came


class Links:
    """All pipes of one line. `announced` and `motions` keep what grabbers and motion said, whatever became of it."""

    def __init__(self, plant: Plant, rng: random.Random) -> None:
        self._plant, self._rng = plant, rng
        self.pipes: dict[str, Pipe] = {}
        self.announced: list[dict[str, Any]] = []
        self.motions: list[dict[str, Any]] = []
        self.told: list[tuple[int, dict[str, Any]]] = []
        """All that was published."""
        self.supervisor: list[Message] = []
        self.air = Air(self)
        self.pipe("consumer", 1000).open = True
        self.pipe("supervisor", 1000).open = True

    def pipe(self, name: str, capacity: int | None = None) -> Pipe:
        """The pipe to that receiver."""
        return self.pipes.setdefault(name, Pipe(capacity or 2 * CAPACITY.get(name, DEFAULT_CAPACITY)))

    def inbox(self, name: str) -> Inbox:
        """A process binds it."""
        self.pipe(name).open = True
        return Inbox(self.pipe(name), self._plant)

    def outbox(self, name: str) -> Outbox:
        """A process connects to it."""
        return Outbox(self, name)

    def broadcast(self, bind: str, keys: Path | None = None) -> Air:
        """Decision's."""
        return self.air

    def wait(self, timeout_ms: int) -> None:
        """The scheduler has the time in its hand."""

    def close(self) -> None:
        """Nothing to close."""

    def die(self, name: str) -> None:
        """A receiver is dead: what waited for it goes with it."""
        self.pipe(name).open = False
        self.pipe(name).parcels.clear()

    def send(self, receiver: str, message: Message, payloads: tuple[Payload, ...] = ()) -> bool:
        """What an outbox does."""
        pipe = self.pipe(receiver)
        if not pipe.open or len(pipe.parcels) >= pipe.capacity:
            return False
        parts = encode(message, payloads)
        self._carry(pipe, receiver, [bytes(p) for p in parts], self._note(receiver, parts[0]))
        return True

    def published(self, message: Message) -> None:
        """A broadcast: the listener and the supervisor miss nothing, the consumers what their link loses."""
        parts: Parts = [bytes(p) for p in encode(message)]
        self.told.append((self._plant.now_ns, msgpack.unpackb(parts[0])))
        self.supervisor.append(decode(list(parts))[0])
        pipe = self.pipe("consumer")
        if len(pipe.parcels) < pipe.capacity:
            self._carry(pipe, "consumer", parts, None)

    def _note(self, receiver: str, header: Payload) -> dict[str, Any] | None:
        if receiver != "decision":
            return None
        said = msgpack.unpackb(header)
        if said["t"] not in ("Announced", "Motion"):
            return None
        note = {**said, "sent_ns": self._plant.now_ns, "heard": False}
        (self.announced if said["t"] == "Announced" else self.motions).append(note)
        return note

    def _carry(self, pipe: Pipe, receiver: str, parts: Parts, note: dict[str, Any] | None) -> None:
        rng, parcel = self._rng, Parcel(parts, self._plant.now_ns, note)
        t_s, copies = self._plant.t_s, 1
        active = self._plant.schedule.active
        for fault in active(t_s, receiver, "drop", "delay", "duplicate", "reorder", "corrupt"):
            if rng.random() >= fault.share:
                continue
            match fault.kind:
                case "drop":
                    return
                case "delay":
                    parcel.due_ns += rng.randrange(20, 400) * MS
                case "duplicate":
                    copies = rng.choice((2, 3))
                case "reorder":
                    parcel.due_ns += rng.randrange(0, 60) * MS
                case "corrupt":
                    parcel.parts = _break(rng, parcel.parts)
        if active(t_s, "engine", "foreign") and receiver == "decision":
            parcel.parts = _forge(parcel.parts)
        for n in range(copies):
            pipe.parcels.append(Parcel(parcel.parts, parcel.due_ns + n * rng.randrange(0, 80) * MS, note))


def take(pipe: Pipe, now_ns: int) -> Parcel | None:
    """The first that is due; one that is late does not hold up those behind it."""
    for i, parcel in enumerate(pipe.parcels):
        if parcel.due_ns <= now_ns:
            del pipe.parcels[i]
            return parcel
    return None


def _break(rng: random.Random, parts: Parts) -> Parts:
    """As a reader can tell: cut, swollen, of another version, or noise. No checksum guards a single bit."""
    header = bytes(parts[0])
    broken = rng.choice((
        [header[: rng.randrange(len(header))], *parts[1:]], [header, *parts[1:], b"x"], [rng.randbytes(40), *parts[1:]],
        [header.replace(b"\xa1v\x01", b"\xa1v\x02"), *parts[1:]], [], [header + b"\x00", *parts[1:]],
    ))  # fmt: skip
    return list(broken)


def _forge(parts: Parts) -> Parts:
    """Scores of an engine that is not in force."""
    said = msgpack.unpackb(parts[0])
    return [msgpack.packb({**said, "engine_sha": "other"}), *parts[1:]] if said.get("t") == "ScoreMap" else parts
