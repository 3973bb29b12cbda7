"""What people did is on file with name and time, and a torn line hides nothing else."""

from __future__ import annotations

from pathlib import Path

from pipeline.ledger.acts import FILE, Act, note_act, read_acts


def act(name: str, **changes: object) -> Act:
    return Act.model_validate({"run_id": "r", "by": name, "role": "operator", "act": {"act": "reset"}, "done": True, **changes})


def test_the_last_come_first_and_no_more_than_asked(tmp_path: Path) -> None:
    assert read_acts(tmp_path, 5) == []
    for name in ("Ada", "Bob", "Cy"):
        note_act(tmp_path, act(name))
    assert [a.by for a in read_acts(tmp_path, 2)] == ["Cy", "Bob"]


def test_a_line_that_is_torn_or_foreign_is_left_out(tmp_path: Path) -> None:
    note_act(tmp_path, act("Ada"))
    with (tmp_path / FILE).open("a") as file:
        file.write('{"schema": 9}\n{"schema": 1, "by"')
    assert [a.by for a in read_acts(tmp_path, 5)] == ["Ada"]
    note_act(tmp_path, act("Bob", done=False, outcome="line\nbreak"))
    assert [(a.by, a.outcome) for a in read_acts(tmp_path, 5)] == [("Bob", "line\nbreak"), ("Ada", "")]
