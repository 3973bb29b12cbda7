"""Input contacts of a Modbus TCP device: an edge is told to decision with the time at which it came."""

from __future__ import annotations

from collections import deque

from pipeline.config.inputs import ModbusInputConfig
from pipeline.devices import DeviceLost
from pipeline.devices.cycle import Cycle
from pipeline.devices.modbus import MAX_READ, ModbusDevice, blocks
from pipeline.link.protocol import IDLE_MS, Outbox
from pipeline.link.status import StatusReport
from pipeline.messages.cloth import Contact
from pipeline.messages.states import StageState

MAX_CYCLE_MS = 20.0
CYCLES = 5
"""In the shortest debounce, so that one may be four times as long before a closing could be missed."""
NO_DEBOUNCE_MS = 40.0
"""A contact without debounce is read as often as one of so many ms."""
RETRY_NS = 1_000_000_000


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
    """The stage: reads the contacts, neighbours in one request, and tells decision of each that closes.

    A device that does not answer makes the line DEGRADED and is tried again each second; what closed meanwhile is not known,
    and how the contacts stand when it answers again is no edge. One that is read too seldom for the shortest debounce makes
    it DEGRADED, too: else each closing and opening that lasts twice its debounce is seen.
    """

    def __init__(self, decision: Outbox, config: ModbusInputConfig, generation: int) -> None:
        self._decision, self._config = decision, config
        self._status = StatusReport(decision, "input", config.name, generation)
        self._device = ModbusDevice(config.host, config.port, config.unit, config.timeout_ms)
        self._blocks = blocks((c.address for c in config.contacts), MAX_READ[config.table])
        self._shortest_ms = min(c.debounce_ms or NO_DEBOUNCE_MS for c in config.contacts)
        self._cycle_ns = int(min(MAX_CYCLE_MS, self._shortest_ms / CYCLES) * 1e6)
        self._cycle = Cycle(self._shortest_ms)
        self._edges: dict[str, Edge] = {}
        self._unsaid: deque[Contact] = deque()
        self._connected = False
        self._trouble = "not connected yet"
        self._now_ns = self._due_ns = 0
        self.state = StageState.READY
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Edges not yet told."""
        return len(self._unsaid)

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {"connected": int(self._connected), "edges": self.handled, "cycle_ms": round(self._cycle.longest_ms, 1)}

    @property
    def idle_ms(self) -> int:
        """Until it is to be read again."""
        return min(IDLE_MS, 1 + max(0, self._due_ns - self._now_ns) // 1_000_000)

    def step(self, now_ns: int) -> bool:
        """Read what is due, tell what has closed."""
        self._now_ns = now_ns
        if due := now_ns >= self._due_ns:
            self._due_ns = now_ns + self._cycle_ns
            try:
                self._read(now_ns)
            except DeviceLost as e:
                self._connected, self._due_ns = False, now_ns + RETRY_NS
                self._cycle.forget()
                self._trouble = str(e)
        while self._unsaid and self._decision.send(self._unsaid[0]):
            self._unsaid.popleft()
            self.handled += 1
        self._status.tell(now_ns, StageState.DEGRADED if self._trouble else StageState.READY, self._trouble)
        return due  # a reading takes its time: the next may be due by now

    def close(self) -> None:
        """Hang up."""
        self._device.close()

    def _read(self, now_ns: int) -> None:
        values: dict[int, int] = {}
        for block in self._blocks:
            values.update(zip(block, self._device.read(self._config.table, block.start, len(block)), strict=True))
        if not self._connected:
            self._edges = {c.name: Edge(int(c.debounce_ms * 1e6)) for c in self._config.contacts}
        for contact in self._config.contacts:
            closed = (values[contact.address] >> (contact.bit or 0) & 1) == contact.closed_is
            since_ns = self._edges[contact.name].read(closed, now_ns)
            if since_ns is not None:
                self._unsaid.append(Contact(name=contact.name, t_mono_ns=since_ns))
        if not self._connected:  # connecting takes its time, and is no cycle
            self._connected = True
            self._trouble = ""
            return
        self._cycle.read(now_ns)
        if self._cycle.too_seldom is not bool(self._trouble):
            self._trouble = self._seldom if self._cycle.too_seldom else ""

    @property
    def _seldom(self) -> str:
        remedy = "give its contacts neighbouring addresses" if len(self._blocks) > 1 else "use a faster connection"
        return (
            f"read every {self._cycle.longest_ms:.0f} ms (requests: {len(self._blocks)}), too seldom for a debounce of "
            f"{self._shortest_ms:g} ms: {remedy}, or raise debounce_ms"
        )
