"""The base of a section: numbers are numbers, and paths and tuples may still be read from text and lists."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, ValidationError

from glass_core.settings.section import Section


class Inner(Section):
    """A section in a section."""

    count: int | None = Field(default=None, ge=0)
    pair: tuple[float, float] = (0.0, 1.0)


class Outer(Section):
    """A section of every kind of value."""

    mm: float = 1.0
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    by_name: dict[str, int] = Field(default_factory=dict)
    scalar: bool | int | float | str = 0
    path: Path = Path()
    loop: bool = False


@pytest.mark.parametrize(
    "body",
    [
        {"mm": "12"}, {"mm": True}, {"mm": float("nan")}, {"mm": float("inf")}, {"mm": "nan"}, {"inner": {"count": "3"}},
        {"inner": {"count": 3.0}}, {"inner": {"count": True}}, {"inner": {"pair": ["1", 2]}}, {"many": [{"count": False}]},
        {"by_name": {"a": "1"}}, {"scalar": float("inf")}, {"other": 1}, {"inner": {"other": 1}},
    ],
)  # fmt: skip
def test_what_is_no_number_is_not_taken_for_one(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outer.model_validate(body)


def test_numbers_paths_and_lists_are_taken() -> None:
    body = {"mm": 3, "inner": {"count": 2, "pair": [1, 2.5]}, "scalar": "12", "path": "a/b", "loop": True}
    read = Outer.model_validate(body)
    assert (read.mm, read.inner, read.scalar, read.path) == (3.0, Inner(count=2, pair=(1.0, 2.5)), "12", Path("a/b"))
    assert Outer.model_validate_json(read.model_dump_json()) == read


def test_a_section_is_not_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Outer().mm = 2.0  # type: ignore[misc]
