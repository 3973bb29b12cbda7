"""A line's figures under Prometheus's names: https://prometheus.io/docs/practices/naming/, base units, counters `_total`.

Counts come from decision's own totals, which are whole whatever this process missed. What only single verdicts tell (latency,
metres by reason, hashes) counts from the start of this process on; `glassline_metrics_missed_messages_total` is what it missed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.cloth.coverage import Coverage
from pipeline.config.line import LineConfig
from pipeline.messages.actions import Action
from pipeline.messages.line import STALE_NS, Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.passages import SAMPLED, Passages
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Progress
from pipeline.messages.states import ActionKind, Phase, Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.metrics.traces import Traces

CONTENT = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
STAGE_BUCKETS_S = (0.0005, 0.001, 0.002, *BUCKETS_S)
STEPS = ("wait", "prepare", "infer", "post")
GPU = {
    "gpu_percent": ("gpu_utilization_ratio", "How busy the GPU is.", 0.01),
    "gpu_memory_mib": ("gpu_memory_used_bytes", "Memory of the GPU in use.", 1 << 20),
    "gpu_w": ("gpu_power_watts", "What the GPU draws.", 1.0),
    "gpu_clock_mhz": ("gpu_clock_hertz", "Clock of the GPU's processors.", 1e6),
    "gpu_celsius": ("gpu_temperature_celsius", "Temperature of the GPU.", 1.0),
}
"""By the worker's counter: name, help, and what one of its units is in base units."""
MAX_MODELS = 64


class Figures(Collector):
    """Hears what the line publishes and what its processes report; `text` is what a scrape is given."""

    def __init__(self, config: LineConfig, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._config, self._now_ns, self._begun_ns = config, now_ns, now_ns()
        self._cameras = [c.name for c in config.cameras]
        scaled = [c.name for c in config.cameras if c.mm_per_px_y is not None]
        self._coverage = Coverage(scaled) if scaled else None
        self.state: LineState | None = None
        self.present: State | None = None
        self.judging = False
        """State and inspection_ok as they were told last, by either."""
        self.beat: Heartbeat | None = None
        self.beat_ns: int | None = None
        self._totals: Totals | None = None
        self._progress: dict[str, Progress] = {}
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._actions: Counter[str] = Counter()
        self._models: dict[str, tuple[str, str, str]] = {}
        self._next: dict[type[Message], tuple[int, int]] = {}
        self._missed = 0
        self._unseen_m: dict[str, float] = dict.fromkeys(Reason, 0.0)
        """The most so far: cloth is unseen until its last camera has spoken, and a counter never falls."""
        self._registry = CollectorRegistry()
        self._latency = Histogram(
            "glassline_frame_latency_seconds", "From a picture's arrival in the grabber to its verdict.",
            ["camera"], buckets=BUCKETS_S, registry=self._registry,
        )  # fmt: skip
        self._latencies = {c: self._latency.labels(c) for c in self._cameras}
        self._stages = Histogram(
            "glassline_frame_stage_seconds", f"From one step of a frame's way to the next; of every {SAMPLED}th frame.",
            ["stage"], buckets=STAGE_BUCKETS_S, registry=self._registry,
        )  # fmt: skip
        self.traces = Traces()
        self._registry.register(self)

    def fresh(self, now_ns: int) -> bool:
        """Whether decision was heard just now: what it said before holds no longer."""
        return self.beat_ns is not None and now_ns - self.beat_ns < STALE_NS

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)

    def hear(self, message: Message, now_ns: int) -> None:
        """What the line publishes, or what a process reports."""
        if isinstance(message, Progress):
            self._progress[message.name] = message
            return
        if isinstance(message, Passages):
            for stage, seconds in self.traces.hear(message):
                self._stages.labels(stage).observe(seconds)
            return
        again = self._count(message)
        match message:
            case LineState():
                self.state, self.present, self.judging = message, message.state, message.inspection_ok
            case Heartbeat():
                self.beat, self.beat_ns = message, now_ns
                self.present, self.judging = message.state, message.inspection_ok
            case Totals():
                self._totals = message
            case Action(phase=Phase.NOW) if not again:
                self._actions[message.kind] += 1
            case Verdict() if not again:
                self._hear_verdict(message)

    def collect(self) -> Iterator[Metric]:
        """What changes with every scrape."""
        yield from self._line()
        if self._totals is not None:
            yield from self._counts(self._totals)
        yield from self._cloth(self._totals)
        yield from self._processes()
        yield from self._worker()

    def describe(self) -> Iterable[Metric]:
        """Not known before there is a line."""
        return []

    def _count(self, message: Message) -> bool:
        """Whether it was heard before; what fell out before it is counted as missed."""
        number, generation = getattr(message, "number", None), getattr(message, "generation", None)
        if number is None or generation is None:
            return False
        kind, last = type(message), self._next.get(type(message))
        if last is not None and (generation, number) < last:
            return True
        if last is not None and generation == last[0]:
            self._missed += number - last[1]
        self._next[kind] = generation, number + 1
        return False

    def _hear_verdict(self, verdict: Verdict) -> None:
        if verdict.reason is not None and verdict.seq is not None:
            self._reasons[verdict.camera, verdict.reason] += 1
        if verdict.latency_ms is not None and verdict.camera in self._latencies:
            self._latencies[verdict.camera].observe(verdict.latency_ms / 1000)
        if verdict.weights_sha and (verdict.style in self._models or len(self._models) < MAX_MODELS):
            self._models[verdict.style] = verdict.weights_sha, verdict.engine_sha, verdict.card_sha
        placed = verdict.start_mm is not None and verdict.end_mm is not None and not verdict.rescan
        if placed and self._coverage is not None and verdict.camera in self._coverage.cameras:
            judged = verdict.result is not Result.NOT_INSPECTED
            self._coverage.add(verdict.camera, verdict.start_mm, verdict.end_mm, judged, verdict.reason or "")  # type: ignore[arg-type]

    def _line(self) -> Iterator[Metric]:
        line, now_ns = self._config.line.name, self._now_ns()
        fresh = self.fresh(now_ns)
        yield InfoMetricFamily("glassline_line", "The line.", value={"line": line, "config_sha": self._config.sha})
        states = GaugeMetricFamily(
            "glassline_state",
            "1 for the state that the line is in, 0 for the others; all 0 where its heartbeat is stale.",
            labels=["state"],
        )
        for state in State:
            states.add_metric([state], float(fresh and self.present is state))
        yield states
        yield GaugeMetricFamily(
            "glassline_inspection_ok", "1 while cloth that passes is being judged.", float(fresh and self.judging)
        )
        since_ns = self._begun_ns if self.beat_ns is None else self.beat_ns
        yield GaugeMetricFamily(
            "glassline_heartbeat_age_seconds",
            "Since decision was heard, or since this process began.",
            (now_ns - since_ns) / 1e9,
        )
        yield GaugeMetricFamily(
            "glassline_bypass", "1 while rejects are set aside.", float(self.beat is not None and self.beat.bypass)
        )
        if self.beat is not None:
            unseen = GaugeMetricFamily(
                "glassline_action_unacknowledged", "1 while somebody must still see to one.", labels=["kind"]
            )
            for kind in ActionKind:
                unseen.add_metric([kind], float(kind in self.beat.unacknowledged))
            yield unseen
        actions = CounterMetricFamily("glassline_actions", "What the action table asked for.", labels=["kind"])
        for kind in ActionKind:
            actions.add_metric([kind], self._actions[kind])
        yield actions
        yield CounterMetricFamily(
            "glassline_metrics_missed_messages", "Published, and never heard by this process.", self._missed
        )
        models = InfoMetricFamily("glassline_model", "By what cloth of a style was judged last.", labels=["style"])
        for style, (weights, engine, card) in self._models.items():
            models.add_metric([style], {"weights_sha": weights, "engine_sha": engine, "card_sha": card})
        yield models

    def _counts(self, t: Totals) -> Iterator[Metric]:
        grabbed = CounterMetricFamily("glassline_frames_grabbed", "Frames that a camera gave.", labels=["camera"])
        verdicts = CounterMetricFamily(
            "glassline_verdicts", "Verdicts, of frames and silent spans.", labels=["camera", "result"]
        )
        for camera, counts in t.cameras.items():
            grabbed.add_metric([camera], counts.frames)
            for result, n in zip(Result, (counts.passed, counts.defect, counts.not_inspected), strict=True):
                verdicts.add_metric([camera, result], n)
        yield grabbed
        yield verdicts
        inspected = CounterMetricFamily("glassline_frames_inspected", "Frames that were judged.", labels=["camera"])
        for camera, counts in t.cameras.items():
            inspected.add_metric([camera], counts.passed + counts.defect)
        yield inspected
        incomplete = t.reasons.get(Reason.DAMAGED, 0)
        yield CounterMetricFamily(
            "glassline_frames_incomplete", "Frames that came damaged, or could not be scored.", incomplete
        )
        refused = t.reasons.get(Reason.OVERLOAD, 0)
        yield CounterMetricFamily("glassline_frames_refused", "Frames that the worker's full queue refused.", refused)
        reasons = CounterMetricFamily("glassline_not_inspected", "Verdicts NOT_INSPECTED.", labels=["reason"])
        for reason in Reason:
            reasons.add_metric([reason], t.reasons.get(reason, 0))
        yield reasons
        yield CounterMetricFamily("glassline_rejects", "Rejects that were signalled.", t.rejects)
        yield CounterMetricFamily("glassline_rejects_inhibited", "Rejects that a bypass held back.", t.rejects_inhibited)
        yield CounterMetricFamily("glassline_late_scores", "Scores that came after their budget.", t.late_scores)
        yield CounterMetricFamily("glassline_records_dropped", "Records that the disk never took.", t.unrecorded)
        yield GaugeMetricFamily("glassline_frames_undecided", "Frames announced and not yet decided.", t.waiting)

    def _cloth(self, t: Totals | None) -> Iterator[Metric]:
        if t is not None and t.inspected_m is not None:
            yield CounterMetricFamily("glassline_inspected_meters", "Cloth that every camera judged.", t.inspected_m)
        if t is not None and t.speed_mm_s is not None:
            yield GaugeMetricFamily("glassline_cloth_speed_meters_per_second", "How fast the cloth runs.", t.speed_mm_s / 1000)
        if self._coverage is not None:
            unseen = CounterMetricFamily(
                "glassline_not_inspected_meters", "Cloth that some camera did not judge.", labels=["reason"]
            )
            found = self._coverage.reasons_mm
            for reason in Reason:
                self._unseen_m[reason] = max(self._unseen_m[reason], found.get(reason, 0.0) / 1000)
                unseen.add_metric([reason], self._unseen_m[reason])
            yield unseen

    def _processes(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("glassline_queue_depth", "What a process has in hand.", labels=["process"])
        restarts = CounterMetricFamily(
            "glassline_process_restarts", "How often a process was started again.", labels=["process"]
        )
        reconnects = CounterMetricFamily(
            "glassline_camera_reconnects", "How often a camera was opened again.", labels=["camera"]
        )
        refused = CounterMetricFamily(
            "glassline_messages_refused", "Messages dropped, by their sender.", labels=["process", "sender"]
        )
        wires = GaugeMetricFamily("glassline_output_connected", "1 while an output's other side answers.", labels=["output"])
        queued = GaugeMetricFamily(
            "glassline_output_queued_messages", "What waits for an output's other side.", labels=["output"]
        )
        lost = CounterMetricFamily(
            "glassline_output_lost_messages", "What an output's other side is never told.", labels=["output"]
        )
        for name, p in self._progress.items():
            waiting.add_metric([name], p.waiting)
            restarts.add_metric([name], p.generation)
            if name in self._cameras:
                reconnects.add_metric([name], p.generation)
            for key, n in p.counters.items():
                if key.startswith("refused "):
                    refused.add_metric([name, key.removeprefix("refused ")], n)
            for key, family in (("connected", wires), ("queued", queued), ("lost", lost)):
                if key in p.counters:
                    family.add_metric([name], p.counters[key])
        yield from (waiting, restarts, reconnects, refused, wires, queued, lost)

    def _worker(self) -> Iterator[Metric]:
        worker = self._progress.get("worker")
        if worker is None:
            return
        said = worker.counters
        if said.get("most_tiles") and "batch_tiles" in said:
            fill = said["batch_tiles"] / said["most_tiles"]
            yield GaugeMetricFamily("glassline_batch_fill_ratio", "Tiles of a batch, median, to the most there may be.", fill)
        steps = GaugeMetricFamily("glassline_worker_step_seconds", "Medians of the worker's steps.", labels=["step"])
        for step in STEPS:
            if f"{step}_ms" in said:
                steps.add_metric([step], said[f"{step}_ms"] / 1000)
        yield steps
        for key, (name, text, unit) in GPU.items():
            if key in said:
                yield GaugeMetricFamily(f"glassline_{name}", text, said[key] * unit)
