"""The `worker:` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from glass_core.settings.section import Section


class WorkerConfig(Section):
    """The process that scores."""

    backend: Literal["auto", "torch", "openvino", "tensorrt"] = "auto"
    precision: Literal["auto", "fp32", "fp16", "bf16", "int8"] = "auto"
    on_foreign_device: Literal["refuse", "recompile"] = "refuse"
    """What to do with a BUNDLE that was compiled for another device or library."""
    max_batch: int = Field(default=16, ge=1, le=256)
    batch_wait_ms: float = Field(default=5.0, ge=0)
    standby: bool = False
    """A second worker waits with its engine loaded and takes over when the first one dies or hangs."""
    threads: int | None = Field(default=None, ge=1)
