"""What a person is told of an error stays one harmless line, whatever file its words come from."""

from __future__ import annotations

import pytest

from glass_core.errors import InputError, MissingError, NotAccepted, as_line


@pytest.mark.parametrize("kind", [InputError, NotAccepted, MissingError])
def test_control_characters_and_line_ends_are_no_part_of_its_words(kind: type[Exception]) -> None:
    said = str(kind("key \x7frigin\x1b[2J\nof \ud800 größe,\t/a  b/x.json, remove it"))
    assert said == r"key \x7frigin\x1b[2J of \ud800 größe,\t/a  b/x.json, remove it"


def test_a_line_keeps_its_indent() -> None:
    assert as_line("  File x\x1b]0;y\x07  ") == r"  File x\x1b]0;y\x07" and as_line("") == ""
