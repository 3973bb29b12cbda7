"""A section with other values is held to all that one read from a file is held to."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from glass_core.errors import InputError
from glass_core.settings.explanation import changed
from glass_core.settings.section import Section


class Short(Section):
    """A part of one kind."""

    kind: Literal["short"]
    length: int = Field(default=1, lt=10)


class Long(Section):
    """A part of another kind."""

    kind: Literal["long"]


class Whole(Section):
    """Its parts must not be more than are allowed."""

    most: int = 2
    name: str = "whole"
    parts: tuple[Annotated[Short | Long, Field(discriminator="kind")], ...] = ()

    @model_validator(mode="after")
    def _few(self) -> Whole:
        if len(self.parts) > self.most:
            raise ValueError(f"parts: {self.most} at most")
        return self


SHORT, LONG = Short(kind="short", length=9), Long(kind="long")


def test_other_values_are_in_force_and_defaults_stay_defaults() -> None:
    whole = changed(Whole(most=1), "the whole", parts=(LONG,))
    assert whole == Whole(most=1, parts=(LONG,)) and whole.model_fields_set == {"most", "parts"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"parts": (LONG, SHORT, LONG)}, "(parts: 2 at most)"),
        ({"parts": (LONG, {"kind": "short", "length": 10})}, "(parts[1].length: it should be less than 10)"),
        ({"most": "3"}, "(most: it should be a valid integer)"),
        ({"colour": 1}, "(colour: Extra inputs are not permitted)"),
    ],
)
def test_what_does_not_fit_is_told_on_one_line(values: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as refused:
        changed(Whole(), "the whole as it is tried", **values)
    assert (
        str(refused.value) == f"settings that do not fit together {told}, the whole as it is tried, change them in the config"
    )
