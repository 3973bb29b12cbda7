"""The small pieces of HTML that the sections of a page are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

Rows = Iterable[Sequence[object]]


def section(title: str, content: str) -> str:
    """A heading and what stands under it; nothing without content."""
    return f"<h2>{title}</h2>{content}" if content else ""


def table(head: Sequence[str], rows: Rows, numbers: set[int] | None = None) -> str:
    """Cells are HTML already: text from outside is escaped where it enters them."""
    kinds = ["n" if i in (numbers or ()) else "" for i in range(len(head))]
    top = "".join(f'<th class="{k}">{h}</th>' for h, k in zip(head, kinds, strict=True)) if any(head) else ""
    body = "".join(
        "<tr>" + "".join(f'<td class="{k}">{c}</td>' for c, k in zip(row, kinds, strict=True)) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table>{f"<thead><tr>{top}</tr></thead>" if top else ""}<tbody>{body}</tbody></table></div>'


def sha(value: object) -> str:
    """A hash, breakable anywhere."""
    return f'<span class="sha">{escape(str(value))}</span>' if value else "none"


def number(value: float | None, digits: int = 0, unit: str = "") -> str:
    """A figure, or that it is not known."""
    return "unknown" if value is None else f"{value:,.{digits}f}{unit}"
