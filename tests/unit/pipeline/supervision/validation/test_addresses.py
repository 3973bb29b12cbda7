"""Addresses that cannot be, that another program has, or that two parts of a line would share."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.line import LineConfig
from pipeline.supervision.validation.addresses import check_addresses

OPCUA = {"kind": "opcua", "bind": "127.0.0.1:4841"}


def line(*outputs: dict[str, Any], **more: Any) -> LineConfig:
    return LineConfig.model_validate({"outputs": [{"kind": "publisher"}, *outputs], **more})


def errors(config: LineConfig, running: bool = False) -> list[str]:
    return [f.text for f in check_addresses(config, running) if f.status == "error"]


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_line_that_listens_nowhere_has_nothing_to_say() -> None:
    assert list(check_addresses(line(), running=False)) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_two_parts_may_not_open_one_port(host: str) -> None:
    port = free_port()
    output = {**OPCUA, "bind": f"127.0.0.1:{port}"}
    (text,) = errors(line(output, metrics={"bind": f"{host}:{port}"}))
    assert "outputs[1].bind" in text and "metrics.bind" in text and "same port" in text
    assert errors(line(output, metrics={"bind": f"127.0.0.2:{port}"})) == []
    motion = {"source": "udp", "listen": f"{host}:{port}", "counts_per_mm": 10}
    assert errors(line(output, motion=motion)) == [], "UDP has ports of its own"


def test_a_line_waits_for_an_address_that_the_machine_does_not_have_yet() -> None:
    (finding,) = check_addresses(line(metrics={"bind": "192.0.2.7:9109"}), running=False)
    assert finding.status == "warning" and "cannot be opened" in finding.text and "waits" in finding.text


@pytest.mark.parametrize(
    ("name", "said"), [("no/x", "no socket can be made in"), ("file", "is not a socket"), ("n" * 108, "longer"), ("x", None)]
)
def test_a_socket_in_the_file_system_must_be_possible(tmp_path: Path, name: str, said: str | None) -> None:
    (tmp_path / "file").touch()
    config = LineConfig.model_validate({"outputs": [{"kind": "publisher", "bind": f"ipc://{tmp_path / name}"}]})
    told = errors(config)
    assert told == [] if said is None else said in told[0] and "outputs[0].bind" in told[0]
    assert not (tmp_path / "x").exists()


def test_one_folder_by_two_names_is_the_same_place() -> None:
    folders = [{"kind": "folder", "name": name, "path": path} for name, path in (("a", "mes"), ("b", "mes/../mes"))]
    (text,) = errors(line(*folders))
    assert "same place" in text


def test_a_port_that_another_program_has_is_told_unless_the_line_runs() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        config = line(metrics={"bind": f"127.0.0.1:{other.getsockname()[1]}"})
        (text,) = errors(config)
        assert "is in use, metrics.bind" in text
        assert errors(config, running=True) == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (line(metrics={"bind": "300.0.0.1:9109"}), "300.0.0.1 is no address, metrics.bind"),
        (line(motion={"source": "udp", "listen": "1.2.3:9100", "counts_per_mm": 1}), "1.2.3 is no address, motion.listen"),
        (line({"kind": "modbus", "host": "modbus://plc"}), "'modbus://plc' is neither a name nor an address, outputs[1].host"),
        (line({"kind": "modbus", "host": ""}), "outputs[1].host"),
        (line({"kind": "modbus", "host": "192.168.0.300"}), "outputs[1].host"),
        (line({"kind": "mqtt", "host": "-:-"}), "outputs[1].host"),
        (line(motion={"source": "modbus", "host": "plc one", "register": 0, "counts_per_mm": 1}), "motion.host"),
    ],
)
def test_what_is_no_address_is_told_by_its_key(config: LineConfig, said: str) -> None:
    (text,) = errors(config)
    assert said in text


@pytest.mark.parametrize("host", ["192.168.0.10", "plc-7.mill.local", "plc_7", "::1"])
def test_names_and_addresses_are_taken(host: str) -> None:
    assert errors(line({"kind": "modbus", "host": host})) == []


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ({}, {}, True),
        ({}, {"unit": 2}, False),
        ({}, {"coils_at": 3, "registers_at": None}, True),
        ({}, {"coils_at": 4, "registers_at": 22}, True),
        ({}, {"coils_at": 4, "registers_at": 23}, False),
        ({"registers_at": None}, {"coils_at": 4, "registers_at": None}, False),
    ],
)
def test_two_outputs_may_not_write_over_each_other(one: dict[str, Any], other: dict[str, Any], clash: bool) -> None:
    plc = {"kind": "modbus", "host": "plc"}
    found = errors(line({**plc, **one}, {**plc, "name": "second", **other}))
    assert bool(found) is clash and all("outputs[1] and outputs[2]" in text for text in found)


def test_nor_into_one_topic_or_folder() -> None:
    broker = {"kind": "mqtt", "host": "broker"}
    assert errors(line(broker, {**broker, "name": "b", "topic": "mill"})) == []
    assert len(errors(line(broker, {**broker, "name": "b"}))) == 1
    folder = {"kind": "folder", "path": "/mes"}
    assert len(errors(line(folder, {**folder, "name": "b"}))) == 1
