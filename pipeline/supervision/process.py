"""Runs one stage in a process of its own, or all stages of a replay in this one.

The supervisor starts `python -m pipeline.supervision.process SPEC.json`.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from glass_core.engines.canary import EngineFault
from glass_core.errors import AbsentError, InputError, MissingError
from pipeline.cameras.protocol import CameraLost
from pipeline.config.line import LineConfig
from pipeline.link.memory_link import MemoryLink
from pipeline.link.protocol import Outbox
from pipeline.link.stage import Stage
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.message import Message
from pipeline.messages.passages import Passages
from pipeline.messages.stages import Progress
from pipeline.supervision.builders import build
from pipeline.supervision.child import ABSENT
from pipeline.supervision.confinement import confine
from pipeline.supervision.loop import loop
from pipeline.supervision.spec import Spec
from pipeline.telemetry import Refusals, Trail

PROGRESS_NS = 200_000_000
LAST_WORDS_NS = 150_000_000


def run_in_one_process(config: LineConfig, observe: bool, stop: Callable[[], bool], heard: Callable[[int], None]) -> None:
    """All stages over the in-memory link until every source is at its end: back-pressure, no deadlines, no losses.

    `heard(n)` is told after each round how many verdicts there are.
    """
    from pipeline.decision.stage import Decision

    link = MemoryLink()
    roles = [("recorder", "recorder"), ("decision", "decision"), ("worker", "worker")]
    roles += [("grabber", c.name) for c in config.cameras]
    stages: list[Stage] = []
    try:
        for role, name in roles:
            spec = Spec(role=role, name=name, generation=0, folder=Path(), config=config, observe=observe, live=False)
            stages.append(build(spec, link))
        recorder, decision = stages[0], next(s for s in stages if isinstance(s, Decision))

        def round_done(now_ns: int, steps: int) -> None:
            while recorder.step(now_ns):  # replay waits for its record rather than leave pictures out
                pass
            heard(decision.verdicts)

        loop(stages[:0:-1], link.wait, lambda: stop() or decision.finished, round_done)
    finally:
        for stage in stages[::-1]:  # a stage's last words are heard by those that close after it
            stage.close()


class Reporter:
    """Sends a stage's progress to the supervisor, from the stage's own steps.

    With it go what it saw last, made small, and when sampled frames passed.
    """

    def __init__(self, stage: Stage, spec: Spec, supervisor: Outbox, strangers: Refusals) -> None:
        self._stage, self._spec, self._supervisor, self._strangers = stage, spec, supervisor, strangers
        self._due_ns = 0

    def __call__(self, now_ns: int, steps: int) -> None:
        """When it is time."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + PROGRESS_NS
        stage = self._stage
        strangers = {f"refused tcp {address}": n for address, n in self._strangers.by_sender.items()}
        progress = Progress(
            name=self._spec.name, generation=self._spec.generation, state=stage.state, steps=steps,
            handled=stage.handled, waiting=stage.waiting, counters=getattr(stage, "counters", {}) | strangers,
            kept=getattr(stage, "kept", None),
        )  # fmt: skip
        self._supervisor.send(progress)
        glimpse: Callable[[], tuple[Message, *tuple[bytes, ...]] | None] = getattr(stage, "glimpse", lambda: None)
        if (seen := glimpse()) is not None:
            self._supervisor.send(*seen)  # for whoever watches, and in case of a fault; a refusal costs nothing but that
        trail: Trail | None = getattr(stage, "trail", None)
        if trail is not None and (passed := trail.take()):
            self._supervisor.send(Passages(name=self._spec.name, frames=passed))


def die_with_parent(parent_pid: int | None = None) -> None:
    """The kernel kills this process when the supervisor is gone: no orphan holds a camera."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if parent_pid not in (None, os.getppid()):  # gone before the kernel was asked
        raise SystemExit(1)


def main(arguments: Iterable[str]) -> int:
    """Run one stage until SIGTERM; exit 0 asked to, 1 the camera or engine failed, ABSENT, 2 and 3 as the program's own."""
    (path,) = map(Path, arguments)
    spec = Spec.model_validate(json.loads(path.read_text(encoding="utf-8")))
    path.unlink(missing_ok=True)  # what is started again for ever must not fill the folder
    die_with_parent(spec.supervisor_pid)
    confine()
    faulthandler.enable()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, frame: stopped.append(time.monotonic_ns()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's: it stops us in order
    link: ZmqLink | None = None
    stage: Stage | None = None
    try:
        link = ZmqLink(spec.folder)
        stage = build(spec, link)
        # The recorder is last: what others sent before they ended may still be on its way.
        grace_ns = LAST_WORDS_NS if spec.role == "recorder" else 0
        loop(
            [stage],
            link.wait,
            lambda: bool(stopped) and time.monotonic_ns() - stopped[0] >= grace_ns,
            Reporter(stage, spec, link.outbox("supervisor"), link.strangers),
        )
        ended = stage
        stage = None
        ended.close()
        return 0
    except (InputError, MissingError) as e:
        print(f"glassline: {e}", file=sys.stderr, flush=True)
        return ABSENT if isinstance(e, AbsentError) else 2 if isinstance(e, InputError) else 3
    except EngineFault as e:
        print(f"glassline: {e}, {spec.name}, run `glassline doctor` if it happens again", file=sys.stderr, flush=True)
        return 1
    except CameraLost as e:
        print(f"glassline: camera lost, {spec.name}, {e}", file=sys.stderr, flush=True)
        return 1
    finally:
        if stage is not None:
            with contextlib.suppress(Exception):  # it has failed already, and said why
                stage.close()
        if link is not None:
            link.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
