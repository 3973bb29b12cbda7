"""A line on an encoder of its own that is told of rolls and seams, runs back, and is restarted in between."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from pipeline.ledger.reading import read_events, read_rolls, read_verdicts
from pipeline.messages.cloth import Roll
from pipeline.messages.line import LineState
from pipeline.messages.states import EventKind, Result, State
from pipeline.report.roll import read_covered
from tests.line.test_line import Run, config, running

COUNTS_PER_MM = 10


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Encoder:
    """Sends its 15-bit count as datagrams whenever the line is stepped; `speed_mm_s` may change at any time."""

    def __init__(self, port: int) -> None:
        self.speed_mm_s, self.position_mm, self._at_s = 0.0, 0.0, time.monotonic()
        self._to = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._turn)  # a supervisor that starts a stage again may take its time
        self._thread.start()

    def _turn(self) -> None:
        while not self._ended.wait(0.01):
            now_s = time.monotonic()
            self.position_mm += self.speed_mm_s * (now_s - self._at_s)
            self._at_s = now_s
            self._socket.sendto(str(int(self.position_mm * COUNTS_PER_MM) % 2**15).encode(), self._to)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()


def told(run: Run, path: Path, *words: str) -> dict[str, object]:
    """What `glassline tell` prints, while the line goes on."""
    command = [sys.executable, "-m", "tools", "tell", str(path), "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        run.until(lambda: process.poll() is not None)
        assert process.returncode == 0 and process.stdout is not None
        answer: dict[str, object] = json.loads(process.stdout.read())
        return answer


def test_rolls_seams_reverse_and_restarts_on_an_encoder(model: Path, footage: Path, tmp_path: Path) -> None:
    port = free_port()
    motion = {"source": "udp", "listen": f"127.0.0.1:{port}", "counts_per_mm": COUNTS_PER_MM, "bits": 15, "max_speed_mm_s": 400}
    line = config(model, footage, tmp_path / "out", loop=True, motion=motion)
    slow = [c.model_copy(update={"rate": 8.0}) for c in line.cameras]
    line = line.model_copy(
        update={"cameras": tuple(slow), "line": line.line.model_copy(update={"roll_id": "R-1", "style": "twill"})}
    )
    path = tmp_path / "line.yaml"
    path.write_text(line.model_dump_json())
    encoder: Encoder | None = None
    try:
        with running(line) as run:
            run.until(lambda: (s := run.state()) is not None and "no count of the encoder yet" in s.detail)
            began_s = time.monotonic()
            run.until(lambda: time.monotonic() > began_s + 1.5)  # longer than silent_ms: it is awaited, and no fault
            assert Result.PASS not in {v.result for v in run.verdicts()}
            encoder = Encoder(port)
            run.until(lambda: run.line.ready and any(v.result is Result.PASS for v in run.verdicts()))
            assert State.FAULT not in {m.state for m in run.heard if isinstance(m, LineState)}
            encoder.speed_mm_s = 100.0
            run.until(lambda: encoder.position_mm > 400)
            begun = told(run, path, "roll", "start", "R-7", "--style", "twill")
            assert (begun["answer"], begun["roll_id"]) == ("Roll", "R-7")
            seam = told(run, path, "event", "SEAM", "--length-mm", "300")
            assert (seam["kind"], seam["action"]) == ("SEAM", "record")
            assert told(run, path, "bypass", "on")["state"] == State.BYPASS
            assert told(run, path, "bypass", "off")["state"] != State.BYPASS

            turn_mm = encoder.position_mm
            encoder.speed_mm_s = -100.0
            run.until(lambda: encoder.position_mm < turn_mm - 300)
            encoder.speed_mm_s = 100.0
            run.until(lambda: encoder.position_mm > turn_mm + 100)

            os.kill(run.pid("decision"), signal.SIGKILL)
            run.until(lambda: any(v.generation == 1 and v.result is Result.PASS and not v.rescan for v in run.verdicts()))
            run.until(lambda: any(isinstance(m, Roll) and m.generation == 1 for m in run.heard))
            encoder.speed_mm_s = 0.0
            again = [m for m in run.heard if isinstance(m, Roll) and m.generation == 1]
            assert (again[-1].roll_id, again[-1].style, again[-1].start_mm) == ("R-7", "twill", begun["start_mm"])
    finally:
        if encoder is not None:
            encoder.close()
    ledger = line.ledger.path
    verdicts = list(read_verdicts(ledger))
    back = [v for v in verdicts if v.rescan]
    assert len(back) > 8 and all(v.seq is not None for v in back)
    placed = [v for v in verdicts if v.start_mm is not None and v.end_mm is not None]
    assert {v.roll_id for v in placed if (v.start_mm + v.end_mm) / 2 < begun["start_mm"]} == {"R-1"}  # type: ignore[operator]
    assert {v.roll_id for v in placed if v.start_mm > begun["start_mm"]} == {"R-7"}  # type: ignore[operator]
    assert any(v.event is EventKind.SEAM for v in verdicts)
    assert [e.kind for e in read_events(ledger)] == [EventKind.SEAM]
    assert [r.roll_id for r in read_rolls(ledger)][:2] == ["R-1", "R-7"]
    metres = read_covered(ledger).metres
    assert metres is not None
    furthest = max(v.end_mm for v in placed)
    first = min(v.start_mm for v in placed)
    assert abs(metres.inspected_mm + metres.not_inspected_mm - (furthest - first)) < 60
