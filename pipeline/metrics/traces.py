"""The way of sampled frames through the line, as a file that chrome://tracing and https://ui.perfetto.dev open.

Its format is TRACE_FORMAT, with nestable asynchronous events: frames of one camera overlap, and each has a row of its own.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeline.messages.passages import Passages, Step

TRACE_FORMAT = "https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU"
KEPT_FRAMES = 512
"""Half a megabyte of JSON."""


class Stage(NamedTuple):
    """A part of the way, from which step to which it is, and where the frame is meanwhile."""

    name: str
    begins: Step
    ends: Step
    where: str


STAGES = (
    Stage("grab", Step.TAKEN, Step.SENT, "in the grabber: cut, measured, placed on the cloth"),
    Stage("transfer", Step.SENT, Step.RECEIVED, "on the link, or waiting for a worker that is in a call"),
    Stage("queue", Step.RECEIVED, Step.BEGUN, "in the worker, until the engine call that takes its first tiles"),
    Stage("score", Step.BEGUN, Step.SCORED, "in the engine, until its score is whole"),
    Stage("judge", Step.SCORED, Step.DECIDED, "on the link to decision, until the verdict"),
    Stage("publish", Step.DECIDED, Step.PUBLISHED, "in decision, until the verdict is with the publisher"),
    Stage("record", Step.PUBLISHED, Step.RECORDED, "on the link to the recorder, until the verdict is safe on disk"),
)
"""One after the other: together they are the whole way."""
IN_WORKER = (Step.RECEIVED, Step.BEGUN, Step.SCORED)


class Traces:
    """The latest sampled frames, put together from what each process saw pass."""

    def __init__(self) -> None:
        self._frames: OrderedDict[tuple[str, str, int], dict[Step, int]] = OrderedDict()

    def hear(self, message: Passages) -> Iterator[tuple[str, float]]:
        """Each stage that is known whole by this word, and its seconds."""
        for frame in message.frames:
            known = self._frames.setdefault(frame.key, {})
            new = frame.steps.keys() - known.keys()
            known.update({step: frame.steps[step] for step in new})
            for stage in STAGES:
                if new & {stage.begins, stage.ends} and {stage.begins, stage.ends} <= known.keys():
                    took_ns = known[stage.ends] - known[stage.begins]
                    if took_ns >= 0 or stage.ends is not Step.DECIDED:  # else it was decided without that score
                        yield stage.name, max(0, took_ns) / 1e9
            while len(self._frames) > KEPT_FRAMES:
                self._frames.popitem(last=False)

    def file(self) -> bytes:
        """The JSON; times in microseconds of the machine's monotonic clock."""
        cameras = sorted({camera for camera, _, _ in self._frames})
        events: list[dict[str, Any]] = [
            {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": f"camera {camera}"}}
            for pid, camera in enumerate(cameras, 1)
        ]
        for (camera, boot_id, seq), steps in self._frames.items():
            row = {"cat": "frame", "id": f"{camera}/{boot_id}/{seq}", "pid": 1 + cameras.index(camera), "tid": 0}
            at_ns = _in_order(steps)
            events.append(_event("b", row, f"frame {seq}", min(at_ns.values())))
            for stage in STAGES:
                if {stage.begins, stage.ends} <= at_ns.keys():
                    events.append(_event("b", row, stage.name, at_ns[stage.begins]))
                    events.append(_event("e", row, stage.name, at_ns[stage.ends]))
            events.append(_event("e", row, f"frame {seq}", max(at_ns.values())))
        return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}).encode()


def _event(phase: str, row: dict[str, Any], name: str, at_ns: int) -> dict[str, Any]:
    return {"ph": phase, "name": name, "ts": at_ns / 1000, **row}


def _in_order(steps: dict[Step, int]) -> dict[Step, int]:
    """None before the one that it follows: who sends may read the clock after who receives.

    What the worker did after the verdict is left out: nobody waited for it.
    """
    found: dict[Step, int] = {}
    latest_ns = 0
    for step in Step:
        if step in steps and not (step in IN_WORKER and steps[step] > steps.get(Step.DECIDED, steps[step])):
            found[step] = latest_ns = max(latest_ns, steps[step])
    return found
