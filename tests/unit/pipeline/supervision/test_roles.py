"""The table of roles: which processes a line has, in which order they start and stop, and which may fail for ever."""

from __future__ import annotations

from pipeline.config.agreement import STAGES
from pipeline.config.line import LineConfig
from pipeline.supervision.builders import ROLES

CONTACT = {"name": "seam", "address": 0, "says": "SEAM", "length_mm": 100}
CONFIG = LineConfig.model_validate({
    "motion": {"source": "simulated", "speed_mm_s": 0},
    "cameras": [{"name": name, "source": "weave"} for name in ("left", "right")],
    "outputs": [{"kind": "publisher"}, {"kind": "modbus", "host": "h"}, {"kind": "folder", "path": "mes"}],
    "metrics": {}, "recording": {},
    "inputs": [{"kind": "modbus", "host": "h", "contacts": [CONTACT]}],
})  # fmt: skip


def test_processes_in_the_order_of_starting() -> None:
    names = [name for row in ROLES.values() for name in row.names(CONFIG)]
    assert names == [
        "recorder", "recording", "decision", "worker", "left", "right", "motion", "plc", "mes", "rolls", "metrics", "contacts",
    ]  # fmt: skip
    assert [name for row in ROLES.values() for name in row.names(LineConfig())] == ["recorder", "decision", "worker"]


def test_names_that_every_line_may_have_are_taken() -> None:
    named_by_the_config = {"grabber", "output", "input"}
    assert {name for role, row in ROLES.items() if role not in named_by_the_config for name in row.names(CONFIG)} == STAGES


def test_sources_stop_first_then_the_others_in_reverse() -> None:
    assert {role for role, row in ROLES.items() if row.source} == {"grabber", "motion", "input"}
    assert [role for role in reversed(ROLES) if not ROLES[role].source] == [
        "metrics", "rolls", "output", "worker", "decision", "recording", "recorder",
    ]  # fmt: skip


def test_what_is_beyond_a_cable_is_started_again_for_ever() -> None:
    may_fail = {"grabber", "output", "input", "rolls", "metrics", "recording"}
    assert {role for role, row in ROLES.items() if row.beyond_cable} == may_fail
