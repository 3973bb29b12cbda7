"""What a process of the line may not do, as the kernel says it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipeline.config.line import LineConfig
from pipeline.supervision.child import Child, terminate
from pipeline.supervision.spec import Spec


def test_a_process_of_the_line_gains_no_rights_and_leaves_no_core(tmp_path: Path) -> None:
    config = LineConfig.model_validate({"model": "none", "motion": {"source": "simulated", "speed_mm_s": 60}})
    (tmp_path / "line").mkdir(0o700)
    child = Child("motion", "motion")
    spec = Spec(role="motion", name="motion", generation=0, supervisor_pid=os.getpid(), folder=tmp_path / "line", config=config)
    child.start(spec, time.monotonic_ns())
    assert child.process is not None
    held, status, limits = Path(f"/proc/{child.process.pid}"), "", ""
    end_s = time.monotonic() + 60
    try:
        while "NoNewPrivs:\t1" not in status or limits.split()[4:6] != ["0", "0"]:
            if child.process.poll() is not None or time.monotonic() > end_s:
                break
            time.sleep(0.05)
            status = (held / "status").read_text()
            limits = next(line for line in (held / "limits").read_text().splitlines() if line.startswith("Max core file size"))
    finally:
        terminate([child], time.monotonic() + 5, lambda: None)
        child.last_words()
    assert "NoNewPrivs:\t1" in status and limits.split()[4:6] == ["0", "0"]
