"""What a cut of a roll into pieces is to be like, and what it turns out to be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from glass_core.settings.section import Section

Price = Annotated[float, Field(ge=0, le=1e6)]
PieceM = Annotated[float, Field(ge=0.5, le=1e5)]
Class = Literal["first", "second", "remnant"]


class Prices(Section):
    """What a metre brings, in any unit of money."""

    first: Price = 1.0
    second: Price = 0.5
    """Also where cloth that nobody saw could make it second."""
    remnant: Price = 0.2
    """Of no wished length, whatever is in it."""


class CutRules(Section):
    """How a finished roll may be cut: as brings the most, all costs taken off."""

    lengths_m: Annotated[tuple[PieceM, ...], Field(min_length=1, max_length=8)]
    """Wished: a piece of first or second quality has exactly one of them."""
    remnant_m: PieceM = 2.0
    """A shorter remnant is given up."""
    price_per_m: Prices = Prices()
    cost_of_cut: Price = 0.2
    cost_of_point: Price = 0.0
    """What each point takes off a piece of first or second quality; points at worst, where nobody saw the cloth."""


class Piece(BaseModel):
    """A piece to be cut, from the start of the roll."""

    model_config = ConfigDict(frozen=True)

    from_m: float
    to_m: float
    kind: Class
    points: int
    """Graded by itself, counted from its own start."""
    worst_points: int
    because: str
    """Why it is of its quality."""
    value: float
    """In the unit of the prices, without what its cuts cost."""


class CutProposal(BaseModel):
    """The pieces of a roll that bring the most, and what becomes of the rest."""

    model_config = ConfigDict(frozen=True)

    rules: CutRules
    pieces: tuple[Piece, ...]
    cuts: int
    given_up_m: float
    """In no piece."""
    points_before: int
    """Of the roll as it is."""
    points_after: int
    """Of all its pieces."""
    value: float
    """Of all pieces, less the cost of the cuts."""
