"""Where the web is, independent of cameras: a source handed to the one stage that tells everybody.

A source of motion is a member of `MotionConfig` (pipeline/config/motion.py), a row of SOURCES, and its own class: counts of
an encoder, a course known beforehand, or anything else that is a `Web`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.config.motion import MotionConfig
from pipeline.link.link import Inbox
from pipeline.motion.counts import MessageCounts, ModbusCounts, UdpCounts
from pipeline.motion.encoder import EncoderWeb
from pipeline.motion.played import PlayedWeb, RecordedCourse, SimulatedCourse
from pipeline.motion.stage import MotionStage, Web

__all__ = ["SOURCES", "MotionStage", "Web", "make_web"]

Make = Callable[[Any, Callable[[], Inbox], dict[str, float]], Web]

SOURCES: dict[str, Make] = {
    "simulated": lambda config, inbox, resume: PlayedWeb(SimulatedCourse(config), resume.get("elapsed_s", 0.0)),
    "recorded": lambda config, inbox, resume: PlayedWeb(RecordedCourse(config.path), resume.get("elapsed_s", 0.0)),
    "camera": lambda config, inbox, resume: EncoderWeb(config, MessageCounts(inbox(), config.camera, rests=True), resume),
    "message": lambda config, inbox, resume: EncoderWeb(config, MessageCounts(inbox(), "", rests=False), resume),
    "udp": lambda config, inbox, resume: EncoderWeb(config, UdpCounts(config.listen), resume),
    "modbus": lambda config, inbox, resume: EncoderWeb(config, ModbusCounts(config), resume),
}


def make_web(config: MotionConfig, inbox: Callable[[], Inbox], resume: dict[str, float]) -> Web:
    """The source that a `motion:` section names; `inbox` opens the motion stage's own, `resume` is from before a restart."""
    return SOURCES[config.source](config, inbox, resume)
