"""Where a line listens and whom it writes to: whether the addresses can be, are free, and are used by one alone."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.config.devices import split_address
from pipeline.config.line import LineConfig
from pipeline.config.motion import ModbusMotion, UdpMotion
from pipeline.config.outputs import FolderConfig, ModbusConfig, MqttConfig, OpcUaConfig, WiredConfig
from pipeline.outputs.modbus import COILS, FROM_PLC, FROM_PLC_COUNT
from pipeline.supervision.validation.finding import Finding, Status

EVERYWHERE = ("0.0.0.0", "::")
IPC_BYTES = 107
"""Of a socket's path: https://man7.org/linux/man-pages/man7/unix.7.html."""
REGISTERS = FROM_PLC + FROM_PLC_COUNT


@dataclass(frozen=True)
class Listening:
    """A port of this machine that a line opens."""

    key: str
    host: str
    port: int
    udp: bool = False

    def meets(self, other: Listening) -> bool:
        """Whether both cannot be open at once."""
        alike = self.host == other.host or self.host in EVERYWHERE or other.host in EVERYWHERE
        return alike and (self.port, self.udp) == (other.port, other.udp)

    def trouble(self) -> tuple[Status, str]:
        """Whether it can be opened now, and why not. For an address that the machine does not have yet a line waits."""
        try:
            family = socket.AF_INET6 if ip_address(self.host).version == 6 else socket.AF_INET
        except ValueError:
            if can_be_a_host(self.host):  # the name of a network: ZeroMQ knows it when the line starts
                return "ok", ""
            return "error", f"{self.host} is no address, {self.key}, give one of this machine's"
        with socket.socket(family, socket.SOCK_DGRAM if self.udp else socket.SOCK_STREAM) as probe:
            if not self.udp:  # as those who listen do: what a line has left a moment ago is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as e:
                if e.errno == errno.EADDRINUSE:
                    return "error", f"{self} is in use, {self.key}, end the program that has it or choose another port"
                absent = e.errno in (errno.EADDRNOTAVAIL, errno.ENODEV)
                advice = "give an address of this machine and a free port" + ("; the line waits for it" if absent else "")
                return "warning" if absent else "error", f"{self} cannot be opened ({e.strerror}), {self.key}, {advice}"
        return "ok", ""

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}{' (UDP)' if self.udp else ''}"


def check_addresses(line: LineConfig, running: bool) -> Iterator[Finding]:
    """Of a line that runs nobody asks whether its ports are free: it has them."""
    listening = [*_listening(line)]
    for one, other in combinations(listening, 2):
        if one.meets(other):
            text = f"{one} of {one.key} and {other} of {other.key} are the same port, the config, change one of them"
            yield Finding(about="addresses", status="error", text=text)
    for each in listening:
        status, why = ("ok", "") if running else each.trouble()
        taken = "the line runs and has it" if running else "free"
        yield Finding(about="addresses", status=status, text=why or f"{each}, {each.key}: {taken}")
    if why := _ipc_trouble(line.publisher.bind):
        text = f"{why}, outputs[{line.outputs.index(line.publisher)}].bind, name a file in a folder of this user, or ipc://auto"
        yield Finding(about="addresses", status="error", text=text)
    for key, host in _peers(line):
        if not can_be_a_host(host):
            text = f"{host!r} is neither a name nor an address, {key}, give it without scheme and port"
            yield Finding(about="addresses", status="error", text=text)
    named = {o.name: f"outputs[{line.outputs.index(o)}]" for o in line.wired}
    for first, second in combinations(line.wired, 2):
        if _writes_where(first, second):
            text = f"{named[first.name]} and {named[second.name]} write to the same place, the config, take one of them out"
            yield Finding(about="addresses", status="error", text=text)


def _ipc_trouble(bind: str) -> str:
    """Why no socket can be made in the file system; empty where one can, or none is asked for."""
    if not bind.startswith("ipc://") or bind == "ipc://auto":
        return ""
    path = Path(bind.removeprefix("ipc://"))
    if len(os.fsencode(path)) > IPC_BYTES:
        return f"{path} is longer than {IPC_BYTES} bytes"
    if path.exists() and not path.is_socket():
        return f"{path} is not a socket"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"no socket can be made in {path.parent}"
    return ""


def _listening(line: LineConfig) -> Iterator[Listening]:
    if line.publisher.bind.startswith("tcp://"):
        host, port = split_address(line.publisher.bind.removeprefix("tcp://"))
        yield Listening(f"outputs[{line.outputs.index(line.publisher)}].bind", host.replace("*", EVERYWHERE[0]), port)
    for output in line.wired:
        if isinstance(output, OpcUaConfig):
            yield Listening(f"outputs[{line.outputs.index(output)}].bind", *output.address)
    if line.metrics is not None:
        yield Listening("metrics.bind", *line.metrics.address)
    if isinstance(line.motion, UdpMotion):
        yield Listening("motion.listen", *split_address(line.motion.listen), udp=True)


def _peers(line: LineConfig) -> Iterator[tuple[str, str]]:
    for kind in ("outputs", "inputs"):
        for n, wire in enumerate(getattr(line, kind)):
            if (host := getattr(wire, "host", None)) is not None:
                yield f"{kind}[{n}].host", host
            elif (url := getattr(wire, "url", None)) is not None:
                yield f"{kind}[{n}].url", urlsplit(url).hostname or ""
    if isinstance(line.motion, ModbusMotion):
        yield "motion.host", line.motion.host


def can_be_a_host(host: str) -> bool:
    """Whether it is an address, or might be a name."""
    try:
        ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        plain = all(0 < len(part) < 64 and part.replace("-", "").replace("_", "").isalnum() for part in labels)
        return host.isascii() and plain and not labels[-1].isdecimal()  # 192.168.0.300 is no name
    return True


def _writes_where(one: WiredConfig, other: WiredConfig) -> bool:
    """Whether one output would overwrite what the other writes."""
    match one, other:
        case ModbusConfig(), ModbusConfig():
            if (one.host, one.port, one.unit) != (other.host, other.port, other.unit):
                return False
            both = one.registers_at is not None and other.registers_at is not None
            registers = both and abs((one.registers_at or 0) - (other.registers_at or 0)) < REGISTERS
            return abs(one.coils_at - other.coils_at) < len(COILS) or registers
        case MqttConfig(), MqttConfig():
            return (one.host, one.port, one.topic) == (other.host, other.port, other.topic)
        case FolderConfig(), FolderConfig():
            return one.path.resolve() == other.path.resolve()
    return False
