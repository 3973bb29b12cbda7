"""The verbs' display takes nothing that is not its own: stdout stays where the caller had it."""

import sys
from contextlib import redirect_stdout
from io import StringIO

from rich.console import Console

from glass_core.events import Note, passing
from tools.verbs.display import Display


def test_a_bar_that_begins_while_stdout_is_turned_elsewhere_gives_the_right_one_back() -> None:
    screen, elsewhere, before = StringIO(), StringIO(), sys.stdout
    with Display(Console(file=screen, force_terminal=True)) as display:
        with redirect_stdout(elsewhere):
            print("of a library")
            assert list(passing("ab", "comparing", display)) == ["a", "b"]
        assert sys.stdout is before
    assert sys.stdout is before and elsewhere.getvalue() == "of a library\n" and "comparing" in screen.getvalue()


def test_where_there_is_no_terminal_words_are_lines_and_bars_are_not_shown() -> None:
    log = StringIO()
    with Display(Console(file=log)) as display:
        list(passing("ab", "comparing", display))
        display(Note("[b]as written[/b] " + "x" * 200))
    assert log.getvalue() == "[b]as written[/b] " + "x" * 200 + "\n"
