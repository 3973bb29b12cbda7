"""The words of the line: results, reasons, states and causes, each with its meaning."""

from __future__ import annotations

from enum import StrEnum


class FrameStatus(StrEnum):
    """Whether the camera delivered the picture whole."""

    OK = "OK"
    DAMAGED = "DAMAGED"
    LAMP = "LAMP"
    """Whole, but too dark or too bright for its scores to mean anything."""


class Result(StrEnum):
    """What was decided about a frame or a silent span."""

    PASS = "PASS"
    DEFECT = "DEFECT"
    NOT_INSPECTED = "NOT_INSPECTED"


class EventKind(StrEnum):
    """A span of cloth that is no plain cloth."""

    SEAM = "SEAM"
    LEAD = "LEAD"
    STOP_MARK = "STOP_MARK"
    WRINKLE = "WRINKLE"


class EventAction(StrEnum):
    """What becomes of a defect that lies within such a span."""

    IGNORE = "ignore"
    """No reject, no defect of the roll; its verdict stays on record."""
    RECORD = "record"
    """No reject; told as an event of the roll."""
    GRADE = "grade"
    """A defect like any other."""

    @property
    def suppresses(self) -> bool:
        """Whether a defect in such a span is no reject, and no defect of the roll."""
        return self is not EventAction.GRADE


class MotionState(StrEnum):
    """Whether and which way the cloth runs."""

    STOPPED = "STOPPED"
    MOVING = "MOVING"
    REVERSE = "REVERSE"


class State(StrEnum):
    """The state of the whole line."""

    STARTING = "STARTING"
    READY = "READY"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    DEGRADED = "DEGRADED"
    FAULT = "FAULT"
    BYPASS = "BYPASS"


class StageState(StrEnum):
    """The state of one process of the line."""

    READY = "READY"
    DEGRADED = "DEGRADED"
    """It lives and does not get all its work done: the other side of an output does not answer."""
    DOWN = "DOWN"
    FAULT = "FAULT"
    ENDED = "ENDED"


class ActionKind(StrEnum):
    """What a machine is asked to do."""

    STOP = "STOP"
    MARK = "MARK"
    LAMP = "LAMP"


class Cause(StrEnum):
    """What an action answers."""

    DEFECT = "DEFECT"
    NOT_INSPECTED = "NOT_INSPECTED"
    FAULT = "FAULT"
    DRIFT = "DRIFT"


class Phase(StrEnum):
    """How far an action is."""

    AHEAD = "AHEAD"
    """Announced with its target position, so that a PLC or a counter card can act exactly there."""
    NOW = "NOW"
    """The cloth is there, or the action has no place: our own timing, as good as this machine's clock and scheduler."""
    ACKNOWLEDGED = "ACKNOWLEDGED"
    """Somebody has seen to it."""
    LET_BY = "LET_BY"
    """Its place went by in bypass: it will not act."""
