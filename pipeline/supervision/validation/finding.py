"""One thing that was looked at, how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from glass_core.errors import ToldError

Status = Literal["ok", "warning", "error"]


class Finding(BaseModel):
    """With an error `glassline run` refuses the line or ends it; with a warning it runs, and somebody should know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    status: Status
    text: str


def answered(about: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check finds; where it cannot go on, that is the last finding."""
    found: list[Finding] = []
    try:
        for finding in check():
            found.append(finding)
    except ToldError as error:
        found.append(Finding(about=about, status="error", text=str(error)))
    return found
