"""What the line says to others: the publisher, which is decision's own, and wires to machines, one kind a module.

A kind is a member of `WiredConfig` (pipeline/config/outputs.py), a row of OUTPUTS, and its module (protocol.py).
"""

from __future__ import annotations

import importlib
from typing import cast

from pipeline.outputs.protocol import OutputKind

OUTPUTS = {
    "modbus": "pipeline.outputs.modbus",
    "mqtt": "pipeline.outputs.mqtt",
    "folder": "pipeline.outputs.folder",
    "webhook": "pipeline.outputs.webhook",
    "opcua": "pipeline.outputs.opcua",
}
"""The module of each kind, imported only where it is used: its library is not everybody's."""


def output_kind(kind: str) -> OutputKind:
    """The module of an output kind that the configuration knows."""
    return cast(OutputKind, importlib.import_module(OUTPUTS[kind]))
