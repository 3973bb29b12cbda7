"""Pictures of defects on a page: inside it, so that it can be sent as one file, up to what mail takes; then as links."""

from __future__ import annotations

import os
from base64 import b64encode
from html import escape
from pathlib import Path
from urllib.parse import quote

from pipeline.report.sheet import DefectRow

PREFIX = "data:image/png;base64,"
INSIDE_MB = 18
"""As text in the page. Mail makes a third more of it, and 25 MB are a common limit (gmass.co/blog/gmail-email-size-limit)."""


class Gallery:
    """The pictures of one page in the folder `page`, which lie in the ledger's `folder`."""

    def __init__(self, folder: Path, page: Path) -> None:
        self._folder, self._page = folder, page
        self._room = INSIDE_MB * 1_000_000
        self.links = 0
        """Defects whose pictures did not fit in."""

    def show(self, row: DefectRow) -> str:
        """A defect's picture and its heat map as HTML; what is asked for first goes inside first."""
        kept = [(path, what) for path, what in ((row.picture, "the cloth"), (row.heat_map, "its heat map")) if path]
        if not kept:
            return "<div>no picture kept</div>"
        try:
            self._room -= sum(_size_inside(self._folder / path) for path, _ in kept)
            if self._room >= 0:
                return "".join(f'<img src="{_inside(self._folder / path)}" alt="{what}" tabindex="0">' for path, what in kept)
        except OSError:  # a line that runs may give a picture up for a better one
            return "<div>no picture kept</div>"
        self._room = -1  # what follows is weaker, and a link too
        self.links += 1
        links = [(escape(quote(os.path.relpath(self._folder / path, self._page))), what) for path, what in kept]
        return "".join(f'<a href="{link}"><img src="{link}" alt="{what}" loading="lazy"></a>' for link, what in links)

    @property
    def note(self) -> str:
        """What must be sent along with the page; empty: nothing."""
        if not self.links:
            return ""
        return (
            f'<p class="warn">This page holds {INSIDE_MB} MB of pictures, and no more. Those of {self.links:,} weaker defects '
            "are links to the folder crops beside the ledger: send it along.</p>"
        )


def _inside(picture: Path) -> str:
    return PREFIX + b64encode(picture.read_bytes()).decode()


def _size_inside(picture: Path) -> int:
    """Letters of the picture as text: four for each three bytes begun."""
    return len(PREFIX) + 4 * -(-picture.stat().st_size // 3)
