"""What the person at the line sees: the live screen of `run`, and plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipeline.config.line import LineConfig
from pipeline.dashboard.recent_totals import RecentTotals
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.domains import M_PER_MIN
from pipeline.messages.line import STALE_NS, CameraCounts, Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.motion import Motion
from pipeline.messages.stages import Progress
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.supervision.builders import ROLES

COLOURS = {
    State.STARTING: "bold #000000 on white",
    State.READY: "bold #000000 on bright_cyan",
    State.RUNNING: "bold #000000 on bright_green",
    State.STOPPED: "bold #000000 on bright_blue",
    State.DEGRADED: "bold #000000 on bright_yellow",
    State.FAULT: "bold #ffffff on red",
    State.BYPASS: "bold #000000 on bright_magenta",
}
BARS = "▁▂▃▄▅▆▇█"
STATUS_NS = 10_000_000_000
WAITS_FOR = {
    "recorder": "the record is opened", "decision": "what ran before is read", "worker": "its engine is made ready",
    "grabber": "its camera is opened", "motion": "its counter is looked for", "output": "its device is looked for",
    "input": "its device is looked for",
}  # fmt: skip
"""What a process does before its first word, by its role."""
LANES_SHOWN = 48
LABEL_WIDTH = 17


class Screen:
    """Keeps the last of everything the line says; a rich renderable.

    `update` takes what is published, `progress` the last word of each process; `log_line` gives a line of text, or None
    when there is nothing worth a line: changes of state, defects, rejects for lack of inspection, figures every 10 s.
    """

    def __init__(self, config: LineConfig, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._config, self._now_ns = config, now_ns
        self._state: LineState | None = None
        self._motion: Motion | None = None
        self._heard_ns: int | None = None
        self._totals = RecentTotals()
        self._progress: dict[str, Progress] = {}
        self._logged_ns: int | None = None
        self._began_ns = self._waited_ns = now_ns()
        self._roles = {name: role for role, row in ROLES.items() for name in row.names(config)}
        """By the name of a process, in the order of starting."""
        self._up = False

    def update(self, message: Message) -> None:
        """Keep what a message of the line says."""
        match message:
            case LineState():
                self._state = message
                self._up = self._up or message.state is not State.STARTING  # what is not there then may stay away for days
            case Motion():
                self._motion = message
            case Heartbeat():
                self._heard_ns = message.t_mono_ns
            case Totals():
                self._totals.add(message)

    def progress(self, progress: Mapping[str, Progress]) -> None:
        """Keep the last word of each process, by its name."""
        self._progress = dict(progress)
        self._up = self._up or not self._awaited()

    def waiting_line(self) -> str | None:
        """Every ten seconds until the line is up: for how long it has been starting, and what it waits for."""
        if self._up or self._now_ns() - self._waited_ns < STATUS_NS:
            return None
        self._waited_ns = self._now_ns()
        return f"STARTING {self._waiting()}"

    def log_line(self, message: Message) -> str | None:
        """The message as a line of text, where it is worth one."""
        match message:
            case LineState():
                ok = "inspection ok" if message.inspection_ok else "INSPECTION NOT OK"
                return f"{message.state}, {ok}" + (f": {message.detail}" if message.detail else "")
            case Verdict(result=Result.DEFECT):
                return f"DEFECT {_place(message)}, verdict {message.number}"
            case Reject(cause=Result.NOT_INSPECTED):
                span = (
                    ""
                    if message.start_mm is None or message.end_mm is None
                    else (f" from {message.start_mm / 1000:.3f} m to {message.end_mm / 1000:.3f} m")
                )
                return f"REJECT {message.camera}{span}: not inspected, {message.reason}"
            case Action():
                return f"{message.kind} {message.phase}, event {message.event}: {message.cause} {message.camera}".rstrip()
            case Roll():
                at = "" if message.start_mm is None else f" at {message.start_mm / 1000:.3f} m"
                return f"ROLL {message.roll_id or 'ended'}{at} ({message.cause})"
            case SpanEvent():
                span = f"{message.start_mm / 1000:.3f} m to {message.end_mm / 1000:.3f} m"
                return f"{message.kind} {span}, {message.action}" + (": no rejects there" if message.action.suppresses else "")
            case Totals() if self._logged_ns is None or message.t_mono_ns - self._logged_ns >= STATUS_NS:
                self._logged_ns = message.t_mono_ns
                return self._status(message)
        return None

    def __rich__(self) -> RenderableType:
        totals = self._totals.last
        return Panel(
            Group(self._headline(), Text(), self._cameras(totals), Text(), self._figures(totals)),
            title=Text(f" {self._config.line.name} "), title_align="left", border_style="dim", padding=(1, 2),
        )  # fmt: skip

    def rate(self, camera: str) -> float | None:
        """Frames per second of one camera over the last few seconds."""
        return self._totals.rate(camera)

    def _headline(self) -> RenderableType:
        state = self._state
        if state is None:
            return Text.assemble((" STARTING ", COLOURS[State.STARTING]), f"  {self._waiting()}")
        silent = self._heard_ns is not None and self._now_ns() - self._heard_ns > STALE_NS
        if silent:
            ok = (" NO HEARTBEAT: what is shown is old ", "bold #ffffff on red")
        elif state.inspection_ok:
            ok = ("inspection ok", "bold green")
        else:
            ok = (" INSPECTION NOT OK ", "bold #ffffff on red")
        top = Text.assemble((f"   {state.state}   ", COLOURS[state.state]), "   ", ok, "   ", self._source())
        detail = state.detail if self._up or state.state is not State.STARTING else self._waiting()
        return Group(top, Text(detail, style="yellow")) if detail else top

    def _awaited(self) -> list[str]:
        return [name for name in self._roles if name not in self._progress or self._progress[name].state is None]

    def _waiting(self) -> str:
        """For how long by now, and for what: the first of those that have not spoken is what the others wait for."""
        elapsed_s = (self._now_ns() - self._began_ns) / 1e9
        first, *others = self._awaited() or [""]
        what = f"{first}: {WAITS_FOR.get(self._roles[first], 'it begins')}" if first else "the line's first word"
        then = f"; then {', '.join(others)}" if others else ""
        return f"for {elapsed_s:.0f} s, waiting for {what}{then}"

    def _source(self) -> str:
        """Position and speed, as the motion source or the last totals say."""
        if self._motion is not None:
            position_mm, speed_mm_s, word = self._motion.position_mm, self._motion.speed_mm_s, str(self._motion.state)
        elif (totals := self._totals.last) and totals.position_mm is not None and totals.speed_mm_s is not None:
            position_mm, speed_mm_s, word = totals.position_mm, totals.speed_mm_s, "web"
        else:
            return ""
        return f"{word.lower()} at {position_mm / 1000:.3f} m, {speed_mm_s * M_PER_MIN:.1f} m/min"

    def _cameras(self, totals: Totals | None) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("camera")
        for name in ("frames/s", "frames", "pass", "defect", "not insp.", "metres"):
            table.add_column(name, justify="right")
        table.add_column("score by lane")
        table.add_column("last")
        for camera in self._config.cameras:
            counts = totals.cameras.get(camera.name) if totals else None
            if counts is None:
                table.add_row(camera.name, *[""] * 7, Text("no word yet", style="dim"))
                continue
            rate = self.rate(camera.name)
            table.add_row(
                camera.name, "" if rate is None else f"{rate:.1f}", f"{counts.frames:,}", f"{counts.passed:,}",
                _count(counts.defect, "red"), _count(counts.not_inspected, "yellow"),
                "?" if counts.inspected_m is None else f"{counts.inspected_m:,.2f}", _lanes(counts), _last(counts),
            )  # fmt: skip
        return table

    def _figures(self, totals: Totals | None) -> RenderableType:
        if totals is None:
            return Text("no figures yet", style="dim")
        cloth = _pairs({
            "inspected": _metres(totals.inspected_m), "not inspected": _metres(totals.not_inspected_m),
            "last defect": totals.last_defect or "none", "rejects": _rejects(totals),
        })  # fmt: skip
        latency = " / ".join(f"{totals.latency_ms[p]:.0f}" for p in ("p50", "p95", "p99") if p in totals.latency_ms)
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in totals.reasons.items())
        timing = _pairs({
            "latency ms": f"{latency}  (p50 / p95 / p99)" if latency else "none yet", "undecided": f"{totals.waiting}",
            "late scores": f"{totals.late_scores}", "reasons": reasons or "none",
            **({"records dropped": f"{totals.unrecorded:,}"} if totals.unrecorded else {}),
        })  # fmt: skip
        queues = ", ".join(f"{p.name} {p.waiting}" for p in self._progress.values())
        restarts = ", ".join(f"{p.name} {p.generation}" for p in self._progress.values() if p.generation > 0)
        worker = self._progress.get("worker")
        parts = _pairs({
            "in hand": queues or "no word yet", "restarts": restarts or "none",
            "worker generation": "no word yet" if worker is None else f"{worker.generation}",
            **({"refused": refused} if (refused := _refused(self._progress.values())) else {}),
            **({"worker": told} if worker and (told := _worker(worker.counters)) else {}),
        })  # fmt: skip
        beside = Table.grid(padding=(0, 6, 0, 0))
        beside.add_row(cloth, timing)
        return Group(beside, parts)

    def _status(self, totals: Totals) -> str:
        parts = [
            f"{totals.verdicts} verdicts: {totals.passed} pass, {totals.defect} defect, {totals.not_inspected} not inspected"
        ]
        if totals.inspected_m is not None and totals.not_inspected_m is not None:
            parts.append(f"{totals.inspected_m:.2f} m inspected, {totals.not_inspected_m:.2f} m not")
        if "p95" in totals.latency_ms:
            parts.append(f"latency p95 {totals.latency_ms['p95']:.0f} ms")
        if totals.unrecorded:
            parts.append(f"{totals.unrecorded} records dropped")
        rates = ((c.name, self.rate(c.name)) for c in self._config.cameras)
        parts += [f"{name} {rate:.1f} frames/s" for name, rate in rates if rate is not None]
        return "; ".join(parts)


def _place(verdict: Verdict) -> str:
    """Camera, place and score of a verdict's strongest region, in the units that are known."""
    where = f"frame {verdict.seq}" if verdict.start_mm is None else f"{verdict.start_mm / 1000:.3f} m"
    if verdict.regions:
        r = verdict.regions[0]
        if r.y0_mm is not None and r.x0_mm is not None and r.x1_mm is not None:
            where = f"{r.y0_mm / 1000:.3f} m, {r.x0_mm:.0f} to {r.x1_mm:.0f} mm across"
        else:
            where += f", x {r.x0_px} to {r.x1_px} px"
    return f"{verdict.camera} at {where}" + ("" if verdict.score is None else f", score {verdict.score:.3f}")


def _lanes(counts: CameraCounts) -> Text:
    """One bar a lane, 0 to 1, and the highest score; red where the last frame was a DEFECT."""
    if not counts.lanes:
        return Text("")
    bars = "".join(
        BARS[min(int(max(s, 0.0) * len(BARS)), len(BARS) - 1)] if s == s else "?" for s in counts.lanes[:LANES_SHOWN]
    )
    more = "…" if len(counts.lanes) > LANES_SHOWN else ""
    style = "red" if counts.last == Result.DEFECT else "green"
    return Text.assemble((bars + more, style), f" {max(counts.lanes):.3f}")


def _last(counts: CameraCounts) -> Text:
    style = {"PASS": "green", "DEFECT": "bold red"}.get(counts.last, "yellow")
    return Text(counts.last, style=style)


def _count(n: int, style: str) -> Text:
    return Text(f"{n:,}", style=style if n else "")


def _metres(metres: float | None) -> str:
    return "scale unknown" if metres is None else f"{metres:,.3f} m"


def _rejects(totals: Totals) -> str:
    inhibited = f" ({totals.rejects_inhibited} inhibited)" if totals.rejects_inhibited else ""
    return f"{totals.rejects}{inhibited}"


def _worker(figures: Mapping[str, float]) -> str:
    """Where the worker's time goes, and its GPU; empty before the first batch."""
    if "infer_ms" not in figures:
        return ""
    timed = [(step, f"{step}_ms") for step in ("wait", "prepare", "infer", "post")]
    steps = ", ".join(f"{step} {figures[name]:.1f}" for step, name in timed if name in figures)
    told = f"batch {figures['batch_tiles']:.0f} of {figures['most_tiles']:.0f} tiles; ms: {steps}"
    units = (("gpu_percent", "%"), ("gpu_memory_mib", " MiB"), ("gpu_w", " W"))
    gpu = ", ".join(f"{figures[name]:.0f}{unit}" for name, unit in units if name in figures)
    return told + (f"; GPU {gpu}" if gpu else "")


def _refused(progress: Iterable[Progress]) -> str:
    """Whose messages each process dropped, and how many; empty while there are none."""
    said = ((p.name, key.split(" ", 1), n) for p in progress for key, n in p.counters.items())
    return ", ".join(f"{name} {n:,} of {key[1]}" for name, key, n in said if key[0] == "refused" and len(key) == 2)


def _pairs(pairs: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", min_width=LABEL_WIDTH)
    for name, value in pairs.items():
        table.add_row(name, Text(value))
    return table
