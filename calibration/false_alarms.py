"""In what false alarms are told: joined events in 100 m2 of cloth, in 1000 frames where no scale is known."""

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

AREA_M2 = 100
FRAMES = 1000
Per = Literal["100 m2", "1000 frames", "1000 m"]


class FalseAlarms(BaseModel):
    """How many were accepted at calibration, how many are to be expected, and how many will not be exceeded."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    budget: float
    expected: float
    upper: float


class Budget(NamedTuple):
    """How many are accepted; which of the two counts is decided by the good cloth."""

    per_100_m2: float = 20.0
    per_1000_frames: float = 1.0
