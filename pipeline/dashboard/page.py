"""One page: the view of a line or of a record, what browsers are told of it, and where its pictures and words are."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from pipeline.cloth.joining import Defect
from pipeline.config.line import LineConfig
from pipeline.dashboard.live_pictures import LivePictures
from pipeline.dashboard.roll_so_far import RollSoFar
from pipeline.dashboard.view import View
from pipeline.ledger.dispositions import Key, in_force, known_kinds, read_dispositions
from pipeline.ledger.facts import run_facts
from pipeline.ledger.proposals import read_proposals
from pipeline.ledger.reading import read_actions, read_borders, read_events, read_runs, read_states, read_totals, read_verdicts
from pipeline.messages.cloth import Roll
from pipeline.report.cut import wish_of, with_cut
from pipeline.report.sheet import read_roll

MAX_ROLLS = 100
"""Of a record, the last; those before are in its report."""
STATE_S, CLOTH_S = 0.1, 1.0
"""The state and the cloth are made anew so long after the last time at the earliest, however many look."""
REST = 20
"""Cloth with a new defect is made sooner: after so many times what making it took, a twentieth of a core at most."""


class Page:
    """Used by the thread that listens and by those that answer browsers, under its `lock`."""

    def __init__(self, view: View, folder: Path, config: LineConfig | None) -> None:
        self.view, self.folder, self.config = view, folder, config
        self.lock, self.noting = threading.Lock(), threading.Lock()
        self.pictures = LivePictures(view.cameras, view.judged)
        self.run_id: str | None = None
        """Of the record; null: not known yet."""
        self._state = self._cloth = b"{}"
        self._state_due_s = self._cloth_due_s = self._defect_due_s = 0.0
        self._cloth_version, self._cloth_found = "", 0
        self._kinds: list[str] = []
        """Of defects, as people have called them here."""

    def state(self) -> bytes:
        """The small state as JSON."""
        with self.lock:
            if time.monotonic() >= self._state_due_s:
                self._state, self._state_due_s = _json(self.view.told()), time.monotonic() + STATE_S
            return self._state

    def cloth(self, roll: str | None = None) -> bytes:
        """The roll so far as JSON, made anew where it has changed; of a record any of its rolls."""
        with self.lock:
            version = self.view.cloth_version
            if roll in self.view.rolls:
                return self._told_cloth(version, roll)
            found, began_s = self.view.cloth.found, time.monotonic()
            due_s = self._cloth_due_s if found == self._cloth_found else self._defect_due_s
            if version != self._cloth_version and began_s >= due_s:
                self._cloth, self._cloth_version, self._cloth_found = self._told_cloth(version), version, found
                ended_s = time.monotonic()
                self._cloth_due_s = ended_s + CLOTH_S
                self._defect_due_s = ended_s + min(CLOTH_S, REST * (ended_s - began_s))
            return self._cloth

    def _told_cloth(self, version: str, roll: str | None = None) -> bytes:
        return _json({"version": version, "kinds": self._kinds, **self.view.told_cloth(roll)})

    def follow(self, facts: Mapping[str, Any]) -> None:
        """Show what the run that is heard has for its configuration and cards: those of the start of the page may be others."""
        with suppress(ValidationError):  # of another version
            self.config = LineConfig.model_validate(facts.get("config"))
        with self.lock:
            self.view.learn(facts)
            self.pictures.expect(self.view.cameras, self.view.judged)

    def reread_words(self) -> None:
        """What people have said of the defects, from the file; the next `cloth` has it."""
        if self.run_id is not None:
            said = read_dispositions(self.folder)
            words = in_force([d for d in said if d.run_id == self.run_id])
            proposed = read_proposals(self.folder, self.run_id)
            with self.lock:
                self.view.judge(words, proposed)
                self._kinds = known_kinds(said)
                self._cloth_due_s = self._defect_due_s = self._state_due_s = 0.0

    def find(self, key: Key) -> tuple[Defect, bool] | None:
        """A defect that is shown, and whether it is whole."""
        with self.lock:
            found = ((cloth, cloth.defect(key)) for cloth in (self.view.cloth, *self.view.rolls.values()))
            return next(((defect, cloth.closed(defect)) for cloth, defect in found if defect is not None), None)


def of_record(ledger: Path) -> Page:
    """A page of the last run in a ledger, with each of its last rolls; InputError where it cannot be read."""
    run_id, facts = next(reversed(read_runs(ledger).items()), (None, {}))
    view = View(facts, live=False)
    for kind in (read_states, read_totals, read_actions):
        for message in kind(ledger, run_id):
            view.hear(message)
    view.show(rolls := _rolls(ledger, run_id, view))
    if (wish := wish_of(facts.get("config") or {})) is not None:
        for sheet in read_roll(ledger, run_id).rolls:
            if (cloth := rolls.get(sheet.roll_id)) is not None and sheet.start_mm is not None:
                cloth.propose(with_cut(sheet, wish).cut, sheet.start_mm)
    page = Page(view, ledger.parent, None)
    page.run_id = run_id
    page.reread_words()
    return page


def _rolls(ledger: Path, run_id: str | None, view: View) -> dict[str, RollSoFar]:
    """The cloth of each roll that has some, and of the last one in any case, in one reading: a record may hold millions."""
    borders = read_borders(ledger, run_id)
    told = list(borders.rolls.items())[-MAX_ROLLS:]
    rolls = {name: view.again(roll.model_copy(update={"roll_id": name})) for name, roll in told}
    left_out = borders.rolls.keys() - rolls.keys()

    def cloth(name: str) -> RollSoFar | None:
        if name not in rolls and name not in left_out and len(rolls) <= MAX_ROLLS:  # before the first roll that was told
            rolls[name] = view.again(_untold(name) if name else None)
        return rolls.get(name)

    for verdict in read_verdicts(ledger, run_id):
        if (own := cloth(verdict.roll_id)) is not None:
            own.add(verdict)
    for event in read_events(ledger, run_id):
        name = borders.of(event.start_mm, event.end_mm, borders.named(event.roll_id, event.t_mono_ns))
        if (own := rolls.get(name)) is not None:
            own.add_event(event)
    for own in rolls.values():
        own.end()
    known = [name for name in rolls if name not in borders.rolls] + [name for name, _ in told]
    return {name: rolls[name] for name in known if rolls[name].last >= (0, 0) or name == known[-1] != ""}


def _untold(name: str) -> Roll:
    """A roll of which only verdicts tell."""
    return Roll(
        number=0, generation=0, roll_id=name, style="", start_mm=None, cause="config", t_mono_ns=0, t_utc_ns=0
    )  # fmt: skip


def of_line(config: LineConfig) -> Page:
    """A page of a line that runs now or later."""
    facts = {"line": config.line.name, "config": config.model_dump(mode="json")}
    if config.model is not None:
        facts = run_facts(config, config.model)
    return Page(View(facts, live=True), config.ledger.path.parent, config)


def _json(told: dict[str, Any]) -> bytes:
    return to_json(told, inf_nan_mode="null")
