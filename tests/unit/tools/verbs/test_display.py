"""The verbs' display takes nothing that is not its own: stdout stays where the caller had it."""

import sys
from contextlib import redirect_stdout
from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from glass_core.events import Note, Pass, passing
from glass_core.training.events import Step
from tools.verbs.display import Display, answers


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


def test_what_a_terminal_would_obey_is_shown_and_not_sent() -> None:
    log = StringIO()
    with Display(Console(file=log, force_terminal=True)) as display:
        display.say("not inspected: a\x1b]0;owned\x07.png: torn")
    assert log.getvalue() == "not inspected: a\\x1b]0;owned\\x07.png: torn\n"


def test_nothing_is_cut_wrapped_or_read_as_markup_where_stdout_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/srv/[roll 7]/:x:/" + "crops and more/" * 20 + "0.png"
    table = Table("number", "picture", box=None)
    table.add_row("3", path)
    answers().print(table)
    answers().print(f"records: {path}")
    heading, row, records = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert heading.split() == ["number", "picture"] and row.endswith(path) and records == f"records: {path}"


def test_a_training_in_a_log_says_now_and_then_how_long_it_will_take() -> None:
    log, now_s = StringIO(), 1000.0

    def step(display: Display, done: int, total: int = 100) -> None:
        display(Step(done, total, 1 + (done - 1) // 25, total // 25, {"loss": 0.5}))

    with Display(Console(file=log), clock_s=lambda: now_s) as display:
        for done in range(31, 101):  # taken up again after the first 30
            step(display, done)
            now_s += 4.0
    first, *others = log.getvalue().splitlines()
    assert first == "training: epoch 2 of 4, iteration 39 of 100, loss 0.500, about 4 min left"
    assert len(others) == 7 and others[-1].endswith("iteration 95 of 100, loss 0.500, about 20 s left")


def test_a_long_pass_in_a_log_says_now_and_then_how_far_it_is() -> None:
    log, now_s = StringIO(), 1000.0
    with Display(Console(file=log), clock_s=lambda: now_s) as display:
        for title, total in (("scoring good pictures", 9), ("reading", None)):
            for done in range(10):
                display(Pass(title, done, total))
                now_s += 12
    told = [*(f"scoring good pictures: {n} of 9" for n in (3, 6)), *(f"reading: {n}" for n in (3, 6, 9))]
    assert log.getvalue().splitlines() == told  # of the end its answer tells


def test_on_a_terminal_the_bar_names_the_epoch() -> None:
    screen = StringIO()
    with Display(Console(file=screen, force_terminal=True, width=120)) as display:
        display(Step(3, 100, 1, 4, {"loss": 0.25}))
    assert "epoch 1 of 4, loss 0.250" in screen.getvalue()
