"""The words of the line: results, reasons, states and causes, each with its meaning."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


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


class Reason(StrEnum):
    """Why a span was not inspected: the word, what it means for a person, and what to do about it."""

    meaning: str
    remedy: str

    def __new__(cls, word: str, *sentences: str) -> Self:
        """The member is its word; the two sentences go along."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning, member.remedy = sentences
        return member

    NO_SCORE = (
        "NO_SCORE", "The frame's score did not come within the budget.",
        "Run slower, compile a faster engine, or raise decision.budget_ms.",
    )  # fmt: skip
    NO_FRAME = (
        "NO_FRAME", "Cloth passed, and its camera sent no picture of it.",
        "Look at the camera's trigger, cable and rate, and at the encoder.",
    )  # fmt: skip
    DAMAGED = (
        "DAMAGED", "The picture came incomplete, or could not be scored as it was.",
        "Look at the camera's cable, and at the network with `glassline doctor`.",
    )  # fmt: skip
    OVERLOAD = (
        "OVERLOAD", "The worker's queue was full, so the frame was not sent to it.",
        "Run slower, use fewer cameras, or compile a faster engine.",
    )  # fmt: skip
    NOT_FINITE = (
        "NOT_FINITE", "The score was not a finite number.",
        "Compile the model again, and run `glassline doctor` if it happens again.",
    )  # fmt: skip
    MODEL_MISMATCH = (
        "MODEL_MISMATCH", "The frame was taken or scored for another style, model or card than was in force.",
        "Tell a roll of another style before its first metre comes; calibrate the model that runs.",
    )  # fmt: skip
    NOT_READY = (
        "NOT_READY", "The line could judge nothing then; the verdict's detail says why.",
        "Wait for the worker, calibrate a card, or clear the fault that is named.",
    )  # fmt: skip
    CAMERA_DOWN = (
        "CAMERA_DOWN", "The camera did not run.",
        "Look at its power and cable; the line tries it again by itself.",
    )  # fmt: skip
    BYPASS = (
        "BYPASS", "Somebody had put the line into bypass.",
        "Take the bypass back when the cause is gone.",
    )  # fmt: skip
    WRONG_STYLE = (
        "WRONG_STYLE", "The roll began unlike the cloth that the card is of.",
        "Tell the roll's true style, or accept the roll with `glassline outputs reset`.",
    )  # fmt: skip
    LAMP = (
        "LAMP", "The lamp has aged, or is out, beyond what may be trimmed.",
        "Change the lamp, or make its flat-field card anew.",
    )  # fmt: skip


class EventKind(StrEnum):
    """A span of web that is no plain cloth."""

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


class MotionState(StrEnum):
    """Whether and which way the web runs."""

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
    """The web is there, or the action has no place: our own timing, as good as this machine's clock and scheduler."""
    ACKNOWLEDGED = "ACKNOWLEDGED"
    """Somebody has seen to it."""
    LET_BY = "LET_BY"
    """Its place went by in bypass: it will not act."""
