"""What keeping pictures costs: `python -m tools.studies.recording`.

Four cameras send 25 pictures a second each, 100 MB/s by default, to the recording of a line, in a process of its own as in a
line. Told: how many it missed, how long a camera's process needs to hand over a picture, and the processor time it takes.
`--defects`: only what is around a defect is kept, one each four seconds. The files go to `--folder`, whose disk is measured.
`--freeze`: the recording is stopped in every other second, as a disk that hangs would stop it, and what a camera's process then
waits is told beside what it waits otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.line import LineConfig
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.frames import Frame
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.recording.reading import McapRecording
from pipeline.supervision.child import environment
from pipeline.supervision.spec import Spec

CAMERAS, FRAMES_PER_S = ("a", "b", "c", "d"), 25
WIDTH_PX = 2048
DEFECT_S = 4
STARTING_S = 3.0


def measure(folder: Path, mb_per_s: float, seconds: float, defects: bool, freeze: bool) -> dict[str, Any]:
    """Send so much for so long, and read it back."""
    rows = round(mb_per_s * 1e6 / (WIDTH_PX * FRAMES_PER_S * len(CAMERAS)))
    config = LineConfig.model_validate({
        "line": {"name": "recording"}, "model": folder, "cameras": [{"name": c, "source": "weave"} for c in CAMERAS],
        "recording": {"folder": folder / "kept", "before_s": 1, "after_s": 1, "rate": None if defects else 1000, "leave_gb": 0},
    })  # fmt: skip
    spec = Spec(
        role="recording", name="recording", generation=0, folder=folder / "link", config=config, supervisor_pid=os.getpid()
    )
    (folder / "spec.json").write_text(spec.model_dump_json(), encoding="utf-8")
    link = ZmqLink(folder / "link")
    air, boxes = link.broadcast(config.publisher.bind), {c: link.outbox("recording") for c in CAMERAS}
    words = [sys.executable, "-m", "pipeline.supervision.process", str(folder / "spec.json")]
    process = subprocess.Popen(words, env=environment())
    try:
        time.sleep(STARTING_S)
        air.joined()
        pictures = [np.random.default_rng(n).integers(100, 156, (rows, WIDTH_PX), np.uint8).tobytes() for n in range(8)]
        spent_s, began_ns, refused = _cpu_s(process.pid), time.monotonic_ns(), 0
        waits_ms: dict[bool, list[float]] = {False: [], True: []}  # by whether the recording is stopped
        for seq in range(round(seconds * FRAMES_PER_S)):
            due_ns = began_ns + seq * 1_000_000_000 // FRAMES_PER_S
            time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            frozen = freeze and seq // FRAMES_PER_S % 2 == 1
            if freeze and seq % FRAMES_PER_S == 0:
                process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)
            for nth, (camera, box) in enumerate(boxes.items()):
                now_ns = time.monotonic_ns()
                bad = defects and nth == 0 and seq % (DEFECT_S * FRAMES_PER_S) == DEFECT_S * FRAMES_PER_S // 2
                frame = Frame(
                    camera=camera, boot_id="b", seq=seq, t_mono_ns=now_ns, t_utc_ns=time.time_ns(), block_id=seq,
                    shape=(rows, WIDTH_PX), pixel_format="Mono8",
                )  # fmt: skip
                refused += not box.send(frame, pictures[(seq + nth) % len(pictures)])
                waits_ms[frozen].append((time.monotonic_ns() - now_ns) / 1e6)
                air.publish(_verdict(frame, seq * len(CAMERAS) + nth, bad))
        took_s = (time.monotonic_ns() - began_ns) / 1e9
        cpu = (_cpu_s(process.pid) - spent_s) / took_s
        process.send_signal(signal.SIGCONT)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
        link.close()
    kept = McapRecording(folder / "kept")
    sent = round(seconds * FRAMES_PER_S) * len(CAMERAS)
    return {
        "mb_per_s": round(sent * rows * WIDTH_PX / 1e6 / took_s, 1), "sent": sent, "refused": refused,
        "kept": sum(kept.count(c) for c in CAMERAS), "written_mb": sum(f.stat().st_size for f in kept.files) // 1_000_000,
        "send_ms": _quantiles(waits_ms[False]), "of_one_core": round(cpu, 3),
        **({"send_ms_frozen": _quantiles(waits_ms[True])} if freeze else {}),
    }  # fmt: skip


def _quantiles(waits_ms: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(waits_ms, q)), 2) for q in (50, 99)}


def _verdict(frame: Frame, number: int, bad: bool) -> Verdict:
    return Verdict(
        number=number, generation=0, camera=frame.camera, boot_id="b", seq=frame.seq, score=0.5, latency_ms=1,
        result=Result.DEFECT if bad else Result.PASS, t_mono_ns=frame.t_mono_ns + 1_000_000, t_utc_ns=0,
    )  # fmt: skip


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Print one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mb-per-s", type=float, default=100)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--defects", action="store_true", help="keep only what is around a defect")
    p.add_argument("--freeze", action="store_true", help="the recording is stopped in every other second")
    p.add_argument("--folder", type=Path, help="on the disk that is to be measured (default: the temporary folder)")
    args = p.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        print(json.dumps(measure(Path(folder), args.mb_per_s, args.seconds, args.defects, args.freeze)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
