"""Where the cloth is, independent of cameras: a source handed to the one stage that tells everybody.

A source of motion is a member of `MotionConfig` (pipeline/config/motion.py), a row of SOURCES, and its own class: counts of
an encoder, a course known beforehand, or anything else that is a `MotionSource`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.config.motion import EncoderMotion, MotionConfig
from pipeline.link.protocol import Inbox
from pipeline.messages.stages import Counted, Elapsed
from pipeline.motion.counts import Counts
from pipeline.motion.encoder import EncoderSource
from pipeline.motion.message import MessageCounts
from pipeline.motion.modbus import ModbusCounts
from pipeline.motion.played import PlayedSource, RecordedCourse, SimulatedCourse
from pipeline.motion.stage import MotionSource, MotionStage
from pipeline.motion.udp import UdpCounts

__all__ = ["SOURCES", "MotionSource", "MotionStage", "make_source"]

Before = Elapsed | Counted | None
Make = Callable[[Any, Callable[[], Inbox], Before], MotionSource]


def _played(course: SimulatedCourse | RecordedCourse, before: Before) -> MotionSource:
    return PlayedSource(course, before.elapsed_s if isinstance(before, Elapsed) else 0.0)


def _encoder(config: EncoderMotion, counts: Counts, before: Before) -> MotionSource:
    return EncoderSource(config, counts, before if isinstance(before, Counted) else None)


SOURCES: dict[str, Make] = {
    "simulated": lambda config, inbox, before: _played(SimulatedCourse(config), before),
    "recorded": lambda config, inbox, before: _played(RecordedCourse(config.path), before),
    "camera": lambda config, inbox, before: _encoder(config, MessageCounts(inbox(), config.camera, rests=True), before),
    "message": lambda config, inbox, before: _encoder(config, MessageCounts(inbox(), "", rests=False), before),
    "udp": lambda config, inbox, before: _encoder(config, UdpCounts(config.listen), before),
    "modbus": lambda config, inbox, before: _encoder(config, ModbusCounts(config), before),
}


def make_source(config: MotionConfig, inbox: Callable[[], Inbox], before: Before) -> MotionSource:
    """The source that a `motion:` section names; `inbox` opens the motion stage's own.

    `before`: how far it had come before a restart.
    """
    return SOURCES[config.source](config, inbox, before)
