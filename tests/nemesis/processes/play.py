"""Plays a schedule on a line, or one kill after another, and gives what is left of it."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pipeline
from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.supervision.telling import NotConfirmed
from tests.nemesis.processes import truth
from tests.nemesis.processes.acts import Nemesis
from tests.nemesis.processes.ear import Consumer, Ear
from tests.nemesis.processes.line import Line, wait
from tests.nemesis.processes.record import Record
from tests.nemesis.processes.recovery import replaced_ns, seconds, well_ns
from tests.nemesis.processes.schedule import Act, Schedule, processes

Say = Callable[[str], object]
UP_S, WELL_S = 120.0, 90.0
"""A line that is not up, or not well again, by then is a violation; on a loaded machine an engine takes its time."""
PEACE_S = 2.0
FAULT_NS, RESET_NS = 1_000_000_000, 1_500_000_000
MINUTE_S, MOST_IN_A_MINUTE = 62.0, 3


class Stage:
    """A place for many runs, with one model; used as a context manager."""

    def __enter__(self) -> Stage:
        self._held = tempfile.TemporaryDirectory(prefix="nemesis-")
        self.folder = Path(self._held.name)
        self.truth = truth.make(self.folder)
        return self

    def __exit__(self, *failure: object) -> None:
        self._held.cleanup()

    def play(self, schedule: Schedule, say: Say = lambda words: None) -> Record:
        """The record of a schedule."""
        record = Record(schedule.seed, {})
        with self._running(record, schedule.cloth, schedule.standby, schedule.basler, say) as line:
            if wait(line, lambda: well_ns(record, 0) is not None, UP_S):
                nemesis, person = Nemesis(line, schedule.acts, say), Person(line)

                def over() -> bool:
                    nemesis.step()
                    person.step(nemesis.over)
                    return nemesis.over

                try:
                    wait(line, over, 60)
                finally:
                    nemesis.end()
                person.well(WELL_S)
                wait(line, lambda: False, PEACE_S)
            say(line.words)
        return record

    def kill(self, count: int, seed: int, standby: bool, say: Say) -> Record:
        """Processes killed in turn, each when the line is well again, and none so often that the line gives it up."""
        record = Record(seed, {})
        rng, turn, killed_s = random.Random(f"kills {seed}"), list[str](), defaultdict[str, list[float]](list)
        with self._running(record, True, standby, False, say) as line:
            wait(line, lambda: well_ns(record, 0) is not None, UP_S)
            for number in range(count):
                turn = turn or rng.sample(processes(True), len(processes(True)))
                target = turn.pop()
                recent = killed_s[target][-MOST_IN_A_MINUTE:]
                if len(recent) == MOST_IN_A_MINUTE:
                    wait(line, lambda until_s=recent[0] + MINUTE_S: time.monotonic() > until_s, MINUTE_S)  # type: ignore[misc]
                wait(line, lambda: False, rng.uniform(0.2, 1.0 + 2.5 * (standby and target == "worker")))
                killed_s[target].append(time.monotonic())
                nemesis, first = Nemesis(line, (Act("kill", target, 0.0),), lambda words: None), len(record.heard)
                nemesis.step()
                deed = record.deeds[-1]

                def well() -> bool:
                    line_is = replaced_ns(record, deed)  # noqa: B023
                    return line_is is not None and well_ns(record, line_is, first) is not None  # noqa: B023

                if not wait(line, well, WELL_S):
                    say(f"{number:4} {target}: not well again within {WELL_S:g} s")
                    break
                say(f"{number:4} {target:10} {seconds(record, deed) or 0.0:6.2f} s")
            wait(line, lambda: False, PEACE_S)
        return record

    @contextmanager
    def _running(self, record: Record, cloth: bool, standby: bool, basler: bool, say: Say) -> Iterator[Line]:
        with tempfile.TemporaryDirectory(prefix="r", dir=self.folder) as name:
            folder = Path(name)
            shutil.copytree(self.truth.footage["b"], folder / "b")  # pictures may be spoiled
            own = replace(self.truth, footage={**self.truth.footage, "b": folder / "b"})
            with Line(own, folder, record, cloth, standby, basler) as line:
                with Ear(line.endpoint) as ear, Consumer(line.endpoint, ("a", "b")) as consumer:
                    record.heard, record.gate = ear.heard, consumer.changes
                    yield line
                    line.stop()
                record.read(line.ledger)


class Person:
    """Resets a latched fault once nothing is amiss any more."""

    def __init__(self, line: Line) -> None:
        self._line, self._due_ns = line, 0
        self._config = load_config(line.config)

    def step(self, peace: bool) -> None:
        """Where the line is in FAULT and at peace, tell it."""
        now_ns = time.monotonic_ns()
        if peace and now_ns >= self._due_ns and self._fault(now_ns):
            self._due_ns = now_ns + RESET_NS
            threading.Thread(target=self._reset, daemon=True).start()

    def well(self, limit_s: float) -> bool:
        """Whether the line is well again within that."""
        since_ns, first = time.monotonic_ns(), len(self._line.record.heard)

        def done() -> bool:
            self.step(True)
            return well_ns(self._line.record, since_ns, first) is not None

        return wait(self._line, done, limit_s)

    def _fault(self, now_ns: int) -> bool:
        for t_ns, m in reversed(self._line.record.heard):
            if m["t"] == "Heartbeat":
                return bool(m["state"] == "FAULT") and now_ns - t_ns < FAULT_NS
        return False

    def _reset(self) -> None:
        os.environ["XDG_RUNTIME_DIR"] = str(self._line.folder)
        with suppress(NotConfirmed, InputError):
            pipeline.reset(self._config)
