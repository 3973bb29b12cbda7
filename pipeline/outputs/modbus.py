"""A wire to a PLC or remote I/O over Modbus TCP: this side is the client, energise-to-run, in a process of its own.

Coils from `coils_at`, written when they change and ten times a second:
    0 run permit      on: decision's heartbeat is fresh and says of no stop that it is open. Off: the machine must stop.
    1 inspection ok   on: cloth that passes is being judged
    2 mark            on for `pulse_ms` where a mark is due (best effort; exact: target position below)
    3 lamp            on while a lamp event is open
Holding registers from `registers_at`, words of 16 bits, int32 with the high word first:
    0 heartbeat, counts on while decision lives      1 state, 0 STARTING to 6 BYPASS      2 inspection ok
    3 record, 1 to 65534, 0: none yet                4 kind, 1 STOP 2 MARK 3 LAMP
    5 cause, 1 DEFECT 2 NOT_INSPECTED 3 FAULT 4 DRIFT    6 severity, 0 unknown
    7-8 start of the place, mm along the cloth    9, 10 its left and right edge, mm (int16)
    11-12 target, mm         13-14 target, encoder counts               15-16 the cloth's position, mm
    what is not known is the lowest number, -2147483648 or -32768
written by the PLC:
    20 taken: the record that it has read; the next one is shown then, or after a second without an answer
    21 acknowledge: a record whose stop or lamp somebody has seen to; 65535: all of them
    22 reset: a change to anything but 0 resets a latched FAULT, or accepts a roll that is unlike the card's cloth
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from pipeline.config.line import LineConfig
from pipeline.config.outputs import ModbusConfig
from pipeline.devices import DeviceLost
from pipeline.devices.cycle import Cycle
from pipeline.devices.modbus import ModbusDevice
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.actions import Action
from pipeline.messages.commands import Acknowledge, Reset
from pipeline.messages.line import STALE_NS, Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.states import ActionKind, Cause, Phase, StageState, State

CYCLE_NS = 100_000_000
WATCHDOG_MS = 1000.0
"""A PLC takes a heartbeat that stands still for so long as a stop (configs/plc.st)."""
RETRY_NS = 1_000_000_000
TAKE_NS = 1_000_000_000
RECORDS = 64
ALL = 65535
FROM_PLC, FROM_PLC_COUNT = 20, 3
RUN_PERMIT, INSPECTION_OK, MARK, LAMP = range(4)
COILS = ("run permit", "inspection ok", "mark", "lamp")
STATES, KINDS, CAUSES = list(State), list(ActionKind), list(Cause)


def make(config: ModbusConfig, heard: Inbox, decision: Outbox, generation: int, line: LineConfig) -> ModbusOutput:
    """The stage of one device."""
    return ModbusOutput(heard, decision, Plc(config), config, generation)


def trials(config: ModbusConfig) -> Iterator[tuple[str, str]]:
    """Switches each coil on, one after the other, and all off at the end; its name, and where it is."""
    plc = Plc(config)
    try:
        for i, name in enumerate(COILS):
            plc.coils([i == j for j in range(len(COILS))])
            yield name, f"coil {config.coils_at + i}, {name}, on"
        plc.coils([False] * len(COILS))
    finally:
        plc.close()


class Plc:
    """The registers and coils of the other side; DeviceLost where it does not answer."""

    def __init__(self, config: ModbusConfig) -> None:
        self._config = config
        self._device = ModbusDevice(config.host, config.port, config.unit, config.timeout_ms)
        self.close = self._device.close

    def coils(self, values: list[bool]) -> None:
        """Write all coils."""
        self._device.write_coils(self._config.coils_at, values)

    def registers(self, values: list[int]) -> None:
        """Write the registers that are ours."""
        self._device.write_registers(self._config.registers_at or 0, values)

    def answers(self) -> list[int]:
        """The registers that are the PLC's."""
        return self._device.read("holding", (self._config.registers_at or 0) + FROM_PLC, FROM_PLC_COUNT)


class ModbusOutput:
    """The stage: hears the publisher, keeps the other side's coils and registers up to date, passes its answers on.

    It never holds up the line, which does not wait for it. A PLC that does not answer makes the line DEGRADED and is tried
    again each second; marks that fell due meanwhile are lost and counted, open stops and lamps are kept. One whose watchdog
    may not be fed in time makes it DEGRADED, too. Without a fresh heartbeat, and when the line ends, every coil is off.
    """

    def __init__(self, heard: Inbox, decision: Outbox, plc: Plc, config: ModbusConfig, generation: int) -> None:
        self._heard, self._decision, self._plc, self._config = heard, decision, plc, config
        self._status = StatusReport(decision, "output", config.name, generation)
        self._pulse_ns = int(config.pulse_ms * 1e6)
        self._line: LineState | Heartbeat | None = None
        self._beat: Heartbeat | None = None
        self._beat_ns = 0
        self._beats = 0
        self._position_mm: float | None = None
        self._open: dict[int, Action] = {}
        self._mark_until_ns = 0
        self._records: deque[Action] = deque()
        self._shown: Action | None = None
        self._taken = False
        self._next_from_ns = 0
        self._reset: int | None = None
        self._cycle = Cycle(WATCHDOG_MS)
        self._connected = False
        self._trouble = "not connected yet"
        self._retry_ns = self._cycle_ns = 0
        self._written: list[bool] | None = None
        self.marks_lost = self.records_untaken = 0
        self.state = StageState.READY
        self.handled = 0
        self.waiting = 0

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {
            "connected": int(self._connected), "marks_lost": self.marks_lost, "records_untaken": self.records_untaken,
            "cycle_ms": round(self._cycle.longest_ms, 1),
        }  # fmt: skip

    def step(self, now_ns: int) -> bool:
        """Hear what is published, then write what is due."""
        moved = False
        for message, _ in portion(self._heard):
            self._hear(message, now_ns)
            self.handled += 1
            moved = True
        try:
            self._exchange(now_ns)
        except DeviceLost as e:
            self._connected, self._written = False, None
            self.marks_lost += now_ns < self._mark_until_ns
            self._mark_until_ns = 0
            self._retry_ns = now_ns + RETRY_NS
            self._cycle.forget()
            self._trouble = str(e)
        self._status.tell(now_ns, StageState.DEGRADED if self._trouble else StageState.READY, self._trouble)
        return moved

    def close(self) -> None:
        """Everything off: the line is no longer there."""
        try:
            if self._connected:
                self._plc.coils([False] * len(COILS))
        except DeviceLost:
            pass  # its own watchdog must see to it
        finally:
            self._plc.close()

    def _hear(self, message: Message, now_ns: int) -> None:
        match message:
            case Heartbeat() | LineState():
                if self._line is None or message.state is not self._line.state:
                    self._cycle_ns = 0
                self._line = message
                if isinstance(message, Heartbeat):
                    self._beat, self._beat_ns = message, now_ns
                    self._beats += 1
            case Totals():
                self._position_mm = message.position_mm
            case Action():
                self._on_action(message, now_ns)

    def _on_action(self, action: Action, now_ns: int) -> None:
        if action.phase in (Phase.ACKNOWLEDGED, Phase.LET_BY):
            self._open.pop(action.event, None)
            return
        if action.event in self._open:  # told again, for somebody who joined
            return
        if action.phase is Phase.AHEAD or action.target_mm is None:
            if len(self._records) == RECORDS:
                self._records.popleft()
                self.records_untaken += 1
            self._records.append(action)
        if action.phase is not Phase.NOW:
            return
        if action.kind is not ActionKind.MARK:
            self._open[action.event] = action
        elif self._connected:
            self._mark_until_ns = now_ns + self._pulse_ns
        else:
            self.marks_lost += 1

    def _coils(self, now_ns: int) -> list[bool]:
        """By what decision says is open, too: this process may have been started again and not know."""
        if self._beat is None or now_ns - self._beat_ns >= STALE_NS:
            return [False] * len(COILS)
        kinds = {a.kind for a in self._open.values()} | set(self._beat.unacknowledged)
        ok = self._line is not None and self._line.inspection_ok
        return [ActionKind.STOP not in kinds, ok, now_ns < self._mark_until_ns, ActionKind.LAMP in kinds]

    def _exchange(self, now_ns: int) -> None:
        if not self._connected and now_ns < self._retry_ns:
            return
        coils, due = self._coils(now_ns), now_ns >= self._cycle_ns
        if due or coils != self._written:
            self._plc.coils(coils)
            self._written = coils
        if not self._connected:
            self._connected = True
            self._trouble = ""
        elif due:
            self._cycle.read(now_ns)
            if self._cycle.too_seldom is not bool(self._trouble):
                self._trouble = self._seldom if self._cycle.too_seldom else ""
        if self._config.registers_at is not None and (self._next_record(now_ns) or due):
            self._plc.registers(self._words(coils))
            if due or self._records:
                self._take(self._plc.answers())
        if due:
            self._cycle_ns = now_ns + CYCLE_NS

    def _next_record(self, now_ns: int) -> bool:
        """Show the next one when the one shown was taken, or has had its time."""
        if not self._records or now_ns < self._next_from_ns:
            return False
        if self._shown is not None and not self._taken:
            self.records_untaken += 1
        self._shown, self._taken, self._next_from_ns = self._records.popleft(), False, now_ns + TAKE_NS
        return True

    def _words(self, coils: list[bool]) -> list[int]:
        a = self._shown
        state = 0 if self._line is None else STATES.index(self._line.state)
        head = [self._beats % 65536, state, int(coils[INSPECTION_OK])]
        position = _int32(self._position_mm)
        if a is None:
            return [*head, 0, 0, 0, 0, *_int32(None), _int16(None), _int16(None), *_int32(None), *_int32(None), *position]
        return [
            *head, _record(a), 1 + KINDS.index(a.kind), 1 + CAUSES.index(a.cause), a.severity or 0, *_int32(a.start_mm),
            _int16(a.x0_mm), _int16(a.x1_mm), *_int32(a.target_mm), *_int32(a.target_count), *position,
        ]  # fmt: skip

    def _take(self, answers: list[int]) -> None:
        taken, acknowledged, reset = answers
        if self._shown is not None and taken == _record(self._shown):
            self._taken, self._next_from_ns = True, 0
        for event, action in list(self._open.items()):
            if acknowledged in (ALL, _record(action)) and self._decision.send(Acknowledge(event=event)):
                del self._open[event]
        wished = reset not in (self._reset, 0) and self._reset is not None  # what it held at first is nobody's wish of now
        if not wished or self._decision.send(Reset()):
            self._reset = reset

    @property
    def _seldom(self) -> str:
        return (
            f"written every {self._cycle.longest_ms:.0f} ms, too seldom for a watchdog of {WATCHDOG_MS:g} ms: "
            "use a faster connection"
        )


def _record(action: Action) -> int:
    """1 to 65534, in turn."""
    return action.event % 65534 + 1


def _int32(value: float | None) -> tuple[int, int]:
    word = 0x80000000 if value is None else round(value) & 0xFFFFFFFF
    return word >> 16, word & 0xFFFF


def _int16(value: float | None) -> int:
    return 0x8000 if value is None else max(-32767, min(32767, round(value))) & 0xFFFF
