"""Warns where neighbouring cameras place the same cloth too far apart."""

from __future__ import annotations

from pipeline.messages.cloth import Alignment


class Apart:
    """Whether the neighbours are further apart than allowed; one odd comparison warns nobody."""

    def __init__(self, tolerance_mm: float) -> None:
        self._tolerance_mm = tolerance_mm
        self._off: dict[tuple[str, str], tuple[str, ...]] = {}

    def hear(self, found: Alignment) -> None:
        """One comparison more; one that found no place says nothing."""
        if found.across_mm is None or found.along_mm is None:
            return
        pair, far = (found.left, found.right), max(abs(found.across_mm), abs(found.along_mm)) > self._tolerance_mm
        word = (
            f"{found.right} looks {found.across_mm:+.1f} mm across and {found.along_mm:+.1f} mm along from where it should "
            f"beside {found.left}, align them again"
        )
        self._off[pair] = (*self._off.get(pair, ()), word)[-2:] if far else ()

    @property
    def warnings(self) -> list[str]:
        """Of each pair that is too far apart."""
        return [words[-1] for words in self._off.values() if len(words) > 1]
