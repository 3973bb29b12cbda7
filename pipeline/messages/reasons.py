"""Why cloth was not inspected: one table, with what each reason means and what to do about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


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
        "Tell the roll's true style, or accept the roll with `glassline tell CONFIG reset`.",
    )  # fmt: skip
    LAMP = (
        "LAMP", "The lamp has aged, or is out, beyond what may be trimmed.",
        "Change the lamp, or make its flat-field card anew.",
    )  # fmt: skip
    RECORD_LOST = (
        "RECORD_LOST", "It was decided, and the record of it is lost: the disk was full, or a process was killed.",
        "Look at the disk with `glassline doctor`; judge this cloth again, or by hand.",
    )  # fmt: skip
