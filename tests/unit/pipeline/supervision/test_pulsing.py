"""Every output is tried, one after the other: what was on is told, and so is who does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.config.outputs import ModbusConfig
from pipeline.devices import DeviceLost
from pipeline.messages.states import State
from pipeline.supervision.pulsing import Pulsed, pulse_outputs
from tests.line_stand_in import stand_in

PLC: dict[str, object] = {"kind": "modbus", "host": "127.0.0.1"}


def line(*outputs: dict[str, object]) -> LineConfig:
    return LineConfig.model_validate({"line": {"name": "l"}, "outputs": [{"kind": "publisher"}, *outputs]})


def test_what_was_on_and_who_is_mute(monkeypatch: pytest.MonkeyPatch) -> None:
    def trials(config: ModbusConfig) -> Iterator[tuple[str, str]]:
        yield "permit", f"coil {config.coils_at}"
        if config.name == "mute":
            raise DeviceLost("no answer")
        yield "lamp", f"coil {config.coils_at + 1}"

    monkeypatch.setattr("pipeline.supervision.pulsing.output_kind", lambda kind: SimpleNamespace(trials=trials))
    monkeypatch.setattr("pipeline.supervision.pulsing.PULSE_S", 0)
    said: list[object] = []
    found = pulse_outputs(line({**PLC, "name": "mute"}, {**PLC, "name": "plc", "coils_at": 7}), said.append)
    assert found == Pulsed({"plc": ["permit", "lamp"]}, {"mute": "no answer"})
    assert [str(each) for each in said] == ["mute: coil 0", "plc: coil 7", "plc: coil 8"]


def test_a_line_that_runs_or_has_no_outputs_is_refused() -> None:
    with pytest.raises(InputError, match="no outputs to test"):
        pulse_outputs(line())
    with stand_in("l", State.RUNNING, lambda message: {}), pytest.raises(InputError, match="line runs, l, stop it"):
        pulse_outputs(line(PLC))
