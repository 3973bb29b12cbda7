"""One page: the view of a line or of a record, what browsers are told of it, and where its pictures and words are."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from pipeline.cloth.joining import Defect
from pipeline.config.line import LineConfig
from pipeline.dashboard.live_pictures import LivePictures
from pipeline.dashboard.view import View
from pipeline.ledger.dispositions import Key, in_force, read_dispositions
from pipeline.ledger.facts import run_facts
from pipeline.ledger.proposals import read_proposals
from pipeline.ledger.reading import read_actions, read_borders, read_events, read_runs, read_states, read_totals, read_verdicts
from pipeline.report.cut import wish_of, with_cut
from pipeline.report.sheet import read_roll


class Page:
    """Used by the thread that listens and by those that answer browsers, under its `lock`."""

    def __init__(self, view: View, folder: Path, config: LineConfig | None) -> None:
        self.view, self.folder, self.config = view, folder, config
        self.lock, self.noting = threading.Lock(), threading.Lock()
        self.pictures = LivePictures(view.cameras, view.judged)
        self.run_id: str | None = None
        """Of the record; null: not known yet."""
        self._state = self._cloth = b"{}"
        self._state_due_s = self._cloth_due_s = 0.0
        self._cloth_version = ""

    def state(self) -> bytes:
        """The small state as JSON, made anew five times a second at most however many look."""
        with self.lock:
            if time.monotonic() >= self._state_due_s:
                self._state, self._state_due_s = _json(self.view.told()), time.monotonic() + 0.2
            return self._state

    def cloth(self) -> bytes:
        """The roll so far as JSON, made anew once a second at most, and where it has changed."""
        with self.lock:
            version = self.view.cloth_version
            if version != self._cloth_version and time.monotonic() >= self._cloth_due_s:
                self._cloth = _json({"version": version, **self.view.told_cloth()})
                self._cloth_version, self._cloth_due_s = version, time.monotonic() + 1.0
            return self._cloth

    def reread_words(self) -> None:
        """What people have said of the defects, from the file; the next `cloth` has it."""
        if self.run_id is not None:
            words = in_force(read_dispositions(self.folder, self.run_id))
            proposed = read_proposals(self.folder, self.run_id)
            with self.lock:
                self.view.judge(words, proposed)
                self._cloth_due_s = self._state_due_s = 0.0

    def find(self, key: Key) -> tuple[Defect, bool] | None:
        """A defect that is shown, and whether it is whole."""
        with self.lock:
            defect = self.view.cloth.defect(key)
            return None if defect is None else (defect, self.view.cloth.closed(defect))


def of_record(ledger: Path) -> Page:
    """A page of the last run in a ledger, which shows its last roll; InputError where it cannot be read."""
    run_id, facts = next(reversed(read_runs(ledger).items()), (None, {}))
    borders = read_borders(ledger, run_id)
    view = View(facts, live=False)
    rolls = list(borders.rolls.items())
    name, roll = rolls[-1] if rolls else ("", None)
    if roll is not None and not roll.roll_id:  # the last roll has ended: show that, not the cloth after it
        name, roll = next(((n, r) for n, r in reversed(rolls) if n), (name, roll))
    for kind in (read_states, read_totals, read_actions):
        for message in kind(ledger, run_id):
            view.hear(message)
    cloth = view.again(None if roll is None else roll.model_copy(update={"roll_id": name}))
    for verdict in read_verdicts(ledger, run_id):  # one at a time: a record may hold millions
        if roll is None or verdict.roll_id == name:
            cloth.add(verdict)
    for event in read_events(ledger, run_id):
        if roll is None or event.roll_id == roll.roll_id:
            cloth.add_event(event)
    cloth.end()
    if (wish := wish_of(facts.get("config") or {})) is not None:
        for sheet in read_roll(ledger, run_id).rolls:
            if (roll is None or sheet.roll_id == name) and sheet.start_mm is not None:
                cloth.propose(with_cut(sheet, wish).cut, sheet.start_mm)
    view.cloth = cloth
    page = Page(view, ledger.parent, None)
    page.run_id = run_id
    page.reread_words()
    return page


def of_line(config: LineConfig) -> Page:
    """A page of a line that runs now or later."""
    facts = {"line": config.line.name, "config": config.model_dump(mode="json")}
    if config.model is not None:
        facts = run_facts(config, config.model)
    return Page(View(facts, live=True), config.ledger.path.parent, config)


def _json(told: dict[str, Any]) -> bytes:
    return to_json(told, inf_nan_mode="null")
