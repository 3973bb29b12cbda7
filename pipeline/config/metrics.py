"""The `metrics:` section."""

from __future__ import annotations

import re

from pydantic import field_validator

from glass_core.settings.section import Section
from pipeline.config.devices import split_address


class MetricsConfig(Section):
    """Where Prometheus finds a line's figures, at /metrics, and a supervisor of containers its health, at /health.

    Nothing there is secret from whoever may connect, and nothing can be changed; still it is this machine alone unless asked.
    """

    bind: str = "127.0.0.1:9109"
    """ADDRESS:PORT; 0.0.0.0:9109 is every network of this machine, [::1]:9109 an address of IPv6."""

    @field_validator("bind")
    @classmethod
    def _address(cls, bind: str) -> str:
        found = re.fullmatch(r"(?:[\d.]+|\[[\da-fA-F:.]+\]):([1-9]\d{0,4})", bind, re.ASCII)
        if not found or int(found[1]) > 65_535:
            raise ValueError(f"bind {bind}: ADDRESS:PORT is allowed, such as 127.0.0.1:9109 or 0.0.0.0:9109")
        return bind

    @property
    def address(self) -> tuple[str, int]:
        """Address and port."""
        return split_address(self.bind)
