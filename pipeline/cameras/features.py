"""The features of a GenICam camera: set and read back, and read for the record."""

from __future__ import annotations

import contextlib
from typing import Any

from glass_core.errors import InputError
from pipeline.config.styles import Scalar


class Features:
    """Those of one open camera; `where` names it in errors. genicam's own exceptions mean that the camera is gone."""

    def __init__(self, genicam: Any, nodes: Any, where: str) -> None:
        self._genicam, self._nodes, self._where = genicam, nodes, where

    def set(self, name: str, value: Scalar) -> bool:
        """Set and read back; False where there is no such writable node. InputError where another value comes back."""
        genicam, node = self._genicam, self._nodes.GetNode(name)
        if node is None or not genicam.IsWritable(node):
            return False
        kind = node.GetNode().GetPrincipalInterfaceType()
        if kind == genicam.intfICommand:
            node.Execute()
            return True
        try:
            node.FromString(_text(value, kind == genicam.intfIEnumeration))
        except genicam.GenericException as e:
            raise InputError(
                f"feature {name}: {value!r} refused ({first_line(e)}), {self._where}, allowed: {_allowed(genicam, node, kind)}"
            ) from None
        read = node.ToString() if genicam.IsReadable(node) else None
        if read is not None and not _same(genicam, node, kind, value):
            raise InputError(
                f"feature {name}: set to {value!r}, reads back {read}, {self._where}, allowed: {_allowed(genicam, node, kind)}"
            )
        return True

    def read_all(self) -> dict[str, str]:
        """Every feature that can be read now, as text; those behind a selector for its present setting."""
        found = {}
        for node in self._nodes.GetNodes():
            inner = node.GetNode()
            if inner.IsFeature() and inner.GetPrincipalInterfaceType() in _value_kinds(self._genicam):
                with contextlib.suppress(self._genicam.GenericException):
                    if self._genicam.IsReadable(node):
                        found[inner.GetName()] = node.ToString()
        return found


def _value_kinds(genicam: Any) -> tuple[int, ...]:
    return (genicam.intfIInteger, genicam.intfIBoolean, genicam.intfIFloat, genicam.intfIString, genicam.intfIEnumeration)


def _text(value: Scalar, enumeration: bool) -> str:
    """A value as GenICam reads it; YAML's unquoted On and Off arrive here as booleans."""
    if isinstance(value, bool):
        return ("Off", "On")[value] if enumeration else str(int(value))
    return str(value)


def _same(genicam: Any, node: Any, kind: int, value: Scalar) -> bool:
    """Whether the node holds `value`, to within its increment; a float without one to a thousandth."""
    if kind == genicam.intfIInteger:
        return bool(abs(node.GetValue() - float(value)) < node.GetInc())
    if kind == genicam.intfIFloat:
        step = node.GetInc() if node.HasInc() else 0.0
        return bool(abs(node.GetValue() - float(value)) <= max(step, 1e-3 * abs(float(value))))
    if kind == genicam.intfIBoolean:
        return bool(node.GetValue() == (_text(value, False).lower() in ("1", "true")))
    return bool(node.ToString() == _text(value, kind == genicam.intfIEnumeration))


def _allowed(genicam: Any, node: Any, kind: int) -> str:
    if kind == genicam.intfIEnumeration:
        return ", ".join(node.GetSymbolics())
    if kind in (genicam.intfIInteger, genicam.intfIFloat):
        step = f" in steps of {node.GetInc():g}" if kind == genicam.intfIInteger or node.HasInc() else ""
        return f"{node.GetMin():g} to {node.GetMax():g}{step}"
    return "what the camera's manual says"


def first_line(error: Exception) -> str:
    """GenICam's text without the place in its source."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(" : ")[0].rstrip(". ")
