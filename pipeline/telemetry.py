"""Small running figures that every stage may keep."""

from __future__ import annotations

import os
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.messages.passages import MAX_PASSAGES, SAMPLED, Passage, Step

WINDOW = 2048
GPU_INTERVAL_S = 1.0
SENDERS = 24
"""Told apart where messages are refused; a line has at most sixteen cameras and some other processes."""


class Percentiles:
    """p50, p95 and p99 of the latest values; constant memory."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=WINDOW)

    def __bool__(self) -> bool:
        return bool(self._values)

    def add(self, value: float) -> None:
        """One more value."""
        self._values.append(value)

    def report(self) -> dict[str, float]:
        """Empty before the first value."""
        if not self._values:
            return {}
        p50, p95, p99 = np.percentile(np.fromiter(self._values, float), [50, 95, 99])
        return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "p99": round(float(p99), 3)}


class Trail:
    """When sampled frames passed this process; what nobody takes is forgotten, the oldest first."""

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._passed: OrderedDict[tuple[str, str, int], dict[Step, int]] = OrderedDict()

    def mark(self, key: tuple[str, str, int], step: Step, at_ns: int | None = None) -> None:
        """A frame passes a step, now or at that time."""
        if key[2] % SAMPLED:
            return
        self._passed.setdefault(key, {})[step] = self._clock_ns() if at_ns is None else at_ns
        if len(self._passed) > MAX_PASSAGES:
            self._passed.popitem(last=False)

    def take(self) -> tuple[Passage, ...]:
        """What has passed since this was asked last."""
        passed, self._passed = self._passed, OrderedDict()
        return tuple(Passage(camera=c, boot_id=b, seq=n, steps=steps) for (c, b, n), steps in passed.items())


class Refusals:
    """Messages that were not taken, by the sender that they name; constant memory, whatever they name."""

    def __init__(self) -> None:
        self.by_sender: Counter[str] = Counter()

    def count(self, sender: str) -> None:
        """One more."""
        known = sender in self.by_sender or len(self.by_sender) < SENDERS
        self.by_sender[sender if known else "others"] += 1

    @property
    def total(self) -> int:
        """Of all senders."""
        return self.by_sender.total()

    @property
    def counters(self) -> dict[str, int]:
        """As figures for the screen."""
        return {f"refused {sender}": n for sender, n in self.by_sender.items()}


class Gpu:
    """What NVML says of the GPU that this process computes on; without a GPU or its library, nothing."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last: dict[str, float] = {}
        self._due_s = 0.0
        self.facts: dict[str, str] = {}
        """Its name and driver."""
        try:
            import pynvml

            pynvml.nvmlInit()
            chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]  # CUDA's first is NVML's so-and-so-many-eth
            by_number = chosen.isdigit()
            self._handle = (
                pynvml.nvmlDeviceGetHandleByIndex(int(chosen)) if by_number else pynvml.nvmlDeviceGetHandleByUUID(chosen)
            )
            self.facts = {
                "gpu": str(pynvml.nvmlDeviceGetName(self._handle)), "driver": str(pynvml.nvmlSystemGetDriverVersion()),
            }  # fmt: skip
        except Exception:  # no library, no driver, no such device: a line on a CPU
            self._handle = None

    def read(self) -> dict[str, float]:
        """Use in %, memory in MiB, power in W, clocks in MHz, temperature in degrees; asked once a second at most.

        What a device does not tell is left out.
        """
        if self._handle is None or time.monotonic() < self._due_s:
            return self._last
        import pynvml as n

        self._due_s = time.monotonic() + GPU_INTERVAL_S
        handle = self._handle
        asks = {
            "gpu_percent": lambda: n.nvmlDeviceGetUtilizationRates(handle).gpu,
            "gpu_memory_mib": lambda: n.nvmlDeviceGetMemoryInfo(handle).used >> 20,
            "gpu_w": lambda: n.nvmlDeviceGetPowerUsage(handle) / 1000,
            "gpu_clock_mhz": lambda: n.nvmlDeviceGetClockInfo(handle, n.NVML_CLOCK_SM),
            "gpu_memory_clock_mhz": lambda: n.nvmlDeviceGetClockInfo(handle, n.NVML_CLOCK_MEM),
            "gpu_celsius": lambda: n.nvmlDeviceGetTemperature(handle, n.NVML_TEMPERATURE_GPU),
        }
        self._last = {}
        for name, ask in asks.items():
            try:
                self._last[name] = float(ask())
            except n.NVMLError:  # this device does not tell
                continue
        return self._last
