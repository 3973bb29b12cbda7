"""The roles of a line's processes in one table, and how the stage of each is built.

A builder's imports are its own, so that only the worker loads an engine's libraries.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from calibration.threshold import load_card
from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.config.motion import CameraMotion, EncoderMotion
from pipeline.decision.judgement import standard_of
from pipeline.link.protocol import Link, Outbox
from pipeline.link.stage import Stage
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.commands import RollStart
from pipeline.supervision.signals import TAKE_OVER
from pipeline.supervision.spec import Spec

T = TypeVar("T")


@dataclass(frozen=True)
class Role:
    """What the supervisor needs to know of a role."""

    build: Callable[[Spec, Link, Path], Stage]
    names: Callable[[LineConfig], Sequence[str]]
    """Of its processes in a line."""
    source: bool = False
    """It brings things in, and is stopped before all others."""
    beyond_cable: bool = False
    """It is started again for ever: what is beyond a cable may come back after any time."""
    prompt: bool = False
    """It computes, and waits neither for a disk, an engine nor a device: where it is silent for long, it hangs."""


def _frame_mm(config: LineConfig) -> dict[str, float | None]:
    """Length of each camera's new rows; null where the scale is not known, 0 where only the rows are not."""
    return {c.name: None if c.mm_per_px_y is None else (c.rows or 0) * c.mm_per_px_y for c in config.cameras}


def _by_style(config: LineConfig, models: Mapping[Path, T]) -> dict[str, T]:
    """What belongs to the model of each style; "" is any that the config does not name."""
    found = {name: config.style(name).model for name in ("", *config.styles)}
    return {name: models[model] for name, model in found.items() if model is not None}


def _roll(spec: Spec) -> RollStart:
    """The roll that runs, or is the first."""
    return spec.before.roll or RollStart(roll_id=spec.config.line.roll_id, style=spec.config.line.style)


def build(spec: Spec, link: Link) -> Stage:
    """The stage of that role; InputError or MissingError where it cannot be."""
    if spec.config.model is None:
        raise InputError("no model, the config, add `model: RUN`")
    return ROLES[spec.role].build(spec, link, spec.config.model)


def _grabber(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.cameras import make_camera
    from pipeline.grabber.camera_style import CameraStyle
    from pipeline.grabber.reject_line import RejectLine
    from pipeline.grabber.stage import Grabber, GrabberBoxes, GrabberTerms, OpenCamera

    config = next(c for c in spec.config.cameras if c.name == spec.name)
    camera = make_camera(config)
    facts = camera.open()
    encoder = spec.config.motion
    terms = GrabberTerms(
        boot_id=f"{time.time_ns():x}",
        generation=spec.generation,
        budget_ms=spec.config.decision.budget_ms if spec.live else None,
        lossless=not spec.live,
        position_known=spec.generation == 0,
        encoder=encoder if isinstance(encoder, EncoderMotion) else None,
    )
    motion = link.inbox(f"grabber-{spec.name}") if spec.config.motion and spec.live else None
    own_count = isinstance(encoder, CameraMotion) and encoder.camera == spec.name
    counts = link.outbox("motion") if own_count and spec.live else None
    recording = link.outbox("recording") if spec.config.recording and spec.live else None
    boxes = GrabberBoxes(link.outbox("worker"), link.outbox("decision"), link.outbox("recorder"), motion, counts, recording)
    features = {name: spec.config.style(name).features[spec.name] for name in ("", *spec.config.styles)}
    rolls = link.subscribe(spec.config.publisher.bind, "Roll") if isinstance(link, ZmqLink) else None
    style = CameraStyle(camera, _roll(spec).style or "", features, rolls)
    wire, reject_line = getattr(config, "reject_line", None), None
    if wire is not None and isinstance(link, ZmqLink):
        heard = link.subscribe(spec.config.publisher.bind, "Heartbeat", "Reject")
        reject_line = RejectLine(heard, camera.switch, wire.pulse_ms)
    return Grabber(OpenCamera(camera, config, facts), terms, boxes, time.time_ns, style, reject_line)


def _motion(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.motion import MotionStage, make_source

    if spec.config.motion is None:
        raise InputError("no motion source, the config, add `motion:`")
    grabbers = [link.outbox(f"grabber-{c.name}") for c in spec.config.cameras]
    recording = link.outbox("recording") if spec.config.recording else None
    cloth = make_source(spec.config.motion, lambda: link.inbox("motion"), spec.before.travelled)
    return MotionStage(cloth, link.outbox("decision"), grabbers, spec.generation, recording)


def _worker(spec: Spec, link: Link, model: Path) -> Stage:
    from glass_core.engines.speed import quick_tiles_per_s
    from pipeline.supervision.demand import refuse_slow
    from pipeline.supervision.loaded_models import load_models
    from pipeline.telemetry import Gpu
    from pipeline.worker.job import Model
    from pipeline.worker.stage import Worker
    from pipeline.worker.standby import Standby

    w = spec.config.worker
    models: dict[Path, Model] = {}
    for folder, loaded in load_models(spec.config, spec.observe).items():
        if spec.needed_tiles_per_s and spec.generation == 0:  # started again it must not end a line that ran
            refuse_slow(spec.needed_tiles_per_s, quick_tiles_per_s(loaded.engine, w.max_batch))
        thresholds = loaded.card.thresholds if loaded.card else ()
        models[folder] = Model(loaded.engine, min(spec.config.decision.recording_floor, 1.0, *thresholds), thresholds)
    gpu = Gpu() if any(m.engine.device == "cuda" for m in models.values()) else None

    def begin() -> Worker:
        return Worker(
            link.inbox("worker"), link.outbox("decision"), _by_style(spec.config, models),
            w.max_batch, int(w.batch_wait_ms * 1e6), spec.generation, gpu,
        )  # fmt: skip

    if not spec.standby:
        return begin()
    told: list[int] = []
    signal.signal(TAKE_OVER, lambda number, frame: told.append(number))
    return Standby(begin, lambda: bool(told))


def _decision(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.decision.actions import Actions
    from pipeline.decision.cloth import ClothTerms
    from pipeline.decision.stage import Decision, DecisionTerms
    from pipeline.messages.actions import Action
    from pipeline.outputs.publisher import Publisher

    line, before, roll = spec.config.line, spec.before, _roll(spec)
    standards = {m: standard_of(load_card(m, required=not spec.observe)) for m in spec.config.models}
    terms = DecisionTerms(
        frame_mm=_frame_mm(spec.config),
        standards=_by_style(spec.config, standards),
        tolerate_not_inspected_mm=line.inspection_ok.tolerate_not_inspected_mm,
        observe=spec.observe,
        generation=spec.generation,
        alignment_tolerance_mm=line.alignment_tolerance_mm,
        cloth=ClothTerms(
            roll.roll_id,
            roll.style or "",
            line.roll_length_m * 1000,
            lru_cache(spec.config.style),
            roll.at_mm,
            {c.name: c for i in spec.config.inputs for c in i.contacts},
            spec.config.known_styles,
            spec.config.decision.longest_event_m * 1000,
            before.spans,
        ),
        actuator_mm={c.name: c.actuator_mm for c in spec.config.cameras if c.actuator_mm is not None and c.mm_per_px_y},
        y_offset_mm={c.name: c.y_offset_mm for c in spec.config.cameras},
        decided=before.decided,
        totals=before.totals,
        interval_ms={c.name: c.frame_ms for c in spec.config.cameras if c.keeps_time} if spec.live else {},
        wires=tuple((role, name) for role in BESIDE for name in ROLES[role].names(spec.config)),
        reject_wires=tuple(o.name for o in spec.config.wired if o.carries_rejects),
        motion=spec.live and spec.config.motion is not None and not isinstance(spec.config.motion, CameraMotion),
        bypass=before.bypass,
        fault=before.fault,
    )
    publisher = Publisher(link.broadcast(spec.config.publisher.bind, spec.config.publisher.keys), spec.generation)
    actions = Actions(
        spec.config.actions, spec.config.grading,
        getattr(spec.config.motion, "counts_per_mm", None), spec.generation, lambda: publisher.number(Action),
        before.actions, before.events, bool(before.fault) and not before.bypass,
    )  # fmt: skip
    return Decision(link.inbox("decision"), link.outbox("recorder"), publisher, terms, time.time_ns, actions, time.monotonic_ns)


def _recorder(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.ledger.stage import make_recorder

    return make_recorder(
        link.inbox("recorder"), link.outbox("decision"), spec.config, model, spec.generation, spec.begun_by or os.getppid()
    )


def _output(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.outputs import output_kind

    assert isinstance(link, ZmqLink)  # outputs belong to a live line: replay has none
    config = next(o for o in spec.config.wired if o.name == spec.name)
    heard = link.subscribe(spec.config.publisher.bind)
    return output_kind(config.kind).make(config, heard, link.outbox("decision"), spec.generation, spec.config)


def _input(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.inputs import input_kind
    from pipeline.inputs.sure_outbox import SureOutbox

    config = next(i for i in spec.config.inputs if i.name == spec.name)
    decision: Outbox = link.outbox("decision")
    if isinstance(link, ZmqLink):
        decision = SureOutbox(decision, link.subscribe(spec.config.publisher.bind, "Heartbeat", "Roll", "SpanEvent"))
    return input_kind(config.kind).make(config, decision, spec.generation)


def _rolls(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.report.finishing import make_finishing

    assert isinstance(link, ZmqLink)
    heard = link.subscribe(spec.config.publisher.bind, "Roll", "Verdict")
    return make_finishing(heard, link.outbox("decision"), spec.config, spec.generation)


def _metrics(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.metrics.stage import Metrics

    assert isinstance(link, ZmqLink)
    heard = link.subscribe(spec.config.publisher.bind)
    return Metrics(heard, link.inbox("metrics"), link.outbox("decision"), spec.config, spec.generation)


def _recording(spec: Spec, link: Link, model: Path) -> Stage:
    from pipeline.recording.stage import HEARD, make_recording

    assert isinstance(link, ZmqLink)
    heard = link.subscribe(spec.config.publisher.bind, *(kind.__name__ for kind in HEARD))
    return make_recording(heard, link.inbox("recording"), link.outbox("decision"), spec.config, spec.generation)


BESIDE = ("output", "input", "rolls", "metrics", "recording")
"""Roles that say to decision how they are, beside those that cloth is judged by."""

# In the order of starting: those that come later need those before.
ROLES: dict[str, Role] = {
    "recorder": Role(_recorder, lambda config: ["recorder"]),
    "recording": Role(_recording, lambda config: ["recording"] * (config.recording is not None), beyond_cable=True),
    "decision": Role(_decision, lambda config: ["decision"], prompt=True),
    "worker": Role(_worker, lambda config: ["worker"]),
    "grabber": Role(_grabber, lambda config: [c.name for c in config.cameras], source=True, beyond_cable=True),
    "motion": Role(_motion, lambda config: ["motion"] if config.motion else [], source=True),
    "output": Role(_output, lambda config: [o.name for o in config.wired], beyond_cable=True),
    "rolls": Role(_rolls, lambda config: ["rolls"] * any(getattr(o, "rolls", False) for o in config.wired), beyond_cable=True),
    "metrics": Role(_metrics, lambda config: ["metrics"] * (config.metrics is not None), beyond_cable=True),
    "input": Role(_input, lambda config: [i.name for i in config.inputs], source=True, beyond_cable=True),
}
