"""When sampled frames passed each step on their way; only the supervisor and the metrics hear of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from pipeline.messages.domains import Count, Name
from pipeline.messages.frames import FrameKey
from pipeline.messages.message import Message

SAMPLED = 16
"""Of each start of a camera, every so-many-eth frame: all processes choose the same ones without a word."""
MAX_PASSAGES = 10
"""In one message: its header has room for so many."""


class Step(StrEnum):
    """Where a frame is on its way."""

    TAKEN = "TAKEN"
    """Its picture arrived in the grabber."""
    SENT = "SENT"
    """The link to the worker has taken it."""
    RECEIVED = "RECEIVED"
    """The worker has it in hand."""
    BEGUN = "BEGUN"
    """The engine call that takes its first tiles begins."""
    SCORED = "SCORED"
    """Its score is whole."""
    DECIDED = "DECIDED"
    """Decision gives its verdict."""
    PUBLISHED = "PUBLISHED"
    """The verdict is with the publisher, on its way to everybody."""
    RECORDED = "RECORDED"
    """The verdict is safe on disk."""


class Passage(FrameKey):
    """A frame, and when it passed some steps, by the machine's monotonic clock in ns."""

    steps: Annotated[dict[Step, Count], Field(max_length=len(Step))]


class Passages(Message):
    """What a process has seen pass since it spoke last."""

    name: Name
    frames: Annotated[tuple[Passage, ...], Field(max_length=MAX_PASSAGES)]
