"""Runs a line for a long time and judges whether anything in it grows: memory, handles, threads, queues, latency, record."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from glass_core.events import Note, Pass, keep_quiet
from pipeline.config.line import LineConfig
from pipeline.link.protocol import portion
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.supervision.bundles import make_for_here
from pipeline.supervision.footprint import footprint, size_mib
from pipeline.supervision.running import check
from pipeline.supervision.signals import asked_to_stop
from pipeline.supervision.supervisor import Supervisor
from pipeline.supervision.trend import MONTH_DAYS, Trend, trend

SAMPLES = "samples.jsonl"
MAX_SAMPLES = 3600
MIN_INTERVAL_S = 1.0
LIMITS = {
    "rss_mib": (32.0, 2.0), "uss_mib": (32.0, 2.0), "handles": (10.0, 2.0), "sockets": (10.0, 2.0), "threads": (2.0, 1.0),
    "waiting": (2.0, 1.0), "p50_ms": (2.0, 1.0), "p99_ms": (10.0, 5.0),
}  # fmt: skip
"""How much a figure may grow a day, and what it must have come to in the half looked at before it is called growth.

In 30 days that is one GiB a process, 300 handles of the usual 1024, and 60 ms of a frame's budget. A soak of a day or more
sees all that may not be.
"""
RECORD = "record disk_mib"
"""It grows as cloth is judged, and may take the room that there is, in 30 days."""


class Soaked(BaseModel):
    """What a soak has found, as `--json` prints it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    out: str
    minutes: float
    samples: int
    frames: int
    not_inspected: int
    """Of the frames: the load may be more than the line can do."""
    restarts: dict[str, int]
    """By process: of those that did not live through it."""
    trends: dict[str, Trend]
    """By process and figure."""

    @property
    def growing(self) -> list[str]:
        """What grows more than it may."""
        return [name for name, found in self.trends.items() if found.grows]

    @property
    def steady(self) -> bool:
        """Nothing grows, and every process lived."""
        return not self.growing and not self.restarts


def soak(
    config: LineConfig,
    minutes: float,
    out: Path,
    *,
    stop: Callable[[], bool] = lambda: False,
    report: Callable[[object], None] = keep_quiet,
) -> Soaked:
    """Run a line for so long as its config says, its record in `out`, and judge the trend of each figure.

    Its cameras set the load: replayed ones without `rate` and without motion give as fast as the line takes. Its outputs act.
    Samples stand in `out` as they are taken. It ends early when `stop` says so and on SIGINT, SIGTERM and SIGHUP.
    Raises InputError for what cannot start and for a soak too short to judge, LineFailed when the line cannot go on.
    """
    if not 0 < minutes < float("inf"):
        raise InputError(f"{minutes:g} minutes, --minutes, give a number above 0")
    record = out / "record"
    config = config.model_copy(update={"ledger": config.ledger.model_copy(update={"path": record / config.ledger.path.name})})
    make_for_here(config, report)
    check(config, False, report)
    out.mkdir(parents=True, exist_ok=True)
    room_mib = shutil.disk_usage(out).free / 2**20
    with asked_to_stop() as stopped, Supervisor(config, say=lambda words: report(Note(words))) as line:
        taken = _Samples(line, record)
        with (out / SAMPLES).open("w", encoding="utf-8") as file:
            for sample in _sampled(line, taken, minutes * 60, lambda: stopped() or stop(), report):
                file.write(json.dumps(sample) + "\n")
                file.flush()
    found = Soaked(
        out=str(out), minutes=round(taken.seconds / 60, 3), samples=taken.count, frames=taken.frames,
        not_inspected=taken.not_inspected, restarts=dict(taken.restarts), trends=trends(out, room_mib),
    )  # fmt: skip
    if not found.trends:
        short = f"soaked for {taken.seconds:.0f} s only, which tells nothing"
        raise InputError(f"{short}, give more --minutes, and replayed cameras `loop: true`")
    return found


def _sampled(
    line: Supervisor, taken: _Samples, seconds: float, stop: Callable[[], bool], report: Callable[[object], None]
) -> Iterator[dict[str, Any]]:
    """Steps the line, and gives a sample each time one is due."""
    interval_s = max(MIN_INTERVAL_S, seconds / MAX_SAMPLES)
    began_s: float | None = None
    due_s = 0.0
    while not stop() and not line.ended:
        line.step()
        for message, _ in portion(line.events):
            if began_s is not None and isinstance(message, Verdict):
                taken.hear(message)
        now_s = time.monotonic()
        if began_s is None:
            if line.ready:
                began_s, due_s = now_s, now_s + interval_s
        elif now_s >= due_s:
            due_s += interval_s
            yield taken.take(now_s - began_s)
            report(Pass("soaking, s", int(now_s - began_s), int(seconds)))
        if began_s is not None and now_s - began_s > seconds:
            return


class _Samples:
    """Figures of a line now, and of what it has judged since the last time; constant memory."""

    def __init__(self, line: Supervisor, record: Path) -> None:
        self._line, self._record = line, record
        self._latency_ms: list[float] = []
        self._pids: dict[str, int] = {}
        self.restarts: Counter[str] = Counter()
        self.seconds, self.count, self.frames, self.not_inspected = 0.0, 0, 0, 0

    def hear(self, verdict: Verdict) -> None:
        """Count it; silent spans are of no frame."""
        if verdict.seq is None:
            return
        self.frames += 1
        self.not_inspected += verdict.result is Result.NOT_INSPECTED
        if verdict.result is not Result.NOT_INSPECTED and verdict.latency_ms is not None:
            self._latency_ms.append(verdict.latency_ms)

    def take(self, seconds: float) -> dict[str, Any]:
        """One sample: seconds since the line was ready, and each figure that can be had."""
        self.seconds, self.count = seconds, self.count + 1
        figures: dict[str, float] = {}
        for name, pid in {"supervisor": os.getpid(), **self._line.pids}.items():
            self.restarts.update([name] * (self._pids.setdefault(name, pid) != pid))
            self._pids[name] = pid
            figures |= {f"{name} {figure}": round(value, 3) for figure, value in footprint(pid).items()}
        figures |= {f"{name} waiting": progress.waiting for name, progress in self._line.progress.items()}
        if self._latency_ms:
            p50, p99 = np.percentile(self._latency_ms, [50, 99])
            figures |= {"line p50_ms": round(float(p50), 3), "line p99_ms": round(float(p99), 3)}
            self._latency_ms.clear()
        figures[RECORD] = round(size_mib(self._record), 3)
        return {"s": round(seconds, 3), "figures": figures}


def read_samples(out: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Of each figure its times, seconds, and values, from what a soak has written into `out`."""
    series: dict[str, tuple[list[float], list[float]]] = {}
    for line in (out / SAMPLES).read_text(encoding="utf-8").splitlines():
        sample = json.loads(line)
        for name, value in sample["figures"].items():
            times_s, values = series.setdefault(name, ([], []))
            times_s.append(sample["s"])
            values.append(value)
    return series


def trends(out: Path, room_mib: float) -> dict[str, Trend]:
    """Of each figure that was sampled often enough."""
    found = {}
    for name, (times_s, values) in read_samples(out).items():
        allowed, grain = (room_mib / MONTH_DAYS, 1.0) if name == RECORD else LIMITS[name.rsplit(" ", 1)[1]]
        if (of := trend(times_s, values, allowed, grain)) is not None:
            found[name] = of
    return found
