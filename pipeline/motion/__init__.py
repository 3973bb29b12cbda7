"""Where the web is, independent of cameras: a source handed to the one stage that tells everybody."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.config.motion import (
    CameraMotion,
    MessageMotion,
    ModbusMotion,
    MotionConfig,
    RecordedMotion,
    SimulatedMotion,
    UdpMotion,
)
from pipeline.link.link import Inbox
from pipeline.messages.stages import Counted, Elapsed
from pipeline.motion.counts import Counts, MessageCounts, ModbusCounts, UdpCounts
from pipeline.motion.encoder import EncoderWeb
from pipeline.motion.played import PlayedWeb, RecordedCourse, SimulatedCourse
from pipeline.motion.stage import MotionStage, Web

__all__ = ["MotionStage", "Web", "make_web"]


def make_web(config: MotionConfig, inbox: Callable[[], Inbox], before: Elapsed | Counted | None) -> Web:
    """The source that a `motion:` section names; `inbox` opens the motion stage's own.

    `before`: how far it had come before a restart.
    """
    counts: Counts
    elapsed_s = before.elapsed_s if isinstance(before, Elapsed) else 0.0
    match config:
        case SimulatedMotion():
            return PlayedWeb(SimulatedCourse(config), elapsed_s)
        case RecordedMotion():
            return PlayedWeb(RecordedCourse(config.path), elapsed_s)
        case CameraMotion():
            counts = MessageCounts(inbox(), config.camera, rests=True)
        case MessageMotion():
            counts = MessageCounts(inbox(), "", rests=False)
        case UdpMotion():
            counts = UdpCounts(config.listen)
        case ModbusMotion():
            counts = ModbusCounts(config)
    return EncoderWeb(config, counts, before if isinstance(before, Counted) else None)
