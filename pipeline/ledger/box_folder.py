"""The folder of black boxes beside a ledger: so many files and bytes, the oldest make room for a new one.

It loads nothing but the standard library, so that a box is soon on the disk.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from glass_core.files.whole_file import whole_file

FOLDER = "black_boxes"
NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[A-Za-z0-9_-]{1,32}\.jsonl")
MAX_BOXES = 20
MAX_FOLDER_BYTES = 100_000_000
STALE_S = 120.0
"""A half-written box that is older has no writer any more."""
PACKAGES = ("glassline", "numpy", "opencv-python", "pyzmq", "pydantic", "torch", "openvino", "torch-tensorrt", "pypylon")


def box_path(ledger: Path, t_utc_ns: int, process: str) -> Path:
    """Where a box of that moment lies."""
    at = datetime.fromtimestamp(t_utc_ns / 1e9, UTC)
    return ledger.parent / FOLDER / f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z-{process}.jsonl"


def boxes(folder: Path) -> list[Path]:
    """The boxes beside the ledger of that folder, oldest first; OSError where nobody may look."""
    place = folder / FOLDER
    return sorted(p for p in place.iterdir() if NAME.fullmatch(p.name) and p.is_file()) if place.is_dir() else []


def keep_box(path: Path, entries: bytes) -> None:
    """Write a box whole, with how the machine is as its last line, after the oldest have made room; OSError otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _make_room(path, len(entries))
    with whole_file(path) as part:
        part.write_bytes(entries + json.dumps({"kind": "end", **_machine(path.parent)}).encode() + b"\n")


def page_of(box: Path) -> Path:
    """Where the page of a box that was opened alone lies: it goes when its box goes."""
    return box.with_suffix(".html")


def _make_room(path: Path, size: int) -> None:
    for part in path.parent.glob(".*.jsonl.part"):
        with suppress(OSError):  # somebody else took it away
            if time.time_ns() / 1e9 - part.stat().st_mtime > STALE_S:
                part.unlink()
    kept = [box for box in boxes(path.parent.parent) if box != path]
    sizes = [box.stat().st_size for box in kept]
    while kept and (len(kept) >= MAX_BOXES or sum(sizes) + size > MAX_FOLDER_BYTES):
        oldest = kept.pop(0)
        sizes.pop(0)
        oldest.unlink(missing_ok=True)
        page_of(oldest).unlink(missing_ok=True)


def _machine(folder: Path) -> dict[str, object]:
    versions = {"python": platform.python_version(), "kernel": platform.release()[:64]}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)[:64]
    return {
        "free_disk_bytes": shutil.disk_usage(folder).free, "available_memory_bytes": _available_bytes(), "versions": versions,
    }  # fmt: skip


def _available_bytes() -> int | None:
    """As Linux counts it: https://docs.kernel.org/filesystems/proc.html, MemAvailable."""
    with suppress(OSError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    return None
