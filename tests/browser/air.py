"""A line that is only air: it publishes what a test says, beats, and answers what it is told, as decision would."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.config.line import LineConfig
from pipeline.decision.handover import Handover
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.actions import Action
from pipeline.messages.cloth import Roll
from pipeline.messages.commands import Acknowledge, Answer, Bypass, Command, Reset, RollStart
from pipeline.messages.frames import Frame, ScoreMap
from pipeline.messages.line import CameraCounts, Heartbeat, LineState
from pipeline.messages.message import Message
from pipeline.messages.states import ActionKind, Cause, Phase, Result, StageState, State
from pipeline.messages.verdicts import Region, Verdict
from pipeline.supervision.left import Left, write_left
from pipeline.supervision.process import PROGRESS_NS
from pipeline.supervision.runtime_folder import runtime_folder
from tests.fakes import totals

FRAME_MM = 25.6
SECOND = 10**9


class Air:
    """A context manager: a line of that config from its start to its end; it began before its record, unless told otherwise."""

    starts = 0

    def __init__(
        self,
        config: LineConfig,
        roll_id: str = "R-7",
        begun_s: float = 1.0,
        generation: int = 0,
        picture: tuple[int, int] = (80, 160),
    ) -> None:
        self._begun_s, self._generation = begun_s, generation
        self._config, self._ended = config, threading.Event()
        self._unsaid: deque[Message] = deque()
        self._verdicts = self._shown = 0
        self._picture, self._noise = picture, np.random.default_rng(0)
        self.told: list[Command] = []
        self.open: dict[int, Action] = {}
        self.bypass = False
        self.state = LineState(
            number=0, generation=0, state=State.RUNNING, inspection_ok=True, t_mono_ns=0, t_utc_ns=0, detail=""
        )  # fmt: skip
        self.roll = roll(roll_id)

    def __enter__(self) -> Air:
        folder = runtime_folder(self._config.line.name)
        self._link = ZmqLink(folder)
        self._pictures = self._link.pictures()
        self._inbox, self._air = self._link.inbox("supervisor"), self._link.broadcast("ipc://auto")
        self._lock: IO[str] = (folder / "lock").open("a+")
        Air.starts += 1
        os.utime(folder / "lock", (0, self._begun_s + Air.starts * 1e-3))
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        names = [
            "recorder recorder",
            "decision decision",
            "worker worker",
            *(f"grabber {c.name}" for c in self._config.cameras),
        ]
        write_left(folder, Left(
            config_sha=self._config.sha, observe=False, begun_by=os.getpid(),
            generations=dict.fromkeys(names, self._generation), before=Handover(),
            states=dict.fromkeys(names, StageState.READY),
        ))  # fmt: skip
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        self._thread.join()
        self._link.close()
        self._lock.close()

    def say(self, *messages: Message) -> None:
        self._unsaid.extend(messages)

    def be(self, state: State, ok: bool = True, detail: str = "") -> None:
        self.state = self.state.model_copy(update={"state": state, "inspection_ok": ok, "detail": detail})
        self.say(self.state)

    def stop(self, event: int, camera: str = "left", kind: ActionKind = ActionKind.STOP) -> None:
        self.open[event] = Action(
            number=event, generation=0, event=event, kind=kind, cause=Cause.DEFECT, phase=Phase.NOW, camera=camera,
            start_mm=1000.0 * event, end_mm=1000.0 * event + 10, t_mono_ns=0,
        )  # fmt: skip
        self.say(self.open[event])

    def inspect(self, frames: int, defects: Iterable[int] = ()) -> None:
        """So many frames of each camera, with a defect in these of the first."""
        found = set(defects)
        for n in range(frames):
            for camera in self._config.cameras:
                defect = n in found and camera is self._config.cameras[0]
                self.say(verdict(self._verdicts, camera.name, FRAME_MM * n, self.roll.roll_id, defect))
                self._verdicts += 1
        self.count(frames)

    def count(self, frames: int, **changes: Any) -> None:
        counts = CameraCounts(
            frames=frames,
            passed=frames,
            defect=0,
            not_inspected=0,
            inspected_m=frames * FRAME_MM / 1000,
            lanes=(0.2,),
            last="PASS",
        )
        self.say(totals(
            verdicts=frames, passed=frames, inspected_m=frames * FRAME_MM / 1000, not_inspected_m=0.0,
            position_mm=FRAME_MM * frames, speed_mm_s=500.0, latency_ms={"p50": 41.0, "p95": 78.0, "p99": 92.0},
            cameras={c.name: counts for c in self._config.cameras}, **changes,
        ))  # fmt: skip

    def _run(self) -> None:
        beat_due_s = show_due_s = 0.0
        while not self._ended.is_set():
            while received := self._inbox.receive():
                assert isinstance(received[0], Command)
                self._answer(received[0])
            self._pictures.joined()
            if self._air.joined():
                for message in (self.state, self.roll, *self.open.values()):
                    self._air.publish(message)
            for _ in range(20):  # a thousand a second: more than any line says
                if not self._unsaid:
                    break
                self._air.publish(self._unsaid.popleft())
            if time.monotonic() >= beat_due_s:
                beat_due_s = time.monotonic() + 0.1
                self._air.publish(self._beat())
            if time.monotonic() >= show_due_s:
                show_due_s = time.monotonic() + PROGRESS_NS / SECOND
                self._show()
            self._link.wait(20)

    def _show(self) -> None:
        """What each camera sees: a weave that moves, with a spot at twice the threshold."""
        self._shown += 1
        height, width = self._picture
        rows, columns = np.indices(self._picture)
        weave = 110 + 20 * ((rows + self._shown) % 4 < 2) + 15 * (columns % 4 < 2)
        pixels = (weave + self._noise.integers(0, 12, self._picture)).astype(np.uint8)
        shares = np.full((height // 8, width // 8), 0.2, "<f4")
        shares[3, 12], shares[3, 13] = 2.0, 1.1
        pixels[24:32, 96:112] = 40
        cameras = self._config.cameras
        for camera in cameras:
            key = {"camera": camera.name, "boot_id": "b", "seq": self._shown}
            frame = Frame(**key, t_mono_ns=0, t_utc_ns=0, block_id=0, shape=pixels.shape, pixel_format="Mono8")
            scored = ScoreMap(
                **key, generation=0, weights_sha="w", engine_sha="e", score=0.9, lanes=(0.9,), tiles=1,
                frame_shape=pixels.shape, cells_shape=shares.shape,
            )  # fmt: skip
            self._pictures.publish(frame, pixels.tobytes())
            if camera is cameras[self._shown % len(cameras)]:  # the worker has one for all
                self._pictures.publish(scored, shares.tobytes(), pixels.tobytes())

    def _answer(self, word: Command) -> None:
        self.told.append(word.model_copy(update={"ticket": ""}))
        refused = ""
        match word:
            case Acknowledge():
                seen_to = [e for e in self.open if word.event in (None, e)]
                if word.event is not None and not seen_to:
                    refused = f"no event {word.event} is open"
                for event in seen_to:
                    self._air.publish(self.open.pop(event).model_copy(update={"phase": Phase.ACKNOWLEDGED}))
            case Bypass():
                self.bypass = word.on
            case Reset():
                self.be(State.RUNNING)
            case RollStart():
                self.roll = roll(word.roll_id, start_mm=5000.0)
                self._air.publish(self.roll)
        self._air.publish(self._beat())
        self._air.publish(Answer(number=0, generation=0, ticket=word.ticket, refused=refused, t_mono_ns=0))

    def _beat(self) -> Heartbeat:
        kinds = {a.kind for a in self.open.values()}
        return Heartbeat(
            number=0, generation=0, state=self.state.state, inspection_ok=self.state.inspection_ok, verdicts=self._verdicts,
            bypass=self.bypass, unacknowledged=tuple(k for k in ActionKind if k in kinds), t_mono_ns=0,
        )  # fmt: skip


def roll(roll_id: str, start_mm: float = 0.0) -> Roll:
    return Roll(
        number=0, generation=0, roll_id=roll_id, style="twill", start_mm=start_mm, cause="command", t_mono_ns=0, t_utc_ns=0
    )  # fmt: skip


def verdict(number: int, camera: str, start_mm: float, roll_id: str, defect: bool) -> Verdict:
    region = Region(
        x0_px=20, y0_px=20, x1_px=60, y1_px=40, score=0.9, x0_mm=4.0 + number % 40, x1_mm=8.0 + number % 40,
        y0_mm=start_mm + 4, y1_mm=start_mm + 6,
    )  # fmt: skip
    return Verdict(
        number=number, generation=0, camera=camera, boot_id="b", seq=number, result=Result.DEFECT if defect else Result.PASS,
        score=0.9 if defect else 0.2, regions=(region,) if defect else (), start_mm=start_mm, end_mm=start_mm + FRAME_MM,
        frame_shape=(128, 256), roll_id=roll_id, t_mono_ns=0, t_utc_ns=1_800_000_000 * SECOND + number * SECOND // 60,
    )  # fmt: skip


def write_config(folder: Path, cameras: int = 2) -> Path:
    """The YAML of such a line."""
    names = ("left", "right", "third", "fourth", "fifth", "sixth", "seventh", "eighth")[:cameras]
    entries = "".join(
        f"  - {{name: {n}, source: replay, path: {folder}, mm_per_px_x: 0.2, mm_per_px_y: 0.2, x_offset_mm: {51.2 * i}}}\n"
        for i, n in enumerate(names)
    )
    path = folder / "line.yaml"
    path.write_text(
        f"line: {{name: air, roll_id: R-7, style: twill}}\nstyles: {{twill: {{}}, satin: {{}}}}\ncameras:\n{entries}"
        f"ledger: {{path: {folder / 'ledger.sqlite'}}}\n"
    )
    return path
