"""Input contacts of a Modbus TCP device: an edge is told to decision with the time at which it came."""

from __future__ import annotations

from collections import deque

from pipeline.config.inputs import ContactConfig, ModbusInputConfig
from pipeline.devices import DeviceLost
from pipeline.devices.modbus import ModbusDevice
from pipeline.link.protocol import Outbox
from pipeline.messages.cloth import Contact
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState

CYCLE_NS = 20_000_000
RETRY_NS = 1_000_000_000
STATUS_NS = 1_000_000_000


def make(config: ModbusInputConfig, decision: Outbox, generation: int) -> ModbusInput:
    """The stage of one device's contacts."""
    return ModbusInput(decision, config, generation)


class Edge:
    """Closings of a contact that bounces; how it stood when it was first read is none."""

    def __init__(self, debounce_ns: int) -> None:
        self._debounce_ns = debounce_ns
        self._read: bool | None = None
        self._settled = False
        self._since_ns = 0

    def read(self, closed: bool, now_ns: int) -> int | None:
        """The time since when it is closed, told once, when it has stayed so for long enough."""
        if self._read is None:
            self._settled = closed
        if closed is not self._read:
            self._read, self._since_ns = closed, now_ns
        if closed is self._settled or now_ns - self._since_ns < self._debounce_ns:
            return None
        self._settled = closed
        return self._since_ns if closed else None


class ModbusInput:
    """The stage: reads the contacts in turn, tells decision of each that closes.

    A device that does not answer makes the line DEGRADED and is tried again each second; what closed meanwhile is not known,
    and how the contacts stand when it answers again is no edge.
    """

    def __init__(self, decision: Outbox, config: ModbusInputConfig, generation: int) -> None:
        self._decision, self._config, self._generation = decision, config, generation
        self._device = ModbusDevice(config.host, config.port, config.unit, config.timeout_ms)
        self._edges: dict[str, Edge] = {}
        self._unsaid: deque[Contact] = deque()
        self._connected = False
        self._trouble = "not connected yet"
        self._due_ns = self._status_ns = 0
        self.state = StageState.READY
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Edges not yet told."""
        return len(self._unsaid)

    @property
    def counters(self) -> dict[str, int]:
        """Figures for the screen."""
        return {"connected": int(self._connected), "edges": self.handled}

    def step(self, now_ns: int) -> bool:
        """Read what is due, tell what has closed."""
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + CYCLE_NS
            try:
                self._read(now_ns)
            except DeviceLost as e:
                self._connected, self._trouble = False, str(e)
                self._due_ns = now_ns + RETRY_NS
                self._status_ns = 0
        while self._unsaid and self._decision.send(self._unsaid[0]):
            self._unsaid.popleft()
            self.handled += 1
        self._report(now_ns)
        return False

    def close(self) -> None:
        """Hang up."""
        self._device.close()

    def _read(self, now_ns: int) -> None:
        if not self._connected:
            self._device.connect()
            self._edges = {c.name: Edge(int(c.debounce_ms * 1e6)) for c in self._config.contacts}
        for contact in self._config.contacts:
            since_ns = self._edges[contact.name].read(self._bit(contact) == contact.closed_is, now_ns)
            if since_ns is not None:
                self._unsaid.append(Contact(name=contact.name, t_mono_ns=since_ns))
        if not self._connected:
            self._connected, self._status_ns = True, 0

    def _bit(self, contact: ContactConfig) -> int:
        client = self._device.client
        match self._config.table:
            case "discrete":
                return int(self._device.ask(client.read_discrete_inputs, contact.address, count=1).bits[0])
            case "coil":
                return int(self._device.ask(client.read_coils, contact.address, count=1).bits[0])
            case "input":
                word = self._device.ask(client.read_input_registers, contact.address, count=1).registers[0]
            case "holding":
                word = self._device.ask(client.read_holding_registers, contact.address, count=1).registers[0]
        return int(word) >> (contact.bit or 0) & 1

    def _report(self, now_ns: int) -> None:
        if now_ns < self._status_ns:
            return
        status = Status(
            role="input", name=self._config.name, generation=self._generation,
            state=StageState.READY if self._connected else StageState.DEGRADED, detail="" if self._connected else self._trouble,
        )  # fmt: skip
        if self._decision.send(status):
            self._status_ns = now_ns + STATUS_NS
