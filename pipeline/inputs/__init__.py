"""What the line hears from contacts, one kind a module.

A kind is a member of `InputConfig` (pipeline/config/inputs.py), a row of INPUTS, and its module (protocol.py).
"""

from __future__ import annotations

import importlib
from typing import cast

from pipeline.inputs.protocol import InputKind

INPUTS = {"modbus": "pipeline.inputs.modbus"}
"""The module of each kind, imported only where it is used: its library is not everybody's."""


def input_kind(kind: str) -> InputKind:
    """The module of an input kind that the configuration knows."""
    return cast(InputKind, importlib.import_module(INPUTS[kind]))
