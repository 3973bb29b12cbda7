"""Starts the processes of a line in order, watches their progress, restarts what fails, and stops all in reverse order."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from pipeline.config.line import LineConfig
from pipeline.decision.handover import Handover, Heard
from pipeline.ledger.black_box import LastWord
from pipeline.link.protocol import portion
from pipeline.link.status import StatusReport
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.commands import Bypass, Command
from pipeline.messages.frames import MAX_SHRUNK_BYTES, Frame, ScoreMap
from pipeline.messages.message import Message
from pipeline.messages.passages import Passages
from pipeline.messages.stages import Progress
from pipeline.messages.states import StageState
from pipeline.supervision.builders import ROLES
from pipeline.supervision.child import AWAY_NS, PREFIX, RESTARTS_NS, Child, terminate
from pipeline.supervision.flight_recorder import FlightRecorder
from pipeline.supervision.held_folder import HeldFolder
from pipeline.supervision.latch import Latch
from pipeline.supervision.left import FILE, Left, read_fault, read_left, write_left
from pipeline.supervision.runtime_folder import runtime_folder
from pipeline.supervision.spec import Spec
from pipeline.supervision.stopping import STOP_S, stop_in_order
from pipeline.supervision.watching import to_stderr
from pipeline.supervision.who_is_down import WhoIsDown

MAX_UNTOLD = 64
"""Words that wait while decision is not there; beyond that the oldest are dropped: nobody waits for their answer now."""
FAULT_S = 0.5
"""Before a line ends that cannot go on, decision has so long to publish FAULT, and then the outputs to switch off."""
KEEP_NS = 200_000_000
"""As often as the stages report."""
WAIT_MS = 20
"""The longest until a process that has ended is seen."""


class LineFailed(Exception):
    """The line cannot go on; `code` is the exit status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Supervisor:
    """One line; used as a context manager, `step` called again and again.

    A worker that is measured slower than `needed_tiles_per_s` as the line starts refuses it. `say` takes each line of text
    that a process prints, and what is to be said of them; it must not wait for anybody where supervision may not.
    """

    def __init__(
        self,
        config: LineConfig,
        observe: bool = False,
        needed_tiles_per_s: float = 0.0,
        say: Callable[[str], None] = to_stderr,
    ) -> None:
        self._config, self._observe, self._needed_tiles_per_s, self._say = config, observe, needed_tiles_per_s, say
        self._children = [Child(role, name) for role, row in ROLES.items() for name in row.names(config)]
        self._standby = Child("worker", "worker") if config.worker.standby else None
        """A worker that waits to take over; it is none of the line's children until then."""
        self.folder = runtime_folder(config.line.name)
        self._held: HeldFolder | None = None
        self._link: ZmqLink | None = None
        self._untold: deque[Message] = deque(maxlen=MAX_UNTOLD)
        self._bypass = False
        self._heard = Heard()
        self._gave_up = ""
        """Why the line ends, where it cannot go on; what decision says as it stops does not take that back."""
        self._news = 0
        """How much of what is published the last step has heard."""
        self._begun_by = os.getpid()
        self._kept_due_ns = self._stepped_ns = 0
        self._flight = FlightRecorder(config, self._last_words, say)

    def __enter__(self) -> Supervisor:
        try:
            self._open()
        except BaseException:
            self._let_go(failed=True)
            raise
        return self

    def _open(self) -> None:
        self._held = HeldFolder(self.folder, self._config.line.name)
        self._latch = Latch(self._config, self._say)  # the line before it, which may just be ending, has left all it would
        self._go_on()
        self._held.empty(FILE)
        self._link = ZmqLink(self.folder)
        self._inbox = self._link.inbox("supervisor")
        self._decision = self._link.outbox("decision")
        self._down = WhoIsDown(self._decision)
        self._pictures = self._link.pictures()
        self._metrics = self._link.outbox("metrics") if self._config.metrics else None
        self.events = self._link.subscribe(self._config.publisher.bind)
        """What the line publishes."""
        self._few = self._link.subscribe(self._config.publisher.bind, "Roll", "LineState", "Action", "SpanEvent", "Totals")
        self._many = self._link.subscribe(self._config.publisher.bind, "Verdict", "Reject", "Heartbeat")
        """They must not push out the few."""

    def _go_on(self) -> None:
        """Where the one before this was not stopped in order, its run goes on: the next generation of every process.

        A latched fault does in any case.
        """
        left = read_left(self.folder, self._config.sha, self._observe)
        before = left.before if left is not None else Handover()
        fault = read_fault(self.folder) or self._latch.fault
        self._heard = Heard(before.model_copy(update={"fault": fault}))
        if fault:
            self._say(f"{PREFIX}the line ended in FAULT and stays in it until `glassline tell CONFIG reset`: {fault}")
        if left is None:
            return
        self._begun_by, self._bypass = left.begun_by, left.before.bypass
        self._flight.begun_by = left.begun_by
        for child in self._processes:
            child.generation = left.generations.get(f"{child.role} {child.name}", -1)
            child.was_left = left.states.get(f"{child.role} {child.name}") is not None
        self._say("glassline: the line was not stopped, its run goes on")

    def _keep(self, now_ns: int) -> None:
        """Leave word of the run for who comes after this supervisor, should it be killed."""
        assert self._held is not None
        if now_ns >= self._kept_due_ns and self._held.is_ours:  # another line may have made it anew
            self._kept_due_ns = now_ns + KEEP_NS
            self._leave()

    def _leave(self) -> None:
        generations: dict[str, int] = {}
        for child in self._processes:
            key = f"{child.role} {child.name}"
            generations[key] = max(child.generation, generations.get(key, -1))
        write_left(self.folder, Left(
            config_sha=self._config.sha, observe=self._observe, begun_by=self._begun_by, generations=generations,
            before=self._heard.handover(self._bypass),
            states={f"{c.role} {c.name}": c.progress.state if c.ready and c.progress else None for c in self._children},
        ))  # fmt: skip

    def __exit__(self, *failure: object) -> None:
        failed = any(failure)
        try:
            self.stop()
            if failed and self._held is not None and self._held.is_ours:
                self._hear(time.monotonic_ns())  # the last of its verdicts
                self._heard.fault = self._heard.fault or self._gave_up
                self._leave()
            self._latch.leave((self._heard.fault or self._gave_up) if failed else "")
        finally:
            self._let_go(failed)

    def _let_go(self, failed: bool) -> None:
        """A run that ended in FAULT is left to the next line, unless somebody has stopped this one."""
        if self._link is not None:
            self._link.close()
        if self._held is not None:  # last: as long as it is held, no other line of that name has sockets there
            self._held.let_go(FILE if failed and (self._heard.fault or self._gave_up) else None)

    @property
    def _processes(self) -> list[Child]:
        """The line's children and the standby."""
        return [*self._children, *([self._standby] if self._standby is not None else [])]

    @property
    def progress(self) -> dict[str, Progress]:
        """The last word of each process, by name."""
        return {c.name: c.progress for c in self._children if c.progress}

    @property
    def at_work(self) -> dict[str, Progress]:
        """The same of those that the line cannot do without, by role and name; not of one that is being started."""
        needed = [c for c in self._children if c.ready and not ROLES[c.role].beyond_cable]
        return {f"{c.role} {c.name}": c.progress for c in needed if c.progress}

    @property
    def pids(self) -> dict[str, int]:
        """Each process that lives, by name."""
        return {c.name: c.process.pid for c in self._children if c.process}

    @property
    def ready(self) -> bool:
        """Every process has been started and has reported."""
        return all(c.ready for c in self._children)

    @property
    def up(self) -> bool:
        """The same, but for what is away and may come at any time, where the line can do without it."""
        return not any(c.awaited or (c.away and not ROLES[c.role].beyond_cable) for c in self._children)

    @property
    def ended(self) -> bool:
        """Every camera's source is at its end and all is decided and recorded."""
        decision = next(c for c in self._children if c.role == "decision")
        return decision.ready and decision.progress is not None and decision.progress.state is StageState.ENDED

    def bypass(self, on: bool) -> None:
        """The operator sets rejects aside, or takes that back; may be called from a signal handler: `step` tells it."""
        self._pass_on(Bypass(on=on))

    def _pass_on(self, word: Command) -> None:
        if isinstance(word, Bypass):
            self._bypass = word.on
        self._untold.append(word)

    def step(self) -> None:
        """Hear progress, start the next process, see to those that died or hang; LineFailed when it cannot go on."""
        assert self._link is not None
        now_ns = time.monotonic_ns()
        if now_ns - self._stepped_ns > AWAY_NS:
            for child in self._processes:
                child.spare(now_ns)
        self._stepped_ns = now_ns
        self._hear(now_ns)
        self._latch.keep(self._heard.fault, now_ns)  # as decision stops, its words take back no fault
        while self._untold and self._decision.send(self._untold[0]):
            self._untold.popleft()
        for child in [*self._children]:
            self._see_to(child, now_ns)
            if child.awaited and not child.was_left:
                break  # those that come later need it
        else:
            if self._standby is not None:
                self._see_to(self._standby, now_ns)
        self._down.tell(self._children, now_ns)
        self._keep(now_ns)
        self._flight.step(now_ns)
        self._link.wait(WAIT_MS)

    def _see_to(self, child: Child, now_ns: int) -> None:
        """Start it where it is down, start it again where it has ended, kill it where it hangs."""
        if child.process is None:
            # The last words of a decision that died say from where its successor goes on: they come before it.
            if now_ns >= child.restart_due_ns and not (child.role == "decision" and self._news):
                self._start(child, now_ns)
        elif (code := child.process.poll()) is not None:
            self._show(child, child.last_words())
            if child.awaited and code in (2, 3) and child is not self._standby:
                raise LineFailed("", code)  # it has said why
            self._failed(child, f"ended with status {code}", now_ns, code)
        elif (hang := child.hangs(now_ns)) and child.kill(now_ns):
            self._note_down(child, hang, now_ns)
            self._say(f"glassline: {child.name} {hang}, killed and started again")
        elif child.waits and child.ready and child is not self._standby:
            child.take_over()
        if child.ready:
            child.was_ready, child.away = True, False

    def _hear(self, now_ns: int) -> None:
        """Take in what the processes report and print, pass on what people say, and note what was published."""
        self._show_words()
        self._pictures.joined()  # libzmq keeps what subscribers say until it is heard
        for received, payloads in portion(self._inbox):
            match received:
                case Progress() as progress:
                    for child in self._processes:
                        if child.hears(progress, now_ns):
                            self._heard.hear(progress)
                            if self._metrics is not None and child is not self._standby:  # it bears the worker's name
                                self._metrics.send(progress)  # a refusal costs nothing: the next one is newer
                case Passages() as passed:
                    if self._metrics is not None:
                        self._metrics.send(passed)
                case Command() as word:
                    self._pass_on(word)
                case Frame() as frame if self._flight.see(frame, payloads[0], now_ns):
                    self._pictures.publish(frame, *payloads)
                case ScoreMap() as scored if self._is_glimpse(scored):
                    self._pictures.publish(scored, *payloads)
                case message:
                    self._inbox.refused.count(message.sender)
        self._news = 0
        for published, _ in (*portion(self._few), *portion(self._many)):
            self._news += 1
            self._heard.hear(published)
            self._flight.hear(published, now_ns)

    def _is_glimpse(self, scored: ScoreMap) -> bool:
        """Whether it is a small map of this line's, to be looked at."""
        sizes = scored.payload_sizes()
        return bool(sizes) and max(sizes) <= MAX_SHRUNK_BYTES and any(c.name == scored.camera for c in self._config.cameras)

    def _last_words(self) -> list[LastWord]:
        """Of each process; one that was started again and has not spoken has none yet."""
        return [
            LastWord(role=c.role, name=c.name, progress=c.progress, t_mono_ns=c.heard_ns)
            for c in self._children
            if c.progress is None or c.progress.generation == c.generation
        ]

    def _start(self, child: Child, now_ns: int) -> None:
        assert self._held is not None
        if not self._held.is_ours:
            self._give_up(child, f"the line's socket folder was removed, {self.folder}, start the line again")
        alike = [c.generation for c in self._processes if (c.role, c.name) == (child.role, child.name)]
        spec = Spec(
            role=child.role, name=child.name, generation=max(alike) + 1, folder=self.folder,
            supervisor_pid=os.getpid(), begun_by=self._begun_by, config=self._config, observe=self._observe,
            standby=child is self._standby, before=self._heard.handover(self._bypass),
            needed_tiles_per_s=self._needed_tiles_per_s,
        )  # fmt: skip
        self._kept_due_ns = now_ns  # no generation is given twice
        try:
            child.start(spec, now_ns)
        except OSError as e:  # no memory, no more processes or files, a full disk
            self._failed(child, f"cannot be started ({e.strerror})", now_ns)

    def _failed(self, child: Child, how: str, now_ns: int, status: int | None = None) -> None:
        """It is started again, or the standby takes its place; LineFailed where it has failed too often."""
        tries = child.failed(now_ns, status)
        if child is self._standby:
            self._say(f"glassline: standby {child.name} {how}, starting it again")
            if tries is not None:  # each try takes time from the one that works
                child.restart_due_ns = now_ns + RESTARTS_NS
            return
        why = how if status is None else child.why(status)
        known = child.away and self._down.is_known(child, why)
        self._note_down(child, why, now_ns, status)
        if tries is not None:
            self._give_up(child, f"{child.name} failed {tries} times in a minute, {how}, see the lines above")
        if child.role == "worker" and self._standby is not None and self._standby.process is not None:
            self._say(f"glassline: {child.name} {how}, the standby takes over")
            self._standby.failures_ns, self._standby.was_ready = child.failures_ns, child.was_ready
            self._children[self._children.index(child)] = self._standby
            self._standby = Child("worker", "worker")
        elif not known:
            self._say(f"glassline: {child.name} {how}, starting it again{' and again' * child.away}")

    def _note_down(self, child: Child, why: str, now_ns: int, status: int | None = None) -> None:
        if child is not self._standby:  # the line does not depend on it
            self._flight.fault(child.name, why, now_ns, status)
            self._down.note(child, why)

    def _give_up(self, child: Child, why: str) -> NoReturn:
        """The line ends, but first decision publishes FAULT, where it is there, and the outputs switch everything off.

        The fault is latched for the line that comes after, too.

        Where an output does not stop, the other side sees that the heartbeat is silent.
        """
        if child.role != "decision":
            self._publish_fault(child, why)
        self._gave_up = self._heard.fault or f"{child.name}: {why}"
        self._latch.keep(self._gave_up, time.monotonic_ns())
        self._terminate([c for c in self._children if c.role == "output"], time.monotonic() + FAULT_S)
        self._flight.fault("supervisor", why, time.monotonic_ns())
        raise LineFailed(why, 1)

    def _publish_fault(self, child: Child, why: str) -> None:
        generation = child.generation + 1  # of this one DOWN was the last word
        report = StatusReport(self._decision, child.role, child.name, generation)
        end_s = time.monotonic() + FAULT_S
        while time.monotonic() < end_s and not self._heard.fault:
            report.tell(time.monotonic_ns(), StageState.FAULT, why)
            self._hear(time.monotonic_ns())
            time.sleep(WAIT_MS / 1000)

    def _show_words(self) -> None:
        for child in self._processes:
            self._show(child, child.words())

    def _show(self, child: Child, printed: list[str]) -> None:
        for line in printed:
            if child.away and self._down.is_known(child, line.removeprefix(PREFIX)):
                continue
            self._flight.read(child.name, line, time.monotonic_ns())
            self._say(line)

    def stop(self) -> None:
        """Reverse order: sources first, then what is in hand is decided and recorded; nothing outlives STOP_S."""
        end_s = time.monotonic() + STOP_S
        self._flight.close(time.monotonic_ns())
        stop_in_order(self._children, self._standby, end_s, self._terminate, lambda: self._hear(time.monotonic_ns()))
        self._flight.leave(end_s)

    def _terminate(self, children: list[Child], until_s: float) -> None:
        terminate(children, until_s, self._show_words)
        for child in children:
            self._show(child, child.last_words())
