"""What a line asks of its decision stage, from the config and from before a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.decision.cloth import ClothTerms
from pipeline.decision.judgement import Standard
from pipeline.messages.line import Totals
from pipeline.messages.stages import Decided


@dataclass(frozen=True)
class DecisionTerms:
    """What the line asks of decision; `frame_mm` maps each camera to its frame's length, where stated."""

    frame_mm: dict[str, float | None]
    standards: Mapping[str, Standard | None]
    """The card in force for each style, and for "" that of all others; null: none, while observing."""
    tolerate_not_inspected_mm: float
    observe: bool
    generation: int
    decided: Decided = field(default_factory=lambda: Decided(cameras={}))
    """What had its verdicts before a restart."""
    totals: Totals | None = None
    """The last of the generation before: by them the record knows what it lacks of it."""
    interval_ms: Mapping[str, float | None] = field(default_factory=dict)
    """From frame to frame of each camera that keeps time; null: to be learned from its frames."""
    actuator_mm: dict[str, float] = field(default_factory=dict)
    """From a camera to its actuator, where there is one and lengths are known."""
    y_offset_mm: dict[str, float] = field(default_factory=dict)
    """Where a camera looks that is not at the line's zero."""
    cloth: ClothTerms = field(default_factory=ClothTerms)
    alignment_tolerance_mm: float = 2.0
    wires: tuple[tuple[str, str], ...] = ()
    """Role and name of each output and input: they report, too."""
    reject_wires: tuple[str, ...] = ()
    """Outputs that carry rejects to the machine: while one is mute, no cloth may pass."""
    motion: bool = False
    """Something says where the cloth is, also at rest: nothing passes before its first word."""
    bypass: bool = False
    fault: str = ""
    """As they were before a restart; the fault is latched."""

    def standard_of(self, style: str) -> Standard | None:
        """The card in force for a style."""
        return self.standards.get(style, self.standards[""])
