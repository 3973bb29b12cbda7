"""What decision has been told is safe is there after a kill at any write, and after a power cut."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.nemesis.play import MEMORY
from tests.shared_data import ROOT

COMPILER = shutil.which("gcc") or shutil.which("cc")
KILLS = 60


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_nothing_that_was_told_safe_is_lost(tmp_path: Path) -> None:
    shim = tmp_path / "power.so"
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", shim, ROOT / "tests/fuzz/power.c", "-ldl"], check=True)
    with tempfile.TemporaryDirectory(prefix="glassline-power-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.power", shim, folder, "0", str(KILLS)],
            cwd=ROOT, env={**os.environ, "LD_PRELOAD": str(shim)}, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > KILLS // 2  # the others came to their end
