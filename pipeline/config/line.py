"""The configuration of a line: typed, unknown keys refused, echoed and hashed into every record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from glass_core.settings.section import Section
from pipeline.config.actions import ActionConfig
from pipeline.config.agreement import CHECKS
from pipeline.config.cameras import BaslerConfig, CameraConfig
from pipeline.config.decision import DecisionConfig, InspectionOkConfig
from pipeline.config.inputs import InputConfig
from pipeline.config.ledger import LedgerConfig
from pipeline.config.metrics import MetricsConfig
from pipeline.config.motion import MotionConfig
from pipeline.config.outputs import OutputConfig, PublisherConfig, WiredConfig
from pipeline.config.recording import RecordingConfig
from pipeline.config.styles import EventsConfig, Scalar, StyleConfig
from pipeline.config.worker import WorkerConfig
from pipeline.grading import CutRules, Rules
from pipeline.messages.domains import MAX_CAMERAS, MAX_ROLL_MM, Label, Name

StyleName = Annotated[Label, Field(min_length=1)]


class LineSection(Section):
    """The line as a whole."""

    name: Name = "line"
    roll_id: Label = ""
    style: Label = ""
    roll_length_m: float = Field(default=20_000.0, ge=0.01, le=MAX_ROLL_MM / 1000)
    """A roll of this length ends, and the next is counted on: R-0009 is followed by R-0010.

    No word may name a place that is further from where the cloth is, up or down: a roll that began, or a splice that was seen,
    may lie a whole roll back, and the next roll begins within a roll's length.
    """
    events: EventsConfig = EventsConfig()
    alignment_tolerance_mm: float = Field(default=2.0, gt=0)
    """Neighbouring cameras may place the cloth that both see so far apart, before the line warns."""
    inspection_ok: InspectionOkConfig = InspectionOkConfig()


class LineConfig(Section):
    """A line. Paths are relative to the folder the program is started in."""

    line: LineSection = LineSection()
    styles: dict[StyleName, StyleConfig] = Field(default_factory=dict)
    """Those that a roll may be started with; where one says nothing, the line's own model, features and events hold."""
    model: Path | None = None
    motion: MotionConfig | None = None
    cameras: tuple[CameraConfig, ...] = Field(default=(), max_length=MAX_CAMERAS)
    worker: WorkerConfig = WorkerConfig()
    decision: DecisionConfig = DecisionConfig()
    grading: Rules = Rules()
    cut: CutRules | None = None
    """How a finished roll may be cut into pieces; null: no cut is proposed."""
    actions: tuple[ActionConfig, ...] = Field(default=(), max_length=32)
    inputs: tuple[InputConfig, ...] = ()
    outputs: tuple[OutputConfig, ...] = (PublisherConfig(kind="publisher"),)
    metrics: MetricsConfig | None = None
    """Null: nobody is answered."""
    recording: RecordingConfig | None = None
    """Null: nothing but the record and its crops is kept."""
    ledger: LedgerConfig = LedgerConfig()
    train: dict[str, Any] = Field(default_factory=dict)
    """Settings of training, echoed as they are written; the file's reader checks them."""

    @model_validator(mode="after")
    def _agreed(self) -> LineConfig:
        for check in CHECKS:
            check(self)
        return self

    @property
    def known_styles(self) -> tuple[str, ...]:
        """Those that cloth of this line may be of: all that are listed, and the one that it begins with."""
        return tuple(dict.fromkeys(("", *self.styles, self.line.style)))

    @property
    def own_features(self) -> dict[str, dict[str, Scalar] | None]:
        """Of each camera what the styles may change; null: it has no features."""
        return {c.name: c.features if isinstance(c, BaslerConfig) else None for c in self.cameras}

    def style(self, name: str) -> StyleConfig:
        """All that is in force for cloth of that style; `features` are those that any style changes, for every camera."""
        own = self.styles.get(name, StyleConfig())
        features: dict[str, dict[str, Scalar]] = {}
        for camera, base in self.own_features.items():
            changed = {key for style in self.styles.values() for key in style.features.get(camera, {})}
            wanted = {**(base or {}), **own.features.get(camera, {})}
            features[camera] = {key: value for key, value in wanted.items() if key in changed}
        return StyleConfig(model=own.model or self.model, features=features, events=own.events or self.line.events)

    @property
    def models(self) -> tuple[Path, ...]:
        """Each model that some style is judged by, the line's own first."""
        named = (self.model, *(s.model for s in self.styles.values()))
        return tuple(dict.fromkeys(m for m in named if m is not None))

    @property
    def publisher(self) -> PublisherConfig:
        """Where verdicts, rejects, actions and states are published."""
        return next(o for o in self.outputs if isinstance(o, PublisherConfig))

    @property
    def wired(self) -> tuple[WiredConfig, ...]:
        """The outputs that are processes of their own: all but the publisher, which is decision's."""
        return tuple(o for o in self.outputs if not isinstance(o, PublisherConfig))

    @property
    def sha(self) -> str:
        """SHA-256 of the whole configuration, defaults included."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
